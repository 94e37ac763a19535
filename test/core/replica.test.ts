import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Change } from '../../src/core/contents'
import { entry, tombstone } from '../support/fake-transport'
import { type Item, liveWith, ReplicaBench } from '../support/replica-bench'

const test = suite('replica')

// Contents, events and causes

test('E4 the first contents emit sets with cause snapshot; what follows has cause live', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }))
  bench.tell(entry('b', 2, { v: 2 }))
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 } }, 'what has arrived can be read')
  assert.equal(bench.replica.cursor, null)
  assert.equal(bench.live(2), true, 'that ended the catching up')
  assert.deepEqual(bench.replica.cursor, { epoch: 'e1', n: 2 })
  bench.tell(entry('a', 3, { v: 3 }), tombstone('b', 4), tombstone('a', 5, 'expire'))
  assert.equal(bench.live(5), false, 'that ended no catching up')
  assert.deepEqual(bench.emitted(), [
    { kind: 'set', key: 'a', item: { v: 1 }, previous: undefined, revision: 'e1.1', cause: 'snapshot' },
    { kind: 'set', key: 'b', item: { v: 2 }, previous: undefined, revision: 'e1.2', cause: 'snapshot' },
    { kind: 'set', key: 'a', item: { v: 3 }, previous: { v: 1 }, revision: 'e1.3', cause: 'live' },
    { kind: 'delete', key: 'b', item: { v: 2 }, previous: { v: 2 }, revision: 'e1.4', cause: 'live' },
    { kind: 'expire', key: 'a', item: { v: 3 }, previous: { v: 3 }, revision: 'e1.5', cause: 'live' },
  ])
  assert.deepEqual(bench.contents, {})
})

test('E1 an event gives the objects that get returns, or returned before; they are frozen', () => {
  const bench = liveWith({ a: { v: 1 } })
  const before = bench.get('a')
  bench.tell(entry('a', 2, { v: { deep: 2 } }))
  const after = bench.get('a')
  bench.tell(tombstone('a', 3))
  const [set, del] = bench.emitted()
  assert.equal(set?.previous, before)
  assert.equal(set?.item, after)
  assert.equal(del?.item, after)
  assert.equal(del?.previous, after)
  assert.ok(Object.isFrozen(after) && Object.isFrozen((after as { v: object }).v))
})

test('E2 an event comes after the replica has changed', () => {
  const bench = liveWith({ a: { v: 1 } })
  const seen: unknown[] = []
  bench.changed = ({ key }) => seen.push(bench.get(key))
  bench.tell(entry('a', 2, { v: 2 }), tombstone('a', 3), entry('b', 4, { v: 4 }, { leftMs: 10 }))
  bench.clock.advance(10)
  assert.deepEqual(seen, [{ v: 2 }, undefined, { v: 4 }, undefined])
})

test('E2 events replayed into an empty Map give the replica, within each listener too', () => {
  const bench = new ReplicaBench()
  const replayed = new Map<string, unknown>()
  bench.changed = ({ kind, key, item }: Change<Item>) => {
    if (kind === 'set') replayed.set(key, item)
    else replayed.delete(key)
    assert.deepEqual(replayed, bench.replica.items)
  }
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 50 }), entry('b', 2, { v: 2 }), entry('c', 3, {}), entry('d', 4, {}))
  bench.live(4)
  bench.tell(entry('a', 5, { v: 5 }, { leftMs: 50 }), tombstone('b', 6), entry('b', 7, { v: 7 }))
  bench.acceptSet('e', 8, 8)
  bench.acceptDelete('b', 9)
  bench.clock.advance(50)
  bench.begin('snapshot')
  bench.tell(entry('e', 8, { v: 8 }), entry('f', 12, {}))
  bench.live(12)
  assert.deepEqual(Object.keys(bench.contents), ['e', 'f'])
  assert.equal(bench.events().length, 13)
})

test('C1 an own write, its echo, a resync and a snapshot name the same revision', () => {
  const [own, echo, resync, snapshot] = [liveWith({}), liveWith({}), liveWith({}), new ReplicaBench()]
  own.acceptSet('a', 1, 7)
  echo.tell(entry('a', 7, { v: 1 }))
  resync.begin('delta')
  resync.tell(entry('a', 7, { v: 1 }))
  snapshot.begin('snapshot')
  snapshot.tell(entry('a', 7, { v: 1 }))
  for (const bench of [own, echo, resync, snapshot]) {
    assert.deepEqual(bench.revisions(), ['set a e1.7'])
    assert.equal(bench.revision('a'), 'e1.7')
  }
})

test('E3 equal contents, in any order of fields, keep the object and emit nothing; they count as newer', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { x: 1, y: { p: [1], q: null } }))
  bench.live(1)
  bench.emitted()
  const held = bench.get('a')
  bench.tell(entry('a', 5, { y: { q: null, p: [1] }, x: 1 }))
  assert.equal(bench.get('a'), held)
  bench.tell(entry('a', 4, { v: 'older' }))
  assert.equal(bench.get('a'), held)
  assert.deepEqual(bench.events(), [])
  assert.equal(bench.revision('a'), 'e1.5')
})

test('E3 a new ttl of equal contents applies: longer, where there was none, or none', () => {
  const bench = liveWith({ a: { v: 1 } })
  const held = bench.get('a')
  bench.tell(entry('a', 2, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(50)
  bench.tell(entry('a', 3, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(99)
  assert.equal(bench.get('a'), held)
  bench.tell(entry('a', 4, { v: 1 }))
  bench.clock.advance(1e9)
  assert.equal(bench.get('a'), held)
  bench.tell(entry('a', 5, { v: 1 }, { leftMs: 10 }))
  assert.equal(bench.get('a'), held)
  assert.deepEqual(bench.events(), [])
  bench.clock.advance(10)
  assert.deepEqual(bench.events(), ['expire a'])
})

test('R5 a set keeps the place of its key, as in a Map, also if the item gets a ttl or loses it', () => {
  const bench = liveWith({ a: {}, b: {}, c: {} })
  bench.tell(entry('a', 4, { v: 4 }, { leftMs: 100 }), entry('b', 5, { v: 5 }, { leftMs: 100 }), entry('b', 6, {}))
  assert.deepEqual(Object.keys(bench.contents), ['a', 'b', 'c'])
  bench.tell(tombstone('a', 7), entry('a', 8, {}))
  assert.deepEqual(Object.keys(bench.contents), ['b', 'c', 'a'])
})

// Newer wins

test('R2 an older entry of a key is passed over, be it an item or a tombstone; so is the same one again', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.tell(entry('a', 9, { v: 9 }), entry('a', 8, { v: 8 }), tombstone('a', 7), entry('a', 9, { v: 'again' }))
  assert.deepEqual(bench.contents, { a: { v: 9 } })
  bench.tell(tombstone('a', 20), entry('a', 19, { v: 19 }), tombstone('a', 20), tombstone('a', 18, 'expire'))
  assert.deepEqual(bench.contents, {})
  assert.deepEqual(bench.events(), ['set a', 'delete a'])
})

test('K1 a tombstone of what is not held emits nothing, and holds off what is older', () => {
  const bench = liveWith({})
  bench.tell(tombstone('a', 5), tombstone('b', 6, 'expire'), entry('a', 4, {}), entry('b', 6, {}))
  assert.deepEqual(bench.events(), [])
  bench.tell(entry('a', 7, {}))
  assert.deepEqual(bench.events(), ['set a'])
})

test('K1 within one epoch the place decides, and a later epoch is newer whatever its places', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.begin('delta', { e1: 0, e2: 10 })
  bench.tell(entry('a', 'e2.11', { v: 'e2' }))
  bench.live('e2.11')
  bench.tell(entry('a', 'e1.99', { v: 'older' }))
  assert.deepEqual(bench.contents, { a: { v: 'e2' } })
})

test('R2 an entry that a snapshot tells is passed over if something newer came first, of whatever origin', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 } })
  bench.acceptSet('a', 'own', 20)
  bench.acceptDelete('b', 21)
  bench.begin('snapshot')
  bench.tell(entry('a', 10, { v: 10 }), entry('b', 11, { v: 11 }))
  bench.live(12)
  assert.deepEqual(bench.contents, { a: { v: 'own' } })
})

// Transactions

test('C7 no listener and no get sees a part of an atomic list', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 1 }, c: { v: 1 } })
  const seen: unknown[] = []
  bench.changed = () => seen.push(bench.contents)
  bench.tellAtOnce(entry('a', 4, { v: 2 }), tombstone('b', 5), entry('c', 6, { v: 2 }), entry('d', 7, { v: 2 }))
  const after = { a: { v: 2 }, c: { v: 2 }, d: { v: 2 } }
  assert.deepEqual(seen, [after, after, after, after])
  assert.deepEqual(bench.events(), ['set a', 'delete b', 'set c', 'set d'])
})

test('C7 without a transaction, each event comes before the next entry counts', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 1 } })
  const seen: unknown[] = []
  bench.changed = () => seen.push(bench.get('b'))
  bench.tell(entry('a', 3, { v: 2 }), entry('b', 4, { v: 2 }))
  assert.deepEqual(seen, [{ v: 1 }, { v: 2 }])
})

test('C7 what is overdue of an atomic list expires before any of it counts', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.tell(entry('b', 2, { v: 1 }, { leftMs: 10 }))
  bench.emitted()
  const seen: unknown[] = []
  bench.changed = ({ kind }) => seen.push([kind, bench.contents])
  bench.clock.pass(10)
  bench.tellAtOnce(entry('a', 3, { v: 2 }), entry('b', 4, { v: 2 }))
  const after = { a: { v: 2 }, b: { v: 2 } }
  assert.deepEqual(seen, [
    ['expire', { a: { v: 1 } }],
    ['set', after],
    ['set', after],
  ])
})

test('C7 who hears of an undecodable item of an atomic list sees no part of the list either', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 1 } })
  const seen: unknown[] = []
  bench.reported = () => seen.push(bench.contents)
  bench.tellAtOnce(entry('a', 3, { v: 2 }), entry('x', 4, 'no item'), entry('', 5, {}), entry('b', 6, { v: 2 }))
  const whole = [{ a: { v: 1 }, b: { v: 1 } }, bench.contents]
  assert.equal(seen.length, 2)
  for (const contents of seen) {
    assert.ok(
      whole.some((each) => JSON.stringify(each) === JSON.stringify(contents)),
      `seen: ${JSON.stringify(contents)}`,
    )
  }
  assert.deepEqual(bench.contents, { a: { v: 2 }, b: { v: 2 } })
})

// Catching up

test('K4 a delta emits what changed with cause resync, net per key', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 }, c: { v: 3 } })
  bench.begin('delta')
  bench.tell(entry('a', 9, { v: 9 }), tombstone('b', 10), tombstone('set and deleted meanwhile', 11))
  assert.equal(bench.live(11), true)
  assert.deepEqual(bench.contents, { a: { v: 9 }, c: { v: 3 } })
  assert.deepEqual(bench.causes(), ['set a resync', 'delete b resync'])
})

test('K5 a snapshot: what is not told is gone at its end, and what is told again emits nothing', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 }, c: { v: 3 } })
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }), entry('c', 9, { v: 9 }), entry('d', 10, { v: 10 }))
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 }, c: { v: 9 }, d: { v: 10 } }, 'b stays until then')
  assert.equal(bench.live(10), true)
  assert.deepEqual(
    bench.emitted().map(({ kind, key, cause, revision }) => [kind, key, cause, revision]),
    [
      ['set', 'c', 'resync', 'e1.9'],
      ['set', 'd', 'resync', 'e1.10'],
      ['delete', 'b', 'resync', 'e1.10'],
    ],
  )
})

test('X3 what a snapshot does not tell has expired if it was due, and was deleted if not', () => {
  const bench = liveWith({})
  bench.tell(entry('due', 1, {}, { leftMs: 100 }), entry('not due', 2, {}, { leftMs: 10_000 }), entry('no ttl', 3, {}))
  bench.emitted()
  bench.begin('snapshot')
  bench.clock.pass(100)
  bench.live(9)
  assert.deepEqual(bench.events(), ['expire due', 'delete not due', 'delete no ttl'])
  bench.clock.advance(20_000)
  assert.deepEqual(bench.events(), [])
})

test('K5 a snapshot that was not told to its end leaves nothing behind in the next session', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 } })
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }))
  bench.begin('delta')
  assert.equal(bench.live(2), true)
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 } })
  bench.begin('snapshot')
  bench.tell(entry('b', 2, { v: 2 }))
  bench.live(2)
  assert.deepEqual(bench.events(), ['delete a'])
})

test('E4 first contents that were not told to their end have the cause snapshot again', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }), entry('gone meanwhile', 2, {}))
  bench.replica.outOfTouch()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, { v: 1 }), entry('b', 3, { v: 3 }))
  assert.equal(bench.live(4), true)
  assert.deepEqual(bench.causes(), [
    'set a snapshot',
    'set gone meanwhile snapshot',
    'set b snapshot',
    'delete gone meanwhile snapshot',
  ])
})

test('K1 a late echo does not bring back what a snapshot showed to be gone', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.begin('snapshot')
  bench.live(9)
  bench.tell(entry('a', 8, { v: 8 }))
  assert.deepEqual(bench.events(), ['delete a'])
})

test('K7 with a history that shares nothing, the store alone counts if it is to be believed', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 }, c: { v: 3 } })
  bench.tell(entry('a', 100, { v: 100 }), tombstone('d', 101))
  bench.live(101)
  bench.emitted()
  bench.begin('snapshot', { e2: 0 }, { restores: false })
  bench.tell(entry('a', 'e2.1', { v: 'new' }), entry('b', 'e2.2', { v: 2 }), entry('d', 'e2.3', {}))
  bench.live('e2.3')
  assert.deepEqual(bench.contents, { a: { v: 'new' }, b: { v: 2 }, d: {} })
  assert.deepEqual(bench.events(), ['set a', 'set d', 'delete c'])
  assert.deepEqual(bench.replica.cursor, { epoch: 'e2', n: 3 })
})

test('K7 with a history that shares a beginning, what was told up to there still counts', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 }, c: { v: 3 } })
  bench.tell(entry('c', 9, { v: 9 }), tombstone('x', 4), tombstone('y', 10))
  bench.live(10)
  bench.emitted()
  bench.begin('snapshot', { e1: 0, e2: 5 }, { restores: false })
  const shared = [entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 }), entry('c', 3, { v: 3 })]
  bench.tell(...shared, entry('x', 3, { v: 'a late echo' }), entry('y', 'e2.7', { v: 7 }))
  bench.live('e2.8')
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 2 }, c: { v: 3 }, y: { v: 7 } })
  assert.deepEqual(bench.events(), ['set c', 'set y'])
})

test('E3 the same contents under a revision of another epoch emit nothing', () => {
  const bench = liveWith({ a: { v: 1 } })
  const held = bench.get('a')
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.7', { v: 1 }))
  bench.live('e2.7')
  assert.equal(bench.get('a'), held)
  assert.deepEqual(bench.events(), [])
  assert.equal(bench.revision('a'), 'e2.7')
})

test('C1 revisions keep their epoch when the next one begins, whatever the ttl', () => {
  const bench = liveWith({ a: {}, b: {} })
  bench.tell(entry('b', 3, { v: 3 }, { leftMs: 1000 }))
  bench.live(3)
  bench.begin('delta', { e1: 0, e2: 3 })
  bench.tell(entry('c', 'e2.4', {}))
  bench.live('e2.4')
  bench.begin('delta', { e1: 0, e2: 3, e3: 4 })
  bench.live('e3.4')
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => bench.revision(key)),
    ['e1.1', 'e1.3', 'e2.4'],
  )
  bench.tell(entry('a', 'e1.1', { v: 'an echo' }), entry('c', 'e2.3', { v: 'an echo' }))
  assert.deepEqual(bench.contents, { a: {}, b: { v: 3 }, c: {} })
})

// Discarding

test('R3 discarding empties the replica without events, and leaves no timer', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, {}, { leftMs: 100 }), entry('b', 2, {}))
  bench.emitted()
  bench.replica.discard()
  assert.deepEqual(bench.contents, {})
  assert.equal(bench.clock.pending, 0)
  bench.clock.advance(1000)
  assert.deepEqual(bench.events(), [])
  new ReplicaBench().replica.discard()
})

/** How a listener that unsubscribes at the first event can find itself in the midst of something. */
const middles: Record<string, (bench: ReplicaBench) => void> = {
  'of changes': (bench) => bench.tell(entry('d', 4, {}), entry('e', 5, {}), tombstone('a', 6), entry('f', NaN, {})),
  'of a transaction': (bench) => bench.tellAtOnce(entry('d', 4, {}), entry('e', 5, {}), tombstone('a', 6)),
  'of what a snapshot does not tell': (bench) => {
    bench.begin('snapshot')
    bench.live(5)
  },
  'of an own clear': (bench) => bench.acceptClear(5),
  'of an expiry, before the entry that follows it': (bench) => {
    bench.tell(entry('a', 4, {}, { leftMs: 10 }))
    bench.clock.pass(10)
    bench.tell(entry('a', 5, { v: 5 }))
  },
  'of an expiry, before an own write that follows it': (bench) => {
    bench.tell(entry('a', 4, {}, { leftMs: 10 }))
    bench.clock.pass(10)
    bench.acceptSet('a', 5, 5)
  },
  'of a slice of expiries': (bench) => {
    const short = { leftMs: 10 }
    bench.tell(entry('a', 4, {}, short), entry('b', 5, {}, short), entry('c', 6, {}, { leftMs: 20 }))
    bench.clock.advance(10)
  },
  'of an expiry of what is lost': (bench) => {
    bench.tell(entry('a', 4, {}, { leftMs: 10 }))
    bench.begin('delta', { e2: 0 })
    bench.clock.pass(10)
    assert.equal(bench.replica.restorable('a'), undefined)
  },
  'of an answer to a merge': (bench) => {
    bench.begin('delta', { e2: 0 })
    bench.merge('a', { current: null })
  },
}

for (const [middle, happen] of Object.entries(middles)) {
  test(`R3 a listener that unsubscribes in the midst ${middle} hears no more`, () => {
    const bench = liveWith({ a: {}, b: {}, c: {} })
    bench.changed = () => bench.replica.discard()
    happen(bench)
    assert.equal(bench.events().length, 1)
    assert.deepEqual(bench.reports, [])
    assert.equal(bench.replica.items.size, 0)
    assert.equal(bench.clock.pending, 0)
  })
}

test.run()
