/** Services that lack commands, or refuse them inside of scripts: each is a server with the command renamed, or behind a proxy that renames it in scripts. */
import assert from 'node:assert'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createClient, type ErrorCode } from '../../src'
import { Complaints, type Disposable, redisServer, rejection, suite, until, within } from './support'

const test = suite('managed')

/** Commands that the server does not know, and memis's words on each. */
const lacking: readonly (readonly [command: string, ...words: string[]])[] = [
  ['EVAL', 'EVAL'],
  ['EVALSHA', 'EVALSHA'],
  ['TIME', 'TIME'],
  ['PUBLISH', 'PUBLISH', 'inside of scripts'],
  ['PERSIST', 'PERSIST', 'inside of scripts'],
  ['ZREVRANGEBYSCORE', 'ZREVRANGEBYSCORE', 'inside of scripts'],
]

for (const [command, ...words] of lacking) {
  test(`a service without ${command} is refused at once`, async () => {
    await using server = await redisServer({ args: ['--rename-command', command, ''] })
    await using client = createClient({ url: server.url })
    const collection = client.database('test').collection<object>('items')
    const calls = [client.connect(), collection.subscribe(), collection.set('a', { a: 1 })]
    for (const call of calls) {
      const error = await within(rejection(call), 5000)
      assert.strictEqual(error.code, 'UNSUPPORTED_STORE' satisfies ErrorCode, error.message)
      for (const word of words) assert.ok(error.message.includes(word), error.message)
    }
  })
}

test('a service without SUBSCRIBE is refused at once', async () => {
  await using server = await redisServer({ args: ['--rename-command', 'SUBSCRIBE', ''] })
  await using client = createClient({ url: server.url })
  const error = await within(rejection(client.database('test').collection('items').subscribe()), 5000)
  assert.strictEqual(error.code, 'UNSUPPORTED_STORE')
  assert.ok(error.message.toUpperCase().includes('SUBSCRIBE'), error.message)
})

test('a client that only reads needs no command that writes', async () => {
  await using server = await redisServer({ args: ['--rename-command', 'ZADD', ''] })
  await using client = createClient({ url: server.url, readOnly: true })
  await client.connect()
  await client.database('test').collection('items').subscribe()
})

/** Replaces a text in what clients send by another one of the same length. */
async function rewriting(port: number, from: string, to: string): Promise<Disposable<{ url: string }>> {
  assert.strictEqual(from.length, to.length)
  const sockets = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => [near, far].forEach((each) => void each.destroy()))
    }
    near.on('data', (chunk) => far.write(Buffer.from(chunk.toString('latin1').replaceAll(from, to), 'latin1')))
    far.on('data', (chunk) => near.write(chunk))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

for (const [name, from, to, words] of [
  ['INFO inside of scripts', "redis.pcall('INFO'", "redis.pcall('NONE'", 'refuses INFO'],
  ['acl_check_cmd', 'redis.acl_check_cmd', 'redis.acl_check_not', 'check permissions'],
] as const) {
  test(`memis does without ${name}, and says so once`, async () => {
    await using server = await redisServer()
    await using proxy = await rewriting(server.port, from, to)
    await using one = createClient({ url: proxy.url, auditInterval: 100 })
    await using two = createClient({ url: proxy.url, auditInterval: 100 })
    const complaints = [one, two].map((client) => new Complaints(client))
    const [written, read] = [one, two].map((client) => client.database('test').collection<object>('items'))
    await Promise.all([written?.subscribe(), read?.subscribe()])
    await written?.set('a', { a: 1 })
    await until('the other one has it', () => read?.has('a'))
    await server.restart()
    await until('it is restored', async () => read?.freshness.state === 'live' && written?.freshness.state === 'live')
    assert.deepStrictEqual(read?.get('a'), { a: 1 })
    for (const { errors } of complaints) {
      const limits = errors.filter(({ code }) => code === 'STORE_LIMITED')
      assert.strictEqual(limits.length, 1)
      assert.ok(limits[0]?.message.includes(words), limits[0]?.message)
    }
  })
}

test.run()
