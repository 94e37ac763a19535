/** A batch that is handed over again, and one that comes too late: clauses W4, C2. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import type { Bench } from './bench'
import { accepted, clear, conflict, remove, revisionOf, set, Writer } from './writes'

export function retries(test: Define<Bench>): void {
  test('W4 a batch that is repeated is accepted once, and has the same answer', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    const batch = new Writer().batch([set('a', 1), remove('never'), set('b', 1), set('c', 1), remove('c')])
    const first = await one.send(batch)
    await two.accepted(set('a', 2))
    const between = await two.accepted(remove('b'))
    // The same process again, and another one, as after a reconnect.
    for (const peer of [one, two]) {
      const again = (await peer.send(batch)).map((outcome) => accepted(outcome, 'a repeated write'))
      // A store that keeps the last write of a key only may not know the place of an earlier one of the batch.
      for (const i of [0, 2, 4]) same(revisionOf(again[i] as never), revisionOf(first[i] as never), `write ${i}, again`)
      same([again[1]?.existed, again[4]?.existed], [false, true], 'whether the deletes found something, again')
    }
    const { n } = await two.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await one.read()])
      same(items, { a: { value: 2 }, fence: { value: 1 } }, 'the items that are told')
    must(n > between.n, 'the fence comes later', { n, between })
  })

  test('W4 W5 a clear that is repeated does not delete what was set since', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1))
    const batch = new Writer().batch([clear])
    const first = accepted((await one.send(batch))[0], 'a clear')
    await two.accepted(set('b', 1))
    const again = accepted((await one.send(batch))[0], 'the same clear')
    must(again.n <= first.n, 'it names the same revision, or an earlier one', { first, again })
    same((await two.read()).items, { b: { value: 1 } }, 'what a joiner is told')
  })

  test('W4 X1 the ttl of a set that is repeated counts from its acceptance', async (bench) => {
    const [one, two] = await bench.two()
    const batch = new Writer().batch([set('a', 1, { ttlMs: 600_000 })])
    await one.send(batch)
    await bench.pass(300)
    const again = accepted((await one.send(batch))[0], 'the same set')
    must(
      typeof again.leftMs === 'number' && again.leftMs <= 599_750 && again.leftMs > 500_000,
      'the answer gives the time that is left, about 599,700 ms',
      again,
    )
    const told = (await two.read()).newest.get('a')?.leftMs
    must(typeof told === 'number' && told <= 599_750, 'the item has the time that is left', told)
  })

  test('W4 a batch with a lower sequence is refused, and changes nothing', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    const writer = new Writer()
    const first = writer.batch([set('a', 1), set('b', 1)])
    const places = (await one.send(first)).map((outcome) => accepted(outcome, 'sequence 1').n)
    await one.send(writer.batch([set('a', 2)], 7)) // with a gap
    await one.send(writer.batch([remove('b')], 8))
    // A writer is of one process: the store need not know it from another one.
    const late = writer.batch([set('a', 3), set('late', 3)], 5)
    const { stored } = await refused(one.send(late), 'STORE_REFUSED')
    same(stored, 'no', 'what the refusal of sequence 5 says of stored')
    // The store may also know a batch again that it accepted so long ago.
    const outcomes = await one.send(first).catch((error) => refused(Promise.reject(error), 'STORE_REFUSED'))
    if (Array.isArray(outcomes)) {
      const again = outcomes.map((outcome) => accepted(outcome, 'sequence 1, again').n)
      same(again, places, 'the answer to sequence 1')
    }
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await one.read()])
      same(items, { a: { value: 2 }, fence: { value: 1 } }, 'the items that are told')
    accepted((await one.send(writer.batch([set('a', 4)], 9)))[0], 'the next sequence')
  })

  test('W4 each writer has sequences of its own, in each collection', async (bench) => {
    const peer = await bench.peer()
    const [high, low] = [new Writer(), new Writer()]
    const other = { ...bench.id, collection: 'other' }
    await peer.send(high.batch([set('a', 1)], 1000))
    await peer.send(low.batch([set('a', 2)], 1))
    await peer.send(high.batch([set('a', 3)], 1), other)
    same((await peer.read()).items, { a: { value: 2 } }, 'what a joiner is told')
    same((await peer.read(null, other)).items, { a: { value: 3 } })
    await peer.send(high.batch([set('b', 1)], 1001))
    same((await peer.read()).items, { a: { value: 2 }, b: { value: 1 } }, 'what a joiner is told')
  })

  test('W4 a thousand batches of a writer are each accepted, and the last one is still recognised', async (bench) => {
    const peer = await bench.peer()
    const writer = new Writer()
    let batch = writer.batch([set('a', 0)])
    for (let i = 1; i <= 1000; i++) {
      batch = writer.batch([set('a', i)])
      await peer.send(batch)
    }
    await (await bench.peer()).accepted(remove('a'))
    await peer.send(batch)
    same((await peer.read()).items, {}, 'what a joiner is told')
  })

  test('C2 a conditional write that is repeated does not conflict with itself', async (bench) => {
    const [one, two] = await bench.two()
    const { epoch, n } = await one.accepted(set('a', 1))
    const revision = { epoch, n }
    const batch = new Writer().batch([set('a', 2, { if: revision }), set('b', 1, { if: null }), set('c', 1)])
    const first = (await one.send(batch)).map((outcome) => accepted(outcome, 'a conditional write'))
    const again = (await two.send(batch)).map((outcome) => accepted(outcome, 'a conditional write, again'))
    same(again.map(revisionOf), first.map(revisionOf), 'the revisions, again')
    const gone = new Writer().batch([remove('a', { if: revisionOf(first[0] as never) })])
    for (const peer of [one, two]) accepted((await peer.send(gone))[0], 'a conditional delete, twice')
    same((await one.read()).items, { b: { value: 1 }, c: { value: 1 } }, 'what a joiner is told')
  })

  test('C2 W4 a repeated batch with a conflict writes nothing twice', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1))
    const batch = new Writer().batch([set('a', 2, { if: null }), set('b', 1)])
    const first = await one.send(batch)
    conflict(first[0], 'a set of a key that is there')
    await two.accepted(remove('b'))
    same(accepted((await one.send(batch))[1], 'the other write').n, accepted(first[1], 'the other write').n)
    same((await two.read()).items, { a: { value: 1 } }, 'what a joiner is told')
  })

  test('W4 a write whose answer was lost is accepted once', ['cut', 'heal'], async (bench) => {
    const [one, two] = await bench.two()
    const writer = new Writer()
    let stored = 0
    for (let i = 1; i <= 10; i++) {
      await two.accepted(set('a', 0))
      const batch = writer.batch([remove('a'), set('b', i)])
      const settled = one.send(batch).then(
        () => 'accepted',
        ({ code, stored }) => `${code} ${stored}`,
      )
      if (i % 2 === 0) await Promise.resolve()
      await bench.do('cut', one.transport)
      const outcome = await settled
      must(
        /^accepted|^DISCONNECTED/.test(outcome),
        'a write that is cut off is accepted, or rejects with DISCONNECTED',
        outcome,
      )
      if (outcome === 'DISCONNECTED no') same((await two.read()).valueOf('a'), 0, 'what was certainly not stored')
      await bench.do('heal', one.transport)
      await one.isUp()
      const retried = (await one.send(batch)).map((each) => accepted(each, 'the retry'))
      same(retried[0]?.existed, true, 'the delete found the item when it took effect')
      same((await two.read()).items, { b: { value: i } }, 'what a joiner is told')
      stored++
    }
    same(stored, 10)
  })
}
