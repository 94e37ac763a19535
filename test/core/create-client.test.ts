import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { createClient as createNodeRedis } from 'redis'
import { suite } from 'uvu'
import type { MemisError } from '../../src/core/errors'
import { createClient, MemoryHub } from '../../src/index'
import { FakeTransport, turn } from '../support/fake-transport'
import { until } from '../support/testing'

const test = suite('create client')

interface Item {
  v: number
}

const items = (client: ReturnType<typeof createClient>) => client.database('db').collection<Item>('items')

/** A port where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Whether what one of them writes can be read by the other. */
async function share(one: ReturnType<typeof createClient>, two: ReturnType<typeof createClient>): Promise<boolean> {
  await items(one).set('a', { v: 1 })
  await items(two).subscribe()
  const shared = items(two).has('a')
  items(two).unsubscribe()
  return shared
}

test('a memory client is alone by default', async () => {
  for (const options of ['memory:', 'memory://', { transport: 'memory' }, { url: 'memory:' }] as const) {
    const [one, two] = [createClient(options), createClient(options)]
    assert.equal(await share(one, two), false)
    await one.close()
    await two.close()
  }
})

test('clients that are given one hub share its data', async () => {
  const hub = new MemoryHub()
  const [one, two] = [createClient({ transport: 'memory', hub }), createClient({ transport: 'memory', hub })]
  assert.equal(await share(one, two), true)
  await one.close()
  await two.close()
})

test('a hub of another copy of memis is a hub', async () => {
  const cached = Object.keys(require.cache).filter((file) => /[\\/]src[\\/]/.test(file))
  const kept = cached.map((file) => [file, require.cache[file]] as const)
  for (const file of cached) delete require.cache[file]
  const other = require('../../src/index') as typeof import('../../src/index')
  for (const [file, module] of kept) require.cache[file] = module
  const hub = new other.MemoryHub()
  assert.ok(!((hub as unknown) instanceof MemoryHub))
  const [one, two] = [createClient({ transport: 'memory', hub }), other.createClient({ transport: 'memory', hub })]
  assert.equal(await share(one, two), true)
  hub.refuseWrites()
  await assert.rejects(items(one).set('b', { v: 1 }), (error) => (error as MemisError).code === 'STORE_REFUSED')
  await one.close()
  await two.close()
})

test('so do clients that are given the same name, with or without slashes; others do not', async () => {
  const one = createClient('memory:one')
  const same = createClient({ url: 'memory://one' })
  const explicit = createClient({ transport: 'memory', url: 'memory:one' } as never)
  const other = createClient('memory:other')
  assert.equal(await share(one, same), true)
  assert.equal(await share(one, explicit), true)
  assert.equal(await share(one, other), false)
  for (const client of [one, same, explicit, other]) await client.close()
})

test('a named hub is gone with its last client', async () => {
  const [one, two] = [createClient('memory:gone'), createClient('memory:gone')]
  await items(one).set('a', { v: 1 })
  await one.close()
  await one.close()
  const three = createClient('memory:gone')
  assert.equal(await share(two, three), true)
  await two.close()
  await three.close()
  const four = createClient('memory:gone')
  await items(four).subscribe()
  assert.equal(items(four).size, 0)
  await four.close()
})

test('a transport of one’s own is opened, used and closed', async () => {
  const transport = new FakeTransport()
  const client = createClient({ transport, prefix: 'shop', retention: 5 })
  assert.equal(transport.host.retention, 5)
  transport.host.up()
  const write = items(client).set('a', { v: 1 })
  await turn()
  assert.deepEqual(transport.call.id, { prefix: 'shop', database: 'db', collection: 'items' })
  await transport.call.accept()
  await write
  await client.close()
  assert.equal(transport.closed, 1)
})

test('a transport may be an instance of a class, or a plain object', async () => {
  const { clock, lacks } = new FakeTransport()
  const plain = {
    name: 'plain',
    lacks,
    clock,
    maxItemBytes: 9,
    open() {},
    write: () => Promise.reject(new Error()),
    merge: () => Promise.reject(new Error()),
    watch: () => ({ close() {} }),
    beginEpoch: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  }
  await createClient({ transport: plain }).close()
})

test('a client is returned at once, connects by itself, and goes on trying', async () => {
  const port = await deadPort()
  for (const options of [
    `redis://127.0.0.1:${port}`,
    { transport: 'redis', socket: { host: '127.0.0.1', port } },
  ] as const) {
    const client = createClient(options)
    const error = await new Promise<MemisError>((resolve) => client.on('error', resolve))
    assert.equal(error.code, 'DISCONNECTED')
    await client.close()
  }
})

test('without options it is Redis on localhost:6379', async () => {
  const client = createClient()
  client.on('error', () => {})
  assert.equal(client.transport.name, 'redis')
  await client.close()
})

test('the scheme chooses', async () => {
  const port = await deadPort()
  for (const [url, name] of [
    [`redis://127.0.0.1:${port}`, 'redis'],
    [`rediss://127.0.0.1:${port}`, 'redis'],
    [`valkey://127.0.0.1:${port}`, 'redis'],
    [`valkeys://127.0.0.1:${port}/1`, 'redis'],
    [` redis://127.0.0.1:${port}\n`, 'redis'],
    [`nats://127.0.0.1:${port}`, 'nats'],
    [`tls://127.0.0.1:${port}`, 'nats'],
    ['memory:', 'memory'],
    ['memory:x', 'memory'],
  ] as const) {
    for (const options of [url, { url }]) {
      const client = createClient(options)
      client.on('error', () => {})
      assert.equal(client.transport.name, name)
      await client.close()
    }
  }
})

test('a node-redis client is duplicated: it is not connected, and not closed', async () => {
  const port = await deadPort()
  const native = createNodeRedis({ socket: { host: '127.0.0.1', port } })
  const client = createClient({ transport: 'redis', client: native as never })
  const error = await new Promise<MemisError>((resolve) => client.on('error', resolve))
  assert.equal(error.code, 'DISCONNECTED')
  assert.equal(native.isOpen, false)
  await client.close()
  assert.equal(native.isOpen, false)
})

/** A server of NATS without TLS: what a client sends it before or in place of a handshake. */
async function plainNats(): Promise<{ port: number; sent: () => string; close: () => void }> {
  const info = { server_id: 'x', version: '2.11.0', proto: 1, headers: true, jetstream: true, max_payload: 2 ** 20 }
  let sent = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      sent += chunk
    })
    socket.write(`INFO ${JSON.stringify(info)}\r\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port, sent: () => sent, close }
}

test('a password never travels before TLS if the URL, or a server, is tls://', async () => {
  const server = await plainNats()
  const login = { user: 'u', pass: 's3cr3t' }
  const address = `127.0.0.1:${server.port}`
  for (const options of [
    `tls://u:s3cr3t@${address}`,
    { transport: 'nats', servers: [`tls://${address}`], ...login },
    { transport: 'nats', servers: [`tls://u:s3cr3t@${address}`, `nats://${address}`] },
    { transport: 'nats', servers: [address], tls: {}, ...login },
  ]) {
    const client = createClient(options as string)
    await new Promise((resolve) => client.on('error', resolve))
    await client.close()
  }
  assert.equal(server.sent(), '')
  // The test would see it.
  for (const options of [`nats://u:s3cr3t@${address}`, { transport: 'nats', servers: `u:s3cr3t@${address}` }]) {
    const before = server.sent().length
    const client = createClient(options as string)
    client.on('error', () => {})
    await until('the password is sent without TLS', () => server.sent().slice(before).includes('s3cr3t'), 5000)
    await client.close()
  }
  server.close()
})

/** All that can be read of an error, its cause included. */
const all = (error: unknown) => `${inspect(error, { depth: 9, showHidden: true })} ${(error as Error).stack}`

test('no secret of a URL is in an error, whatever is wrong with it', async () => {
  const port = await deadPort()
  const secret = 's3cr3t'
  const refused: unknown[] = [
    `redis://user:${secret}@[bad`,
    `redis://user:${secret}@host:99999`,
    `redis://user:${secret}%zz@host`,
    `http://user:${secret}@host`,
    `nonsense ${secret}`,
    { transport: `redis://user:${secret}@host` },
    { url: `ftp://user:${secret}@host` },
    { transport: 'memory', url: `redis://user:${secret}@host` },
    { transport: 'redis', url: `memory://user:${secret}@host` },
  ]
  for (const options of refused) {
    try {
      await createClient(options as string).close()
      assert.fail(`${JSON.stringify(options)} was taken`)
    } catch (error) {
      assert.equal((error as MemisError).code, 'INVALID_OPTION', String(error))
      assert.ok(!all(error).includes(secret), `${JSON.stringify(options)}: ${error}`)
    }
  }
  const client = createClient({ url: `redis://user:${secret}@127.0.0.1:${port}`, writeTimeout: 20 })
  const error = await new Promise((resolve) => client.on('error', resolve))
  assert.ok(!all(error).includes(secret))
  const write = items(client).set('a', { v: 1 })
  client.close()
  await assert.rejects(write, (error) => !all(error).includes(secret))
})

test.run()
