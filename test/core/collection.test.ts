import assert from 'node:assert/strict'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import type { Collection } from '../../src/core/collection'
import type { MemisError } from '../../src/core/errors'
import { code, FakeClient, type Item, outcomeOf, withoutUnhandled } from '../support/fake-client'
import { disconnected, entry, tombstone, turn, unauthorized } from '../support/fake-transport'
import { accepted } from '../support/queue-bench'
import { at, historyOf } from '../support/revisions'
import { rejection } from '../support/testing'

const test = suite('collection')

/** One that is subscribed and has caught up with `a` and `b`. */
async function subscribed(): Promise<FakeClient> {
  const made = new FakeClient()
  const ready = made.things.subscribe()
  made.session.snapshot([entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 }, { leftMs: 5000 })])
  await ready
  return made
}

// Reading

test('R1 it reads as a Map does', async () => {
  const { things } = await subscribed()
  const map = new Map(things)
  assert.deepEqual(Object.fromEntries(map), { a: { v: 1 }, b: { v: 2 } })
  assert.equal(things.size, 2)
  assert.equal(things.get('a'), map.get('a'))
  assert.equal(things.get('nothing'), undefined)
  assert.deepEqual([things.has('a'), things.has('nothing')], [true, false])
  assert.deepEqual([...things.keys()], [...map.keys()])
  assert.deepEqual([...things.values()], [...map.values()])
  assert.deepEqual([...things.entries()], [...map.entries()])
})

test('R5 forEach gives what that of a Map gives, and checks its callback, also if there is nothing to call it for', async () => {
  const { things } = await subscribed()
  const calls: unknown[] = []
  const self = {}
  things.forEach(function (this: unknown, ...args) {
    calls.push([this === self, ...args])
  }, self)
  assert.deepEqual(calls, [
    [true, { v: 1 }, 'a', things],
    [true, { v: 2 }, 'b', things],
  ])
  const made = new FakeClient()
  made.things.subscribe()
  made.session.snapshot()
  for (const wrong of [undefined, null, 'x', {}]) {
    assert.throws(() => things.forEach(wrong as never), TypeError)
    assert.throws(() => made.things.forEach(wrong as never), TypeError)
  }
})

test('R1 what changes while one iterates is seen as in a Map', async () => {
  const { things, session } = await subscribed()
  const seen: string[] = []
  for (const [key] of things) {
    seen.push(key)
    if (key === 'a') session.changes(tombstone('b', 3), entry('c', 4, {}))
  }
  assert.deepEqual(seen, ['a', 'c'])
  const inForEach: string[] = []
  things.forEach((_, key) => {
    inForEach.push(key)
    if (key === 'a') session.changes(tombstone('c', 5), entry('d', 6, {}))
  })
  assert.deepEqual(inForEach, ['a', 'd'])
})

test('R3 unsubscribing while one iterates ends the iteration', async () => {
  const { things } = await subscribed()
  const seen: string[] = []
  for (const key of things.keys()) {
    seen.push(key)
    things.unsubscribe()
  }
  assert.deepEqual(seen, ['a'])
})

test('C1 an entry has the item, its revision and the seconds that it has left', async () => {
  const { things, clock } = await subscribed()
  assert.deepEqual(things.entry('a'), { key: 'a', item: { v: 1 }, revision: 'e1.1', expiresIn: null })
  assert.equal(things.entry('a')?.item, things.get('a'))
  clock.advance(1500)
  assert.deepEqual(things.entry('b'), { key: 'b', item: { v: 2 }, revision: 'e1.2', expiresIn: 3.5 })
  assert.equal(things.entry('nothing'), undefined)
  clock.advance(3500)
  assert.equal(things.entry('b'), undefined)
})

test('C1 an entry has the revision that its events have', async () => {
  const { things, session } = await subscribed()
  const revisions: string[] = []
  things.on('set', (key, _, { revision }) => revisions.push(revision, things.entry(key)?.revision ?? ''))
  session.changes(entry('c', 3, {}), entry('d', 'e0.7', {}, { place: 4 }))
  assert.deepEqual(revisions, ['e1.3', 'e1.3', 'e0.7', 'e0.7'])
})

test('printing a collection shows its name, state and size, subscribed or not; as JSON it is its items', async () => {
  const { things } = await subscribed()
  assert.match(inspect(things), /^Collection.*db\/things.*live.*2 items/)
  assert.equal(JSON.stringify(things), '{"a":{"v":1},"b":{"v":2}}')
  things.unsubscribe()
  assert.match(inspect(things), /^Collection.*db\/things.*idle.*0 items/)
  assert.throws(() => JSON.stringify(things), code('NOT_SUBSCRIBED'))
})

const reads: Record<string, (things: Collection<Item>) => unknown> = {
  get: (things) => things.get('a'),
  has: (things) => things.has('a'),
  size: (things) => things.size,
  keys: (things) => things.keys(),
  values: (things) => things.values(),
  entries: (things) => things.entries(),
  forEach: (things) => things.forEach(() => {}),
  iterating: (things) => [...things],
  entry: (things) => things.entry('a'),
  toJSON: (things) => things.toJSON(),
}

test('R4 reading what is not subscribed is refused, and the message says what to call', () => {
  const { things } = new FakeClient()
  for (const read of Object.values(reads)) {
    assert.throws(() => read(things), {
      code: 'NOT_SUBSCRIBED',
      message: 'db/things: not subscribed: call subscribe() first',
    })
  }
})

test('R4 so it is after unsubscribe, and after close, which is said', async () => {
  const one = await subscribed()
  one.things.unsubscribe()
  const two = await subscribed()
  await two.client.close()
  for (const read of Object.values(reads)) {
    assert.throws(() => read(one.things), code('NOT_SUBSCRIBED'))
    assert.throws(() => read(two.things), { code: 'CLOSED', message: 'db/things: the client is closed' })
  }
})

test('R4 between subscribe() and ready, what has arrived can be read', () => {
  const { things, session } = (() => {
    const made = new FakeClient()
    made.things.subscribe()
    return made
  })()
  assert.equal(things.size, 0)
  session.sink.begin('snapshot', historyOf({ e1: 0 }))
  session.sink.entries([entry('a', 1, { v: 1 })])
  assert.deepEqual(things.get('a'), { v: 1 })
})

// Subscribing

test('R2 subscribe resolves after ready was told, for all who wait, and at once after that', async () => {
  const { things, transport } = new FakeClient()
  const order: string[] = []
  things.on('ready', ({ cause, size }) => order.push(`ready ${cause} ${size}`))
  const waiting = [things.subscribe(), things.subscribe()]
  for (const each of waiting) each.then(() => order.push('resolved'))
  await turn()
  assert.deepEqual(order, [])
  assert.equal(transport.sessions.length, 1, 'they join')
  transport.session.snapshot([entry('a', 1, {})])
  await Promise.all(waiting)
  assert.deepEqual(order, ['ready snapshot 1', 'resolved', 'resolved'])
  await things.subscribe()
  things.unsubscribe()
  things.subscribe()
  assert.equal(transport.sessions.length, 2)
  assert.equal(transport.session.from, null, 'it starts anew')
})

test('K8 it waits for as long as the store cannot be reached', async () => {
  const { things, transport, clock } = new FakeClient({ up: false })
  const ready = outcomeOf(things.subscribe().then(() => true))
  transport.host.down(disconnected())
  clock.advance(3_600_000)
  await turn()
  assert.deepEqual(ready, {})
  transport.host.up()
  transport.session.snapshot()
  await turn()
  assert.deepEqual(ready, { value: true })
})

test('R3 unsubscribe refuses those who wait, at once, and emits nothing', async () => {
  const { things, transport, clock } = new FakeClient()
  for (const event of ['set', 'delete', 'expire', 'ready', 'stale'] as const) things.on(event, () => assert.fail(event))
  const waiting = [things.subscribe(), things.subscribe(), things.whenLive()]
  things.unsubscribe()
  for (const each of waiting) {
    await assert.rejects(each, { code: 'UNSUBSCRIBED', message: 'db/things: unsubscribe() was called' })
  }
  assert.equal(transport.session.closed, 1)
  assert.equal(clock.pending, 0)
  transport.session.snapshot([entry('a', 1, {})])
  assert.equal(things.freshness.state, 'idle')
})

test('R3 unsubscribe may be called at any time, more than once', async () => {
  const { things } = new FakeClient()
  things.unsubscribe()
  const ready = things.subscribe()
  things.unsubscribe()
  things.unsubscribe()
  await assert.rejects(ready)
})

test('E5 a subscribe or whenLive that nobody awaits and that is refused is no unhandled rejection', () =>
  withoutUnhandled(async () => {
    const { things, transport, client } = new FakeClient()
    things.whenLive()
    things.subscribe()
    things.whenLive()
    things.unsubscribe()
    transport.host.down(unauthorized())
    things.subscribe()
    await turn()
    await client.close()
    things.subscribe()
    things.whenLive()
  }))

test('R2 an aborted signal rejects its own call; the subscription goes on for the others', async () => {
  const { things, transport } = new FakeClient()
  const [one, two] = [new AbortController(), new AbortController()]
  const first = things.subscribe({ signal: one.signal })
  const second = things.subscribe({ signal: two.signal })
  const third = things.subscribe()
  one.abort(new Error('too slow'))
  await assert.rejects(first, { code: 'ABORTED', name: 'AbortError', cause: one.signal.reason })
  assert.equal(transport.session.closed, 0)
  two.abort()
  await assert.rejects(second, code('ABORTED'))
  assert.equal(transport.session.closed, 0)
  transport.session.snapshot()
  await third
})

test('R2 the subscription ends when the last call that waits is aborted', async () => {
  const { things, transport, clock } = new FakeClient()
  const controllers = [new AbortController(), new AbortController()]
  const calls = controllers.map(({ signal }) => things.subscribe({ signal }))
  controllers[0]?.abort()
  assert.equal(transport.session.closed, 0)
  controllers[1]?.abort()
  for (const call of calls) await assert.rejects(call, code('ABORTED'))
  assert.equal(transport.session.closed, 1)
  assert.equal(clock.pending, 0)
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
})

test('R2 a signal that was aborted before refuses, and leaves nothing subscribed', async () => {
  const { things, transport } = new FakeClient()
  await assert.rejects(things.subscribe({ signal: AbortSignal.abort() }), code('ABORTED'))
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
  assert.equal(transport.sessions.length, 0)
  const ready = things.subscribe()
  const aborted = things.subscribe({ signal: AbortSignal.abort() })
  await assert.rejects(aborted, code('ABORTED'))
  transport.session.snapshot()
  await ready
})

test('R2 a signal that is aborted once the collection is live changes nothing', async () => {
  const { things, transport } = new FakeClient()
  const [before, after] = [new AbortController(), new AbortController()]
  const ready = things.subscribe({ signal: before.signal })
  transport.session.snapshot()
  await ready
  before.abort()
  await things.subscribe({ signal: after.signal })
  after.abort()
  assert.equal(things.freshness.state, 'live')
})

test('R2 a signal of an older subscription does not end a newer one', async () => {
  const { things, transport } = new FakeClient()
  const controller = new AbortController()
  things.subscribe({ signal: controller.signal })
  things.unsubscribe()
  const ready = things.subscribe()
  controller.abort()
  transport.session.snapshot()
  await ready
})

test('H4 options that are none are refused, and nothing is subscribed', async () => {
  const { things, transport } = new FakeClient()
  for (const wrong of [null, 1, 'x', { signal: null }, { signal: {} }, { signal: 42 }, { sginal: undefined }]) {
    await assert.rejects(things.subscribe(wrong as object), code('INVALID_OPTION'))
    await assert.rejects(things.whenLive(wrong as object), code('INVALID_OPTION'))
  }
  assert.equal(transport.sessions.length, 0)
  assert.equal(things.freshness.state, 'idle')
})

test('K8 a fault that does not pass refuses; once it has passed, one may subscribe again', async () => {
  const { things, transport } = new FakeClient({ up: false })
  const waiting = [things.subscribe(), things.whenLive()]
  transport.host.down(unauthorized())
  for (const each of waiting) {
    await assert.rejects(each, { code: 'UNAUTHORIZED', message: 'db/things: wrong password' })
  }
  await assert.rejects(things.subscribe(), code('UNAUTHORIZED'))
  assert.throws(() => things.get('a'), code('NOT_SUBSCRIBED'))
  transport.host.up()
  const ready = things.subscribe()
  transport.session.snapshot()
  await ready
})

test('K8 a fault of one collection that does not pass refuses it alone', async () => {
  const { things, client, transport } = new FakeClient()
  const others = client.database('db').collection('others')
  const [refused, ready] = [things.subscribe(), others.subscribe()]
  const [mine, theirs] = transport.sessions
  mine?.sink.stale(unauthorized())
  theirs?.snapshot()
  await assert.rejects(refused, code('UNAUTHORIZED'))
  await ready
})

test('R2 a transport that refuses in the very call of watch: one can subscribe again', async () => {
  const { things, transport } = new FakeClient()
  transport.watched = ({ sink }) => sink.stale(unauthorized())
  await assert.rejects(things.subscribe(), code('UNAUTHORIZED'))
  transport.watched = () => {}
  const ready = things.subscribe()
  transport.session.snapshot()
  await ready
  assert.equal(things.size, 0)
})

test('R3 a listener of ready that unsubscribes in the very call of watch', async () => {
  const { things, transport } = new FakeClient()
  transport.watched = (session) => session.snapshot()
  things.once('ready', () => things.unsubscribe())
  await assert.rejects(things.subscribe(), code('UNSUBSCRIBED'))
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
  await things.subscribe()
  assert.equal(things.size, 0)
})

test('R3 a listener of ready that subscribes anew waits for the new contents', async () => {
  const { things, transport } = new FakeClient()
  const again: ReturnType<typeof outcomeOf>[] = []
  things.once('ready', () => {
    things.unsubscribe()
    again.push(outcomeOf(things.subscribe().then(() => true)))
  })
  const first = things.subscribe()
  transport.session.snapshot()
  await assert.rejects(first, code('UNSUBSCRIBED'))
  await turn()
  assert.deepEqual(again, [{}])
  transport.session.snapshot()
  await turn()
  assert.deepEqual(again, [{ value: true }])
})

// Freshness

test('K6 freshness: idle, syncing, live, stale, and idle again', async () => {
  const { things, transport, client } = new FakeClient()
  const states: string[] = []
  const look = () => states.push(things.freshness.state)
  look()
  things.subscribe()
  look()
  transport.session.snapshot()
  look()
  transport.session.sink.stale(disconnected())
  look()
  assert.equal(things.freshness.reason?.code, 'DISCONNECTED')
  things.unsubscribe()
  look()
  things.subscribe()
  await client.close()
  look()
  assert.deepEqual(states, ['idle', 'syncing', 'live', 'stale', 'idle', 'idle'])
  assert.deepEqual([things.freshness.age, things.freshness.reason], [null, null])
})

test('K6 whenLive resolves when the replica is live, at once if it is', async () => {
  const { things, transport, clock } = new FakeClient()
  things.subscribe()
  const first = outcomeOf(things.whenLive().then(() => true))
  await turn()
  assert.deepEqual(first, {})
  transport.session.snapshot()
  await turn()
  assert.deepEqual(first, { value: true })
  await things.whenLive()
  transport.session.sink.stale(disconnected())
  const again = outcomeOf(things.whenLive().then(() => true))
  await things.subscribe() // the first contents are there
  assert.deepEqual(again, {})
  clock.advance(50)
  transport.session.delta([], 0)
  await turn()
  assert.deepEqual(again, { value: true })
})

test('K6 aborting whenLive ends nothing but that call', async () => {
  const { things, transport } = new FakeClient()
  await assert.rejects(things.whenLive(), code('NOT_SUBSCRIBED'))
  const ready = things.subscribe()
  const controller = new AbortController()
  const waiting = things.whenLive({ signal: controller.signal })
  controller.abort(new Error('too slow'))
  await assert.rejects(waiting, { code: 'ABORTED', cause: controller.signal.reason })
  await assert.rejects(things.whenLive({ signal: AbortSignal.abort() }), code('ABORTED'))
  transport.session.snapshot()
  await ready
  await assert.rejects(things.whenLive({ signal: AbortSignal.abort() }), code('ABORTED'))
})

test('R2 when the signals of all who subscribed end the subscription, whenLive is told that, not that it was aborted', async () => {
  const { things } = new FakeClient()
  const controller = new AbortController()
  const subscribing = things.subscribe({ signal: controller.signal })
  const waiting = things.whenLive()
  controller.abort()
  await assert.rejects(subscribing, code('ABORTED'))
  await assert.rejects(waiting, code('UNSUBSCRIBED'))
})

test('H2 faults of a subscription name it', async () => {
  const { things, transport, errors } = await subscribed()
  const stale = once(things, 'stale')
  transport.session.sink.entries([entry('a', NaN, {}), entry('a', 3, 'text')])
  transport.session.sink.stale(disconnected())
  const [error] = (await stale) as [MemisError]
  assert.equal(error.message, 'db/things: the wire is cut')
  assert.deepEqual([error.database, error.collection], ['db', 'things'])
  assert.deepEqual(
    errors.map(({ code, message }) => `${code} ${message}`),
    ['UNDECODABLE db/things: an entry without proper key, revision and remaining time'],
  )
})

// Events

test('E1 events carry key, item and change', async () => {
  const { things, session } = await subscribed()
  const events: unknown[][] = []
  things.on('set', (...args) => events.push(['set', ...args]))
  things.multi('expire delete', (...args) => events.push(['gone', ...args]))
  const before = things.get('a')
  session.changes(entry('a', 3, { v: 3 }), tombstone('a', 4), tombstone('b', 5, 'expire'))
  const change = (kind: string, key: string, item: Item, previous: Item, revision: string) => {
    return { kind, key, item, previous, revision, cause: 'live' }
  }
  assert.deepEqual(events, [
    ['set', 'a', { v: 3 }, change('set', 'a', { v: 3 }, { v: 1 }, 'e1.3')],
    ['gone', 'a', { v: 3 }, change('delete', 'a', { v: 3 }, { v: 3 }, 'e1.4')],
    ['gone', 'b', { v: 2 }, change('expire', 'b', { v: 2 }, { v: 2 }, 'e1.5')],
  ])
  assert.equal((events[0]?.[3] as { previous: Item } | undefined)?.previous, before)
})

test('E2 a listener may set, unsubscribe and close', async () => {
  const { things, transport, client } = await subscribed()
  const events: string[] = []
  things.on('set', (key) => {
    events.push(key)
    if (key === 'c') things.set('from the listener', {}).catch(() => {})
    if (key === 'd') things.unsubscribe()
  })
  things.on('set', (key) => events.push(`second ${key}`))
  transport.session.changes(entry('c', 3, {}), entry('d', 4, {}), entry('e', 5, {}))
  assert.deepEqual(events, ['c', 'second c', 'd', 'second d'], 'the other listeners of that event are still told')
  await turn()
  assert.deepEqual(transport.call.keys, ['from the listener'])
  const ready = things.subscribe()
  things.once('ready', () => void client.close())
  transport.session.snapshot()
  await assert.rejects(ready, code('CLOSED'))
})

test('E5 a listener that throws or rejects stops neither the other listeners nor replication', async () => {
  const { things, session, errors } = await subscribed()
  const broken = new Error('broken')
  const heard: string[] = []
  things.on('set', () => {
    throw broken
  })
  things.on('set', async () => {
    throw broken
  })
  things.on('set', (key) => heard.push(key))
  session.changes(entry('c', 3, {}), entry('d', 4, {}))
  assert.deepEqual(heard, ['c', 'd'])
  assert.equal(things.size, 4)
  await turn()
  assert.equal(errors.length, 4)
  for (const error of errors) {
    assert.equal(error.code, 'LISTENER_FAILED')
    assert.equal(error.message, 'db/things: a listener of "set" failed: broken')
    assert.equal(error.cause, broken)
  }
})

test('E5 whatever it throws', async () => {
  const { things, session, errors } = await subscribed()
  const thrown = [undefined, null, 1, 'text', Symbol('s'), Object.create(null), { toString: null }]
  const heard: string[] = []
  thrown.forEach((each, i) => {
    things.once('set', () => {
      throw each
    })
    things.once('set', (key) => heard.push(key))
    session.changes(entry('c', 10 + i, { v: i }), entry(`d${i}`, 100 + i, {}))
  })
  assert.equal(errors.length, thrown.length)
  assert.equal(heard.length, thrown.length)
  assert.equal(things.size, 3 + thrown.length)
})

// Writing

test('W3 set and delete resolve with what the store says, after their events', async () => {
  const { things, transport } = await subscribed()
  const order: string[] = []
  things.multi('set delete', (key) => order.push(`event ${key}`))
  const done = [
    things.set('c', { v: 3 }).then((value) => order.push(`set ${value}`)),
    things.delete('a').then((value) => order.push(`delete ${value}`)),
    things.delete('nothing').then((value) => order.push(`delete ${value}`)),
  ]
  await turn()
  await transport.call.outcomes(accepted(3), accepted(4, true), accepted(4))
  await Promise.all(done)
  assert.deepEqual(order, ['event c', 'event a', 'set undefined', 'delete true', 'delete false'])
  assert.deepEqual([...things.keys()], ['b', 'c'])
})

test('W3 once set has resolved, get returns its item, though no notification ever comes', async () => {
  const { things, transport } = await subscribed()
  transport.session.sink.stale(disconnected())
  const done = things.set('a', { v: 'own' })
  await turn()
  await transport.call.outcomes(accepted(9, true))
  await done
  assert.deepEqual(things.get('a'), { v: 'own' })
})

test('W3 writing while the first contents are on their way is no fault, and delays nothing', async () => {
  const { things, transport, errors } = new FakeClient()
  const ready = things.subscribe()
  const done = things.set('a', { v: 'own' })
  await turn()
  await transport.call.accept() // the answer comes before the contents, which it is part of
  await done
  assert.deepEqual(things.get('a'), { v: 'own' })
  assert.deepEqual(errors, [])
  assert.equal(transport.session.closed, 0)
  transport.session.snapshot([entry('a', 1, { v: 'own' })])
  await ready
})

test('W5 clear resolves after the deletes were emitted', async () => {
  const { things, transport } = await subscribed()
  const order: string[] = []
  things.on('delete', (key) => order.push(key))
  const done = things.clear().then((value) => order.push(`cleared ${value}`))
  await turn()
  assert.deepEqual(transport.call.batch.writes, [{ kind: 'clear' }])
  await transport.call.outcomes(accepted(3))
  await done
  assert.deepEqual(order, ['a', 'b', 'cleared undefined'])
})

test('W2 writing needs no subscription', async () => {
  const { things, transport } = new FakeClient()
  const done = things.set('a', { v: 1 })
  await turn()
  await transport.call.accept()
  await done
  assert.equal(transport.sessions.length, 0)
})

test('I3 what is given to set may be changed afterwards', async () => {
  const { things, transport } = await subscribed()
  const item = { v: { deep: 1 } }
  const done = things.set('c', item)
  item.v.deep = 2
  await turn()
  await transport.call.outcomes(accepted(3))
  await done
  assert.deepEqual(things.get('c'), { v: { deep: 1 } })
})

test('W1 a ttl is in seconds, and travels in ms', async () => {
  const { things, transport } = new FakeClient()
  for (const ttl of [undefined, 1.5, { ttl: 2 }, { ttl: 'keep' }, {}] as const) things.set('a', {}, ttl)
  await turn()
  const ttls = transport.call.batch.writes.map((write) => write.kind === 'set' && write.ttlMs)
  assert.deepEqual(ttls, [null, 1500, 2000, 'keep', null])
})

test('C2 conditions travel with the write; a conflict has the store’s entry', async () => {
  const { things, transport } = new FakeClient()
  const calls = [
    things.set('a', { v: 1 }, { ifAbsent: true }),
    things.set('b', { v: 1 }, { ifRevision: 'e1.7' }),
    things.delete('c', { ifRevision: 'e1.8' }),
    things.set('d', { v: 1 }, { ifAbsent: false }),
  ]
  await turn()
  const conditions = transport.call.batch.writes.map((write) => ('if' in write ? write.if : 'none'))
  assert.deepEqual(conditions, [null, at(7), at(8), 'none'])
  const current = entry('a', 9, { v: 'theirs' }, { leftMs: 1500 })
  await transport.call.outcomes(
    { conflict: current },
    { conflict: tombstone('b', 9) },
    { conflict: null },
    accepted(10),
  )
  const conflicts = await Promise.all(calls.slice(0, 3).map((call) => rejection(call)))
  assert.deepEqual(
    conflicts.map(({ code, stored, key, current }) => ({ code, stored, key, current })),
    [
      {
        ...{ code: 'CONFLICT', stored: 'no', key: 'a' },
        current: { key: 'a', item: { v: 'theirs' }, revision: 'e1.9', expiresIn: 1.5 },
      },
      { code: 'CONFLICT', stored: 'no', key: 'b', current: undefined },
      { code: 'CONFLICT', stored: 'no', key: 'c', current: undefined },
    ],
  )
  await calls[3]
})

test('H2 a refused write names the collection and the key', async () => {
  const { things, client, transport, clock } = new FakeClient()
  const elsewhere = client.database('a b').collection('ü')
  const messages: [Promise<unknown>, string | RegExp][] = [
    [things.set('', {}), 'db/things: a key must not be empty'],
    [things.set('a', { v: new Date() }), 'db/things: a: v is a Date'],
    [things.set('a\n', { v: [NaN] }), 'db/things: "a\\n": v[0] is NaN'],
    [things.set('a', {}, 0), /^db\/things: a: a ttl is a number of seconds.*this is 0$/],
    [elsewhere.set('k', 1 as never), '"a b"/"ü": k: an item must be a plain object, this is 1'],
  ]
  for (const [promise, message] of messages) await assert.rejects(promise, { message })
  const failing = things.set('a', {})
  await turn()
  transport.call.fail(disconnected())
  clock.advance(10_000)
  await assert.rejects(failing, {
    ...{ code: 'WRITE_TIMEOUT', stored: 'unknown', database: 'db', collection: 'things', key: 'a' },
    message: 'db/things: a: the write was not confirmed within writeTimeout, 10000 ms',
  })
})

test('I4 the size of an item is bounded by the option and by the store', async () => {
  const { things, transport } = new FakeClient({ maxItemBytes: 100 })
  const item = (bytes: number) => ({ v: 'x'.repeat(bytes - 8) })
  await assert.rejects(things.set('a', item(101)), {
    code: 'ITEM_TOO_LARGE',
    message: 'db/things: a: the item has 101 bytes, 100 are allowed',
  })
  transport.maxItemBytes = 50
  await assert.rejects(things.set('a', item(51)), { message: /has 51 bytes, 50 are allowed/ })
  const done = things.set('a', item(50))
  await turn()
  await transport.call.accept()
  await done
})

test('W6 keys count among the bytes that wait', async () => {
  const { things } = new FakeClient({ up: false, maxPendingBytes: 100 })
  const first = things.delete('x'.repeat(60))
  await assert.rejects(things.set('y'.repeat(39), {}), { code: 'TOO_MANY_PENDING', stored: 'no' })
  first.catch(() => {})
  things.set('y'.repeat(38), {}).catch(() => {})
})

test('H11 a client that only reads refuses every write, and sends nothing', async () => {
  const { things, transport } = new FakeClient({ readOnly: true })
  const { signal } = new AbortController()
  const calls: Promise<unknown>[] = [
    things.set('a', {}),
    things.delete('a'),
    things.clear(),
    things.setMany([['a', {}]]),
    things.transaction((writes) => writes.delete('a')),
    things.update('a', () => ({}), { signal }),
  ]
  for (const call of calls) await assert.rejects(call, { code: 'READ_ONLY', stored: 'no' })
  assert.equal(transport.writes.length, 0)
})

// Names

test('N4 where a collection lives is handed to the transport, with the prefix', () => {
  const { client, transport } = new FakeClient({ prefix: 'shop' })
  client.database('db').collection('c').subscribe()
  assert.deepEqual(transport.session.id, { prefix: 'shop', database: 'db', collection: 'c' })
})

test('N1 the same name gives the same object, another one another; neither does I/O', () => {
  const { client, transport } = new FakeClient()
  const db = client.database('a')
  assert.equal(client.database('a'), db)
  assert.equal(db.collection('x'), db.collection('x'))
  assert.notEqual(client.database('b').collection('x'), db.collection('x'))
  assert.notEqual(db.collection('__proto__'), db.collection('constructor'))
  assert.equal(db.collection('__proto__'), db.collection('__proto__'))
  assert.deepEqual([db.name, db.collection('x').name, db.collection('x').database], ['a', 'x', db])
  assert.deepEqual([transport.sessions.length, transport.writes.length], [0, 0])
})

test('W7 a database and its collections are refused after close, also those that were opened before', async () => {
  const { client } = new FakeClient()
  const db = client.database('db')
  db.collection('known')
  await client.close()
  assert.throws(() => client.database('db'), code('CLOSED'))
  assert.throws(() => db.collection('new'), code('CLOSED'))
  assert.throws(() => db.collection('known'), code('CLOSED'))
})

test.run()
