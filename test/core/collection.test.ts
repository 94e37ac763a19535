import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite } from 'uvu'
import type { Collection } from '../../src/core/collection'
import type { MemisError } from '../../src/core/errors'
import { type FakeClient, fakeClient, type Item, outcomeOf } from '../support/fake-client'
import { disconnected, gone, told, turn, unauthorized } from '../support/fake-transport'

const test = suite('collection')

/** One that is subscribed and has caught up with `a` and `b`. */
async function subscribed(): Promise<FakeClient> {
  const made = fakeClient()
  const ready = made.things.subscribe()
  made.transport.session.whole([told('a', 1, { v: 1 }), told('b', 2, { v: 2 })], 2)
  await ready
  return made
}

const code = (expected: string) => (error: unknown) => {
  assert.equal((error as MemisError).code, expected)
  return true
}

// Reading

test('it reads as a Map does', async () => {
  const { things } = await subscribed()
  const map = new Map(things)
  assert.deepEqual(
    [...map],
    [
      ['a', { v: 1 }],
      ['b', { v: 2 }],
    ],
  )
  assert.equal(things.size, 2)
  assert.equal(things.get('a'), map.get('a'))
  assert.equal(things.get('nothing'), undefined)
  assert.deepEqual([things.has('a'), things.has('nothing')], [true, false])
  assert.deepEqual([...things.keys()], [...map.keys()])
  assert.deepEqual([...things.values()], [...map.values()])
  assert.deepEqual([...things.entries()], [...map.entries()])
})

test('forEach gives what that of a Map gives', async () => {
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
})

test('what changes while one iterates is seen as in a Map', async () => {
  const { things, transport } = await subscribed()
  const seen: string[] = []
  for (const [key] of things) {
    seen.push(key)
    if (key === 'a') transport.session.news(gone('b', 3), told('c', 4, {}))
  }
  assert.deepEqual(seen, ['a', 'c'])
  const inForEach: string[] = []
  things.forEach((_, key) => {
    inForEach.push(key)
    if (key === 'a') transport.session.news(gone('c', 5), told('d', 6, {}))
  })
  assert.deepEqual(inForEach, ['a', 'd'])
})

test('unsubscribing while one iterates ends the iteration', async () => {
  const { things } = await subscribed()
  const seen: string[] = []
  for (const key of things.keys()) {
    seen.push(key)
    things.unsubscribe()
  }
  assert.deepEqual(seen, ['a'])
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
}

test('reading what is not subscribed is refused, and the message says what to call', async () => {
  const { things } = fakeClient()
  for (const read of Object.values(reads)) {
    assert.throws(() => read(things), {
      code: 'NOT_SUBSCRIBED',
      message: 'db/things: not subscribed: call subscribe() before reading',
    })
  }
})

test('so it is after unsubscribe, after a refusal and after close, which is said', async () => {
  const one = await subscribed()
  one.things.unsubscribe()
  const two = await subscribed()
  await two.client.close()
  for (const read of Object.values(reads)) {
    assert.throws(() => read(one.things), code('NOT_SUBSCRIBED'))
    assert.throws(() => read(two.things), { code: 'CLOSED', message: 'db/things: the client is closed' })
  }
})

test('between subscribe() and ready, what has arrived can be read', () => {
  const { things, transport } = fakeClient()
  things.subscribe()
  assert.equal(things.size, 0)
  transport.session.sink.begin('whole', 'e1', 0)
  transport.session.sink.changes([told('a', 1, { v: 1 })])
  assert.deepEqual(things.get('a'), { v: 1 })
})

// Subscribing

test('subscribe resolves after ready was told, and gives the same promise until unsubscribe', async () => {
  const { things, transport } = fakeClient()
  const order: string[] = []
  things.on('ready', ({ cause, size }) => order.push(`ready ${cause} ${size}`))
  const first = things.subscribe()
  first.then(() => order.push('resolved'))
  assert.equal(things.subscribe(), first)
  await turn()
  assert.deepEqual(order, [])
  transport.session.whole([told('a', 1, {})], 1)
  await first
  assert.deepEqual(order, ['ready snapshot 1', 'resolved'])
  assert.equal(things.subscribe(), first)
  things.unsubscribe()
  const second = things.subscribe()
  assert.notEqual(second, first)
  assert.equal(transport.sessions.length, 2)
  assert.equal(transport.session.from, null, 'it starts anew')
})

test('it waits for as long as the store cannot be reached', async () => {
  const { things, transport, clock } = fakeClient({ up: false })
  const ready = outcomeOf(things.subscribe().then(() => true))
  transport.host.down(disconnected())
  clock.advance(3_600_000)
  await turn()
  assert.deepEqual(ready, {})
  transport.host.up()
  transport.session.whole([], 0)
  await turn()
  assert.deepEqual(ready, { value: true })
})

test('unsubscribe refuses a subscribe that waits, at once, and tells nothing', async () => {
  const { things, transport, clock } = fakeClient()
  for (const event of ['set', 'delete', 'expire', 'ready', 'stale'] as const) things.on(event, () => assert.fail(event))
  const ready = things.subscribe()
  things.unsubscribe()
  await assert.rejects(ready, { code: 'UNSUBSCRIBED', message: 'db/things: unsubscribe() was called' })
  assert.equal(transport.session.closed, 1)
  assert.equal(clock.pending, 0)
  transport.session.whole([told('a', 1, {})], 1)
  assert.equal(things.freshness.state, 'idle')
})

test('unsubscribe may be called at any time, more than once', async () => {
  const { things } = fakeClient()
  things.unsubscribe()
  const ready = things.subscribe()
  things.unsubscribe()
  things.unsubscribe()
  await assert.rejects(ready)
})

test('a subscribe that nobody awaits and that is refused is no unhandled rejection', async () => {
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  const { things, transport, client } = fakeClient()
  things.subscribe()
  things.unsubscribe()
  transport.host.down(unauthorized())
  things.subscribe()
  await turn()
  await client.close()
  things.subscribe()
  await turn()
  await turn()
  process.off('unhandledRejection', note)
  assert.deepEqual(rejections, [])
})

test('a signal that is aborted ends a subscription that waits, with its reason as the cause', async () => {
  const { things, transport } = fakeClient()
  const abort = new AbortController()
  const ready = things.subscribe({ signal: abort.signal })
  abort.abort(new Error('too slow'))
  await assert.rejects(ready, { code: 'ABORTED', name: 'AbortError', cause: abort.signal.reason })
  assert.equal(transport.session.closed, 1)
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
})

test('a signal that was aborted before refuses, and leaves nothing subscribed', async () => {
  const { things, transport } = fakeClient()
  await assert.rejects(things.subscribe({ signal: AbortSignal.abort() }), code('ABORTED'))
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
  for (const { closed } of transport.sessions) assert.equal(closed, 1)
  const ready = things.subscribe()
  transport.session.whole([], 0)
  await ready
})

test('what is no object with a signal is refused, and leaves nothing subscribed', async () => {
  const { things } = fakeClient()
  for (const wrong of [null, 1, 'x', { signal: null }, { signal: {} }]) {
    await assert.rejects(things.subscribe(wrong as unknown as object), code('INVALID_OPTION'))
  }
  assert.equal(things.freshness.state, 'idle')
})

test('a signal given to a later call ends what waits as well', async () => {
  const { things } = fakeClient()
  const abort = new AbortController()
  const ready = things.subscribe()
  assert.equal(things.subscribe({ signal: abort.signal }), ready)
  abort.abort()
  await assert.rejects(ready, code('ABORTED'))
})

test('a signal that is aborted once the collection is live changes nothing, and is not listened to any more', async () => {
  const { things, transport } = fakeClient()
  const { signal } = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(signal, args)
  }
  const ready = things.subscribe({ signal })
  assert.equal(listeners, 1)
  transport.session.whole([], 0)
  await ready
  await turn()
  assert.equal(listeners, 0)
  const abort = new AbortController()
  things.subscribe({ signal: abort.signal })
  abort.abort()
  assert.equal(things.size, 0)
})

test('a signal of an older subscription does not end a newer one', async () => {
  const { things, transport } = fakeClient()
  const abort = new AbortController()
  things.subscribe({ signal: abort.signal })
  things.unsubscribe()
  const ready = things.subscribe()
  abort.abort()
  transport.session.whole([], 0)
  await ready
})

test('what is no signal is refused, and nothing is subscribed', async () => {
  for (const signal of [42, 'x', {}, { aborted: false }]) {
    const { things, transport } = fakeClient()
    let refused = false
    try {
      await Promise.race([things.subscribe({ signal } as never), turn()])
    } catch {
      refused = true
    }
    assert.ok(refused, `signal: ${JSON.stringify(signal)}`)
    assert.equal(transport.sessions.filter(({ closed }) => closed === 0).length, 0)
    assert.equal(things.freshness.state, 'idle')
  }
})

test('a fault that will not pass refuses; once it has passed, one may subscribe again', async () => {
  const { things, transport } = fakeClient({ up: false })
  const waiting = things.subscribe()
  transport.host.down(unauthorized())
  await assert.rejects(waiting, { code: 'UNAUTHORIZED', message: 'db/things: wrong password' })
  await assert.rejects(things.subscribe(), code('UNAUTHORIZED'))
  assert.throws(() => things.get('a'), code('NOT_SUBSCRIBED'))
  transport.host.up()
  const ready = things.subscribe()
  transport.session.whole([], 0)
  await ready
})

test('a fault of the collection alone that will not pass refuses it alone', async () => {
  const { things, client, transport } = fakeClient()
  const others = client.database('db').collection('others')
  const [refused, ready] = [things.subscribe(), others.subscribe()]
  const [mine, theirs] = transport.sessions
  mine?.sink.stale(unauthorized())
  theirs?.whole([], 0)
  await assert.rejects(refused, code('UNAUTHORIZED'))
  await ready
})

test('a transport that refuses in the very call of watch: it can be subscribed again, and unsubscribed', async () => {
  const { things, transport } = fakeClient()
  transport.watched = ({ sink }) => sink.stale(unauthorized())
  await assert.rejects(things.subscribe(), code('UNAUTHORIZED'))
  transport.watched = () => {}
  const ready = things.subscribe()
  transport.session.whole([], 0)
  await ready
  assert.equal(things.size, 0)
})

test('a listener of ready that unsubscribes in the very call of watch', async () => {
  const { things, transport } = fakeClient()
  transport.watched = (session) => session.whole([], 0)
  things.once('ready', () => things.unsubscribe())
  await things.subscribe().catch(code('UNSUBSCRIBED'))
  assert.throws(() => things.size, code('NOT_SUBSCRIBED'))
  await things.subscribe()
  assert.equal(things.size, 0)
})

test('freshness: idle, syncing, live, stale, and idle again', async () => {
  const { things, transport, client } = fakeClient()
  const states: string[] = []
  const look = () => states.push(things.freshness.state)
  look()
  things.subscribe().catch(() => {})
  look()
  transport.session.whole([], 0)
  look()
  transport.session.sink.stale(disconnected())
  look()
  things.unsubscribe()
  look()
  things.subscribe().catch(() => {})
  await client.close()
  look()
  assert.deepEqual(states, ['idle', 'syncing', 'live', 'stale', 'idle', 'idle'])
  assert.equal(things.freshness.age, null)
})

test('what goes wrong with a subscription is told with its names', async () => {
  const { things, transport, errors } = await subscribed()
  const stale = once(things as never, 'stale')
  transport.session.sink.changes([told('a', NaN, {})])
  transport.session.sink.stale(disconnected())
  assert.equal(((await stale)[0] as MemisError).message, 'db/things: the wire is cut')
  assert.deepEqual(
    errors.map(({ code, message }) => `${code} ${message}`),
    ['UNDECODABLE db/things: a change without proper kind, key, number and time left'],
  )
})

// Events

test('events carry key, item and change', async () => {
  const { things, transport } = await subscribed()
  const events: unknown[] = []
  things.on('set', (...args) => events.push(['set', ...args]))
  things.multi('expire delete', (...args) => events.push(['gone', ...args]))
  const before = things.get('a')
  transport.session.news(told('a', 3, { v: 3 }), gone('a', 4), gone('b', 5, 'expire'))
  assert.deepEqual(events, [
    ['set', 'a', { v: 3 }, { revision: 'e1.3', previous: { v: 1 }, cause: 'live' }],
    ['gone', 'a', { v: 3 }, { revision: 'e1.4', previous: { v: 3 }, cause: 'live' }],
    ['gone', 'b', { v: 2 }, { revision: 'e1.5', previous: { v: 2 }, cause: 'live' }],
  ])
  assert.equal((events[0] as { previous: Item }[])[3]?.previous, before)
})

test('a listener may set, delete, unsubscribe and close', async () => {
  const { things, transport, client } = await subscribed()
  const events: string[] = []
  things.on('set', (key) => {
    events.push(key)
    if (key === 'c') things.set('from the listener', {}).catch(() => {})
    if (key === 'd') things.unsubscribe()
  })
  things.on('set', (key) => events.push(`second ${key}`))
  transport.session.news(told('c', 3, {}), told('d', 4, {}), told('e', 5, {}))
  assert.deepEqual(events, ['c', 'second c', 'd', 'second d'], 'the other listeners of that event still hear of it')
  await turn()
  assert.deepEqual(transport.call.keys, ['from the listener'])
  const ready = things.subscribe()
  things.once('ready', () => void client.close())
  transport.session.whole([], 0)
  await assert.rejects(ready, code('CLOSED'))
})

test('a listener that throws stops neither the other listeners nor replication', async () => {
  const { things, transport, errors } = await subscribed()
  const broken = new Error('broken')
  const heard: string[] = []
  things.on('set', () => {
    throw broken
  })
  things.on('set', async () => {
    throw broken
  })
  things.on('set', (key) => heard.push(key))
  transport.session.news(told('c', 3, {}), told('d', 4, {}))
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

test('whatever it throws', async () => {
  const { things, transport, errors } = await subscribed()
  const thrown = [undefined, null, 1, 'text', Symbol('s'), Object.create(null), { toString: null }]
  const heard: string[] = []
  thrown.forEach((each, i) => {
    things.once('set', () => {
      throw each
    })
    things.once('set', (key) => heard.push(key))
    transport.session.news(told('c', 10 + i, { v: i }), told(`d${i}`, 100 + i, {}))
  })
  assert.equal(errors.length, thrown.length)
  assert.equal(heard.length, thrown.length)
  assert.equal(things.size, 3 + thrown.length)
})

// Writing

test('set and delete resolve with what the store says, after their events', async () => {
  const { things, transport } = await subscribed()
  const order: string[] = []
  things.multi('set delete', (key) => order.push(`event ${key}`))
  const done = [
    things.set('c', { v: 3 }).then((value) => order.push(`set ${value}`)),
    things.delete('a').then((value) => order.push(`delete ${value}`)),
    things.delete('nothing').then((value) => order.push(`delete ${value}`)),
  ]
  await turn()
  await transport.call.outcomes({ n: 3, existed: false }, { n: 4, existed: true }, { n: 4, existed: false })
  await Promise.all(done)
  assert.deepEqual(order, ['event c', 'event a', 'set undefined', 'delete true', 'delete false'])
  assert.deepEqual([...things.keys()], ['b', 'c'])
})

test('once set has resolved, get gives its item, though no notification ever comes', async () => {
  const { things, transport } = await subscribed()
  transport.session.sink.stale(disconnected())
  const done = things.set('a', { v: 'own' })
  await turn()
  await transport.call.outcomes({ n: 9, existed: true })
  await done
  assert.deepEqual(things.get('a'), { v: 'own' })
})

test('writing while the first contents are on their way is no fault, and delays nothing', async () => {
  const { things, transport, errors } = fakeClient()
  const ready = things.subscribe()
  const done = things.set('a', { v: 'own' })
  await turn()
  await transport.call.take() // the answer comes before the contents, which it is part of
  await done
  assert.deepEqual(things.get('a'), { v: 'own' })
  assert.deepEqual(errors, [])
  assert.equal(transport.session.closed, 0)
  transport.session.whole([told('a', 1, { v: 'own' })], 1)
  await ready
})

test('clear resolves after the deletes are told', async () => {
  const { things, transport } = await subscribed()
  const order: string[] = []
  things.on('delete', (key) => order.push(key))
  const done = things.clear().then((value) => order.push(`cleared ${value}`))
  await turn()
  assert.deepEqual(transport.call.batch.writes, [{ kind: 'clear' }])
  await transport.call.outcomes({ n: 2, existed: false })
  await done
  assert.deepEqual(order, ['a', 'b', 'cleared undefined'])
})

test('writing needs no subscription', async () => {
  const { things, transport } = fakeClient()
  const done = things.set('a', { v: 1 })
  await turn()
  await transport.call.take()
  await done
  assert.equal(transport.sessions.length, 0)
})

test('what is given to set may be changed afterwards', async () => {
  const { things, transport } = await subscribed()
  const item = { v: { deep: 1 } }
  const done = things.set('c', item)
  item.v.deep = 2
  await turn()
  await transport.call.outcomes({ n: 3, existed: false })
  await done
  assert.deepEqual(things.get('c'), { v: { deep: 1 } })
})

test('a ttl is in seconds, fractions allowed, and a millisecond at least', async () => {
  const { things, transport } = fakeClient()
  const ttls: [number | undefined, number | null][] = [
    [undefined, null],
    [1, 1000],
    [0.5, 500],
    [0.0015, 2],
    [0.0001, 1],
    [Number.MIN_VALUE, 1],
    [60 * 24 * 3600, 5_184_000_000],
    [100 * 365.25 * 24 * 3600, 3_155_760_000_000],
  ]
  for (const [ttl] of ttls) things.set('a', {}, ttl).catch(() => {})
  await turn()
  assert.deepEqual(
    transport.call.batch.writes.map((write) => write.kind === 'set' && write.ttlMs),
    ttls.map(([, ms]) => ms),
  )
})

test('a refused write names the collection and the key', async () => {
  const { things, transport, client } = fakeClient()
  const messages: [Promise<unknown>, string][] = [
    [things.set('', {}), 'db/things: a key must not be empty'],
    [things.set('a', { v: new Date() }), 'db/things: a: v is a Date'],
    [things.set('a\n', { v: [NaN] }), 'db/things: "a\\n": v[0] is NaN'],
    [
      things.set('a', {}, 0),
      'db/things: a: a ttl is a number of seconds, greater than 0 and at most 100 years, this is 0',
    ],
    [
      client
        .database('a b')
        .collection('ü')
        .set('k', 1 as never),
      '"a b"/"ü": k: an item must be a plain object, this is 1',
    ],
  ]
  for (const [promise, message] of messages) await assert.rejects(promise, { message })
  const failing = things.set('a', {})
  await turn()
  transport.call.fail(disconnected())
  transport.clock.advance(10_000)
  await assert.rejects(failing, {
    code: 'WRITE_TIMEOUT',
    stored: 'unknown',
    message: 'db/things: a: the write was not confirmed within writeTimeout, 10000 ms',
  })
})

test('the size of an item is bounded by the option and by the store', async () => {
  const { things, transport } = fakeClient({ maxItemBytes: 100 })
  const item = (bytes: number) => ({ v: 'x'.repeat(bytes - 8) })
  await assert.rejects(things.set('a', item(101)), {
    code: 'ITEM_TOO_LARGE',
    message: 'db/things: a: the item has 101 bytes, 100 are allowed',
  })
  transport.maxItemBytes = 50
  await assert.rejects(things.set('a', item(51)), { message: /has 51 bytes, 50 are allowed/ })
  const done = things.set('a', item(50))
  await turn()
  await transport.call.take()
  await done
})

test('keys count among the bytes that wait', async () => {
  const { things } = fakeClient({ up: false, maxPendingBytes: 100 })
  const first = things.delete('x'.repeat(60))
  await assert.rejects(things.set('y'.repeat(39), {}), { code: 'TOO_MANY_PENDING', stored: 'no' })
  first.catch(() => {})
  things.set('y'.repeat(38), {}).catch(() => {})
})

// Names

test('where a collection lives is handed to the transport, with the prefix', async () => {
  const { client, transport } = fakeClient({ prefix: 'shop' })
  client.database('db').collection('c').subscribe()
  assert.deepEqual(transport.session.place, { prefix: 'shop', database: 'db', collection: 'c' })
})

test('the same name gives the same object, another one another; neither does I/O', () => {
  const { client, transport } = fakeClient()
  const db = client.database('a')
  assert.equal(client.database('a'), db)
  assert.equal(db.collection('x'), db.collection('x'))
  assert.notEqual(client.database('b').collection('x'), db.collection('x'))
  assert.notEqual(db.collection('__proto__'), db.collection('constructor'))
  assert.equal(db.collection('__proto__'), db.collection('__proto__'))
  assert.deepEqual([db.name, db.collection('x').name], ['a', 'x'])
  assert.deepEqual([transport.sessions.length, transport.writes.length], [0, 0])
})

test('a database and its collections are refused after close, also those that were opened before', async () => {
  const { client } = fakeClient()
  const db = client.database('db')
  db.collection('known')
  await client.close()
  assert.throws(() => client.database('db'), code('CLOSED'))
  assert.throws(() => db.collection('new'), code('CLOSED'))
  assert.throws(() => db.collection('known'), code('CLOSED'))
})

test.run()
