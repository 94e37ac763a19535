import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { createClient } from '../../src/create-client'
import { code, FakeClient, outcomeOf, withoutUnhandled } from '../support/fake-client'
import { disconnected, entry, FakeTransport, turn, unauthorized } from '../support/fake-transport'
import { until } from '../support/testing'

const test = suite('client')

const refused = (what = 'no room') => new MemisError('STORE_REFUSED', what)

// The link

test('the transport is opened once, at once, and told what it needs to know', () => {
  const settings = { retention: 1, livenessTimeout: 200, auditInterval: 30, writeTimeout: 4, maxItemBytes: 500 }
  const { host } = new FakeClient({ up: false, ...settings, readOnly: true }).transport
  const { retention, livenessTimeout, auditInterval, writeTimeout, maxItemBytes } = host
  assert.deepEqual({ retention, livenessTimeout, auditInterval, writeTimeout, maxItemBytes }, settings)
  assert.equal(host.readOnly, true)
  assert.equal(new FakeClient().transport.host.readOnly, false)
})

test('K8 connect resolves once the link is up, for all who wait, and at once while it is', async () => {
  const { client, transport } = new FakeClient({ up: false })
  const waiting = [client.connect(), client.connect()]
  const outcome = outcomeOf(Promise.all(waiting))
  transport.host.down(disconnected())
  await turn()
  assert.deepEqual(outcome, {}, 'a fault that may pass is waited out')
  transport.host.up()
  await Promise.all(waiting)
  await client.connect()
})

test('K8 connect is refused by a fault that does not pass, until that has passed', async () => {
  const { client, transport } = new FakeClient({ up: false })
  const waiting = client.connect()
  transport.host.down(unauthorized())
  await assert.rejects(waiting, code('UNAUTHORIZED'))
  await assert.rejects(client.connect(), code('UNAUTHORIZED'))
  transport.host.down(disconnected())
  await assert.rejects(client.connect(), code('UNAUTHORIZED'))
  transport.host.up()
  await client.connect()
})

test('W5 a fault of the link says nothing of what is stored; each write that it refuses does', async () => {
  const { client, transport } = new FakeClient({ up: false })
  const [waiting, write] = [client.connect(), client.database('db').collection<object>('things').set('a', {})]
  transport.host.down(unauthorized().with({ stored: 'no' }))
  const stored = (promise: Promise<void>) =>
    promise.then(
      () => assert.fail('it was accepted'),
      (error: MemisError) => error.stored,
    )
  assert.deepEqual(await Promise.all([waiting, client.connect(), write].map(stored)), [undefined, undefined, 'no'])
})

test('W7 connect is refused by close', async () => {
  const { client } = new FakeClient({ up: false })
  const waiting = client.connect()
  const closing = client.close()
  await assert.rejects(waiting, code('CLOSED'))
  await closing
  await assert.rejects(client.connect(), code('CLOSED'))
})

test('E5 a connect that nobody awaits and that is refused is no unhandled rejection', () =>
  withoutUnhandled(async () => {
    const { client, transport } = new FakeClient({ up: false })
    client.connect()
    transport.host.down(unauthorized())
    client.connect()
    await client.close()
    client.connect()
  }))

test('E4 connect and disconnect are told once a change; a link that is down already is a fault', () => {
  const { client, transport, errors, clock } = new FakeClient({ up: false })
  const events: string[] = []
  client.on('connect', () => events.push('connect'))
  client.on('disconnect', ({ code }) => events.push(`disconnect ${code}`))
  transport.host.down(disconnected())
  transport.host.up()
  transport.host.down(disconnected())
  clock.advance(10_000)
  transport.host.down(disconnected())
  transport.host.up()
  assert.deepEqual(events, ['connect', 'disconnect DISCONNECTED', 'connect'])
  assert.equal(errors.length, 2)
})

test('K4 a link that goes down reaches the writes and the replicas, and so does its return', async () => {
  const { things, transport, clock } = new FakeClient()
  const ready = things.subscribe()
  transport.session.snapshot()
  await ready
  transport.session.sink.stale(disconnected())
  transport.host.down(disconnected())
  const write = things.set('a', {})
  await turn()
  assert.equal(transport.writes.length, 0)
  transport.host.up()
  clock.advance(250)
  assert.equal(transport.sessions.length, 2)
  await transport.call.accept()
  await write
})

test('K8 a fault that does not pass refuses writes and subscriptions at once; then everything goes on', async () => {
  const { things, transport } = new FakeClient({ up: false })
  const waiting = [things.set('a', {}), things.delete('a'), things.clear(), things.subscribe()]
  transport.host.down(unauthorized())
  for (const each of waiting) await assert.rejects(each, code('UNAUTHORIZED'))
  await assert.rejects(things.set('a', {}), { code: 'UNAUTHORIZED', stored: 'no' })
  transport.host.up()
  const write = things.set('a', {})
  await turn()
  await transport.call.accept()
  await write
})

test('K8 it does not empty a replica that was live', async () => {
  const { things, transport } = new FakeClient()
  const ready = things.subscribe()
  transport.session.snapshot([entry('a', 1, {})])
  await ready
  transport.session.sink.stale(unauthorized())
  transport.host.down(unauthorized())
  assert.equal(things.size, 1)
  assert.equal(things.freshness.state, 'stale')
})

test('K2 a replica that is not proved within livenessTimeout is stale; each proof counts anew', async () => {
  const { things, transport, clock, client } = new FakeClient({ isLocal: false, livenessTimeout: 1000 })
  const ready = things.subscribe()
  transport.session.snapshot([entry('a', 1, {})])
  await ready
  for (let i = 0; i < 5; i++) {
    clock.advance(900)
    transport.session.sink.live({ epoch: 'e1', n: 1 })
  }
  clock.advance(1000)
  assert.equal(things.freshness.state, 'live')
  clock.advance(200)
  assert.equal(things.freshness.state, 'stale')
  assert.equal(things.freshness.reason?.code, 'OUT_OF_TOUCH')
  await client.close()
  assert.equal(clock.pending, 0)
})

test('K2 a store in this process needs no proofs, and costs no timer', async () => {
  const { things, transport, clock } = new FakeClient({ livenessTimeout: 1000 })
  const ready = things.subscribe()
  transport.session.snapshot()
  await ready
  assert.equal(clock.pending, 0)
  clock.advance(60_000)
  assert.deepEqual([things.freshness.state, things.freshness.age], ['live', 0])
})

// Errors

test('E8 a fault is told once a burst, again each minute if it persists, and counted each time', () => {
  const { transport, clock, client, errors } = new FakeClient()
  for (let second = 0; second <= 130; second++) {
    transport.host.report(refused(`fault ${second}`))
    clock.advance(1000)
  }
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['fault 0', 'fault 60 (60 times in 60 s)', 'fault 120 (60 times in 60 s)'],
  )
  assert.deepEqual(client.errorCounts, { STORE_REFUSED: 131 })
  Object.assign(client.errorCounts, { STORE_REFUSED: 99 })
  assert.equal(client.errorCounts.STORE_REFUSED, 131, 'what is given is a copy')
})

test('E8 a link that flaps is one burst of faults, not one for each time up', () => {
  const { transport, errors, clock } = new FakeClient({ up: false })
  for (let second = 0; second < 30; second++) {
    for (let i = 0; i < 3; i++) transport.host.down(disconnected())
    transport.host.up()
    clock.advance(1000)
  }
  assert.equal(errors.length, 1)
})

test('W6 writes that nobody awaits and that fail are told once a burst, and are no unhandled rejection', () =>
  withoutUnhandled(async () => {
    const { things, transport, client, errors } = new FakeClient()
    for (const key of ['a', 'b', 'c']) things.set(key, {})
    await turn()
    await transport.call.fail(refused())
    await turn()
    await turn()
    assert.deepEqual(
      errors.map(({ code, message, stored, database, collection, key }) => {
        return { code, message, stored, database, collection, key }
      }),
      [
        {
          ...{ code: 'STORE_REFUSED', message: 'db/things: a: no room', stored: 'unknown' },
          ...{ database: 'db', collection: 'things', key: 'a' },
        },
      ],
    )
    assert.equal(client.errorCounts.STORE_REFUSED, 3)
  }))

test('W6 so are bad ones', () =>
  withoutUnhandled(async () => {
    const { things, errors } = new FakeClient()
    things.set('', {})
    things.set('a', {}, -1)
    things.set('a', { v: NaN })
    things.delete('')
    things.update('', () => ({}))
    await turn()
    await turn()
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['INVALID_NAME', 'INVALID_TTL', 'INVALID_ITEM'],
    )
  }))

test('W6 a failure that somebody hears is told to nobody else', async () => {
  const { things, transport, errors } = new FakeClient()
  const writes = [things.set('a', {}), things.set('b', {}), things.delete('c')]
  const heard = Promise.allSettled(writes)
  await turn()
  await transport.call.fail(refused())
  await heard
  await turn()
  await turn()
  assert.deepEqual(errors, [])
})

test('E5 an error of a listener of the client is told, but not to itself', () => {
  const { client, transport, errors } = new FakeClient({ up: false })
  const broken = new Error('broken')
  client.on('connect', () => {
    throw broken
  })
  transport.host.up()
  assert.deepEqual(
    errors.map(({ code, message, cause }) => [code, message, cause]),
    [['LISTENER_FAILED', 'a listener of "connect" failed: broken', broken]],
  )
  assert.equal(client.errorCounts.LISTENER_FAILED, 1)
})

test('E5 each failure of a listener is told: several are not one fault', () => {
  const { client, transport, errors } = new FakeClient({ up: false })
  client.on('connect', () => {
    throw new Error('broken')
  })
  for (let i = 0; i < 3; i++) transport.host.up()
  assert.equal(errors.length, 3)
})

// Closing

test('W7 after close, every call is refused, from the moment of the call', async () => {
  const { client, things, transport } = new FakeClient()
  const before = things.set('a', {})
  const closing = client.close()
  const late = things.set('b', {})
  await assert.rejects(late, { code: 'CLOSED', stored: 'no', message: 'db/things: b: the client is closed' })
  await turn()
  assert.deepEqual(transport.call.keys, ['a'])
  await transport.call.accept()
  await before
  await closing
  assert.throws(() => client.database('db'), code('CLOSED'))
  assert.throws(() => things.get('a'), code('CLOSED'))
  const { signal } = new AbortController()
  const calls = [things.set('a', {}), things.delete('a'), things.clear(), things.subscribe(), client.connect()]
  calls.push(things.whenLive({ signal }), things.touch('a', 1), things.setMany([['a', {}]]))
  for (const call of calls) await assert.rejects(call, code('CLOSED'))
  things.unsubscribe()
})

test('W7 close ends subscriptions at once, then sends what waits, then closes the transport, then tells', async () => {
  const { client, things, transport, clock } = new FakeClient({ isLocal: false })
  const order: string[] = []
  const ready = things.subscribe()
  const write = things.set('a', {}).then(() => order.push('written'))
  client.on('close', () => order.push('close'))
  const closing = client.close()
  assert.equal(transport.session.closed, 1)
  await assert.rejects(ready, code('CLOSED'))
  await turn()
  assert.equal(transport.closed, 0)
  await transport.call.accept()
  await write
  await closing
  assert.equal(transport.closed, 1)
  assert.deepEqual(order, ['written', 'close'])
  assert.equal(clock.pending, 0)
})

test('W7 closing again gives the same promise; so does disposing', async () => {
  const { client, transport } = new FakeClient()
  let closes = 0
  client.on('close', () => void closes++)
  const closing = client.close()
  assert.equal(client.close(), closing)
  assert.equal(client[Symbol.asyncDispose](), closing)
  await closing
  await client.close()
  assert.deepEqual([closes, transport.closed], [1, 1])
})

test('W7 a client that is closed before it ever connected sends what waits if the link comes up in time', async () => {
  const { client, things, transport, clock } = new FakeClient({ up: false })
  const write = things.set('a', {})
  const closing = client.close()
  clock.advance(2000)
  transport.host.up()
  await turn()
  await transport.call.accept()
  await write
  await closing
  assert.equal(clock.pending, 0)
})

test('W7 so it does if the link is lost and returns while it closes', async () => {
  const { client, things, transport } = new FakeClient()
  const write = things.set('a', {})
  await turn()
  const closing = client.close()
  transport.host.down(disconnected())
  await transport.call.fail(disconnected())
  assert.equal(transport.writes.length, 1)
  transport.host.up()
  assert.equal(transport.writes.length, 2)
  await transport.call.accept()
  await write
  await closing
})

test('W7 a store that does not answer holds up close for 5 s, and no longer', async () => {
  const { client, things, clock } = new FakeClient()
  const writes = [things.set('a', {})]
  await turn()
  writes.push(things.set('b', {}))
  const outcomes = writes.map((write) => outcomeOf(write))
  const closing = client.close()
  clock.advance(5000)
  await closing
  assert.deepEqual(
    outcomes.map(({ error }) => [error?.code, error?.stored]),
    [
      ['CLOSED', 'unknown'],
      ['CLOSED', 'no'],
    ],
  )
  assert.equal(clock.pending, 0)
})

test('W7 a transport that cannot close: whoever awaits it is told, and the client is closed all the same', async () => {
  const { client, transport } = new FakeClient()
  let closes = 0
  client.on('close', () => void closes++)
  transport.closing = Promise.reject(new Error('stuck'))
  await assert.rejects(client.close(), { message: 'stuck' })
  assert.equal(closes, 1)
  assert.throws(() => client.database('db'), code('CLOSED'))
})

test('W7 once close was called, nothing that the transport says is told', async () => {
  const { client, transport } = new FakeClient({ up: false })
  const events: string[] = []
  for (const event of ['connect', 'disconnect', 'error'] as const) client.on(event, () => events.push(event))
  const closing = client.close()
  transport.host.up()
  transport.host.down(disconnected())
  await closing
  assert.deepEqual(events, [])
})

test('E2 a listener may close the client, also when it is told of an error', async () => {
  const { client, transport } = new FakeClient({ up: false })
  const closed = new Promise<void>((resolve) => client.on('close', resolve))
  client.on('error', () => void client.close())
  transport.host.down(disconnected())
  await closed
  assert.equal(transport.closed, 1)
})

test('W7 a client can be used with await using', async () => {
  const transport = new FakeTransport()
  {
    await using client = createClient({ transport })
    client.database('db')
  }
  assert.equal(transport.closed, 1)
})

test('W7 a client whose items expire leaves no timer when it is closed', async () => {
  const { client, things, transport, clock } = new FakeClient()
  things.subscribe()
  transport.session.snapshot([entry('a', 1, {}, { leftMs: 1000 })])
  assert.equal(clock.pending, 1)
  await client.close()
  assert.equal(clock.pending, 0)
})

// What is left behind

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Waits until all of these objects are collected. */
const collected = (refs: readonly WeakRef<object>[]) =>
  until('they are collected', () => {
    collectGarbage()
    return refs.every((ref) => ref.deref() === undefined)
  })

/** What the double of a transport keeps of the past, as a real one does not. */
function forget({ transport }: FakeClient): void {
  transport.sessions.length = 0
  transport.writes.length = 0
}

/** What can be done with a collection that nobody uses after that. */
const uses: Record<string, (made: FakeClient, name: string) => object> = {
  'that were only opened': ({ client }, name) => client.database(name).collection(name),
  'that were subscribed and unsubscribed': (made, name) => {
    const collection = made.client.database('db').collection(name)
    collection.subscribe()
    made.session.snapshot([entry('a', 1, {}, { leftMs: 1000 })])
    collection.unsubscribe()
    return collection
  },
  'whose subscription was refused': (made, name) => {
    const collection = made.client.database('db').collection(name)
    collection.subscribe()
    made.session.sink.stale(unauthorized())
    return collection
  },
  'that were written to': (made, name) => {
    const collection = made.client.database('db').collection<object>(name)
    collection.set('a', {})
    return collection
  },
  'whose listeners were removed': ({ client }, name) => {
    const collection = client.database('db').collection(name)
    const listener = () => {}
    collection.on('set', listener).off('set', listener)
    collection.watch('a', listener)()
    return collection
  },
}

for (const [what, use] of Object.entries(uses)) {
  test(`K10 collections ${what} leave nothing behind in the client`, async () => {
    const made = new FakeClient()
    const refs = Array.from({ length: 200 }, (_, i) => new WeakRef(use(made, `${i}`)))
    await turn()
    for (const call of [...made.transport.writes]) await call.accept()
    forget(made)
    await collected(refs)
    assert.equal(made.clock.pending, 0)
    made.client.database('db')
  })
}

test('K10 a collection that is subscribed, has listeners or waits for writes stays, though nobody holds it', async () => {
  const made = new FakeClient()
  const { client, transport } = made
  const open = (name: string) => client.database('db').collection<object>(name)
  const seen: string[] = []
  open('listened').on('set', (key) => seen.push(key))
  open('subscribed').subscribe()
  open('watched').watch('a', () => {})
  open('written').set('a', {})
  const refs = ['listened', 'subscribed', 'watched', 'written'].map((name) => new WeakRef(open(name)))
  await turn()
  const sessions = [...transport.sessions]
  for (let i = 0; i < 5; i++) {
    collectGarbage()
    await turn()
  }
  for (const ref of refs) assert.ok(ref.deref())
  assert.equal(open('listened'), refs[0]?.deref())
  open('listened').subscribe()
  transport.session.snapshot([entry('a', 1, {})])
  assert.deepEqual(seen, ['a'])
  assert.equal(sessions.length, 1)
})

test('K10 names that were opened once cost nothing', async () => {
  const { client } = new FakeClient()
  const open = async (from: number, count: number) => {
    for (let i = from; i < from + count; i++) {
      client.database(`database ${i % 100}`).collection(`collection ${i}`)
      if (i % 1000 === 0) await turn()
    }
    for (let i = 0; i < 5; i++) {
      collectGarbage()
      await turn()
    }
    return process.memoryUsage().heapUsed
  }
  const before = await open(0, 1000)
  const grown = (await open(1000, 30_000)) - before
  assert.ok(grown < 1e6, `the heap has grown by ${grown} bytes`)
})

test('K10 a closed client leaves nothing behind', async () => {
  const make = async () => {
    const made = new FakeClient({ isLocal: false })
    made.things.subscribe()
    made.session.snapshot([entry('a', 1, {}, { leftMs: 1000 })])
    made.things.on('set', () => {})
    const write = made.things.set('a', {})
    await turn()
    await made.call.accept()
    await write
    await made.client.close()
    assert.equal(made.clock.pending, 0)
    return [new WeakRef(made.client), new WeakRef(made.things)]
  }
  await collected(await make())
})

test.run()
