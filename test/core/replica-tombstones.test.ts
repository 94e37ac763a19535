import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import { entry, tombstone } from '../support/fake-transport'
import { liveWith } from '../support/replica-bench'

const test = suite('replica, tombstones')

/** The keys of which the replica has forgotten that they are gone: an old entry of theirs brings them back. */
function forgotten(bench: ReturnType<typeof liveWith>, ...keys: string[]): string[] {
  bench.emitted()
  bench.tell(...keys.map((key) => entry(key, 1, {})))
  return bench.emitted().map(({ key }) => key)
}

test('K1 a late echo of what was deleted is held off for as long as tombstones are kept', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.acceptSet('a', 1, 1)
  bench.acceptDelete('a', 2)
  bench.clock.advance(19_999)
  bench.live(2)
  bench.tell(entry('a', 1, { v: 1 }), tombstone('a', 2))
  assert.deepEqual(bench.events(), ['set a', 'delete a'])
})

test('K10 tombstones older than the retention are forgotten at the next proof', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.tell(tombstone('a', 15))
  bench.live(19)
  bench.clock.advance(15_000)
  bench.tell(tombstone('b', 25))
  bench.live(29)
  bench.clock.advance(15_000)
  bench.tell(tombstone('c', 35))
  bench.live(39)
  assert.deepEqual(forgotten(bench, 'a', 'b', 'c'), ['a'])
})

test('K10 so they are if nothing else is deleted', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.tell(tombstone('a', 5))
  bench.live(5)
  bench.clock.advance(20_001)
  bench.live(5)
  assert.deepEqual(forgotten(bench, 'a'), ['a'])
})

test('K1 a tombstone that is made again is kept from then on', () => {
  const bench = liveWith({}, { retention: 60_000 })
  bench.tell(tombstone('a', 5))
  bench.clock.advance(10_000)
  bench.tell(tombstone('b', 6))
  bench.clock.advance(10_000)
  bench.tell(tombstone('a', 7))
  bench.live(7)
  bench.clock.advance(55_000)
  bench.live(8)
  assert.deepEqual(forgotten(bench, 'a', 'b'), ['b'])
})

test('K10 at most 100,000 tombstones are kept, the oldest are forgotten first', () => {
  const bench = liveWith({})
  const count = 100_000
  bench.tell(...Array.from({ length: count }, (_, i) => tombstone(`key ${i}`, 10 + i)))
  bench.live(10 + count)
  bench.tell(tombstone('one more', 11 + count))
  bench.live(11 + count)
  assert.deepEqual(forgotten(bench, 'key 0', 'key 1', `key ${count - 1}`, 'one more'), ['key 0'])
})

test('K1 a tombstone placed after everything that was proved stays, however old or many', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.tell(tombstone('a', 50))
  bench.clock.advance(100_000)
  bench.live(49)
  assert.deepEqual(forgotten(bench, 'a'), [])
  bench.live(50)
  assert.deepEqual(forgotten(bench, 'a'), ['a'])
})

test('K1 of a restored tombstone, the place counts for that', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.tell(tombstone('a', 'e0.9', 'delete', 50))
  bench.clock.advance(100_000)
  bench.live(49)
  bench.tell(entry('a', 'e0.8', { v: 'older' }))
  assert.deepEqual(bench.events(), [])
})

test('K10 a key that is deleted again and again, as presence is, leaves nothing behind', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const bench = liveWith({})
  bench.tell(tombstone('the oldest of all', 1))
  const cycle = (from: number, count: number) => {
    for (let n = from; n < from + 2 * count; n += 2) {
      bench.tell(entry('a', n, {}), tombstone('a', n + 1))
      bench.live(n + 1)
      bench.emitted()
    }
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = cycle(10, 1000)
  const grown = cycle(10_000, 50_000) - before
  assert.ok(grown < 2e6, `the heap has grown by ${grown} bytes`)
})

test('K1 an item that comes back needs its tombstone no more', () => {
  const bench = liveWith({})
  bench.tell(tombstone('a', 5), entry('a', 6, {}), entry('a', 5, {}), tombstone('a', 6))
  assert.deepEqual(bench.events(), ['set a'])
})

test('K1 without any retention, a late echo still does not bring back what was just deleted, or has expired', () => {
  const bench = liveWith({}, { retention: 0 })
  bench.acceptSet('a', 1, 1)
  bench.acceptDelete('a', 2)
  bench.tell(entry('b', 3, {}, { leftMs: 10 }))
  bench.clock.advance(10)
  bench.live(3)
  bench.tell(entry('a', 1, { v: 1 }), tombstone('a', 2), entry('b', 3, {}, { leftMs: 1 }))
  assert.deepEqual(bench.events(), ['set a', 'delete a', 'set b', 'expire b'])
})

test.run()
