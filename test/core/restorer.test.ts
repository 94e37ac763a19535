/** What a replica does about a loss, as a subscription has it done. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { disconnected, entry, things, tombstone, turn, unauthorized } from '../support/fake-transport'
import { at, historyOf } from '../support/revisions'
import { afterLoss, liveSubscription, SubscriptionBench } from '../support/subscription-bench'

const test = suite('restorer')

const items = (count: number) => Array.from({ length: count }, (_, i) => entry(`key ${i}`, i + 1, {}))

const keysOf = (bench: SubscriptionBench) => bench.transport.merges.map(({ keys }) => [...keys].sort())

test('K7 what the store lost is offered with its revisions and the last common place, and ready tells of it', async () => {
  const bench = afterLoss()
  assert.equal(bench.state, 'stale')
  const { id, base, entries } = bench.transport.merging
  assert.deepEqual(id, things)
  assert.deepEqual(base, { epoch: '', n: 0 }, 'the store has nothing in common with what it was')
  assert.deepEqual(
    [...entries].sort((one, other) => one.n - other.n),
    [entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 })],
  )
  assert.deepEqual(bench.log(), [], 'not ready while something is lost')
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), ['ready resync 2, lost 2, restored 2'])
  assert.equal(bench.state, 'live')
  assert.equal(bench.clock.pending, 0)
})

test('K7 the base is the last place that the store has in common with the replica', () => {
  const bench = liveSubscription()
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([entry('a', 1, { v: 1 })], 'e2.1', { e1: 0, e2: 1 })
  bench.clock.advance(250)
  assert.deepEqual(bench.transport.merging.base, at(1))
  assert.deepEqual(keysOf(bench), [['b']])
})

test('K7 it begins within 250 ms, at random, so that not all replicas offer everything at once', () => {
  const waits = Array.from({ length: 40 }, () => {
    const bench = liveSubscription()
    bench.session.sink.stale(disconnected())
    bench.nextSession()
    bench.session.snapshot([], 'e2.0')
    assert.equal(bench.transport.merges.length, 0)
    const { wait = 0 } = bench.clock
    bench.clock.advance(250)
    assert.equal(bench.transport.merges.length, 1)
    return wait
  })
  assert.ok(new Set(waits).size > 5, `spread: ${waits}`)
})

test('K7 it is offered 500 at a time, each once, in an order of its own', async () => {
  const bench = afterLoss(items(1200))
  await bench.transport.merging.accept('e2.1')
  await bench.transport.merging.accept('e2.501')
  await bench.transport.merging.accept('e2.1001')
  const sizes = bench.transport.merges.map(({ keys }) => keys.length)
  assert.deepEqual(sizes, [500, 500, 200])
  const keys = bench.transport.merges.flatMap((merge) => merge.keys)
  assert.equal(new Set(keys).size, 1200)
  assert.ok(keys.filter((key, i) => key === `key ${i}`).length < 100, 'another order than the other replicas have')
  assert.deepEqual(bench.log(), ['ready resync 1200, lost 1200, restored 1200'])
})

test('K7 a part has a megabyte at most, unless one entry alone has more', async () => {
  const large = (key: string, n: number, length: number) => entry(key, n, { text: 'é'.repeat(length / 2) })
  const bench = afterLoss([
    ...Array.from({ length: 7 }, (_, i) => large(`key ${i}`, i + 1, 400_000)),
    large('huge', 8, 3_000_000),
    tombstone('gone', 9),
  ])
  for (let n = 1; bench.state !== 'live'; n += 3) await bench.transport.merging.accept(`e2.${n}`)
  const { merges } = bench.transport
  assert.deepEqual(merges.flatMap(({ keys }) => keys).sort(), [
    'gone',
    'huge',
    ...Array.from({ length: 7 }, (_, i) => `key ${i}`),
  ])
  for (const { entries } of merges) {
    const bytes = entries.reduce((sum, { item }) => sum + Buffer.byteLength(JSON.stringify(item)), 0)
    assert.ok(entries.length === 1 || bytes <= 1024 * 1024, `${entries.length} entries have ${bytes} bytes`)
  }
  assert.ok(merges.length <= 6, 'two of the smaller ones fit')
})

test('K7 one part is in flight at a time', async () => {
  const bench = afterLoss(items(1200))
  bench.clock.advance(60_000)
  await turn()
  assert.equal(bench.transport.merges.length, 1)
})

test('K7 what it offers is told by the store before the answer comes: it is restored all the same, once', async () => {
  const bench = afterLoss([entry('a', 1, { v: 1 })])
  bench.session.changes(entry('a', 1, { v: 1 }, { place: 'e2.1' }))
  assert.deepEqual(bench.log(), ['ready resync 1, lost 1, restored 1'])
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), [])
})

test('K7 what others have restored need not be offered; what they have written since wins', async () => {
  const bench = afterLoss()
  bench.session.sink.entries([entry('a', 1, { v: 1 }, { place: 'e2.1' })])
  assert.deepEqual(bench.log(), [])
  bench.session.sink.entries([entry('b', 'e2.2', { v: 'new' })])
  assert.deepEqual(bench.log(), ['set b live', 'ready resync 2, lost 2, restored 1'])
  await bench.transport.merging.refuse()
  assert.deepEqual(bench.log(), [])
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 'new' } })
  assert.equal(bench.clock.pending, 0)
})

test('K7 what others have restored while a part was in flight is not offered with the next', async () => {
  const bench = afterLoss(items(600))
  const offered = new Set(bench.transport.merging.keys)
  const rest = items(600).filter(({ key }) => !offered.has(key))
  bench.session.sink.entries(rest.slice(0, 99).map((each, i) => ({ ...each, place: at(`e2.${i + 1}`) })))
  await bench.transport.merging.accept('e2.101')
  assert.equal(bench.transport.merging.keys.length, 1)
})

test('K7 what the store refuses counts as the store has it', async () => {
  const bench = afterLoss()
  const { merging } = bench.transport
  const answers = { a: { current: null }, b: { current: entry('b', 'e2.5', { v: 'newer' }) } }
  await merging.answer(merging.keys.map((key) => answers[key as 'a' | 'b']))
  assert.deepEqual(bench.log().sort(), ['delete a resync', 'ready resync 1, lost 2, restored 0', 'set b resync'])
  assert.deepEqual(bench.contents, { b: { v: 'newer' } })
})

test('K7 with the policy accept, nothing is offered: what is gone is deleted', () => {
  const bench = afterLoss(undefined, { dataLoss: 'accept' })
  assert.equal(bench.transport.merges.length, 0)
  assert.deepEqual(bench.log(), ['delete a resync', 'delete b resync', 'ready resync 0, lost 2, restored 0'])
})

test('K7 a replica that was away for longer than deletes are remembered offers nothing', () => {
  const late = afterLoss(undefined, { retention: 10_000, away: 10_001 })
  assert.equal(late.transport.merges.length, 0)
  assert.deepEqual(late.log(), ['delete a resync', 'delete b resync', 'ready resync 0, lost 2, restored 0'])
  assert.equal(afterLoss(undefined, { retention: 10_000, away: 9000 }).transport.merges.length, 1)
})

test('K7 deletes are offered, too', async () => {
  const bench = liveSubscription()
  bench.session.changes(tombstone('a', 3))
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 })], 'e2.2', { e1: 0, e2: 2 })
  bench.clock.advance(250)
  assert.deepEqual(bench.transport.merging.entries, [tombstone('a', 3)])
  await bench.transport.merging.accept('e2.3')
  assert.deepEqual(bench.contents, { b: { v: 2 } })
  assert.equal(bench.state, 'live')
})

test('K7 an own write that is answered out of an epoch that is over is offered, though the replica is live', async () => {
  const bench = liveSubscription()
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.delta([], 'e2.2', { e1: 0, e2: 2 })
  bench.log()
  bench.acceptSet('c', 'acknowledged', 3)
  bench.acceptDelete('a', 4)
  assert.equal(bench.state, 'live')
  bench.clock.advance(250)
  assert.deepEqual(keysOf(bench), [['a', 'c']])
  await bench.transport.merging.accept('e2.3')
  assert.deepEqual(bench.contents, { b: { v: 2 }, c: { v: 'acknowledged' } })
  assert.deepEqual(bench.log(), ['set c live', 'delete a live'])
  assert.equal(bench.clock.pending, 0)
})

test('K7 what is lost while a part is in flight is offered after it', async () => {
  const bench = afterLoss([entry('a', 1, {})])
  bench.acceptSet('late', 'acknowledged', 9)
  await bench.transport.merging.accept('e2.1')
  bench.clock.advance(250)
  assert.deepEqual(keysOf(bench), [['a'], ['late']])
  await bench.transport.merging.accept('e2.2')
  assert.equal(bench.state, 'live')
})

test('K7 an acknowledged write of a replica without contents is offered once it has them', async () => {
  const bench = new SubscriptionBench()
  bench.acceptSet('a', 'acknowledged', 'e0.1')
  bench.session.snapshot([], 'e1.0')
  bench.clock.advance(250)
  assert.deepEqual(bench.transport.merging.entries, [entry('a', 'e0.1', { v: 'acknowledged' })])
  await bench.transport.merging.accept('e1.1')
  assert.deepEqual(bench.log(), ['set a live', 'ready snapshot 1, lost 1, restored 1'])
})

test('E4 what the store has instead belongs to the first contents until the replica is ready', async () => {
  const bench = new SubscriptionBench()
  bench.acceptDelete('a', 'e0.2')
  bench.session.snapshot([], 'e1.0')
  bench.clock.advance(250)
  await bench.transport.merging.refuse(entry('a', 'e1.1', { v: 'newer' }))
  assert.deepEqual(bench.log(), ['set a snapshot', 'ready snapshot 1, lost 1, restored 0'])
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([], 'e2.0')
  bench.clock.advance(250)
  await bench.transport.merging.refuse(entry('a', 'e2.1', { v: 'newest' }))
  assert.deepEqual(bench.log(), ['stale DISCONNECTED', 'set a resync', 'ready resync 1, lost 1, restored 0'])
})

// Expiry meanwhile

test('X1 an item expires in time while it is lost', async () => {
  const bench = afterLoss([entry('a', 1, { v: 1 }, { leftMs: 1000 })])
  await bench.transport.merging.fail(disconnected())
  bench.clock.advance(500)
  assert.deepEqual(bench.log(), ['report DISCONNECTED', 'expire a live'])
  bench.clock.advance(500)
  assert.deepEqual(bench.transport.merging.entries, [tombstone('a', 1, 'expire')])
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), ['ready resync 0, lost 1, restored 1'])
})

test('X3 an item that expires while it is offered emits nothing else', async () => {
  const bench = afterLoss([entry('a', 1, { v: 1 }, { leftMs: 1000 })])
  bench.clock.advance(1000)
  await bench.transport.merging.accept('e2.1')
  bench.session.changes(tombstone('a', 1, 'expire', 'e2.1'))
  assert.deepEqual(bench.log(), ['expire a live', 'ready resync 0, lost 1, restored 1'])
})

test('R3 a listener may stop it when something expires that was to be offered', () => {
  const bench = liveSubscription([entry('a', 1, {}, { leftMs: 400 })])
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([], 'e2.0')
  bench.clock.pass(400)
  bench.told = () => bench.subscription.stop()
  bench.log()
  bench.clock.advance(250)
  assert.deepEqual(bench.log(), ['expire a live'])
  assert.equal(bench.transport.merges.length, 0)
  assert.equal(bench.clock.pending, 0)
})

// Faults

test('K7 if the store refuses the merge, that is reported and tried again after a second; nothing is given up', async () => {
  const bench = afterLoss()
  for (let attempt = 1; attempt <= 5; attempt++) {
    assert.equal(bench.transport.merges.length, attempt)
    await bench.transport.merging.fail(new MemisError('STORE_REFUSED', 'out of memory'))
    assert.deepEqual(bench.log(), ['report STORE_REFUSED'])
    bench.clock.advance(999)
    assert.equal(bench.transport.merges.length, attempt)
    bench.clock.advance(1)
  }
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 } })
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), ['ready resync 2, lost 2, restored 2'])
  assert.equal(bench.clock.pending, 0)
})

for (const code of ['UNAUTHORIZED', 'READ_ONLY'] as const) {
  test(`K7 a client that is refused with ${code} leaves it to others, and after 2 s takes the word of the store`, async () => {
    const bench = afterLoss()
    await bench.transport.merging.fail(new MemisError(code, 'no'))
    bench.session.sink.entries([entry('a', 1, { v: 1 }, { place: 'e2.1' })])
    bench.clock.advance(1999)
    assert.deepEqual(bench.log(), code === 'READ_ONLY' ? [] : [`report ${code}`])
    assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 } })
    bench.clock.advance(1)
    bench.nextSession()
    assert.equal(bench.session.from, null, 'only a snapshot tells what the store has instead')
    bench.session.snapshot([entry('a', 1, { v: 1 }, { place: 'e2.1' })], 'e2.1')
    assert.deepEqual(bench.log(), ['report OUT_OF_TOUCH', 'delete b resync', 'ready resync 1, lost 2, restored 1'])
    assert.equal(bench.transport.merges.length, 1)
  })
}

test('K7 it does not give up if the others have restored everything in time', async () => {
  const bench = afterLoss()
  await bench.transport.merging.fail(unauthorized())
  bench.session.sink.entries([entry('a', 1, { v: 1 }, { place: 'e2.1' }), entry('b', 2, { v: 2 }, { place: 'e2.2' })])
  bench.clock.advance(2000)
  assert.deepEqual(bench.log(), ['report UNAUTHORIZED', 'ready resync 2, lost 2, restored 2'])
  assert.equal(bench.transport.sessions.length, 2)
})

test('K7 if touch is lost while something is offered, it begins again with the next session', async () => {
  const bench = afterLoss()
  const first = bench.transport.merging
  bench.session.sink.stale(disconnected())
  assert.equal(bench.clock.pending, 1, 'only the timer for the next session')
  bench.nextSession()
  bench.session.delta([], 'e2.0')
  bench.clock.advance(250)
  assert.equal(bench.transport.merges.length, 2)
  await first.fail(disconnected())
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), ['report DISCONNECTED', 'ready resync 2, lost 2, restored 2'])
})

test('K7 an answer from a session that is over decides nothing in the next', async () => {
  const bench = afterLoss(items(600))
  const first = bench.transport.merging
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([], 'e2.0')
  bench.clock.advance(250)
  bench.log()
  await first.refuse()
  assert.equal(Object.keys(bench.contents).length, 600)
  assert.deepEqual(bench.log(), [])
  await bench.transport.merging.accept('e2.1')
  await bench.transport.merging.accept('e2.501')
  assert.deepEqual(bench.log(), ['ready resync 600, lost 600, restored 600'])
})

test('K7 who does not restore any more asks for a snapshot, since a delta does not tell what the store has instead', () => {
  const bench = afterLoss(undefined, { retention: 10_000 })
  bench.subscription.linkDown(disconnected())
  bench.clock.advance(10_001)
  bench.subscription.linkUp()
  bench.nextSession()
  assert.notEqual(bench.session.from, null)
  bench.session.sink.begin('delta', historyOf({ e2: 0 }))
  bench.nextSession()
  assert.equal(bench.session.from, null)
  bench.session.snapshot([entry('a', 'e2.1', { v: 'the store has this' })])
  assert.deepEqual(bench.contents, { a: { v: 'the store has this' } })
  assert.equal(bench.state, 'live')
})

test('H1 a transport that answers a merge with nonsense is reported, and asked again after a second', async () => {
  const bench = afterLoss([entry('a', 1, { v: 1 })])
  const nonsense = [[], [null], undefined, null] as never[]
  for (const answer of nonsense) {
    await bench.transport.merging.answer(answer)
    assert.deepEqual(bench.log(), ['report STORE_REFUSED'], JSON.stringify(answer))
    bench.clock.advance(1000)
  }
  await bench.transport.merging.fail(new TypeError('a bug'))
  assert.deepEqual(bench.log(), ['report STORE_REFUSED'])
  bench.clock.advance(1000)
  assert.deepEqual(bench.contents, { a: { v: 1 } })
  await bench.transport.merging.accept('e2.1')
  assert.deepEqual(bench.log(), ['ready resync 1, lost 1, restored 1'])
})

test.run()
