/** The first case, and the order of the log: clauses W1, W4, K1, S2. */
import { batchLimit } from '../../core/transport'
import { must, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Bench } from './bench'
import { accepted, clear, remove, revisionOf, set, setItem, Writer } from './writes'

export function basics(test: Define<Bench>): void {
  test('W1 K1 a write is accepted, a watcher is told, and a joiner finds it', async (bench) => {
    const writer = await bench.peer({}, 0.4 * bench.patience)
    const reader = await bench.peer()
    const follower = await reader.follow()
    same([follower.mode, follower.items], ['snapshot', {}], 'an empty collection')
    const { epoch, n } = await writer.accepted(set('a', 1))
    await follower.reached(n)
    const joiner = await reader.read()
    for (const { mode, newest, cursor, history } of [follower, joiner]) {
      const told = newest.get('a')
      same(
        [mode, told?.item, told?.leftMs],
        ['snapshot', { value: 1 }, null],
        'how the session begins, and what it tells',
      )
      same(told && revisionOf(told), { epoch, n }, 'the revision that is told is the one that was answered')
      same([cursor?.epoch, history.at(-1)?.id], [epoch, epoch], 'the epoch of a new store')
    }
    const gone = await writer.accepted(remove('a'))
    must(gone.existed === true, 'the delete found the item', gone)
    await follower.reached(gone.n)
    same([follower.newest.get('a')?.item, follower.newest.get('a')?.cause], [null, 'delete'])
    same((await reader.read()).items, {}, 'what a joiner is told after the delete')
  })

  test('W4 each write takes a higher place, whoever writes', async (bench) => {
    const [one, two] = await bench.two()
    let last = 0
    for (let i = 0; i < 20; i++) {
      const outcomes = await (i % 2 === 0 ? one : two).write([set('a', i), set('b', i), set(`key ${i}`, i)])
      for (const outcome of outcomes) {
        const { n } = accepted(outcome, 'a set')
        must(n > last, `a later write takes a higher place than ${last}`, n)
        last = n
      }
    }
  })

  test('W4 the writes of a batch take effect in their order, per key', async (bench) => {
    const [writer, reader] = await bench.two()
    const outcomes = await writer.write([
      ...[set('a', 1), set('b', 1), remove('a'), set('a', 2), remove('b'), remove('b'), set('c', 1), set('c', 2)],
      ...[remove('never'), set('d', 1), remove('d'), set('d', 2)],
    ])
    same((await reader.read()).items, { a: { value: 2 }, c: { value: 2 }, d: { value: 2 } }, 'what a joiner is told')
    const deletes = [2, 4, 5, 8, 10].map((i) => accepted(outcomes[i], `write ${i}`).existed)
    same(deletes, [true, true, false, false, true], 'whether each delete found an item')
  })

  test('W4 if several processes write the same keys, the highest revision stays', async (bench) => {
    const peers = [await bench.peer(), await bench.peer(), await bench.peer()]
    const follower = await (peers[0] as (typeof peers)[0]).follow()
    const written: { key: string; value: string; n: number }[] = []
    await Promise.all(
      peers.map(async (peer, i) => {
        for (let batch = 0; batch < 20; batch++) {
          const writes = [0, 1, 2].map((key) => ({ key: `key ${key}`, value: `${i}/${batch}` }))
          const outcomes = await peer.write(writes.map(({ key, value }) => set(key, value)))
          outcomes.forEach((outcome, w) => {
            written.push({ ...(writes[w] as (typeof writes)[0]), n: accepted(outcome, 'a set').n })
          })
        }
      }),
    )
    must(new Set(written.map(({ n }) => n)).size === written.length, 'no place is taken twice', written)
    const last = Object.fromEntries(written.sort((a, b) => a.n - b.n).map(({ key, value }) => [key, { value }]))
    await follower.reached(written.at(-1)?.n)
    same(follower.items, last, 'what a watcher knows')
    same((await (peers[1] as (typeof peers)[0]).read()).items, last, 'what a joiner is told')
  })

  test('W4 K1 a watcher is told each key in the order of its revisions', async (bench) => {
    const [writer, reader] = await bench.two()
    const follower = await reader.follow()
    let n = 0
    for (let i = 1; i <= 50; i++) n = (await writer.accepted(i % 7 === 0 ? remove('a') : set('a', i))).n
    await follower.reached(n)
    const revisions = follower.lists.flatMap(({ entries }) => entries.map((entry) => entry.n))
    same(
      revisions,
      [...revisions].sort((a, b) => a - b),
      'the revisions of one key, as they were told',
    )
    same(follower.valueOf('a'), 50, 'what a watcher is told')
  })

  test('S2 a watcher is told every value of a key', async (bench) => {
    const [writer, reader] = await bench.two()
    const follower = await reader.follow()
    let n = 0
    for (const outcome of await writer.write([set('a', 1), set('a', 2), remove('a'), set('a', 3)])) {
      n = accepted(outcome, 'the batch').n
    }
    for (let value = 4; value <= 8; value++) n = (await writer.accepted(set('a', value))).n
    await follower.reached(n)
    same(follower.valuesOf('a'), [1, 2, null, 3, 4, 5, 6, 7, 8], 'what a watcher is told')
  })

  test('W4 a batch may have as many writes and bytes as the interface allows', async (bench) => {
    const [writer, reader] = await bench.two()
    const follower = await reader.follow()
    const many = await writer.write(Array.from({ length: batchLimit }, (_, i) => set(`key ${i}`, i)))
    for (const [i, outcome] of many.entries()) accepted(outcome, `write ${i} of ${batchLimit}`)
    const text = 'x'.repeat(100_000)
    const large = await writer.write(Array.from({ length: 10 }, (_, i) => set(`large ${i}`, text)))
    const { n } = accepted(large.at(-1), 'a batch of 1,000,000 bytes')
    await follower.reached(n)
    for (const { items } of [follower, await reader.read()]) {
      same(Object.keys(items).length, batchLimit + 10, 'the items that are told')
      same([items['key 999'], items['large 9']], [{ value: 999 }, { value: text }])
    }
  })

  test('W5 a clear deletes everything that was placed before it, and nothing else', async (bench) => {
    const [writer, reader] = await bench.two()
    const follower = await reader.follow()
    const timed = { ttlMs: 60_000 }
    await writer.accepted(set('a', 1), set('b', 1, timed), set('timed', 1, timed), set('gone', 1), remove('gone'))
    const before = await writer.accepted(set('c', 1))
    const cleared = await writer.accepted(clear)
    must(cleared.n >= before.n && cleared.epoch === before.epoch, 'its revision is not before those that it deleted', {
      before,
      cleared,
    })
    const after = await writer.accepted(set('b', 2))
    must(after.n > cleared.n, 'what is set later has a later revision', { cleared, after })
    await follower.reached(after.n)
    for (const { items } of [follower, await reader.read()]) same(items, { b: { value: 2 } }, 'the items that are told')
    for (const key of ['a', 'c', 'timed']) {
      const told = follower.newest.get(key)
      must(told?.item === null && told.cause === 'delete' && told.n <= cleared.n, `${key} is told as deleted`, told)
    }
    const again = await writer.accepted(clear)
    must(again.n >= after.n, 'a second clear', again)
    same((await reader.read()).items, {}, 'what a joiner is told')
    await writer.accepted(clear, set('d', 1))
    same((await reader.read()).items, { d: { value: 1 } }, 'a clear of nothing, then a set')
  })

  test('W5 a delete says whether it found an item, and leaves none', async (bench) => {
    const [writer, other] = await bench.two()
    const exists = async (peer: typeof writer) => (await peer.accepted(remove('a'))).existed
    same(await exists(writer), false, 'nothing was ever there')
    await writer.accepted(set('a', 1))
    same([await exists(other), await exists(writer)], [true, false])
    await writer.accepted(set('a', 2, { ttlMs: 100 }))
    await bench.pass(110)
    same(await exists(other), false, 'the item has expired')
    await writer.accepted(set('a', 3))
    const { n, epoch } = await writer.accepted(remove('a'))
    const absent = await other.accepted(remove('a'))
    must(absent.epoch === epoch && absent.n >= n, 'a place as of which the key was absent', { deleted: n, absent })
    same((await writer.read()).items, {}, 'what a joiner is told')
  })

  test('I2 what comes back is what was set, byte for byte, under any key', async (bench) => {
    const [writer, reader] = await bench.two()
    const follower = await reader.follow()
    const items: Record<string, object> = {
      'an empty object': {},
      'odd fields': JSON.parse('{"":1,"__proto__":{"a":null},"constructor":"x","toJSON":0,"a.b":{"":[]},"0":-1.5}'),
      numbers: { a: 1e21, b: 5e-324, c: 1.7976931348623157e308, d: 0.1, e: 123456789012345680 },
      text: { a: '\0\n\u2028\ufeff😀e\u0301\\"\ud800', b: '', c: 'null' },
      nested: { a: [[], [[null, false, { b: [{}] }]]] },
      'k\0\n:{}*>.%/😀__proto__': { a: 1 },
      ...Object.fromEntries(
        ['__proto__', 'constructor', ' ', '\ufffd', '%2F', 'x'.repeat(256)].map((key) => [key, { key }]),
      ),
      'ten thousand fields': Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, i])),
    }
    Object.defineProperty(items, '__proto__', { value: { key: '__proto__' }, enumerable: true })
    const outcomes = await writer.write(Object.entries(items).map(([key, item]) => setItem(key, item)))
    await follower.reached(accepted(outcomes.at(-1), 'the last set').n)
    for (const [who, { newest }] of Object.entries({ 'a watcher': follower, 'a joiner': await reader.read() })) {
      same([...newest.keys()].sort(), Object.keys(items).sort(), `the keys that ${who} is told`)
      for (const [key, item] of Object.entries(items)) same(newest.get(key)?.item, item, `${key}, as ${who} is told`)
    }
  })

  test('W1 a set replaces the whole item and its ttl', async (bench) => {
    const writer = await bench.peer()
    await writer.write([setItem('a', { b: 1, c: { d: 1 } }), set('timed', 1, { ttlMs: 60_000 })])
    await writer.write([setItem('a', { c: { e: 1 } }), set('timed', 1)])
    const { newest } = await writer.read()
    same([newest.get('a')?.item, newest.get('timed')?.leftMs], [{ c: { e: 1 } }, null])
  })

  test('K1 a joiner misses nothing that is written meanwhile', async (bench) => {
    const [writer, reader] = await bench.two()
    await writer.write(Array.from({ length: 500 }, (_, i) => set(`old ${i}`, i)))
    let isJoining = true
    const writing = (async () => {
      const batches = new Writer()
      let value = 0
      let n = 0
      while (isJoining || value < 50) {
        value++
        const outcomes = await writer.send(batches.batch([set('a', value), set(`new ${value}`, value)]))
        n = accepted(outcomes.at(-1), 'a write').n
        await turn() // a store in memory answers without one
      }
      return { value, n }
    })()
    const joiners = []
    for (let i = 0; i < 5; i++) joiners.push(await reader.follow())
    isJoining = false
    const { value, n } = await writing
    for (const joiner of joiners) {
      await joiner.reached(n)
      same(joiner.valueOf('a'), value, 'what a watcher is told')
      same(Object.keys(joiner.items).length, 501 + value, 'how many items a joiner knows')
    }
  })

  test('K1 a watch that is closed is told nothing more, and others go on', async (bench) => {
    const [writer, reader] = await bench.two()
    const [closed, other] = [await reader.follow(), await reader.follow()]
    closed.close()
    const early = reader.watch()
    early.close() // before it began
    const { n } = await writer.accepted(set('a', 1))
    await other.reached(n)
    await (await reader.follow()).reached(n)
    same(closed.items, {}, 'what a watcher is told')
  })
}
