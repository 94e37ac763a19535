import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import type { MemisError } from '../../src/core/errors'
import { type Cause, Replica } from '../../src/core/replica'
import type { Gone, Outcome, Write } from '../../src/core/transport'
import { FakeClock } from '../support/fake-clock'
import { gone, setOf, told } from '../support/fake-transport'

const test = suite('replica')

interface Item {
  v?: unknown
}

interface Told {
  event: 'set' | Gone
  key: string
  item: Readonly<Item>
  revision: string
  previous: Readonly<Item> | undefined
  cause: Cause
}

/** A replica with all that it tells, in an epoch `e1`, where it has caught up with the contents given, or with none. */
function make({ retention = 600_000, contents = null as Record<string, Item> | null } = {}) {
  const clock = new FakeClock()
  const events: Told[] = []
  const reports: MemisError[] = []
  const hooks: { changed?: (told: Told) => void } = {}
  const replica = new Replica<Item>(clock, retention, {
    changed(event, key, item, { revision, previous, cause }) {
      const told = { event, key, item, revision, previous, cause }
      events.push(told)
      hooks.changed?.(told)
    },
    report: (error) => reports.push(error),
  })
  const self = {
    clock,
    replica,
    reports,
    hooks,
    begin: (how: 'delta' | 'whole', epoch: string, common: number, restores = false) =>
      replica.begin(how, epoch, common, restores),
    /** What was told since it was last asked for. */
    events: () => events.splice(0),
    /** The same in short: `set a`, `delete b`. */
    words: () => events.splice(0).map(({ event, key }) => `${event} ${key}`),
    get: (key: string) => replica.items.get(key),
    contents: () => Object.fromEntries(replica.items),
    own: (write: Write, n: number, { epoch = 'e1', gone = undefined as Gone | undefined } = {}) => {
      const outcome: Extract<Outcome, { n: number }> = gone ? { n, existed: false, gone } : { n, existed: true }
      replica.written(write, epoch, outcome)
    },
    ownSet: (key: string, v: unknown, n: number, { epoch = 'e1', ttlMs = null as number | null } = {}) =>
      self.own(setOf(key, { v }, ttlMs), n, { epoch }),
    ownDelete: (key: string, n: number, epoch = 'e1') => self.own({ kind: 'delete', key }, n, { epoch }),
    ownClear: (n: number, epoch = 'e1') => self.own({ kind: 'clear' }, n, { epoch }),
  }
  if (contents !== null) {
    const list = Object.entries(contents).map(([key, item], i) => told(key, i + 1, item))
    self.begin('whole', 'e1', 0)
    replica.changes(list)
    replica.live(list.length)
    self.events()
  }
  return self
}

// Contents, events and causes

test('the first contents are told as sets, cause snapshot; what follows has cause live', () => {
  const { replica, begin, events, contents } = make()
  begin('whole', 'e1', 0)
  replica.changes([told('a', 1, { v: 1 })])
  replica.changes([told('b', 2, { v: 2 })])
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 } }, 'what has arrived can be read')
  assert.equal(replica.position, null)
  assert.equal(replica.live(2), true)
  assert.deepEqual(replica.position, { epoch: 'e1', n: 2, past: [] })
  replica.changes([told('a', 3, { v: 3 }), gone('b', 4), gone('a', 5, 'expire')])
  assert.equal(replica.live(5), false, 'that ended no catching up')
  assert.deepEqual(events(), [
    { event: 'set', key: 'a', item: { v: 1 }, revision: 'e1.1', previous: undefined, cause: 'snapshot' },
    { event: 'set', key: 'b', item: { v: 2 }, revision: 'e1.2', previous: undefined, cause: 'snapshot' },
    { event: 'set', key: 'a', item: { v: 3 }, revision: 'e1.3', previous: { v: 1 }, cause: 'live' },
    { event: 'delete', key: 'b', item: { v: 2 }, revision: 'e1.4', previous: { v: 2 }, cause: 'live' },
    { event: 'expire', key: 'a', item: { v: 3 }, revision: 'e1.5', previous: { v: 3 }, cause: 'live' },
  ])
  assert.deepEqual(contents(), {})
})

test('what an event gives is what get gives, or gave before', () => {
  const { replica, events, get } = make({ contents: { a: { v: 1 } } })
  const before = get('a')
  replica.changes([told('a', 2, { v: 2 })])
  const after = get('a')
  replica.changes([gone('a', 3)])
  const [set, del] = events()
  assert.equal(set?.previous, before)
  assert.equal(set?.item, after)
  assert.equal(del?.item, after)
  assert.equal(del?.previous, after)
  assert.ok(Object.isFrozen(after))
})

test('an event comes after the replica has changed', () => {
  const { replica, hooks, get } = make({ contents: { a: { v: 1 } } })
  const seen: unknown[] = []
  hooks.changed = ({ key }) => seen.push(get(key))
  replica.changes([told('a', 2, { v: 2 }), gone('a', 3), told('b', 4, { v: 4 }, 10)])
  assert.deepEqual(seen, [{ v: 2 }, undefined, { v: 4 }])
})

test('the same revision is told of an own write, of its echo and of a resync', () => {
  const one = make({ contents: {} })
  const two = make({ contents: {} })
  const three = make({ contents: {} })
  one.ownSet('a', 1, 1)
  two.replica.changes([told('a', 1, { v: 1 })])
  three.begin('delta', 'e1', Infinity)
  three.replica.changes([told('a', 1, { v: 1 })])
  const revisions = [one, two, three].map(({ events }) => events()[0]?.revision)
  assert.deepEqual(revisions, ['e1.1', 'e1.1', 'e1.1'])
})

test('equal contents, in whatever order, keep the object, give no event, and count as newer', () => {
  const { replica, begin, words, get } = make()
  begin('whole', 'e1', 0)
  replica.changes([told('a', 1, { x: 1, y: { p: [1], q: null } })])
  replica.live(1)
  words()
  const held = get('a')
  replica.changes([told('a', 5, { y: { q: null, p: [1] }, x: 1 })])
  assert.equal(get('a'), held)
  replica.changes([told('a', 4, { v: 'older' })])
  assert.equal(get('a'), held)
  assert.deepEqual(words(), [])
})

test('equal contents with another ttl: the new one counts, also where there was none, and where there is none now', () => {
  const { replica, clock, words, get } = make({ contents: { a: { v: 1 } } })
  const held = get('a')
  replica.changes([told('a', 2, { v: 1 }, 100)])
  clock.advance(50)
  replica.changes([told('a', 3, { v: 1 }, 100)])
  clock.advance(99)
  assert.equal(get('a'), held)
  replica.changes([told('a', 4, { v: 1 })])
  clock.advance(1e9)
  assert.equal(get('a'), held)
  replica.changes([told('a', 5, { v: 1 }, 10)])
  assert.equal(get('a'), held)
  assert.deepEqual(words(), [])
  clock.advance(10)
  assert.deepEqual(words(), ['expire a'])
})

test('a set keeps the place of the key, as in a Map, also where it gets a ttl or loses it', () => {
  const { replica } = make({ contents: { a: {}, b: {}, c: {} } })
  replica.changes([told('a', 4, { v: 4 }, 100), told('b', 5, { v: 5 }, 100), told('b', 6, { v: 6 })])
  assert.deepEqual([...replica.items.keys()], ['a', 'b', 'c'])
})

// Order

test('an older change of a key is passed over, of an item as of what is gone', () => {
  const { replica, words, contents } = make({ contents: { a: { v: 1 } } })
  replica.changes([told('a', 9, { v: 9 }), told('a', 8, { v: 8 }), gone('a', 7), told('a', 9, { v: 'again' })])
  replica.changes([gone('a', 20), told('a', 19, { v: 19 }), told('a', 20, { v: 20 }), gone('a', 20)])
  assert.deepEqual(contents(), {})
  assert.deepEqual(words(), ['set a', 'delete a'])
})

test('what has been told up to a number is not news, of whatever key', () => {
  const { replica, words } = make({ contents: {} })
  replica.live(10)
  replica.changes([told('never seen', 10, { v: 1 }), told('never seen', 3, { v: 1 })])
  assert.deepEqual(words(), [])
  replica.changes([told('never seen', 11, { v: 1 })])
  assert.deepEqual(words(), ['set never seen'])
})

test('one proof that is older than another takes nothing back', () => {
  const { replica, words } = make({ contents: {} })
  replica.live(10)
  replica.live(5)
  replica.changes([told('a', 7, { v: 7 })])
  assert.deepEqual(words(), [])
})

test('a delete of what is not there gives no event, and holds off what is older', () => {
  const { replica, words } = make({ contents: {} })
  replica.changes([gone('a', 5), gone('b', 6, 'expire'), told('a', 4, {}), told('b', 6, {})])
  assert.deepEqual(words(), [])
  replica.changes([told('a', 7, {})])
  assert.deepEqual(words(), ['set a'])
})

// Own writes

test('an own write is told at once, and its echo is no news', () => {
  const { replica, ownSet, ownDelete, events, contents } = make({ contents: {} })
  ownSet('a', 1, 1)
  ownSet('b', 2, 2)
  ownDelete('a', 3)
  assert.deepEqual(contents(), { b: { v: 2 } })
  assert.deepEqual(
    events().map(({ event, key, cause, revision }) => [event, key, cause, revision]),
    [
      ['set', 'a', 'live', 'e1.1'],
      ['set', 'b', 'live', 'e1.2'],
      ['delete', 'a', 'live', 'e1.3'],
    ],
  )
  replica.changes([told('a', 1, { v: 1 }), told('b', 2, { v: 2 }), gone('a', 3)])
  replica.live(3)
  assert.deepEqual(events(), [])
  assert.deepEqual(contents(), { b: { v: 2 } })
})

test('an own write is no news where its echo came first, and does not undo what came after it', () => {
  const { replica, ownSet, ownDelete, words, contents } = make({ contents: {} })
  replica.changes([told('a', 1, { v: 1 }), told('b', 2, { v: 2 }), gone('b', 3), told('b', 4, { v: 4 })])
  replica.live(4)
  words()
  ownSet('a', 1, 1)
  ownSet('b', 2, 2)
  ownDelete('b', 3)
  assert.deepEqual(words(), [])
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 4 } })
})

test('where the echo came first, its time counts', () => {
  const { replica, ownSet, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, { v: 1 }, 100)])
  clock.advance(50)
  ownSet('a', 1, 1, { ttlMs: 100 })
  clock.advance(50)
  assert.deepEqual(words(), ['set a', 'expire a'])
})

test('an own delete whose echo came first, and after which the key was set again', () => {
  const { replica, ownDelete, contents } = make({ contents: { a: { v: 1 } } })
  replica.changes([gone('a', 2), told('a', 3, { v: 3 })])
  ownDelete('a', 2)
  assert.deepEqual(contents(), { a: { v: 3 } })
})

test('an own delete that found nothing: the item is gone as of that number, by what took it', () => {
  const { own, words, replica, contents } = make({ contents: { a: { v: 1 }, b: { v: 2 }, c: { v: 3 } } })
  own({ kind: 'delete', key: 'a' }, 1, { gone: 'expire' }) // the number is the item's own
  own({ kind: 'delete', key: 'b' }, 7, { gone: 'delete' })
  own({ kind: 'delete', key: 'c' }, 2, { gone: 'delete' }) // the item is newer
  own({ kind: 'delete', key: 'never seen' }, 3, { gone: 'delete' })
  assert.deepEqual(words(), ['expire a', 'delete b'])
  replica.changes([told('b', 7, { v: 'late' })])
  assert.deepEqual(contents(), { c: { v: 3 } })
})

test('an own write with a ttl expires', () => {
  const { ownSet, clock, words } = make({ contents: {} })
  ownSet('a', 1, 1, { ttlMs: 50 })
  assert.deepEqual(words(), ['set a'])
  clock.advance(49)
  assert.deepEqual(words(), [])
  clock.advance(1)
  assert.deepEqual(words(), ['expire a'])
})

test('an own write before the first session has begun is there at once, and older contents do not undo it', () => {
  const { replica, begin, ownSet, ownDelete, words, contents, events } = make()
  ownSet('a', 'own', 5)
  ownSet('b', 'own', 6)
  ownDelete('c', 7)
  ownDelete('b', 8)
  assert.deepEqual(contents(), { a: { v: 'own' } })
  assert.deepEqual(
    events().map(({ event, key, revision, cause }) => [event, key, revision, cause]),
    [
      ['set', 'a', 'e1.5', 'live'],
      ['set', 'b', 'e1.6', 'live'],
      ['delete', 'b', 'e1.8', 'live'],
    ],
  )
  begin('whole', 'e1', 0)
  const older = ['a', 'b', 'c'].map((key, i) => told(key, i + 1, { v: 'old' }))
  replica.changes([...older, told('d', 4, { v: 'old' })])
  assert.deepEqual(words(), ['set d'])
  assert.deepEqual(contents(), { a: { v: 'own' }, d: { v: 'old' } })
  replica.changes([told('a', 9, { v: 'newer' }), told('b', 10, { v: 'newer' })])
  assert.deepEqual(words(), ['set a', 'set b'])
})

test('an own write stays, where contents that were read before it are told after it', () => {
  const { replica, begin, ownSet, words, contents } = make()
  ownSet('a', 'own', 10) // the answer overtakes the contents, which were read at number 9
  begin('whole', 'e1', 0)
  replica.changes([told('b', 9, { v: 'old' })])
  replica.live(9)
  assert.deepEqual(contents(), { a: { v: 'own' }, b: { v: 'old' } })
  replica.changes([told('a', 10, { v: 'own' })])
  assert.deepEqual(words(), ['set a', 'set b'])
})

test('an own delete stays, where contents that were read before it are told after it', () => {
  const { replica, begin, ownDelete, words } = make()
  ownDelete('a', 10)
  begin('whole', 'e1', 0)
  replica.changes([told('a', 9, { v: 'old' })])
  replica.live(9)
  assert.deepEqual(words(), [])
})

test('an own clear stays, where contents that were read before it are told after it', () => {
  const { replica, begin, ownClear, words } = make()
  ownClear(10)
  begin('whole', 'e1', 0)
  replica.changes([told('a', 9, { v: 'old' })])
  replica.live(9)
  assert.deepEqual(words(), [])
})

test('an own write while the whole contents are told is not taken for gone', () => {
  const { replica, begin, ownSet, contents, words } = make({ contents: { a: { v: 1 } } })
  begin('whole', 'e1', Infinity)
  ownSet('new', 1, 5)
  ownSet('a', 2, 6)
  replica.live(4)
  assert.deepEqual(contents(), { a: { v: 2 }, new: { v: 1 } })
  assert.deepEqual(words(), ['set new', 'set a'])
})

test('an own write that somebody deleted before the whole contents were read is gone, however late its answer', () => {
  const { replica, begin, ownSet, contents } = make({ contents: {} })
  begin('whole', 'e1', Infinity) // read at number 2, when the item of number 1 was deleted
  ownSet('a', 1, 1)
  replica.live(2)
  assert.deepEqual(contents(), {})
})

test('an own write of an epoch that is not begun yet is newer than all that this one tells', () => {
  const { replica, begin, ownSet, ownDelete, words, contents, events } = make({
    contents: { a: { v: 1 }, b: { v: 2 } },
  })
  ownSet('a', 'own', 1, { epoch: 'e2' })
  ownDelete('b', 2, 'e2')
  assert.deepEqual(
    events().map(({ revision }) => revision),
    ['e2.1', 'e2.2'],
  )
  replica.changes([told('a', 50, { v: 50 }), told('b', 51, { v: 51 })])
  assert.deepEqual(contents(), { a: { v: 'own' } })
  begin('whole', 'e2', 0)
  replica.changes([told('a', 1, { v: 'own' }), told('c', 3, { v: 3 })])
  replica.live(3)
  assert.deepEqual(words(), ['set c'])
  replica.changes([told('a', 4, { v: 4 }), told('b', 5, { v: 5 })])
  assert.deepEqual(contents(), { a: { v: 4 }, b: { v: 5 }, c: { v: 3 } })
})

test('several own writes of a key in an epoch that is not begun yet: the last one counts', () => {
  const { replica, begin, ownSet, ownDelete, contents, words } = make({ contents: {} })
  ownSet('a', 1, 1, { epoch: 'e2' })
  ownSet('a', 2, 2, { epoch: 'e2' })
  ownDelete('b', 3, 'e2')
  ownSet('b', 4, 4, { epoch: 'e2' })
  assert.deepEqual(words(), ['set a', 'set a', 'set b'])
  begin('whole', 'e2', 0)
  replica.changes([told('a', 1, { v: 1 }), gone('b', 3)])
  assert.deepEqual(contents(), { a: { v: 2 }, b: { v: 4 } })
})

test('an own write of an epoch that has begun is like any other in the next one', () => {
  const { replica, begin, ownSet, contents, words } = make({ contents: {} })
  ownSet('a', 1, 3, { epoch: 'e2' })
  begin('whole', 'e2', 0)
  replica.changes([told('a', 3, { v: 1 })])
  replica.live(3)
  begin('delta', 'e3', 3, true)
  replica.live(3)
  assert.equal(replica.doubts.size, 0)
  replica.changes([told('a', 3, { v: 'an echo' })])
  assert.deepEqual(contents(), { a: { v: 1 } })
  assert.deepEqual(words(), ['set a'])
})

test('an own write of an epoch that never begins is worth nothing in the next one', () => {
  const { replica, begin, ownSet, contents } = make({ contents: {} })
  ownSet('a', 'lost', 9, { epoch: 'e2' })
  begin('whole', 'e3', 0)
  replica.changes([told('a', 1, { v: 'the store has this' })])
  replica.live(1)
  assert.deepEqual(contents(), { a: { v: 'the store has this' } })
})

test('an own write of an epoch not begun yet expires in time, and what the store tells of it later is no news', () => {
  const { replica, begin, ownSet, clock, events, words } = make({ contents: {} })
  ownSet('a', 1, 3, { epoch: 'e2', ttlMs: 10 })
  clock.advance(10)
  assert.deepEqual(
    events().map(({ event, revision }) => [event, revision]),
    [
      ['set', 'e2.3'],
      ['expire', 'e2.3'],
    ],
  )
  begin('whole', 'e2', 0)
  replica.changes([told('a', 3, { v: 1 }, 1)])
  replica.live(3)
  assert.deepEqual(words(), [])
})

// clear

test('an own clear tells each item as deleted, but not those that are newer', () => {
  const { replica, ownClear, words, contents } = make({ contents: { a: {}, b: {}, c: {} } })
  replica.changes([told('b', 6, { v: 6 })])
  words()
  ownClear(5)
  assert.deepEqual(words(), ['delete a', 'delete c'])
  assert.deepEqual(contents(), { b: { v: 6 } })
  replica.changes([told('late', 5, {}), told('a', 4, {})])
  assert.deepEqual(words(), [], 'what was cleared does not come back')
  replica.changes([gone('a', 7), gone('c', 8), told('a', 9, { v: 9 })])
  assert.deepEqual(words(), ['set a'])
})

test('an own clear while the whole contents are told', () => {
  const { replica, begin, ownClear, words, contents } = make()
  begin('whole', 'e1', 0)
  replica.changes([told('a', 1, {})])
  ownClear(2)
  replica.changes([told('b', 2, {}), told('c', 5, {})])
  replica.live(5)
  assert.deepEqual(contents(), { c: {} })
  assert.deepEqual(words(), ['set a', 'delete a', 'set c'])
})

test('an own clear in an epoch that is not begun yet', () => {
  const { replica, begin, ownClear, ownSet, words, contents } = make({ contents: { a: {}, b: {} } })
  ownClear(0, 'e2')
  assert.deepEqual(words(), ['delete a', 'delete b'])
  replica.changes([told('a', 60, { v: 'of e1' })])
  ownSet('b', 'after', 3, { epoch: 'e2' })
  assert.deepEqual(words(), ['set b'])
  begin('whole', 'e2', 0)
  replica.changes([told('b', 3, { v: 'after' }), told('c', 4, {})])
  replica.live(4)
  assert.deepEqual(contents(), { b: { v: 'after' }, c: {} })
})

test('what such a clear takes is told with a revision of that epoch', () => {
  const { ownClear, events } = make({ contents: { a: {} } })
  ownClear(1, 'e2')
  assert.deepEqual(
    events().map(({ revision }) => revision),
    ['e2.1'],
  )
})

test('an own clear in an epoch not begun yet takes own writes that were made before it in that epoch', () => {
  const { ownClear, ownSet, words, contents } = make({ contents: {} })
  ownSet('a', 1, 1, { epoch: 'e2' })
  ownClear(1, 'e2')
  assert.deepEqual(contents(), {})
  assert.deepEqual(words(), ['set a', 'delete a'])
})

test('an own clear before the first session has begun', () => {
  const { replica, begin, ownClear, ownSet, contents } = make()
  ownSet('a', 1, 1)
  ownClear(1)
  ownSet('b', 3, 3)
  assert.deepEqual(contents(), { b: { v: 3 } })
  begin('whole', 'e1', 0)
  replica.changes([told('b', 3, { v: 3 }), told('c', 4, {})])
  replica.live(4)
  assert.deepEqual(contents(), { b: { v: 3 }, c: {} })
})

// Catching up

test('a delta tells what changed, cause resync, net per key', () => {
  const { replica, begin, events, contents } = make({ contents: { a: { v: 1 }, b: { v: 2 }, c: { v: 3 } } })
  begin('delta', 'e1', Infinity)
  replica.changes([told('a', 9, { v: 9 }), gone('b', 10), gone('set and deleted meanwhile', 11)])
  assert.equal(replica.live(11), true)
  assert.deepEqual(contents(), { a: { v: 9 }, c: { v: 3 } })
  assert.deepEqual(
    events().map(({ event, key, cause }) => [event, key, cause]),
    [
      ['set', 'a', 'resync'],
      ['delete', 'b', 'resync'],
    ],
  )
})

test('whole contents: what is not told is gone, what was told again is no news', () => {
  const { replica, begin, events, contents } = make({ contents: { a: { v: 1 }, b: { v: 2 }, c: { v: 3 } } })
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 1, { v: 1 }), told('c', 9, { v: 9 }), told('d', 10, { v: 10 })])
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 }, c: { v: 9 }, d: { v: 10 } }, 'b stays until all is told')
  assert.equal(replica.live(10), true)
  assert.deepEqual(
    events().map(({ event, key, cause, revision }) => [event, key, cause, revision]),
    [
      ['set', 'c', 'resync', 'e1.9'],
      ['set', 'd', 'resync', 'e1.10'],
      ['delete', 'b', 'resync', 'e1.10'],
    ],
  )
})

test('what is not told and was due is told as expired; what was not due, as deleted', () => {
  const { replica, begin, clock, words } = make({ contents: {} })
  replica.changes([told('due', 1, {}, 100), told('not due', 2, {}, 10_000), told('no ttl', 3, {})])
  words()
  begin('whole', 'e1', Infinity)
  clock.pass(100)
  replica.live(9)
  assert.deepEqual(words(), ['expire due', 'delete not due', 'delete no ttl'])
  clock.advance(20_000)
  assert.deepEqual(words(), [])
})

test('whole contents that were not told to the end leave nothing behind in the next session', () => {
  const { replica, begin, words, contents } = make({ contents: { a: { v: 1 }, b: { v: 2 } } })
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 1, { v: 1 })])
  begin('delta', 'e1', Infinity)
  assert.equal(replica.live(2), true)
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 } })
  begin('whole', 'e1', Infinity)
  replica.changes([told('b', 2, { v: 2 })])
  replica.live(2)
  assert.deepEqual(words(), ['delete a'])
})

test('first contents that were not told to the end are told again as snapshot', () => {
  const { replica, begin, events } = make()
  begin('whole', 'e1', 0)
  replica.changes([told('a', 1, { v: 1 }), told('gone meanwhile', 2, {})])
  begin('whole', 'e1', 0)
  replica.changes([told('a', 1, { v: 1 }), told('b', 3, { v: 3 })])
  assert.equal(replica.live(4), true)
  assert.deepEqual(
    events().map(({ event, key, cause }) => `${event} ${key} ${cause}`),
    ['set a snapshot', 'set gone meanwhile snapshot', 'set b snapshot', 'delete gone meanwhile snapshot'],
  )
})

test('a late echo does not bring back what whole contents have told to be gone', () => {
  const { replica, begin, words } = make({ contents: { a: { v: 1 } } })
  begin('whole', 'e1', Infinity)
  replica.live(9)
  replica.changes([told('a', 8, { v: 8 })])
  assert.deepEqual(words(), ['delete a'])
})

test('another epoch that shares nothing: all numbers begin anew', () => {
  const { replica, begin, contents, words } = make({ contents: { a: { v: 1 }, b: { v: 2 }, c: { v: 3 } } })
  replica.changes([told('a', 100, { v: 100 }), gone('d', 101)])
  replica.live(101)
  words()
  begin('whole', 'e2', 0)
  replica.changes([told('a', 1, { v: 'new' }), told('b', 2, { v: 2 }), told('d', 3, {})])
  replica.live(3)
  assert.deepEqual(contents(), { a: { v: 'new' }, b: { v: 2 }, d: {} })
  assert.deepEqual(words(), ['set a', 'set d', 'delete c'])
  assert.deepEqual(replica.position, { epoch: 'e2', n: 3, past: [] })
})

test('another epoch that shares a beginning: numbers up to there still count', () => {
  const { replica, begin, contents, words } = make({ contents: { a: { v: 1 }, b: { v: 2 }, c: { v: 3 } } })
  replica.changes([told('c', 9, { v: 9 }), gone('x', 2), gone('y', 10)])
  words()
  begin('whole', 'e2', 5)
  // Up to 5 the histories are one: what is told again of that is no news. What was 9 and 10 is of the lost history.
  replica.changes([told('a', 1, { v: 1 }), told('b', 2, { v: 2 }), told('c', 3, { v: 3 }), told('y', 7, { v: 7 })])
  replica.live(8)
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 }, c: { v: 3 }, y: { v: 7 } })
  assert.deepEqual(words(), ['set c', 'set y'])
})

test('a late answer of an epoch that is over holds off nothing that is newer', () => {
  const { replica, begin, ownSet, ownDelete, contents } = make({ contents: { a: { v: 1 } } })
  begin('whole', 'e2', 2)
  replica.changes([told('a', 1, { v: 1 })])
  replica.live(9)
  // The store knew a repeated batch again, and gives the answer that was lost when it was restarted.
  ownSet('b', 'late', 2)
  ownSet('c', 'late', 8)
  ownDelete('d', 8)
  replica.changes(['a', 'b', 'c', 'd'].map((key, i) => told(key, 10 + i, { v: 'new' })))
  assert.deepEqual(contents(), { a: { v: 'new' }, b: { v: 'new' }, c: { v: 'new' }, d: { v: 'new' } })
})

test('a late clear of an epoch that is over holds off nothing that is newer', () => {
  const { replica, begin, ownClear, contents } = make({ contents: { a: { v: 1 } } })
  begin('whole', 'e2', 0)
  replica.live(3)
  ownClear(1)
  replica.changes([told('a', 4, { v: 'new' })])
  assert.deepEqual(contents(), { a: { v: 'new' } })
})

test('a position tells which epochs it came through, the newest first, 32 at most; none where nothing is shared', () => {
  const { replica, begin } = make({ contents: { a: {} } })
  for (let i = 2; i <= 50; i++) {
    begin('delta', `e${i}`, i)
    replica.live(i)
    assert.equal(replica.position?.past.length, Math.min(i - 1, 32))
    assert.deepEqual(replica.position.past[0], { epoch: `e${i - 1}`, n: i })
  }
  begin('whole', 'e51', 0)
  replica.live(1)
  assert.deepEqual(replica.position, { epoch: 'e51', n: 1, past: [] })
})

test('a change of the same contents in another epoch is no event', () => {
  const { replica, begin, words, get } = make({ contents: { a: { v: 1 } } })
  const held = get('a')
  begin('whole', 'e2', 0)
  replica.changes([told('a', 7, { v: 1 })])
  replica.live(7)
  assert.equal(get('a'), held)
  assert.deepEqual(words(), [])
})

// What the store lost

/** A replica of two items that its store has lost, in whose new history something may be told. */
function makeLost({ restores = true, left = null as number | null } = {}) {
  const self = make({ contents: { old: { v: 'old' } } })
  self.replica.changes([told('a', 5, { v: 'a' }, left), gone('b', 6)])
  self.replica.live(6)
  self.events()
  self.begin('whole', 'e2', 2, restores)
  return self
}

test('what the store lost is kept and in doubt, what was deleted as well; what is older is not', () => {
  const { replica, words, contents } = makeLost()
  replica.changes([told('old', 1, { v: 'old' })])
  replica.live(2)
  assert.deepEqual(words(), [])
  assert.deepEqual(contents(), { old: { v: 'old' }, a: { v: 'a' } })
  assert.deepEqual(replica.doubts.keys, ['a', 'b'])
  assert.deepEqual(replica.doubts.get('a')?.origin, { epoch: 'e1', n: 5 })
  assert.deepEqual(replica.doubts.get('b')?.origin, { epoch: 'e1', n: 6 })
  assert.deepEqual(replica.doubts.takeReport(), { lost: 2, restored: 0 })
})

test('an own answer that comes late, while everything is told anew, brings back nothing that was gone before', () => {
  const { replica, begin, ownSet, words, contents } = make({ contents: { a: { v: 'a' }, b: { v: 'b' } } })
  begin('delta', 'e1', Infinity)
  replica.changes([gone('c', 4)])
  replica.live(4)
  begin('whole', 'e1', Infinity)
  ownSet('d', 'set before it was deleted, and forgotten', 3)
  assert.deepEqual(words(), [])
  begin('delta', 'e1', Infinity)
  replica.live(4)
  assert.deepEqual(contents(), { a: { v: 'a' }, b: { v: 'b' } })
})

test('where the store is to be believed, what it lost is deleted', () => {
  const { replica, words } = makeLost({ restores: false })
  replica.changes([told('old', 1, { v: 'old' })])
  replica.live(2)
  assert.deepEqual(words(), ['delete a'])
  assert.equal(replica.doubts.size, 0)
})

test('the writes that put things back say from where, with the time that is left', () => {
  const { replica, clock, words } = makeLost({ left: 1000 })
  clock.pass(399.6)
  const restores = (n: number) => ({ epoch: 'e2', floor: 2, origin: { epoch: 'e1', n } })
  assert.deepEqual(replica.restoration('a'), { ...setOf('a', { v: 'a' }, 600), restores: restores(5) })
  assert.deepEqual(replica.restoration('b'), { kind: 'delete', key: 'b', restores: restores(6) })
  assert.equal(replica.restoration('old'), undefined)
  assert.equal(replica.restoration('never seen'), undefined)
  clock.pass(600)
  assert.deepEqual(words(), [])
  assert.deepEqual(replica.restoration('a'), { kind: 'delete', key: 'a', restores: restores(5) })
  assert.deepEqual(words(), ['expire a'], 'less than a millisecond is left: no store takes that for a ttl')
})

test('what was put back is in doubt no more, keeps its object and gives no event', () => {
  const { replica, own, words, get } = makeLost()
  const held = get('a')
  replica.live(2)
  own(replica.restoration('a') as Write, 3, { epoch: 'e2' })
  own(replica.restoration('b') as Write, 4, { epoch: 'e2' })
  assert.equal(replica.doubts.size, 0)
  assert.equal(get('a'), held)
  assert.deepEqual(words(), ['delete old'])
  assert.deepEqual(replica.doubts.takeReport(), { lost: 2, restored: 2 })
  replica.changes([told('a', 3, { v: 'echo' }), told('b', 4, { v: 'echo' })])
  assert.deepEqual(words(), [])
})

test('a write made since wins over what was lost, and what another replica put back is as good', () => {
  const { replica, words, contents } = makeLost()
  const b = gone('b', 4, 'delete', { epoch: 'e1', n: 6 })
  replica.changes([told('old', 1, { v: 'old' }), told('a', 3, { v: 'new' }), b])
  replica.live(4)
  assert.equal(replica.doubts.size, 0)
  assert.deepEqual(words(), ['set a'])
  assert.deepEqual(contents(), { old: { v: 'old' }, a: { v: 'new' } })
  assert.deepEqual(replica.doubts.takeReport(), { lost: 2, restored: 1 })
})

test('an own write made since wins as well', () => {
  const { replica, ownSet, ownDelete, contents } = makeLost()
  ownDelete('a', 3, 'e2')
  ownSet('b', 'new', 4, { epoch: 'e2' })
  replica.live(2)
  assert.equal(replica.doubts.size, 0)
  assert.deepEqual(contents(), { b: { v: 'new' } })
  assert.deepEqual(replica.doubts.takeReport(), { lost: 2, restored: 0 })
})

test('what another replica put back of before does not win over what is held, nor bring back what was deleted', () => {
  const { replica, words, contents } = makeLost()
  const origin = { epoch: 'e1', n: 4 }
  replica.changes([told('a', 3, { v: 'older' }, null, origin), told('b', 4, { v: 'older' }, null, origin)])
  replica.live(4)
  assert.deepEqual(words(), ['delete old'])
  assert.deepEqual(contents(), { a: { v: 'a' } })
  assert.deepEqual(replica.restoration('a')?.restores?.origin, { epoch: 'e1', n: 5 })
  assert.equal(replica.restoration('b')?.kind, 'delete')
})

test('what another replica put back that is newer wins, and is told with its origin at the next loss', () => {
  const { replica, begin, words } = makeLost()
  const origin = { epoch: 'e1', n: 9 }
  replica.changes([
    told('old', 1, { v: 'old' }),
    gone('a', 3, 'delete', origin),
    told('b', 4, { v: 'b' }, null, origin),
  ])
  replica.live(4)
  assert.deepEqual(words(), ['delete a', 'set b'])
  begin('whole', 'e3', 0, true)
  replica.live(0)
  assert.deepEqual(replica.restoration('a')?.restores?.origin, origin)
  assert.deepEqual(replica.restoration('b')?.restores?.origin, origin)
})

test('what was written since it was put back has no origin but its own', () => {
  const { replica, begin, ownSet } = makeLost()
  const origin = { epoch: 'e1', n: 9 }
  replica.changes([told('a', 3, { v: 'a' }, null, origin), told('b', 4, { v: 'b' }, null, origin)])
  replica.live(4)
  ownSet('a', 'own', 5, { epoch: 'e2' })
  replica.changes([told('b', 6, { v: 'new' })])
  begin('whole', 'e3', 0, true)
  replica.live(0)
  assert.deepEqual(replica.restoration('a')?.restores?.origin, { epoch: 'e2', n: 5 })
  assert.deepEqual(replica.restoration('b')?.restores?.origin, { epoch: 'e2', n: 6 })
})

test('what expired while it was in doubt is not told anew when another replica puts it back', () => {
  const { replica, clock, words } = makeLost({ left: 100 })
  replica.live(2)
  clock.advance(100)
  assert.deepEqual(words(), ['delete old', 'expire a'])
  replica.changes([told('a', 3, { v: 'a' }, 5, { epoch: 'e1', n: 5 })])
  clock.advance(5)
  assert.deepEqual(words(), [])
  assert.equal(replica.doubts.get('a'), undefined)
})

test('an item that the store lost without a word is in doubt, and put back over what the store has of it', () => {
  const { replica, begin, words, contents } = make({ contents: { a: { v: 'a' }, b: { v: 'b' } } })
  begin('whole', 'e1', Infinity, true)
  replica.changes([
    told('b', 2, { v: 'b' }),
    { kind: 'lost', key: 'a', n: 1 },
    { kind: 'lost', key: 'never held', n: 1 },
  ])
  replica.live(2)
  assert.deepEqual(contents(), { a: { v: 'a' }, b: { v: 'b' } })
  assert.deepEqual(replica.doubts.keys, ['a'])
  assert.deepEqual(replica.restoration('a')?.restores, { epoch: 'e1', floor: 1, origin: { epoch: 'e1', n: 1 } })
  assert.deepEqual(words(), [])
})

test('where the store is to be believed, what it lost without a word is deleted; what is newer here is not', () => {
  const { replica, begin, ownSet, words } = make({ contents: { a: { v: 'a' }, b: { v: 'b' } } })
  ownSet('b', 'newer', 3)
  words()
  begin('delta', 'e1', Infinity)
  replica.changes([
    { kind: 'lost', key: 'a', n: 1 },
    { kind: 'lost', key: 'b', n: 2 },
  ])
  replica.live(3)
  assert.deepEqual(words(), ['delete a'])
})

test('an answer may tell of less time than was asked for', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.written(setOf('a', { v: 1 }, 1000), 'e1', { n: 1, existed: false, leftMs: 10 })
  clock.advance(10)
  assert.deepEqual(words(), ['set a', 'expire a'])
})

test('what the store has of before the loss does not win over what it lost', () => {
  const { replica, words, contents } = makeLost()
  replica.changes([told('a', 2, { v: 'older' }), told('b', 1, { v: 'older' })])
  replica.live(2)
  assert.deepEqual(words(), ['delete old'])
  assert.deepEqual(contents(), { a: { v: 'a' } })
  assert.equal(replica.doubts.size, 2)
})

test('what is in doubt expires in time, and is not put back', () => {
  const { replica, clock, words, contents } = makeLost({ left: 100 })
  replica.live(2)
  words()
  clock.advance(100)
  assert.deepEqual(words(), ['expire a'])
  assert.deepEqual(replica.restoration('a')?.kind, 'delete', 'that it is gone is put back')
  assert.deepEqual(contents(), {})
})

test('what cannot be put back is given up: it is told as deleted', () => {
  const { replica, events, contents } = makeLost()
  replica.changes([told('old', 1, { v: 'old' })])
  replica.live(2)
  replica.giveUp()
  assert.deepEqual(
    events().map(({ event, key, cause }) => `${event} ${key} ${cause}`),
    ['delete a resync'],
  )
  assert.deepEqual(contents(), { old: { v: 'old' } })
  assert.equal(replica.doubts.size, 0)
  replica.changes([told('a', 3, { v: 'new' }), told('b', 4, { v: 'new' })])
  assert.deepEqual(Object.keys(contents()), ['old', 'a', 'b'])
})

test('what is given up is as the store has it, with the time that is left of that', () => {
  const { replica, clock, events, contents } = makeLost()
  replica.changes([told('a', 2, { v: 'older' }, 1000), told('b', 1, { v: 'older' })])
  replica.live(2)
  events()
  clock.advance(600)
  replica.giveUp()
  assert.deepEqual(
    events().map(({ event, key, cause }) => `${event} ${key} ${cause}`),
    ['set a resync', 'set b resync'],
  )
  assert.deepEqual(contents(), { a: { v: 'older' }, b: { v: 'older' } })
  clock.advance(399)
  assert.equal(events().length, 0)
  clock.advance(1)
  assert.equal(events()[0]?.event, 'expire')
})

test('a listener that unsubscribes while things are given up hears no more', () => {
  const { replica, hooks, words } = make({ contents: { a: {}, b: {} } })
  replica.begin('whole', 'e2', 0, true)
  replica.live(1)
  hooks.changed = () => replica.discard()
  replica.giveUp()
  assert.deepEqual(words(), ['delete a'])
})

test('who holds what the store lost asks for the whole contents, until they were told', () => {
  const { replica, begin } = makeLost()
  assert.deepEqual(replica.from, { epoch: 'e1', n: 6, past: [], whole: true })
  replica.live(2)
  assert.deepEqual(replica.from, { epoch: 'e2', n: 2, past: [{ epoch: 'e1', n: 2 }] })
  begin('delta', 'e3', 1, true)
  assert.equal(replica.from?.whole, true)
  replica.live(2)
  assert.equal(replica.from?.whole, true, 'a delta does not tell what the store has instead')
  begin('whole', 'e3', Infinity)
  replica.live(2)
  assert.equal(replica.from?.whole, undefined)
})

test('who holds nothing that was lost asks for what is new', () => {
  const { replica, begin } = make({ contents: { a: {} } })
  begin('delta', 'e2', 1, true)
  replica.live(1)
  assert.deepEqual(replica.from, { epoch: 'e2', n: 1, past: [{ epoch: 'e1', n: 1 }] })
})

test('lost twice: what is in doubt keeps its first origin', () => {
  const { replica, begin, contents } = makeLost()
  replica.live(2)
  begin('whole', 'e3', 0, true)
  replica.live(0)
  assert.deepEqual(replica.doubts.get('a')?.origin, { epoch: 'e1', n: 5 })
  assert.deepEqual(replica.doubts.get('b')?.origin, { epoch: 'e1', n: 6 })
  assert.deepEqual(contents(), { a: { v: 'a' } })
  assert.deepEqual(replica.restoration('a')?.restores, { epoch: 'e3', floor: 0, origin: { epoch: 'e1', n: 5 } })
})

test('an answer out of a former epoch is no news, also to who subscribed after that', () => {
  const { replica, begin, ownSet, ownDelete, words } = make()
  begin('whole', 'e2', 0)
  replica.changes([told('a', 1, { v: 'a' })])
  replica.live(1)
  words()
  ownDelete('a', 7, 'e1')
  ownSet('b', 1, 8, { epoch: 'e1' })
  assert.deepEqual(words(), [])
  ownDelete('a', 2, 'e3')
  assert.deepEqual(words(), ['delete a'], 'one of a later epoch is')
})

test('what the store has from before its loss and the replica did not hold was deleted: that is put back', () => {
  const { replica, own, words, contents } = makeLost()
  const origin = { epoch: 'e1', n: 6 }
  replica.changes([
    told('old', 1, { v: 'old' }),
    told('c', 2, { v: 'c' }),
    told('since', 3, { v: 1 }),
    told('junk', 2, []),
  ])
  replica.live(3)
  assert.deepEqual(replica.restoration('c'), { kind: 'delete', key: 'c', restores: { epoch: 'e2', floor: 2, origin } })
  for (const key of ['since', 'junk']) assert.equal(replica.restoration(key), undefined)
  own(replica.restoration('c') as Write, 4, { epoch: 'e2' })
  assert.deepEqual(words(), ['set since'])
  assert.deepEqual(contents(), { old: { v: 'old' }, a: { v: 'a' }, since: { v: 1 } })
})

test('where the store is to be believed, it is not', () => {
  const { replica, words } = makeLost({ restores: false })
  replica.changes([told('old', 1, { v: 'old' }), told('c', 2, { v: 'c' })])
  replica.live(2)
  assert.deepEqual(words(), ['set c', 'delete a'])
})

test('an own clear ends what is in doubt: nothing is put back after it, nor what the store had from before', () => {
  const { replica, ownClear, contents, words } = makeLost()
  replica.changes([told('old', 1, { v: 'old' }), told('a', 1, { v: 'older' })])
  replica.live(2)
  ownClear(3, 'e2')
  assert.equal(replica.doubts.size, 0)
  replica.giveUp()
  assert.deepEqual(contents(), {})
  assert.deepEqual(words().sort(), ['delete a', 'delete old'])
})

test('what was deleted while it was on its way back, and is there again, is as the store has it', () => {
  const { replica, own, words } = makeLost()
  replica.live(2)
  const write = replica.restoration('a') as Write
  replica.changes([gone('a', 3)])
  own(write, 4, { epoch: 'e2' })
  assert.deepEqual(words(), ['delete old', 'delete a', 'set a'])
})

test('what is in doubt, and is not put back any more, is as the whole contents tell', () => {
  const { replica, begin, words, contents } = makeLost()
  replica.live(2)
  words()
  // It was away for too long.
  begin('delta', 'e3', 2)
  assert.equal(replica.doubts.size, 0)
  assert.equal(replica.from?.whole, true)
  begin('whole', 'e3', Infinity)
  replica.changes([told('a', 1, { v: 'older' })])
  replica.live(2)
  assert.deepEqual(words(), ['set a'])
  assert.deepEqual(contents(), { a: { v: 'older' } })
})

test('marks that are old go also where nothing else is deleted', () => {
  const { replica, begin, clock, words } = make({ contents: {}, retention: 20_000 })
  replica.changes([gone('a', 5)])
  replica.live(5)
  clock.advance(20_001)
  replica.live(5)
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 4, {})])
  assert.deepEqual(words(), ['set a'])
})

test('however short the retention, contents that are under way do not bring back what has expired', () => {
  const { replica, begin, clock, words } = make({ contents: {}, retention: 0 })
  replica.changes([told('a', 5, {}, 10)])
  replica.live(5)
  clock.advance(10)
  replica.live(5)
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 5, {}, 1)])
  replica.live(5)
  assert.deepEqual(words(), ['set a', 'expire a'])
})

test('numbers of the same epoch that the store never gave are taken back', () => {
  const { replica, begin, contents, words } = make({ contents: { a: { v: 1 } } })
  replica.changes([told('a', 1_000_000, { v: 'a lie' }), gone('b', 1_000_000)])
  replica.live(1_000_000)
  words()
  begin('whole', 'e1', 2)
  replica.changes([told('a', 1, { v: 1 }), told('b', 2, { v: 2 })])
  replica.live(2)
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 } })
  assert.deepEqual(words(), ['set a', 'set b'])
})

// Marks

test('a late echo of what was deleted is held off for as long as marks are kept', () => {
  const { replica, ownSet, ownDelete, clock, words } = make({ contents: {}, retention: 1000 })
  ownSet('a', 1, 1)
  ownDelete('a', 2)
  clock.advance(999)
  replica.changes([told('a', 1, { v: 1 }), gone('a', 2)])
  assert.deepEqual(words(), ['set a', 'delete a'])
})

test('marks older than the retention are forgotten when the next one is made', () => {
  const { replica, begin, clock, words } = make({ contents: {}, retention: 600_000 })
  replica.live(9)
  replica.changes([gone('a', 15)])
  replica.live(19)
  clock.advance(400_000)
  replica.changes([gone('b', 25)])
  replica.live(29)
  clock.advance(400_000)
  replica.changes([gone('c', 35)])
  // Whole contents say anew what there is: only marks hold off what is late then.
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 14, {}), told('b', 24, {}), told('c', 34, {})])
  assert.deepEqual(words(), ['set a'])
})

test('a mark that is made again counts from then', () => {
  const { replica, begin, clock, words } = make({ contents: {}, retention: 600_000 })
  replica.changes([gone('a', 5)])
  clock.advance(100_000)
  replica.changes([gone('b', 6)])
  clock.advance(100_000)
  replica.changes([gone('a', 7)])
  replica.live(7)
  clock.advance(550_000)
  replica.changes([gone('c', 8)])
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 6, {}), told('b', 5, {})])
  assert.deepEqual(words(), ['set b'], 'b is forgotten, a is not')
})

test('no more than 100,000 marks are kept, the oldest are forgotten first', () => {
  const { replica, begin, words } = make({ contents: {} })
  const count = 100_000
  replica.changes(Array.from({ length: count }, (_, i) => gone(`key ${i}`, 10 + i)))
  replica.live(10 + count)
  replica.changes([gone('one more', 11 + count)])
  begin('whole', 'e1', Infinity)
  replica.changes([told('key 0', 1, {}), told('key 1', 1, {}), told(`key ${count - 1}`, 1, {})])
  assert.deepEqual(words(), ['set key 0'])
})

test('a mark that is newer than all that is known to be told stays, however old or many', () => {
  const { replica, begin, clock, words } = make({ contents: {}, retention: 1000 })
  replica.changes([gone('a', 5)])
  clock.advance(100_000)
  replica.changes([gone('b', 6), told('a', 4, {})])
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 4, {})])
  assert.deepEqual(words(), [])
})

test('a key that is deleted again and again, as presence is, leaves nothing behind', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const { replica, words } = make({ contents: {} })
  replica.changes([gone('the oldest mark of all', 1)])
  const cycle = (from: number, count: number) => {
    for (let n = from; n < from + 2 * count; n += 2) {
      replica.changes([told('a', n, {}), gone('a', n + 1)])
      replica.live(n + 1)
      words()
    }
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = cycle(10, 1000)
  const grown = cycle(10_000, 200_000) - before
  assert.ok(grown < 4e6, `the heap has grown by ${grown} bytes`)
})

test('an item that comes back needs its mark no more', () => {
  const { replica, words } = make({ contents: {} })
  replica.changes([gone('a', 5), told('a', 6, {}), told('a', 5, {}), gone('a', 6)])
  assert.deepEqual(words(), ['set a'])
})

test('without any retention, a late echo still does not bring back what was just deleted', () => {
  const { replica, ownSet, ownDelete, words } = make({ contents: {}, retention: 0 })
  ownSet('a', 1, 1)
  ownDelete('a', 2)
  replica.changes([told('a', 1, { v: 1 }), gone('a', 2)])
  assert.deepEqual(words(), ['set a', 'delete a'])
})

// Expiry

test('an item expires by itself, not a moment early', () => {
  const { replica, clock, words, get } = make({ contents: {} })
  clock.pass(0.4)
  replica.changes([told('a', 1, { v: 1 }, 100.5)])
  words()
  const due = clock.now() + 100.5
  while (clock.now() < due - 1) {
    clock.advance(Math.min(0.7, due - 1 - clock.now()))
    assert.deepEqual(get('a'), { v: 1 })
  }
  clock.advance(0.999)
  assert.deepEqual(words(), [])
  clock.advance(1.5)
  assert.deepEqual(words(), ['expire a'])
  assert.equal(clock.pending, 0)
})

test('a timer that fires early does not expire early', () => {
  const { replica, clock, words } = make({ contents: {} })
  clock.pass(0.9)
  replica.changes([told('a', 1, {}, 10)])
  words()
  const { setTimeout } = clock
  clock.setTimeout = (callback, ms) => setTimeout.call(clock, callback, ms - 1) // as those of Node.js do
  replica.changes([told('b', 2, {}, 5)])
  words()
  for (let i = 0; i < 40; i++) {
    clock.advance(0.25)
    const late = words().map((word) => `${word} ${clock.now()}`)
    for (const word of late) assert.ok(/expire b/.test(word) ? clock.now() >= 1005.9 : clock.now() >= 1010.9, word)
  }
})

test('a timer serves all items, and stands for the first of them', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 300), told('b', 2, {}, 100), told('c', 3, {}, 200)])
  assert.equal(clock.pending, 1)
  assert.equal(clock.wait, 100)
  words()
  clock.advance(250)
  assert.deepEqual(words(), ['expire b', 'expire c'])
  assert.equal(clock.pending, 1)
  clock.advance(50)
  assert.deepEqual(words(), ['expire a'])
  assert.equal(clock.pending, 0)
})

test('what is due a millisecond or two later waits for its own time', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 100), told('b', 2, {}, 101), told('c', 3, {}, 102)])
  words()
  for (const key of ['a', 'b', 'c']) {
    clock.advance(key === 'a' ? 100 : 1)
    assert.deepEqual(words(), [`expire ${key}`])
  }
})

test('a new ttl replaces the old one, whether longer, shorter or none', () => {
  const { replica, clock, words } = make({ contents: {} })
  const ttls = (n: number, left: number | null) => ['a', 'b'].map((key, i) => told(key, n + i, { v: n }, left))
  replica.changes(ttls(1, 100))
  words()
  clock.advance(50)
  replica.changes([told('a', 11, { v: 2 }, 100), told('b', 12, { v: 2 }, 20)])
  words()
  clock.advance(20)
  assert.deepEqual(words(), ['expire b'])
  clock.advance(79)
  assert.deepEqual(words(), [])
  replica.changes([told('a', 13, { v: 3 })])
  assert.deepEqual(words(), ['set a'])
  clock.advance(1e9)
  assert.deepEqual(words(), [])
})

test('a deleted item does not expire', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 100), gone('a', 2)])
  words()
  clock.advance(1000)
  assert.deepEqual(words(), [])
  assert.equal(clock.pending, 0)
})

test('a set that comes after the expiry gives expire, then set', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, { v: 1 }, 100)])
  clock.advance(100)
  replica.changes([told('a', 2, { v: 2 })])
  assert.deepEqual(words(), ['set a', 'expire a', 'set a'])
})

test('so it does where the timer is late, as in a busy process', () => {
  const { replica, clock, words, events } = make({ contents: {} })
  replica.changes([told('a', 1, { v: 1 }, 100), told('b', 2, { v: 1 }, 100)])
  words()
  clock.pass(130)
  replica.changes([told('a', 3, { v: 2 }), gone('b', 4)])
  assert.deepEqual(
    events().map(({ event, key, previous }) => [event, key, previous]),
    [
      ['expire', 'a', { v: 1 }],
      ['set', 'a', undefined],
      ['expire', 'b', { v: 1 }],
    ],
  )
  clock.advance(1000)
  assert.deepEqual(words(), [])
})

test('an item that has expired here expires once, also where a resync finds it with a millisecond left', () => {
  const { replica, begin, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, { v: 1 }, 100)])
  replica.live(1)
  clock.advance(100)
  assert.deepEqual(words(), ['set a', 'expire a'])
  for (const how of ['whole', 'delta', 'whole'] as const) {
    begin(how, 'e1', Infinity)
    replica.changes([told('a', 1, { v: 1 }, 1)])
    replica.live(1)
    clock.advance(10)
  }
  replica.changes([gone('a', 1, 'expire')])
  assert.deepEqual(words(), [])
})

test('an item that is overdue when it arrives expires at once, but not in the same turn', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, {}, -5), told('b', 2, {}, 0)])
  assert.deepEqual(words(), ['set a', 'set b'])
  clock.advance(1)
  assert.deepEqual(words(), ['expire a', 'expire b'])
})

test('expiry goes on while the replica is out of touch, and while it catches up', () => {
  const { replica, begin, clock, events } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 100), told('b', 2, {}, 200)])
  replica.live(2)
  events()
  clock.advance(100)
  begin('whole', 'e1', Infinity)
  clock.advance(100)
  replica.live(2)
  assert.deepEqual(
    events().map(({ event, key, cause }) => `${event} ${key} ${cause}`),
    ['expire a live', 'expire b live'],
  )
})

test('a ttl that is longer than a timer of Node.js can be: 60 days, and 100 years', () => {
  const { replica, clock, words } = make({ contents: {} })
  const day = 24 * 3600 * 1000
  replica.changes([told('a', 1, {}, 60 * day), told('b', 2, {}, 100 * 365.25 * day)])
  words()
  const due = 1000 + 60 * day
  for (let steps = 0; clock.now() + (clock.wait ?? 0) < due; steps++) {
    assert.ok(steps < 60, 'no timer that fires again and again')
    clock.step()
  }
  assert.deepEqual(words(), [])
  clock.advance(due - 1 - clock.now())
  assert.deepEqual(words(), [])
  clock.advance(1)
  assert.deepEqual(words(), ['expire a'])
  clock.advance(99 * 365.25 * day)
  assert.deepEqual(words(), [])
  clock.advance(365.25 * day)
  assert.deepEqual(words(), ['expire b'])
})

test('a hundred thousand that are due at once are told in slices of 10 ms', () => {
  const { replica, clock, words, hooks } = make({ contents: {} })
  const count = 100_000
  replica.changes(Array.from({ length: count }, (_, i) => told(`key ${i}`, i + 1, {}, 500)))
  words()
  let told_ = 0
  hooks.changed = () => {
    told_++
    clock.pass(0.01) // what a listener takes
  }
  let slices = 0
  clock.advance(499)
  while (clock.pending > 0) {
    const before = told_
    const start = clock.now()
    assert.ok(clock.step())
    slices++
    assert.ok(told_ > before || slices === 1, 'each slice gets on')
    assert.ok(clock.now() - start < 12, `a slice took ${clock.now() - start} ms`)
    assert.ok(clock.pending <= 1)
  }
  assert.equal(told_, count)
  assert.equal(replica.items.size, 0)
  assert.ok(slices >= 90 && slices <= 120, `${slices} slices`)
})

test('a slice ends also where one listener takes longer than a slice', () => {
  const { replica, clock, words, hooks } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 10), told('b', 2, {}, 11), told('c', 3, {}, 12)])
  words()
  hooks.changed = () => clock.pass(100)
  clock.step()
  assert.deepEqual(words(), ['expire a'])
  clock.step()
  assert.deepEqual(words(), ['expire b'])
  clock.step()
  assert.deepEqual(words(), ['expire c'])
  assert.equal(clock.pending, 0)
})

// Discarding

test('discarding empties the replica without events, and leaves no timer', () => {
  const { replica, clock, words } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 100), told('b', 2, {})])
  words()
  replica.discard()
  assert.equal(replica.items.size, 0)
  assert.equal(clock.pending, 0)
  clock.advance(1000)
  assert.deepEqual(words(), [])
  make().replica.discard()
})

test('a listener that unsubscribes in the midst of changes hears no more of them', () => {
  const { replica, words, hooks, reports } = make({ contents: {} })
  hooks.changed = () => replica.discard()
  replica.changes([told('a', 1, {}), told('b', 2, {}), gone('a', 3), told('c', NaN, {})])
  assert.deepEqual(reports, [])
  assert.deepEqual(words(), ['set a'])
  assert.equal(replica.items.size, 0)
})

test('so it is in the midst of what whole contents did not tell', () => {
  const { replica, begin, words, hooks } = make({ contents: { a: {}, b: {}, c: {} } })
  hooks.changed = () => replica.discard()
  begin('whole', 'e1', Infinity)
  replica.live(5)
  assert.deepEqual(words(), ['delete a'])
})

test('so it is in the midst of a clear', () => {
  const { replica, ownClear, words, hooks } = make({ contents: { a: {}, b: {}, c: {} } })
  hooks.changed = () => replica.discard()
  ownClear(5)
  assert.deepEqual(words(), ['delete a'])
})

test('so it is in the midst of a slice of expiries, after which no timer stays', () => {
  const { replica, clock, words, hooks } = make({ contents: {} })
  replica.changes([told('a', 1, {}, 10), told('b', 2, {}, 10), told('c', 3, {}, 20)])
  words()
  hooks.changed = () => replica.discard()
  clock.advance(10)
  assert.deepEqual(words(), ['expire a'])
  assert.equal(clock.pending, 0)
})

// What should not arrive

test('a change without a proper key, number or time left is reported and passed over; the next one counts', () => {
  const { replica, words, reports, contents } = make({ contents: { a: { v: 1 } } })
  const bad: unknown[] = [
    ...[undefined, null, '', 1, {}, [], 'x'.repeat(257)].map((key) => told(key as string, 9, { v: 9 })),
    ...[undefined, null, NaN, Infinity, -1, 0, 1.5, '9', 2 ** 53, 9n].map((n) => told('a', n as number, { v: 9 })),
    ...[undefined, NaN, Infinity, -Infinity, '5', {}, true].map((left) => ({ ...told('a', 9, {}), leftMs: left })),
    gone('', 9),
    gone('a', NaN),
  ]
  replica.changes(bad as never)
  assert.deepEqual(words(), [])
  assert.equal(reports.length, bad.length)
  for (const { code } of reports) assert.equal(code, 'UNDECODABLE')
  replica.changes([told('a', 2, { v: 2 })])
  assert.deepEqual(contents(), { a: { v: 2 } })
})

test('a change of an unknown kind, or none at all, is reported and passed over', () => {
  const { replica, words, reports } = make({ contents: { a: { v: 1 } } })
  replica.changes([{ kind: 'ready', key: 'a', n: 9 }, null, undefined, 'set', 1, []] as never)
  assert.deepEqual(words(), [])
  assert.equal(reports.length, 6)
  replica.changes([told('a', 10, { v: 2 })])
  assert.deepEqual(words(), ['set a'])
})

test('what is no item is reported and absent: what was there before it is gone', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)
  for (const item of [undefined, null, 1, 'text', true, [], [{}], deep]) {
    const { replica, words, reports, contents } = make({ contents: { a: { v: 1 } } })
    replica.changes([told('a', 2, item), told('b', 3, item)])
    replica.live(3)
    assert.deepEqual(words(), ['delete a'])
    assert.deepEqual(contents(), {})
    assert.deepEqual(
      reports.map(({ code, message }) => [code, message]),
      [
        ['UNDECODABLE', '"a": what the store holds is no item'],
        ['UNDECODABLE', '"b": what the store holds is no item'],
      ],
    )
    replica.changes([told('a', 4, { v: 4 })])
    assert.deepEqual(contents(), { a: { v: 4 } })
  }
})

test('what is no item is absent in whole contents, too', () => {
  const { replica, begin, words } = make({ contents: { a: { v: 1 } } })
  begin('whole', 'e1', Infinity)
  replica.changes([told('a', 5, 'text', null)])
  replica.live(5)
  assert.deepEqual(words(), ['delete a'])
})

test('__proto__ is a key and a field like any other, and no prototype changes', () => {
  const { replica, words, get } = make({ contents: {} })
  const item = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  replica.changes([told('__proto__', 1, item), told('constructor', 2, {}), told('hasOwnProperty', 3, {}, 10)])
  assert.deepEqual(words(), ['set __proto__', 'set constructor', 'set hasOwnProperty'])
  assert.equal(get('__proto__'), item)
  assert.equal(get('toString'), undefined)
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  replica.changes([gone('__proto__', 4)])
  assert.deepEqual(words(), ['delete __proto__'])
})

test.run()
