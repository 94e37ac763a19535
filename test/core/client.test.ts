import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { createClient } from '../../src/create-client'
import { fakeClient, outcomeOf } from '../support/fake-client'
import { disconnected, FakeTransport, told, turn, unauthorized } from '../support/fake-transport'

const test = suite('client')

const code = (expected: string) => (error: unknown) => {
  assert.equal((error as MemisError).code, expected)
  return true
}

const refused = (what = 'no room') => new MemisError('STORE_REFUSED', what)

// The link

test('the transport is opened once, at once, and told what it needs to know', () => {
  const { transport } = fakeClient({
    up: false,
    retention: 1,
    livenessTimeout: 200,
    auditInterval: 30,
    writeTimeout: 4,
  })
  const { retention, livenessTimeout, auditInterval, writeTimeout } = transport.host
  assert.deepEqual([retention, livenessTimeout, auditInterval, writeTimeout], [1, 200, 30, 4])
})

test('connect resolves once the link is up, for all who wait, and at once while it is', async () => {
  const { client, transport } = fakeClient({ up: false })
  const waiting = [client.connect(), client.connect()]
  assert.equal(waiting[0], waiting[1])
  const outcome = outcomeOf(Promise.all(waiting))
  transport.host.down(disconnected())
  await turn()
  assert.deepEqual(outcome, {}, 'a fault that may pass is waited out')
  transport.host.up()
  await Promise.all(waiting)
  await client.connect()
})

test('connect is refused by a fault that will not pass, until that has passed', async () => {
  const { client, transport } = fakeClient({ up: false })
  const waiting = client.connect()
  transport.host.down(unauthorized())
  await assert.rejects(waiting, code('UNAUTHORIZED'))
  await assert.rejects(client.connect(), code('UNAUTHORIZED'))
  transport.host.down(disconnected())
  await assert.rejects(client.connect(), code('UNAUTHORIZED'))
  transport.host.up()
  await client.connect()
})

test('connect is refused by close', async () => {
  const { client } = fakeClient({ up: false })
  const waiting = client.connect()
  const closing = client.close()
  await assert.rejects(waiting, code('CLOSED'))
  await closing
  await assert.rejects(client.connect(), code('CLOSED'))
})

test('a connect that nobody awaits and that is refused is no unhandled rejection', async () => {
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  const { client, transport } = fakeClient({ up: false })
  client.connect()
  transport.host.down(unauthorized())
  client.connect()
  await client.close()
  client.connect()
  await turn()
  await turn()
  process.off('unhandledRejection', note)
  assert.deepEqual(rejections, [])
})

test('connect and disconnect are told, each once a change', async () => {
  const { client, transport, errors } = fakeClient({ up: false })
  const events: string[] = []
  client.on('connect', () => events.push('connect'))
  client.on('disconnect', ({ code }) => events.push(`disconnect ${code}`))
  transport.host.down(disconnected())
  transport.host.up()
  transport.host.down(disconnected())
  transport.host.down(disconnected())
  transport.host.up()
  assert.deepEqual(events, ['connect', 'disconnect DISCONNECTED', 'connect'])
  assert.equal(errors.length, 2, 'what is no change is an error: one before each time up')
})

test('a link that goes down reaches the writes and the replicas, and so does its return', async () => {
  const { things, transport, clock } = fakeClient()
  const ready = things.subscribe()
  transport.session.whole([], 0)
  await ready
  transport.session.sink.stale(disconnected())
  transport.host.down(disconnected())
  const write = things.set('a', {})
  await turn()
  assert.equal(transport.writes.length, 0)
  transport.host.up()
  clock.advance(250)
  assert.equal(transport.sessions.length, 2)
  await transport.call.take()
  await write
})

test('a fault that will not pass refuses writes and subscriptions at once; then all goes on', async () => {
  const { things, transport } = fakeClient({ up: false })
  const waiting = [things.set('a', {}), things.delete('a'), things.clear(), things.subscribe()]
  transport.host.down(unauthorized())
  for (const each of waiting) await assert.rejects(each, code('UNAUTHORIZED'))
  await assert.rejects(things.set('a', {}), { code: 'UNAUTHORIZED', stored: 'no' })
  transport.host.up()
  const write = things.set('a', {})
  await turn()
  await transport.call.take()
  await write
})

test('it does not empty a replica that was live', async () => {
  const { things, transport } = fakeClient()
  const ready = things.subscribe()
  transport.session.whole([told('a', 1, {})], 1)
  await ready
  transport.session.sink.stale(unauthorized())
  transport.host.down(unauthorized())
  assert.equal(things.size, 1)
  assert.equal(things.freshness.state, 'stale')
})

// Errors

test('a fault is told once a burst, and counted each time', () => {
  const { transport, clock, client, errors } = fakeClient()
  const report = (count: number, code: 'UNDECODABLE' | 'STORE_REFUSED') => {
    for (let i = 0; i < count; i++) {
      transport.host.report(new MemisError(code, `${code} ${i}`))
      clock.advance(9999)
    }
  }
  report(5, 'UNDECODABLE')
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['UNDECODABLE 0'],
    'less than 10 s lie between each and the next',
  )
  clock.advance(1)
  report(2, 'UNDECODABLE')
  report(2, 'STORE_REFUSED')
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['UNDECODABLE 0', 'UNDECODABLE 0', 'STORE_REFUSED 0'],
  )
  assert.deepEqual(client.errorCounts, { UNDECODABLE: 7, STORE_REFUSED: 2 })
})

test('each outage is a burst of its own', () => {
  const { transport, errors } = fakeClient({ up: false })
  for (let outage = 0; outage < 3; outage++) {
    for (let i = 0; i < 3; i++) transport.host.down(disconnected())
    transport.host.up()
  }
  assert.equal(errors.length, 3)
})

test('the counts that are given are a copy', () => {
  const { client, transport } = fakeClient()
  transport.host.report(refused())
  Object.assign(client.errorCounts, { STORE_REFUSED: 99 })
  assert.deepEqual(client.errorCounts, { STORE_REFUSED: 1 })
})

test('writes that nobody awaits and that fail are told once a burst, and are no unhandled rejection', async () => {
  const { things, transport, client, errors } = fakeClient()
  for (const key of ['a', 'b', 'c']) things.set(key, {})
  await turn()
  await transport.call.fail(refused())
  await turn()
  await turn()
  assert.deepEqual(
    errors.map(({ code, message, stored }) => [code, message, stored]),
    [['STORE_REFUSED', 'db/things: a: no room', 'unknown']],
  )
  assert.equal(client.errorCounts.STORE_REFUSED, 3)
})

test('so are bad ones', async () => {
  const { things, errors } = fakeClient()
  things.set('', {})
  things.set('a', {}, -1)
  things.set('a', { v: NaN })
  things.delete('')
  await turn()
  await turn()
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['INVALID_NAME', 'INVALID_TTL', 'INVALID_ITEM'],
  )
})

test('a failure that somebody hears is not told besides', async () => {
  const { things, transport, errors } = fakeClient()
  const writes = [things.set('a', {}), things.set('b', {}), things.delete('c')]
  const heard = Promise.allSettled(writes)
  await turn()
  await transport.call.fail(refused())
  await heard
  await turn()
  await turn()
  assert.deepEqual(errors, [])
})

test('an error of a listener of the client is told, but not to itself', async () => {
  const { client, transport, errors } = fakeClient({ up: false })
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

test('each failing of a listener is told: a burst of them is not one fault', () => {
  const { client, transport, errors } = fakeClient({ up: false })
  client.on('connect', () => {
    throw new Error('broken')
  })
  for (let i = 0; i < 3; i++) transport.host.up()
  assert.equal(errors.length, 3)
})

// Closing

test('after close, every call is refused', async () => {
  const { client, things } = fakeClient()
  await client.close()
  assert.throws(() => client.database('db'), code('CLOSED'))
  assert.throws(() => things.get('a'), code('CLOSED'))
  for (const call of [things.set('a', {}), things.delete('a'), things.clear(), things.subscribe(), client.connect()]) {
    await assert.rejects(call, code('CLOSED'))
  }
  things.unsubscribe()
})

test('so it is from the moment of the call', async () => {
  const { client, things, transport } = fakeClient()
  const before = things.set('a', {})
  const closing = client.close()
  const late = things.set('b', {})
  await assert.rejects(late, { code: 'CLOSED', stored: 'no', message: 'db/things: b: the client is closed' })
  await turn()
  assert.deepEqual(transport.call.keys, ['a'])
  await transport.call.take()
  await before
  await closing
})

test('close ends subscriptions at once, then sends what waits, then closes the transport, then tells', async () => {
  const { client, things, transport, clock } = fakeClient()
  const order: string[] = []
  const ready = things.subscribe()
  const write = things.set('a', {}).then(() => order.push('written'))
  client.on('close', () => order.push('close'))
  const closing = client.close()
  assert.equal(transport.session.closed, 1)
  await assert.rejects(ready, code('CLOSED'))
  await turn()
  assert.equal(transport.closed, 0)
  await transport.call.take()
  await write
  await closing
  assert.equal(transport.closed, 1)
  assert.deepEqual(order, ['written', 'close'])
  assert.equal(clock.pending, 0)
})

test('closing again gives the same promise; so does disposing', async () => {
  const { client, transport } = fakeClient()
  let closes = 0
  client.on('close', () => void closes++)
  const closing = client.close()
  assert.equal(client.close(), closing)
  assert.equal(client[Symbol.asyncDispose](), closing)
  await closing
  await client.close()
  assert.deepEqual([closes, transport.closed], [1, 1])
})

test('a client that is closed before it ever connected sends what waits if the link comes up in time', async () => {
  const { client, things, transport, clock } = fakeClient({ up: false })
  const write = things.set('a', {})
  const closing = client.close()
  clock.advance(2000)
  transport.host.up()
  await turn()
  await transport.call.take()
  await write
  await closing
  assert.equal(clock.pending, 0)
})

test('so it does where the link is lost and returns while it closes', async () => {
  const { client, things, transport } = fakeClient()
  const write = things.set('a', {})
  await turn()
  const closing = client.close()
  transport.host.down(disconnected())
  await transport.call.fail(disconnected())
  assert.equal(transport.writes.length, 1)
  transport.host.up()
  assert.equal(transport.writes.length, 2)
  await transport.call.take()
  await write
  await closing
})

test('a store that does not answer holds up close for 5 s, and no longer', async () => {
  const { client, things, clock } = fakeClient()
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

test('a transport that cannot close: that is told to who awaits it, and the client is closed all the same', async () => {
  const { client, transport } = fakeClient()
  let closes = 0
  client.on('close', () => void closes++)
  transport.closing = Promise.reject(new Error('stuck'))
  await assert.rejects(client.close(), { message: 'stuck' })
  assert.equal(closes, 1)
  assert.throws(() => client.database('db'), code('CLOSED'))
})

test('the transport says nothing more once close was called: what it does say is not told', async () => {
  const { client, transport } = fakeClient({ up: false })
  const events: string[] = []
  for (const event of ['connect', 'disconnect', 'error'] as const) client.on(event, () => events.push(event))
  const closing = client.close()
  transport.host.up()
  transport.host.down(disconnected())
  await closing
  assert.deepEqual(events, [])
})

test('a listener may close the client, also when it hears of an error', async () => {
  const { client, transport } = fakeClient({ up: false })
  const closed = new Promise<void>((resolve) => client.on('close', resolve))
  client.on('error', () => void client.close())
  transport.host.down(disconnected())
  await closed
  assert.equal(transport.closed, 1)
})

test('a client can be used with await using', async () => {
  const transport = new FakeTransport()
  {
    await using client = createClient({ transport })
    client.database('db')
  }
  assert.equal(transport.closed, 1)
})

test('a client of which a collection has items that expire leaves no timer when it is closed', async () => {
  const { client, things, transport, clock } = fakeClient()
  things.subscribe()
  transport.session.whole([told('a', 1, {}, 1000)], 1)
  assert.equal(clock.pending, 1)
  await client.close()
  assert.equal(clock.pending, 0)
})

test.run()
