import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { deleteOf, entry, setOf, tombstone } from '../support/fake-transport'
import { liveWith, ReplicaBench } from '../support/replica-bench'

const test = suite('replica, own writes')

// Within the epoch of the session

test('W3 an own write counts at once, and its echo changes nothing', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 1)
  bench.acceptSet('b', 2, 2)
  bench.acceptDelete('a', 3)
  assert.deepEqual(bench.contents, { b: { v: 2 } })
  assert.deepEqual(bench.emitted(), [
    { kind: 'set', key: 'a', item: { v: 1 }, previous: undefined, revision: 'e1.1', cause: 'live' },
    { kind: 'set', key: 'b', item: { v: 2 }, previous: undefined, revision: 'e1.2', cause: 'live' },
    { kind: 'delete', key: 'a', item: { v: 1 }, previous: { v: 1 }, revision: 'e1.3', cause: 'live' },
  ])
  bench.tell(entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 }), tombstone('a', 3))
  bench.live(3)
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.contents, { b: { v: 2 } })
})

test('W3 an own write changes nothing if its echo came first, nor undoes what came after it', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 }), tombstone('b', 3), entry('b', 4, { v: 4 }))
  bench.live(4)
  bench.emitted()
  bench.acceptSet('a', 1, 1)
  bench.acceptSet('b', 2, 2)
  bench.acceptDelete('b', 3)
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.contents, { a: { v: 1 }, b: { v: 4 } })
})

test('X3 if the echo came first, its remaining time counts', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(50)
  bench.acceptSet('a', 1, 1, { ttlMs: 100 })
  bench.clock.advance(50)
  assert.deepEqual(bench.events(), ['set a', 'expire a'])
})

test('W5 an own delete that found nothing: the key is gone as of that place, by what took it', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 }, c: { v: 3 } })
  bench.acceptDelete('a', 1, { existed: false, cause: 'expire' }) // names the place of the item itself
  bench.acceptDelete('b', 7, { existed: false })
  bench.acceptDelete('c', 2, { existed: false }) // the item is newer
  bench.acceptDelete('never seen', 3, { existed: false })
  assert.deepEqual(bench.events(), ['expire a', 'delete b'])
  bench.tell(entry('a', 1, { v: 'late' }), entry('b', 7, { v: 'late' }))
  assert.deepEqual(bench.contents, { c: { v: 3 } })
})

test('X1 an own write with a ttl expires', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 1, { ttlMs: 50 })
  bench.clock.advance(49)
  assert.deepEqual(bench.events(), ['set a'])
  bench.clock.advance(1)
  assert.deepEqual(bench.events(), ['expire a'])
})

test('W1 an answer may name another remaining time: less than was asked for, the one that was kept, or none', () => {
  const bench = liveWith({})
  bench.acceptSet('less', 1, 1, { ttlMs: 1000, leftMs: 10 })
  bench.acceptSet('kept', 1, 2, { ttlMs: 'keep', leftMs: 20 })
  bench.acceptSet('kept none', 1, 3, { ttlMs: 'keep', leftMs: null })
  bench.acceptSet('capped', 1, 4, { ttlMs: null, leftMs: 30 })
  bench.emitted()
  for (const key of ['less', 'kept', 'capped']) {
    bench.clock.advance(10)
    assert.deepEqual(bench.events(), [`expire ${key}`])
  }
  bench.clock.advance(1e9)
  assert.deepEqual(bench.contents, { 'kept none': { v: 1 } })
})

test('X3 an own set that is answered after the expiry of the item emits expire, then set, though the timer is late', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 1, { ttlMs: 10 })
  bench.clock.pass(10)
  bench.acceptSet('a', 2, 2)
  assert.deepEqual(bench.events(), ['set a', 'expire a', 'set a'])
})

test('C7 no listener sees a part of an own transaction; a check in it changes nothing', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 1 }, checked: { v: 1 } })
  const seen: unknown[] = []
  bench.changed = () => seen.push(bench.contents)
  bench.acceptAtOnce(
    [{ kind: 'check', key: 'checked', if: { epoch: 'e1', n: 3 } }, 4],
    [setOf('a', { v: 2 }), 5],
    [deleteOf('b'), 6],
    [setOf('c', { v: 2 }), 7],
  )
  const after = { a: { v: 2 }, checked: { v: 1 }, c: { v: 2 } }
  assert.deepEqual(seen, [after, after, after])
  assert.equal(bench.revision('checked'), 'e1.3')
})

// Around the first contents

test('W3 an own write before the first session is there at once, and older contents do not undo it', () => {
  const bench = new ReplicaBench()
  bench.acceptSet('a', 'own', 5)
  bench.acceptSet('b', 'own', 6)
  bench.acceptDelete('c', 7)
  bench.acceptDelete('b', 8)
  assert.deepEqual(bench.contents, { a: { v: 'own' } })
  assert.deepEqual(bench.causes(), ['set a live', 'set b live', 'delete b live'])
  bench.begin('snapshot')
  const older = ['a', 'b', 'c'].map((key, i) => entry(key, i + 1, { v: 'old' }))
  bench.tell(...older, entry('d', 4, { v: 'old' }))
  assert.deepEqual(bench.events(), ['set d'])
  assert.deepEqual(bench.contents, { a: { v: 'own' }, d: { v: 'old' } })
  bench.tell(entry('a', 9, { v: 'newer' }), entry('b', 10, { v: 'newer' }))
  assert.deepEqual(bench.events(), ['set a', 'set b'])
})

test('W3 an own write stays if contents that were read before it are told after it', () => {
  const bench = new ReplicaBench()
  bench.acceptSet('a', 'own', 10) // the answer overtakes the contents, which were read at place 9
  bench.begin('snapshot')
  bench.tell(entry('b', 9, { v: 'old' }))
  bench.live(9)
  assert.deepEqual(bench.contents, { a: { v: 'own' }, b: { v: 'old' } })
  bench.tell(entry('a', 10, { v: 'own' }))
  assert.deepEqual(bench.events(), ['set a', 'set b'])
})

test('W3 an own delete stays if contents that were read before it are told after it', () => {
  const bench = new ReplicaBench()
  bench.acceptDelete('a', 10)
  bench.begin('snapshot')
  bench.tell(entry('a', 9, { v: 'old' }))
  bench.live(9)
  assert.deepEqual(bench.events(), [])
})

test('W3 an own clear stays if contents that were read before it are told after it', () => {
  const bench = new ReplicaBench()
  bench.acceptClear(10)
  bench.begin('snapshot')
  bench.tell(entry('a', 9, { v: 'old' }), entry('b', 11, { v: 'new' }))
  bench.live(11)
  assert.deepEqual(bench.contents, { b: { v: 'new' } })
})

test('W3 an own write while a snapshot is told is not taken for gone', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.begin('snapshot')
  bench.acceptSet('new', 1, 5)
  bench.acceptSet('a', 2, 6)
  bench.live(4)
  assert.deepEqual(bench.contents, { a: { v: 2 }, new: { v: 1 } })
  assert.deepEqual(bench.events(), ['set new', 'set a'])
})

test('K1 an own write that somebody deleted before the snapshot was read is gone, however late its answer', () => {
  const bench = liveWith({})
  bench.begin('snapshot') // read at place 2, where the item of place 1 was deleted
  bench.acceptSet('a', 1, 1)
  bench.live(2)
  assert.deepEqual(bench.contents, {})
})

test('K1 an answer that comes late brings back nothing that was gone by then, though its tombstone is forgotten', () => {
  const bench = liveWith({ a: { v: 'a' }, b: { v: 'b' } })
  bench.begin('delta')
  bench.tell(tombstone('c', 4))
  bench.live(4)
  bench.begin('snapshot')
  bench.acceptSet('d', 'set before it was deleted, and forgotten', 3)
  bench.begin('delta')
  bench.live(4)
  assert.deepEqual(bench.contents, { a: { v: 'a' }, b: { v: 'b' } })
  assert.deepEqual(bench.events(), [])
})

test('E7 an own write has the cause stale while the replica is out of touch, and live again after that', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.replica.outOfTouch()
  bench.acceptSet('a', 2, 2)
  bench.begin('delta')
  bench.acceptSet('a', 3, 3)
  bench.live(3)
  bench.acceptSet('a', 4, 4)
  assert.deepEqual(bench.causes(), ['set a stale', 'set a stale', 'set a live'])
})

// clear

test('W5 an own clear emits a delete of each item but those that are newer', () => {
  const bench = liveWith({ a: {}, b: {}, c: {} })
  bench.tell(entry('b', 6, { v: 6 }))
  bench.emitted()
  bench.acceptClear(5)
  assert.deepEqual(bench.revisions(), ['delete a e1.5', 'delete c e1.5'])
  assert.deepEqual(bench.contents, { b: { v: 6 } })
  bench.tell(entry('late', 4, {}), entry('a', 4, {}))
  assert.deepEqual(bench.events(), [], 'what was cleared does not come back')
  bench.tell(tombstone('a', 7), tombstone('c', 8), entry('a', 9, { v: 9 }))
  assert.deepEqual(bench.events(), ['set a'])
})

test('W5 an own clear while a snapshot is told takes what was told, and what is told later of before it', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, {}))
  bench.acceptClear(3)
  bench.tell(entry('b', 2, {}), entry('c', 5, {}))
  bench.live(5)
  assert.deepEqual(bench.contents, { c: {} })
  assert.deepEqual(bench.events(), ['set a', 'delete a', 'set c'])
})

test('X3 an own clear finds an item expired if it was due, though the timer is late', () => {
  const bench = liveWith({ a: {} })
  bench.tell(entry('b', 2, {}, { leftMs: 10 }))
  bench.emitted()
  bench.clock.pass(10)
  bench.acceptClear(3)
  assert.deepEqual(bench.events().sort(), ['delete a', 'expire b'])
})

test('W4 an answer to an own set from before an own clear brings nothing back', () => {
  const bench = liveWith({})
  bench.acceptClear(5)
  bench.acceptSet('a', 1, 4)
  assert.deepEqual(bench.contents, {})
  bench.acceptSet('b', 1, 6)
  assert.deepEqual(bench.contents, { b: { v: 1 } })
})

// Out of an epoch that the session does not know

test('K7 an own write of a later epoch is newer than all that this one tells, and only another session can decide', () => {
  const bench = liveWith({ a: { v: 1 }, b: { v: 2 } })
  assert.equal(bench.acceptSet('a', 'own', 'e2.1'), true)
  assert.equal(bench.acceptDelete('b', 'e2.2'), true)
  assert.deepEqual(bench.revisions(), ['set a e2.1', 'delete b e2.2'])
  bench.tell(entry('a', 50, { v: 50 }), entry('b', 51, { v: 51 }))
  assert.deepEqual(bench.contents, { a: { v: 'own' } })
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.1', { v: 'own' }), entry('c', 'e2.3', { v: 3 }))
  bench.live('e2.3')
  assert.deepEqual(bench.events(), ['set c'])
  bench.tell(entry('a', 'e2.4', { v: 4 }), entry('b', 'e2.5', { v: 5 }))
  assert.deepEqual(bench.contents, { a: { v: 4 }, b: { v: 5 }, c: { v: 3 } })
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 an own write before any session ends none, whatever its epoch', () => {
  assert.equal(new ReplicaBench().acceptSet('a', 1, 'e7.1'), false)
})

test('W4 of several own writes of a key in a later epoch, the last one counts', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 'e2.1')
  bench.acceptSet('a', 2, 'e2.2')
  bench.acceptDelete('b', 'e2.3')
  bench.acceptSet('b', 4, 'e2.4')
  assert.deepEqual(bench.events(), ['set a', 'set a', 'set b'])
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.1', { v: 1 }), tombstone('b', 'e2.3'))
  assert.deepEqual(bench.contents, { a: { v: 2 }, b: { v: 4 } })
})

test('K7 an own write of a later epoch that has begun is like any other in the next one', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 'e2.3')
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.3', { v: 1 }))
  bench.live('e2.3')
  bench.begin('delta', { e2: 0, e3: 3 })
  bench.live('e3.3')
  assert.deepEqual(bench.lostKeys, [])
  bench.tell(entry('a', 'e2.3', { v: 'an echo' }))
  assert.deepEqual(bench.contents, { a: { v: 1 } })
  assert.deepEqual(bench.events(), ['set a'])
})

test('K7 an own write of an epoch that came to nothing is lost: it is restored, or the store is believed', () => {
  const restoring = liveWith({ a: { v: 1 } })
  const accepting = liveWith({ a: { v: 1 } })
  for (const bench of [restoring, accepting]) {
    bench.acceptSet('a', 'lost', 'e2.9')
    bench.begin('snapshot', { e3: 0 }, { restores: bench === restoring })
    bench.tell(entry('a', 'e3.1', { v: 'the store has this' }), entry('b', 'e3.2', {}))
    bench.live('e3.2')
  }
  assert.deepEqual(restoring.contents, { a: { v: 'the store has this' }, b: {} }, 'an epoch that began later is newer')
  assert.deepEqual(accepting.contents, { a: { v: 'the store has this' }, b: {} })
  restoring.acceptSet('c', 'lost', 'e2.10')
  assert.equal(restoring.lost('c'), 'item e2.10')
  accepting.acceptSet('c', 'lost', 'e2.10')
  assert.ok(!('c' in accepting.contents))
})

test('K7 an own write of an epoch that came to nothing is lost under the very history of before', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.acceptSet('a', 2, 'e2.2')
  bench.begin('delta', { e1: 0 })
  bench.live(1)
  assert.equal(bench.lost('a'), 'item e2.2')
})

test('X3 an own write of a later epoch expires in time, and the store tells nothing new of it later', () => {
  const bench = liveWith({})
  bench.acceptSet('a', 1, 'e2.3', { ttlMs: 10 })
  bench.clock.advance(10)
  assert.deepEqual(bench.revisions(), ['set a e2.3', 'expire a e2.3'])
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('a', 'e2.3', { v: 1 }, { leftMs: 1 }))
  bench.live('e2.3')
  assert.deepEqual(bench.events(), [])
})

test('W5 an own clear of a later epoch takes everything of this one, and what was written before it in its own', () => {
  const bench = liveWith({ a: {}, b: {} })
  bench.acceptSet('c', 1, 'e2.1')
  bench.acceptClear('e2.2')
  assert.deepEqual(bench.revisions(), ['set c e2.1', 'delete a e2.2', 'delete b e2.2', 'delete c e2.2'])
  bench.tell(entry('a', 60, { v: 'of e1' }))
  bench.acceptSet('b', 'after', 'e2.3')
  assert.deepEqual(bench.events(), ['set b'])
  bench.begin('snapshot', { e2: 0 })
  bench.tell(entry('b', 'e2.3', { v: 'after' }), entry('c', 'e2.4', {}))
  bench.live('e2.4')
  assert.deepEqual(bench.contents, { b: { v: 'after' }, c: {} })
  assert.deepEqual(bench.lostKeys, [])
})

// Out of an epoch that is over

/** Live in `e2`, which began after place 5 of `e1`; `a` is from before. */
function liveInSecondEpoch({ restores = true } = {}) {
  const bench = liveWith({ a: { v: 'a' } })
  bench.begin('delta', { e1: 0, e2: 5 }, { restores })
  bench.live('e2.9')
  return bench
}

test('K7 an answer that comes late, of a place that the store still has, tells nothing new', () => {
  const bench = liveInSecondEpoch()
  bench.acceptSet('a', 'a', 1)
  bench.acceptSet('gone since', 1, 4)
  assert.deepEqual(bench.contents, { a: { v: 'a' } })
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 an answer that comes late, of a place that the store has lost, is lost and to be restored', () => {
  const bench = liveInSecondEpoch()
  assert.equal(bench.acceptSet('a', 'lost', 8), false, 'the session goes on')
  bench.acceptSet('b', 'lost', 9)
  bench.acceptDelete('c', 7)
  assert.deepEqual(bench.contents, { a: { v: 'lost' }, b: { v: 'lost' } })
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => bench.lost(key)),
    ['item e1.8', 'item e1.9', 'delete e1.7'],
  )
  bench.tell(entry('a', 'e2.10', { v: 'new' }), entry('c', 'e2.11', { v: 'new' }))
  assert.deepEqual(bench.contents, { a: { v: 'new' }, b: { v: 'lost' }, c: { v: 'new' } }, 'it holds off nothing newer')
  assert.deepEqual(bench.lostKeys, ['b'])
})

test('K7 while a snapshot is told, such an answer is kept as well', () => {
  const bench = liveWith({ a: { v: 'a' } })
  bench.begin('snapshot', { e1: 0, e2: 5 })
  bench.acceptSet('b', 'lost', 9)
  bench.tell(entry('a', 1, { v: 'a' }))
  bench.live('e2.9')
  assert.deepEqual(bench.contents, { a: { v: 'a' }, b: { v: 'lost' } })
  assert.deepEqual(bench.lostKeys, ['b'])
})

test('K7 such an answer is passed over if something newer is known', () => {
  const bench = liveInSecondEpoch()
  bench.tell(entry('a', 'e2.10', { v: 'new' }), tombstone('b', 'e2.11'))
  bench.acceptSet('a', 'lost', 8)
  bench.acceptSet('b', 'lost', 9)
  assert.deepEqual(bench.contents, { a: { v: 'new' } })
  assert.deepEqual(bench.lostKeys, [])
})

test('K7 such an answer counts nothing where the store is to be believed', () => {
  const bench = liveInSecondEpoch({ restores: false })
  bench.acceptSet('a', 'lost', 8)
  bench.acceptDelete('a', 9)
  bench.acceptClear(10)
  assert.deepEqual(bench.events(), [])
  assert.deepEqual(bench.contents, { a: { v: 'a' } })
  bench.tell(entry('b', 'e2.10', {}))
  assert.deepEqual(bench.contents, { a: { v: 'a' }, b: {} })
})

test('K7 a clear of an epoch that is over is restored key by key: what it took, and what is told later of before it', () => {
  const bench = liveWith({ a: {}, b: {}, c: {} })
  bench.begin('snapshot', { e1: 0, e2: 5 })
  bench.tell(entry('a', 1, {}))
  bench.acceptClear(9)
  bench.tell(entry('b', 2, {}), entry('since', 'e2.6', {}))
  bench.live('e2.6')
  assert.deepEqual(bench.contents, { since: {} })
  assert.deepEqual(
    ['a', 'b'].map((key) => bench.lost(key)),
    ['delete e1.9', 'delete e1.9'],
  )
  bench.tell(entry('a', 'e2.7', { v: 'new' }))
  assert.deepEqual(bench.contents, { since: {}, a: { v: 'new' } }, 'it holds off nothing newer')
})

test('K7 the same acknowledgement twice counts one loss', () => {
  const bench = liveInSecondEpoch()
  bench.acceptDelete('a', 8)
  bench.acceptDelete('a', 8)
  assert.deepEqual(bench.replica.lost.takeReport(), { lost: 1, restored: 0 })
})

test('K7 the newest epoch that an answer named is known until a session begins', () => {
  const history = (...ids: string[]) => ids.map((id, i) => ({ id, floor: i }))
  const bench = liveWith({})
  assert.equal(bench.replica.laterEpoch(history('e1')), null)
  bench.acceptSet('a', 1, 'e3.1')
  bench.acceptSet('a', 1, 'e2.9')
  assert.equal(bench.replica.laterEpoch(history('e1')), 'e3')
  assert.equal(bench.replica.laterEpoch(history('e1', 'e3')), null)
  assert.equal(bench.replica.laterEpoch(history('e4')), null)
  bench.begin('delta', { e3: 0 })
  assert.equal(bench.replica.laterEpoch(history('e1')), 'e3')
  bench.begin('delta', { e1: 0 })
  assert.equal(bench.replica.laterEpoch(history('e1')), null)
})

test.run()
