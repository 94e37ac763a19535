import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { entry, missing, tombstone } from '../support/fake-transport'
import { liveWith, ReplicaBench } from '../support/replica-bench'
import { at } from '../support/revisions'

const test = suite('replica, what the store lost')

const forked = { e1: 0, e2: 2 }

/**
 * A replica that was live in `e1` up to 6 with `old` (1) and `a` (5), and saw the delete of `b` (6). The store has lost everything
 * after 2, and began `e2`. A snapshot begins.
 */
function afterLoss({ restores = true, leftMs = null as number | null } = {}) {
  const bench = liveWith({ old: { v: 'old' } })
  bench.tell(entry('a', 5, { v: 'a' }, { leftMs }), tombstone('b', 6))
  bench.live(6)
  bench.emitted()
  bench.begin('snapshot', forked, { restores })
  return bench
}

/** The same, with `old` told again and the snapshot at its end. */
function caughtUpAfterLoss(options?: Parameters<typeof afterLoss>[0]) {
  const bench = afterLoss(options)
  bench.tell(entry('old', 1, { v: 'old' }))
  bench.live('e2.2')
  return bench
}

const old = entry('old', 1, { v: 'old' })

test('K7 what the store lost is kept and to be restored, deletes too; what the store still has is not', () => {
  const bench = caughtUpAfterLoss()
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.contents, { old: { v: 'old' }, a: { v: 'a' } })
  assert.deepEqual(bench.lostKeys, ['a', 'b'])
  assert.deepEqual([bench.lost('a'), bench.lost('b')], ['item e1.5', 'delete e1.6'], 'each keeps its revision')
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 0 })
})

test('K7 where the store is to be believed, what it lost is deleted', () => {
  const bench = caughtUpAfterLoss({ restores: false })
  assert.deepEqual(bench.causes(), ['delete a resync'])
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 where the store is to be believed, an older version that it tells replaces what it lost', () => {
  const bench = afterLoss({ restores: false })
  bench.tell(old, entry('a', 2, { v: 'older' }), entry('b', 1, { v: 'older' }))
  bench.live('e2.2')
  assert.deepEqual(bench.contents, { old: { v: 'old' }, a: { v: 'older' }, b: { v: 'older' } })
  assert.deepEqual(bench.causes(), ['set a resync', 'set b resync'])
})

test('K7 an entry to be restored has its revision and its remaining time', () => {
  const bench = afterLoss({ leftMs: 1000 })
  bench.clock.pass(399.6)
  assert.deepEqual(bench.replica.restorable('a'), { key: 'a', ...at(5), item: { v: 'a' }, leftMs: 600 })
  assert.deepEqual(bench.replica.restorable('b'), { key: 'b', ...at(6), item: null, leftMs: null, cause: 'delete' })
  assert.equal(bench.replica.restorable('old'), undefined)
  assert.equal(bench.replica.restorable('never seen'), undefined)
})

test('K7 an entry to be restored lasts no longer than the longest ttl, whatever the store told', () => {
  const bench = afterLoss({ leftMs: 1e308 })
  assert.equal(bench.replica.restorable('a')?.leftMs, 100 * 365.25 * 86_400_000)
})

test('K7 what expired before it could be restored is restored as a tombstone', () => {
  const bench = caughtUpAfterLoss({ leftMs: 1000 })
  bench.clock.pass(1000)
  assert.deepEqual(bench.replica.restorable('a'), { key: 'a', ...at(5), item: null, leftMs: null, cause: 'expire' })
  assert.deepEqual(bench.events(), ['expire a'])
})

test('K7 what is lost expires in time', () => {
  const bench = caughtUpAfterLoss({ leftMs: 100 })
  bench.clock.advance(100)
  assert.deepEqual(bench.events(), ['expire a'])
  assert.equal(bench.lost('a'), 'expire e1.5')
})

test('K7 an item that expired while it was lost emits nothing when another replica restores it', () => {
  const bench = caughtUpAfterLoss({ leftMs: 100 })
  bench.clock.advance(100)
  bench.emitted()
  bench.tell(entry('a', 5, { v: 'a' }, { leftMs: 5, place: 'e2.3' }))
  bench.clock.advance(5)
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.lostKeys, ['b'])
})

// What the store tells of it

test('K7 a write made since wins over what was lost; what another replica restored is restored', () => {
  const bench = afterLoss()
  bench.tell(old, entry('a', 'e2.3', { v: 'new' }), tombstone('b', 6, 'delete', 'e2.4'))
  bench.live('e2.4')
  assert.deepEqual(bench.lostKeys, [])
  assert.deepEqual(bench.events(), ['set a'])
  assert.deepEqual(bench.contents, { old: { v: 'old' }, a: { v: 'new' } })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 1 })
})

test('K7 what another replica restored has the place where it did so', () => {
  const bench = afterLoss()
  bench.tell(old, entry('a', 5, { v: 'a' }, { place: 'e2.3' }), tombstone('b', 6, 'delete', 'e2.9'))
  bench.live('e2.9')
  bench.begin('delta', { e1: 0, e2: 2, e3: 5 })
  assert.deepEqual(bench.lostKeys, ['b'])
})

test('K7 a late echo of what the store lost does not show that it has it again', () => {
  const bench = caughtUpAfterLoss()
  bench.tell(entry('a', 5, { v: 'a' }), tombstone('b', 6))
  assert.deepEqual(bench.lostKeys, ['a', 'b'])
})

test('K7 an own write made since wins as well', () => {
  const bench = caughtUpAfterLoss()
  bench.acceptDelete('a', 'e2.3')
  bench.acceptSet('b', 'new', 'e2.4')
  assert.deepEqual(bench.lostKeys, [])
  assert.deepEqual(bench.contents, { old: { v: 'old' }, b: { v: 'new' } })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 0 })
})

test('K7 what the store has of before the loss does not win over what it lost', () => {
  const bench = afterLoss()
  bench.tell(old, entry('a', 2, { v: 'older' }), entry('b', 1, { v: 'older' }))
  bench.live('e2.2')
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.lostKeys, ['a', 'b'])
})

test('K7 an older version that another replica restored neither wins, nor brings back what was deleted', () => {
  const bench = afterLoss()
  const older = { v: 'older' }
  bench.tell(old, entry('a', 4, older, { place: 'e2.3' }), entry('b', 4, older, { place: 'e2.4' }))
  bench.live('e2.4')
  assert.deepEqual(bench.events(), [])
  assert.deepEqual([bench.lost('a'), bench.lost('b')], ['item e1.5', 'delete e1.6'])
})

test('K7 a newer version that another replica restored wins', () => {
  const bench = afterLoss()
  bench.tell(old, tombstone('a', 9, 'delete', 'e2.3'), entry('b', 9, { v: 'b' }, { place: 'e2.4' }))
  bench.live('e2.4')
  assert.deepEqual(bench.revisions(), ['delete a e1.9', 'set b e1.9'])
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 an older version that somebody restored shows that the store has lost the newer one', () => {
  const bench = liveWith({ a: { v: 'a' }, b: { v: 'b' } })
  bench.tell(entry('a', 5, { v: 'newer' }), tombstone('b', 6))
  bench.live(6)
  bench.emitted()
  bench.tell(entry('a', 'e0.9', { v: 'old' }, { place: 7 }), entry('b', 'e0.9', { v: 'old' }, { place: 8 }))
  assert.deepEqual(bench.events(), [])
  assert.deepEqual([bench.lost('a'), bench.lost('b')], ['item e1.5', 'delete e1.6'])
})

test('K7 where the store is to be believed, an older version that somebody restored counts', () => {
  const bench = liveWith({ a: { v: 'a' } })
  bench.begin('delta', { e1: 0 }, { restores: false })
  bench.tell(entry('a', 5, { v: 'newer' }))
  bench.live(5)
  bench.tell(entry('a', 'e0.9', { v: 'older' }, { place: 6 }))
  assert.deepEqual(bench.contents, { a: { v: 'older' } })
})

test('K7 a late echo of a restored entry shows no loss', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 'e0.9', { v: 'old' }, { place: 7 }), entry('a', 8, { v: 'newer' }))
  bench.tell(entry('a', 'e0.9', { v: 'old' }, { place: 7 }))
  assert.deepEqual(bench.contents, { a: { v: 'newer' } })
  assert.deepEqual(bench.lostKeys, [])
})

// Answers to a merge

test('K7 what was restored keeps its object and its revision, and emits nothing; nor does its echo', () => {
  const bench = caughtUpAfterLoss()
  const held = bench.get('a')
  bench.merge('a', { place: at('e2.3') })
  bench.merge('b', { place: at('e2.4') })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 2 })
  bench.tell(entry('a', 5, { v: 'echo' }, { place: 'e2.3' }), tombstone('b', 6, 'delete', 'e2.4'))
  bench.tell(entry('b', 5, { v: 'late' }))
  assert.equal(bench.get('a'), held)
  assert.equal(bench.revision('a'), 'e1.5')
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 the store has the very version already: somebody else has restored it', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: entry('a', 5, { v: 'a' }, { place: 'e2.3' }) })
  assert.deepEqual(bench.lostKeys, ['b'])
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 1 })
  bench.begin('delta', { e1: 0, e2: 2, e3: 3 })
  assert.deepEqual(bench.lostKeys, ['b'], 'its place is known')
})

test('K7 the store has something newer: that counts', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: entry('a', 'e2.3', { v: 'new' }) })
  bench.merge('b', { current: entry('b', 'e2.4', { v: 'new' }) })
  assert.deepEqual(bench.contents, { old: { v: 'old' }, a: { v: 'new' }, b: { v: 'new' } })
  assert.deepEqual(bench.causes(), ['set a resync', 'set b resync'])
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 0 })
})

test('K7 the store knows of a newer delete: the item is deleted', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: tombstone('a', 'e2.3') })
  assert.deepEqual(bench.revisions(), ['delete a e2.3'])
  assert.deepEqual(bench.contents, { old: { v: 'old' } })
})

test('K7 the store keeps something older: its word counts, with the remaining time of that', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: entry('a', 2, { v: 'older' }, { leftMs: 1000 }) })
  bench.merge('b', { current: entry('b', 1, { v: 'older' }) })
  assert.deepEqual(bench.revisions(), ['set a e1.2', 'set b e1.1'])
  assert.deepEqual(bench.lostKeys, [])
  bench.clock.advance(999)
  assert.deepEqual(bench.events(), [])
  bench.clock.advance(1)
  assert.deepEqual(bench.events(), ['expire a'])
})

test('K7 the store knows nothing of the key, and takes nothing back: the item is deleted', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: null })
  bench.merge('b', { current: null })
  assert.deepEqual(bench.causes(), ['delete a resync'])
  assert.deepEqual(bench.lostKeys, [])
  bench.tell(entry('a', 'e2.3', { v: 'new' }), entry('b', 'e2.4', { v: 'new' }))
  assert.deepEqual(Object.keys(bench.contents), ['old', 'a', 'b'])
})

test('K7 an item that was given up comes back if another replica restores it after all', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: null })
  bench.emitted()
  bench.tell(entry('a', 5, { v: 'a' }, { place: 'e2.3' }))
  assert.deepEqual(bench.revisions(), ['set a e1.5'])
})

test('K7 the store knows that it should have this version, and does not take it back: the item is deleted', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: missing('a', 5) })
  assert.deepEqual(bench.causes(), ['delete a resync'])
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 0 })
})

test('K7 an answer about something that has changed meanwhile decides nothing', () => {
  const bench = caughtUpAfterLoss()
  const [a, b] = [bench.replica.restorable('a'), bench.replica.restorable('b')]
  assert.ok(a && b)
  bench.tell(tombstone('a', 'e2.3'))
  bench.acceptSet('b', 'new', 'e2.4')
  bench.emitted()
  bench.replica.merged(a, { place: at('e2.5') })
  bench.replica.merged(b, { current: null })
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.contents, { old: { v: 'old' }, b: { v: 'new' } })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 0 })
})

test('K7 so does one about a version that is not the newest any more, though that one is lost as well', () => {
  const bench = caughtUpAfterLoss()
  const a = bench.replica.restorable('a')
  assert.ok(a)
  bench.acceptSet('a', 'acknowledged late', 9)
  bench.replica.merged(a, { place: at('e2.3') })
  bench.replica.merged(a, { current: null })
  assert.equal(bench.lost('a'), 'item e1.9')
  assert.deepEqual(bench.get('a'), { v: 'acknowledged late' })
})

test('K7 an item that was gone before has a place of its own when it is restored', () => {
  const bench = liveWith({ a: {} })
  bench.tell(tombstone('a', 2), entry('a', 3, { v: 'back' }))
  bench.live(3)
  bench.begin('delta', { e1: 0, e2: 1 })
  bench.merge('a', { place: at('e2.2') })
  bench.live('e2.2')
  bench.begin('delta', { e1: 0, e2: 1, e3: 2 })
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 the store knows only that an older version is gone: the item is deleted, and did not expire', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: tombstone('a', 2, 'expire') })
  assert.deepEqual(bench.causes(), ['delete a resync'])
  bench.tell(entry('a', 5, { v: 'a' }, { place: 'e2.3' }))
  assert.deepEqual(bench.revisions(), ['set a e1.5'], 'another replica may restore it')
})

test('K7 the store should have something newer and does not: the item is deleted, and may be restored', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { current: missing('a', 'e2.3') })
  assert.deepEqual(bench.causes(), ['delete a resync'])
  assert.deepEqual(bench.reports, [])
})

test('K7 an answer after discarding decides nothing', () => {
  const bench = caughtUpAfterLoss()
  const a = bench.replica.restorable('a')
  assert.ok(a)
  bench.replica.discard()
  bench.replica.merged(a, { current: entry('a', 'e2.3', {}) })
  assert.deepEqual(bench.contents, {})
  assert.deepEqual(bench.events(), [])
})

// What was gone by the time of the loss

test('K7 an item from before the loss that was not held was deleted: that is restored', () => {
  const bench = afterLoss()
  bench.tell(old, entry('c', 2, { v: 'c' }), entry('since', 'e2.3', { v: 1 }), entry('junk', 2, []))
  bench.live('e2.3')
  assert.equal(bench.lost('c'), 'delete e1.6')
  assert.deepEqual(bench.lostKeys, ['a', 'b', 'c'])
  bench.merge('c', { place: at('e2.4') })
  assert.deepEqual(bench.events(), ['set since'])
  assert.deepEqual(bench.contents, { old: { v: 'old' }, a: { v: 'a' }, since: { v: 1 } })
})

test('K7 an item that somebody restored since was not deleted, however old its revision', () => {
  const bench = afterLoss()
  bench.tell(old, entry('c', 2, { v: 'c' }, { place: 'e2.3' }))
  assert.deepEqual(bench.get('c'), { v: 'c' })
})

test('K7 where the store is to be believed, an item that was not held is an item', () => {
  const bench = afterLoss({ restores: false })
  bench.tell(old, entry('c', 2, { v: 'c' }))
  bench.live('e2.2')
  assert.deepEqual(bench.events(), ['set c', 'delete a'])
})

test('K7 once the snapshot is told, an item that was not held is an item', () => {
  const bench = caughtUpAfterLoss()
  bench.tell(entry('c', 'e2.3', { v: 'c' }))
  assert.deepEqual(bench.events(), ['set c'])
})

test('K7 a store that goes on where the replica was has deleted nothing, though a snapshot tells it', () => {
  const bench = liveWith({ a: {} })
  bench.begin('snapshot', { e1: 0, e2: 1 })
  bench.tell(entry('a', 1, {}), entry('b', 'e2.2', {}))
  bench.live('e2.2')
  assert.deepEqual(bench.contents, { a: {}, b: {} })
})

test('K7 a session that broke off does not change what the store has of the history that was known', () => {
  const bench = liveWith({ a: {} })
  bench.tell(tombstone('b', 2))
  bench.live(10)
  for (const broken of [true, false]) {
    bench.begin('snapshot', { e1: 0, e2: 5 })
    assert.deepEqual(bench.replica.base, at(5))
    if (broken) bench.replica.outOfTouch()
  }
  bench.tell(entry('a', 1, {}), entry('c', 4, { v: 'deleted before the loss' }), entry('d', 'e2.7', { v: 'new' }))
  bench.live('e2.7')
  assert.deepEqual(bench.contents, { a: {}, d: { v: 'new' } })
  assert.deepEqual(bench.lostKeys, ['c'])
})

// What the store should have

test('K7 an item that the store should have and does not is to be restored, also an older version of it', () => {
  const bench = liveWith({ a: { v: 'a' }, b: { v: 'b' }, c: { v: 'c' } })
  bench.begin('snapshot')
  bench.tell(missing('a', 1), entry('b', 2, { v: 'b' }), missing('c', 9), missing('never held', 5))
  bench.live(9)
  assert.deepEqual(bench.contents, { a: { v: 'a' }, b: { v: 'b' }, c: { v: 'c' } })
  assert.deepEqual(bench.lostKeys, ['a', 'c'])
  assert.deepEqual([bench.lost('a'), bench.lost('c')], ['item e1.1', 'item e1.3'])
  assert.deepEqual(bench.events(), [])
})

test('K7 where the store is to be believed, what it should have and does not is deleted, but nothing newer', () => {
  const bench = liveWith({ a: { v: 'a' }, b: { v: 'b' } })
  bench.acceptSet('b', 'newer', 3)
  bench.emitted()
  bench.begin('delta', { e1: 0 }, { restores: false })
  bench.tell(missing('a', 1), missing('b', 2))
  bench.live(3)
  assert.deepEqual(bench.causes(), ['delete a resync'])
})

test('K7 what the store should have and does not, while it is live, is to be restored at once', () => {
  const bench = liveWith({ a: { v: 'a' } })
  bench.tell(tombstone('gone', 2), missing('a', 1), missing('gone', 1))
  assert.deepEqual(bench.lostKeys, ['a'])
  bench.merge('a', { place: at(3) })
  assert.deepEqual(bench.lostKeys, [])
})

test('W3 an own write that the store should have and does not, by the time of its answer, counts and is restored', () => {
  const bench = liveWith({ a: { v: 'older' } })
  bench.begin('delta')
  bench.tell(missing('a', 2))
  bench.live(2)
  bench.acceptSet('a', 'own', 2)
  assert.deepEqual(bench.contents, { a: { v: 'own' } })
  assert.equal(bench.lost('a'), 'item e1.2')
})

test('W3 an own write in another history counts at once, though the replica has followed the former one further', () => {
  for (const restores of [true, false]) {
    const bench = liveWith({ a: { v: 1 }, b: { v: 1 }, c: { v: 1 } })
    bench.begin('snapshot', { e2: 0 }, { restores })
    bench.acceptSet('a', 'own', 'e2.2')
    bench.live('e2.0')
    bench.tell(entry('a', 'e2.1', { v: 'older' }), entry('a', 'e2.2', { v: 'own' }))
    bench.live('e2.2')
    assert.deepEqual(bench.causes(), ['set a stale', ...(restores ? [] : ['delete b resync', 'delete c resync'])])
    assert.deepEqual(bench.get('a'), { v: 'own' })
    assert.deepEqual(bench.lostKeys, restores ? ['b', 'c'] : [])
  }
})

// Clears

test('K7 an own clear ends what is lost: nothing is restored after it, nor what the store had from before', () => {
  const bench = caughtUpAfterLoss()
  bench.acceptClear('e2.3')
  assert.deepEqual(bench.lostKeys, [])
  assert.deepEqual(bench.contents, {})
  assert.deepEqual(bench.events().sort(), ['delete a', 'delete old'])
  bench.tell(entry('a', 5, { v: 'a' }, { place: 'e2.2' }), entry('c', 2, { v: 'c' }))
  assert.deepEqual(bench.contents, {})
})

test('K7 a clear that the store lost is restored: of each key that it still has', () => {
  const bench = liveWith({ a: {}, b: {} })
  bench.acceptClear(8)
  bench.live(8)
  bench.emitted()
  bench.begin('snapshot', { e1: 0, e2: 2 })
  bench.tell(entry('a', 1, {}), entry('never held', 2, {}), entry('since', 'e2.3', {}))
  bench.live('e2.3')
  assert.deepEqual(bench.contents, { since: {} })
  assert.deepEqual(bench.lostKeys, ['a', 'b', 'never held'])
  assert.deepEqual([bench.lost('a'), bench.lost('never held')], ['delete e1.8', 'delete e1.8'])
})

test('K7 where the store is to be believed, a clear that it lost is no more', () => {
  const bench = liveWith({ a: {} })
  bench.acceptClear(8)
  bench.live(8)
  bench.begin('snapshot', { e1: 0, e2: 2 }, { restores: false })
  bench.tell(entry('a', 1, {}), entry('b', 2, {}))
  bench.live('e2.2')
  assert.deepEqual(bench.contents, { a: {}, b: {} })
})

// Lost again

test('K7 what is lost twice keeps its revision', () => {
  const bench = caughtUpAfterLoss()
  bench.begin('snapshot', { e3: 0 })
  bench.live('e3.0')
  assert.deepEqual(bench.lostKeys, ['a', 'b', 'old'])
  assert.deepEqual([bench.lost('a'), bench.lost('b'), bench.lost('old')], ['item e1.5', 'delete e1.6', 'item e1.1'])
})

test('K7 what was restored is lost again with its place, not with its revision', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { place: at('e2.3') })
  bench.merge('b', { place: at('e2.9') })
  bench.tell(entry('c', 'e0.7', {}, { place: 'e2.4' }), tombstone('d', 'e0.8', 'delete', 'e2.10'))
  bench.live('e2.10')
  bench.begin('delta', { e1: 0, e2: 2, e3: 5 })
  bench.live('e3.5')
  assert.deepEqual(bench.lostKeys, ['b', 'd'])
  assert.deepEqual([bench.lost('b'), bench.lost('d')], ['delete e1.6', 'delete e0.8'])
})

test('K7 a restored item that expires is lost with the place that it had', () => {
  const bench = caughtUpAfterLoss({ leftMs: 100 })
  bench.merge('a', { place: at('e2.3') })
  bench.merge('b', { place: at('e2.4') })
  bench.live('e2.4')
  bench.clock.advance(100)
  bench.begin('delta', { e1: 0, e2: 2, e3: 4 })
  assert.deepEqual(bench.lostKeys, [])
  bench.begin('delta', { e1: 0, e2: 2, e4: 2 })
  assert.equal(bench.lost('a'), 'expire e1.5')
})

test('K7 what was written since it was restored has a revision and a place of its own', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { place: at('e2.3') })
  bench.tell(entry('b', 9, { v: 'b' }, { place: 'e2.4' }))
  bench.acceptSet('a', 'own', 'e2.5')
  bench.tell(entry('b', 'e2.6', { v: 'new' }))
  bench.begin('snapshot', { e3: 0 })
  assert.deepEqual([bench.lost('a'), bench.lost('b')], ['item e2.5', 'item e2.6'])
})

test('K7 who does not restore any more asks for a snapshot, and takes what that tells', () => {
  const bench = caughtUpAfterLoss()
  assert.equal(
    bench.begin('delta', forked, { restores: false }),
    false,
    'a delta does not tell what the store has instead',
  )
  assert.equal(bench.begin('snapshot', forked, { restores: false }), true)
  bench.tell(old, entry('a', 2, { v: 'older' }))
  bench.live('e2.2')
  assert.deepEqual(bench.events(), ['set a'])
  assert.deepEqual(bench.lostKeys, [])
  assert.equal(bench.begin('delta', forked, { restores: false }), true, 'nothing is lost any more')
})

test('K7 an item that expires while the snapshot is told is not restored by a replica that believes the store', () => {
  for (const isOverdue of [false, true]) {
    const bench = afterLoss({ restores: false, leftMs: 100 })
    if (isOverdue) bench.clock.pass(100)
    else bench.clock.advance(100)
    bench.tell(old)
    bench.live('e2.2')
    assert.deepEqual(bench.events(), ['expire a'])
    assert.deepEqual(bench.lostKeys, [])
  }
})

test('K1 an own write that was answered out of an epoch before a session told of it is not lost', () => {
  for (const restores of [true, false]) {
    const bench = liveWith({ c: { v: 1 } })
    // The clock of a store that was emptied is behind: its new epoch sorts before the one that is known.
    bench.acceptSet('a', 'own', 'd1.2')
    bench.acceptDelete('b', 'd1.4')
    bench.acceptSet('d', 'own', 'd1.5')
    bench.emitted()
    bench.begin('snapshot', { d1: 0 }, { restores })
    // The snapshot was read before those writes.
    bench.tell(entry('a', 'd1.1', { v: 'older' }), entry('b', 'd1.3', { v: 'older' }))
    bench.live('d1.3')
    const own = { a: { v: 'own' }, d: { v: 'own' } }
    assert.deepEqual(bench.contents, restores ? { ...own, c: { v: 1 } } : own)
    assert.deepEqual(bench.causes(), restores ? [] : ['delete c resync'])
    assert.deepEqual(bench.lostKeys, restores ? ['c'] : [])
    assert.deepEqual(bench.replica.lost.takeReport(), { lost: 1, restored: 0 })
  }
})

test('K7 what the store should have and does not stays lost in another history that has its place', () => {
  const bench = liveWith({ a: { v: 'a' } })
  bench.tell(missing('a', 1))
  bench.begin('delta', { e1: 0, e2: 1 })
  bench.live('e2.1')
  assert.deepEqual(bench.lostKeys, ['a'])
})

test('K7 who restores needs no snapshot', () => {
  const bench = caughtUpAfterLoss()
  assert.equal(bench.begin('delta', forked), true)
  bench.live('e2.2')
  assert.deepEqual(bench.lostKeys, ['a', 'b'])
})

test('K7 the same history again loses nothing', () => {
  const bench = liveWith({ a: {} })
  bench.begin('delta', { e1: 0 })
  bench.live(1)
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 an epoch that was renamed: what was known of it counts as lost until the store tells it under its new name', () => {
  const bench = liveWith({ a: { v: 'a' }, b: { v: 'b' } })
  const held = bench.get('a')
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.1', { v: 'a' }))
  bench.live('e2.2')
  assert.deepEqual(bench.lostKeys, ['b'])
  bench.merge('b', { current: entry('b', 'e2.2', { v: 'b' }) })
  assert.equal(bench.get('a'), held)
  assert.deepEqual(bench.events(), [])
  assert.deepEqual([bench.revision('a'), bench.revision('b')], ['e2.1', 'e2.2'])
})

test('K7 a lost tombstone outlives the retention until it is restored, and no longer', () => {
  const bench = liveWith({}, { retention: 20_000 })
  bench.tell(tombstone('a', 5))
  bench.live(5)
  bench.begin('delta', { e2: 0 })
  assert.deepEqual(bench.lostKeys, ['a'])
  bench.clock.advance(20_001)
  bench.live('e2.9')
  bench.live('e2.9')
  assert.equal(bench.lost('a'), 'delete e1.5')
  bench.merge('a', { place: at('e2.10') })
  assert.deepEqual(bench.lostKeys, [])
  bench.live('e2.10')
  bench.tell(entry('a', 'e2.3', { v: 'told late' }))
  assert.equal(bench.replica.items.has('a'), true)
})

for (const restores of [true, false]) {
  test(`K7 what was dropped as evicted may be in an older copy: only a snapshot tells, restores: ${restores}`, () => {
    const bench = liveWith({ a: { v: 'a' } })
    bench.begin('delta', { e1: 0 }, { restores: false })
    bench.tell(missing('a', 1))
    bench.live(5)
    assert.deepEqual(bench.contents, {})
    assert.equal(bench.begin('delta', { e1: 0 }, { restores }), true, 'in the same history a delta is enough')
    bench.live(5)
    assert.equal(bench.begin('delta', { e1: 0, e2: 5 }, { restores }), false)
    assert.equal(bench.begin('snapshot', { e1: 0, e2: 5 }, { restores }), true)
    bench.tell(entry('a', 1, { v: 'a' }))
    bench.live('e2.5')
    assert.deepEqual(bench.contents, { a: { v: 'a' } })
    assert.equal(bench.begin('delta', { e1: 0, e3: 5 }, { restores }), true, 'the snapshot has told')
  })
}

test('K7 so may what the first contents named as evicted', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot', { e1: 0 }, { restores: true })
  bench.tell(missing('a', 1))
  bench.live(5)
  assert.deepEqual(bench.contents, {})
  assert.equal(bench.begin('delta', { e1: 0, e2: 5 }, { restores: true }), false)
  bench.begin('snapshot', { e1: 0, e2: 5 }, { restores: true })
  bench.replica.outOfTouch()
  assert.equal(bench.begin('delta', { e1: 0, e3: 5 }, { restores: true }), false, 'the snapshot broke off')
})

test('K7 a late answer out of the epoch that was lost is not one out of an epoch to come, wherever its id sorts', () => {
  const bench = liveWith({})
  bench.begin('snapshot', { e2: 0 }, { restores: false })
  bench.live('e2.3')
  bench.begin('snapshot', { e1: 0 }, { restores: false })
  bench.tell(entry('a', 1, { v: 'a' }))
  bench.live(1)
  assert.equal(bench.acceptDelete('a', 'e2.4'), false)
  assert.deepEqual(bench.contents, { a: { v: 'a' } })
  assert.equal(bench.acceptDelete('a', 'e3.1'), true)
  assert.deepEqual(bench.contents, {})
})

test('K7 losses are reported once, and what is still lost again', () => {
  const bench = caughtUpAfterLoss()
  bench.merge('a', { place: at('e2.3') })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 2, restored: 1 })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 1, restored: 0 })
  bench.merge('b', { place: at('e2.4') })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 1, restored: 1 })
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 0, restored: 0 })
})

// What a merge is based on

test('K7 the base of a merge is nowhere at first, then the cursor', () => {
  const bench = new ReplicaBench()
  assert.deepEqual(bench.replica.base, { epoch: '', n: 0 })
  bench.begin('snapshot')
  assert.deepEqual(bench.replica.base, { epoch: '', n: 0 })
  bench.live(7)
  assert.deepEqual(bench.replica.base, at(7))
  bench.live(9)
  assert.deepEqual(bench.replica.base, at(9))
})

test('K7 after a loss, the base is the last common place, until nothing is lost any more', () => {
  const bench = afterLoss()
  assert.deepEqual(bench.replica.base, at(2))
  bench.tell(old)
  bench.live('e2.2')
  bench.live('e2.8')
  assert.deepEqual(bench.replica.base, at(2), 'something is lost')
  bench.merge('a', { place: at('e2.9') })
  bench.merge('b', { place: at('e2.10') })
  bench.live('e2.10')
  assert.deepEqual(bench.replica.base, at('e2.10'))
})

test('K7 another loss can only lower the base while something is lost', () => {
  const bench = caughtUpAfterLoss()
  bench.live('e2.8')
  bench.begin('delta', { e1: 0, e2: 2, e3: 7 })
  assert.deepEqual(bench.replica.base, at(2))
  bench.live('e3.7')
  bench.begin('delta', { e1: 0, e4: 1 })
  assert.deepEqual(bench.replica.base, at(1))
  bench.live('e4.5')
  bench.begin('delta', { e5: 0 })
  assert.deepEqual(bench.replica.base, { epoch: '', n: 0 })
})

test('K7 a replica that was behind what the store kept has its own cursor as the base', () => {
  const bench = liveWith({ a: {} })
  bench.begin('delta', { e1: 0, e2: 5 })
  assert.deepEqual(bench.replica.base, at(1))
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 the last common place is found across several epochs', () => {
  const bench = liveWith({ a: {} })
  bench.begin('delta', { e1: 0, e2: 5 })
  bench.live('e2.9')
  // This copy of the store never heard of e2.
  bench.begin('delta', { e1: 0, e3: 3 })
  assert.deepEqual(bench.replica.base, at(3))
})

test.run()
