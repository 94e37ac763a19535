/** Connections: of the user's, in either version of the client; and none that is left behind. */
import assert from 'node:assert'
import { writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectNew } from '@nats-io/transport-node'
import { connect } from 'nats'
import { createClient } from '../../src'
import { startProxy } from '../support/proxy'
import { Complaints, natsServer, natsSite, note, Raw, rejection, suite, until, untilEqual, within } from './support'

const test = suite('connections, NATS')

const versions = { 'nats 2': connect, 'transport-node 3': connectNew } as const

for (const [version, dial] of Object.entries(versions)) {
  test(`a connection of ${version}: everything works, through a lost link, and it stays open`, async () => {
    await using site = await natsSite()
    const proxy = await startProxy(site.server.port)
    const forEver = { maxReconnectAttempts: -1, reconnectTimeWait: 20 }
    const connection = await dial({ servers: `127.0.0.1:${proxy.port}`, ...forEver })
    await using other = site.client()
    const client = createClient({ transport: 'nats', connection })
    const complaints = new Complaints(client)
    const items = client.database('test').collection<{ n: number }>('items')
    const written = other.database('test').collection<{ n: number }>('items')
    await items.subscribe()
    for (let round = 0; round < 3; round++) {
      await items.set('timed', { n: round }, 60)
      assert.strictEqual(await items.delete('gone'), false)
      await items.transaction((t) => {
        t.set('a', { n: round })
        t.set('b', { n: round })
      })
      const ready = new Promise((resolve) => items.once('ready', resolve))
      proxy.cut()
      await written.set('meanwhile', { n: round })
      await proxy.heal()
      await ready
      await untilEqual(site.raw, [items])
    }
    assert.deepStrictEqual(
      complaints.codes.filter((code) => code !== 'DISCONNECTED'),
      [],
    )
    await client.close()
    assert.strictEqual(connection.isClosed(), false)
    await connection.flush()
    assert.deepStrictEqual(await site.raw.consumers(), [])
    await connection.close()
    await proxy.close()
  })

  test(`a connection of ${version}: a write that is forbidden is UNAUTHORIZED, and not stored`, async () => {
    await using site = await natsSite()
    const file = join(site.server.dir, 'nats.conf')
    const publish = JSON.stringify(['$JS.API.>', '$JS.FC.>'])
    writeFileSync(file, `authorization { users = [ { user: u, password: p, permissions: { publish: ${publish} } } ] }`)
    await using server = await natsServer({ args: ['--config', file] })
    const connection = await dial({ servers: server.url, user: 'u', pass: 'p' })
    const client = createClient({ transport: 'nats', connection })
    new Complaints(client)
    const items = client.database('test').collection<object>('items')
    await items.subscribe()
    for (const write of [() => items.set('k', {}), () => items.delete('k'), () => items.clear()]) {
      const error = await within(rejection(write()), 3000)
      assert.deepStrictEqual([error.code, error.stored], ['UNAUTHORIZED', 'no'])
    }
    await client.close()
    await connection.close()
  })

  test(`a hundred clients on one connection of ${version} leave nothing on it`, async () => {
    await using site = await natsSite()
    const connection = await dial({ servers: site.server.url })
    const subscriptions = new Set<unknown>()
    const subscribe = connection.subscribe.bind(connection)
    // biome-ignore lint/suspicious/noExplicitAny: each version has types of its own
    ;(connection as any).subscribe = (subject: string, options: any) => {
      const subscription = subscribe(subject, options)
      const unsubscribe = subscription.unsubscribe.bind(subscription)
      subscriptions.add(subscription)
      subscription.unsubscribe = (max?: number) => {
        subscriptions.delete(subscription)
        unsubscribe(max)
      }
      return subscription
    }
    for (let i = 0; i < 100; i++) {
      const client = createClient({ transport: 'nats', connection })
      const items = client.database('test').collection<object>('items')
      await items.subscribe()
      await items.set('k', { i })
      await client.close()
    }
    assert.strictEqual(subscriptions.size, 0)
    assert.deepStrictEqual(await site.raw.consumers(), [])
    await connection.close()
  })
}

test('a server that accepts and never answers: a client that is closed leaves no socket', async () => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  for (let i = 0; i < 5; i++) {
    const client = createClient({ transport: 'nats', servers: `127.0.0.1:${port}`, livenessTimeout: 1000 })
    new Complaints(client)
    await until('it has connected', () => sockets.size > 0)
    await within(client.close(), 1000)
    await until('no socket is left', () => sockets.size === 0, 500)
  }
  // Nor does one that gives up by itself.
  const client = createClient({ transport: 'nats', servers: `127.0.0.1:${port}`, livenessTimeout: 300 })
  const complaints = new Complaints(client)
  await until('it has given up', () => complaints.codes.includes('DISCONNECTED'))
  assert.ok(sockets.size <= 1, `${sockets.size} sockets`)
  await client.close()
  await until('no socket is left', () => sockets.size === 0, 500)
  server.close()
})

test('a server that accepts and then drops each connection: backoff, as if it did not accept (K9)', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  let connects = 0
  const client = site.client({}, proxy.port)
  new Complaints(client)
  client.on('connect', () => {
    connects++
    proxy.cut()
    proxy.heal()
  })
  await new Promise((resolve) => setTimeout(resolve, 5000))
  assert.ok(connects >= 3 && connects <= 10, `${connects} connections in 5 s`)
  await client.close()
  await proxy.close()
})

test('a thousand collections of ten items open at once, without a timeout (P4)', async () => {
  await using server = await natsServer()
  const count = 1000
  {
    await using writer = createClient(server.url)
    const db = writer.database('test')
    await Promise.all(Array.from({ length: 10 * count }, (_, i) => db.collection(`c${i % count}`).set(`k${i}`, { i })))
  }
  await using client = createClient(server.url)
  await client.connect()
  const start = performance.now()
  const collections = Array.from({ length: count }, (_, i) => client.database('test').collection<object>(`c${i}`))
  await Promise.all(collections.map((collection) => collection.subscribe()))
  const took = performance.now() - start
  console.log(`\n# ${count} collections are live after ${took.toFixed(0)} ms`)
  assert.deepStrictEqual(client.errorCounts, {})
  assert.ok(collections.every(({ size }) => size === 10))
  assert.ok(took < 60_000, `${took} ms; on an idle machine it is less than 2 s`)
  await using raw = await Raw.connect(server.url)
  assert.strictEqual((await raw.ask('STREAM.INFO.KV_memis-test')).state.consumer_count, count)
})

test('a thousand idle collections: the store is asked once per bucket, and tells nothing by itself (P4)', async () => {
  await using server = await natsServer()
  const connection = await connectNew({ servers: server.url })
  const client = createClient({ transport: 'nats', connection, auditInterval: 2000 })
  const collections = Array.from({ length: 1000 }, (_, i) => client.database('test').collection<object>(`c${i}`))
  await Promise.all(collections.map((collection) => collection.subscribe()))
  const seconds = 12
  const before = { ...connection.stats() }
  const [cpu, start] = [process.cpuUsage(), performance.now()]
  await sleep(1000 * seconds)
  const { user, system } = process.cpuUsage(cpu)
  const percent = (user + system) / 10 / (performance.now() - start)
  const { inMsgs, outMsgs } = connection.stats()
  const [received, sent] = [inMsgs - before.inMsgs, outMsgs - before.outMsgs]
  // How much that is depends on what else the machine does.
  note(`idle, 1000 collections: ${percent.toFixed(2)} % of a core, ${received} messages in ${seconds} s`)
  assert.ok(sent <= seconds && received <= 3 * seconds, `${sent} questions, ${received} messages`)
  assert.ok(collections.every(({ freshness }) => freshness.state === 'live'))
  await client.close()
  await connection.close()
})

test.run()
