/** How clients come to a server, what keeps them from it for good, and what they leave behind. */
import assert from 'node:assert'
import { inspect } from 'node:util'
import { createClient as createRedisClient } from 'redis'
import { type Client, createClient, type MemisError } from '../../src'
import { Child } from '../support/child'
import { freePort } from '../support/free-port'
import { type FakeServer, startFakeServer } from './fake-server'
import { Complaints, Raw, redisServer, rejection, suite, until, within } from './support'

const test = suite('connection')

const crashes: unknown[] = []
const crashed = (error: unknown) => void crashes.push(error)
test.before(() => {
  process.on('unhandledRejection', crashed)
})
test.after(() => {
  process.off('unhandledRejection', crashed)
})
test.after.each(() => {
  assert.deepStrictEqual(crashes, [])
})

/** Everything that can be asked of a client is refused with that code, without waiting for a timeout. */
async function refusesAll(client: Client, code: string): Promise<MemisError[]> {
  const items = client.database('test').collection<object>('items')
  // What was asked before the fault was known, and after.
  const early = [client.connect(), items.subscribe(), items.set('k', { a: 1 }), items.delete('k'), items.clear()]
  const errors = await within(Promise.all(early.map(rejection)), 8000)
  const late = [client.connect(), items.subscribe(), items.set('k', { a: 1 }), items.delete('k'), items.clear()]
  errors.push(...(await within(Promise.all(late.map(rejection)), 1000)))
  for (const error of errors) assert.strictEqual(error.code, code, inspect(error))
  const writes = errors.filter((_, i) => i % 5 > 1)
  for (const error of writes) assert.strictEqual(error.stored, 'no')
  return errors
}

test('a wrong password, or none, or an unknown user: refused at once; given the right one later, all is well', async () => {
  await using server = await redisServer({ password: 'right' })
  await using raw = await Raw.connect(server.url)
  for (const login of [':wrong@', '', 'nobody:right@']) {
    await using client = createClient(`redis://${login}127.0.0.1:${server.port}`)
    const complaints = new Complaints(client)
    await refusesAll(client, 'UNAUTHORIZED')
    assert.deepStrictEqual(complaints.codes, ['UNAUTHORIZED'])
  }
  await using client = createClient(`redis://:wrong@127.0.0.1:${server.port}`)
  await refusesAll(client, 'UNAUTHORIZED')
  await raw.send('CONFIG', 'SET', 'requirepass', 'wrong')
  await new Promise<void>((resolve) => client.once('connect', resolve))
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('k', { a: 1 })
  assert.deepStrictEqual(items.get('k'), { a: 1 })
})

test('a password that is changed while clients are connected: what was promised goes on, and errors tell', async () => {
  await using server = await redisServer({ password: 'one' })
  await using raw = await Raw.connect(server.url)
  await using client = createClient(server.url)
  const complaints = new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('k', { a: 1 })
  await raw.send('CONFIG', 'SET', 'requirepass', 'two')
  await raw.send('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until('the client knows', () => complaints.codes.includes('UNAUTHORIZED'))
  assert.strictEqual((await rejection(items.set('k', { a: 2 }))).code, 'UNAUTHORIZED')
  // It serves its last contents, and says that they may be old.
  assert.deepStrictEqual(items.get('k'), { a: 1 })
  assert.strictEqual(items.freshness.state, 'stale')
  await raw.send('CONFIG', 'SET', 'requirepass', 'one')
  await until('it is live again', () => items.freshness.state === 'live')
  await items.set('k', { a: 3 })
  assert.deepStrictEqual(items.get('k'), { a: 3 })
})

const hello =
  '%7\r\n+server\r\n+redis\r\n+version\r\n+6.2.0\r\n+proto\r\n:3\r\n+id\r\n:1\r\n+mode\r\n+standalone\r\n+role\r\n+master\r\n+modules\r\n*0\r\n'
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`

/** What servers that are too old say. Redis 5 repeats the words of a command that it does not know. */
const old: Record<string, (words: string[]) => string> = {
  'Redis 6.2': ([name]) => {
    if (name === 'HELLO') return hello
    return name === 'INFO' ? bulk('# Server\r\nredis_version:6.2.0\r\n') : '+OK\r\n'
  },
  'Redis 5': ([name, ...args]) => {
    if (name === 'INFO') return bulk('# Server\r\nredis_version:5.0.14\r\n')
    const repeated = args.map((arg) => `\`${arg}\`, `).join('')
    return name === 'AUTH' ? '+OK\r\n' : `-ERR unknown command \`${name}\`, with args beginning with: ${repeated}\r\n`
  },
  'a proxy without RESP3': ([name]) => (name === 'HELLO' ? '-NOPROTO unsupported protocol version\r\n' : '+OK\r\n'),
}
for (const [what, reply] of Object.entries(old)) {
  test(`a server that is too old, ${what}: refused at once as UNSUPPORTED_STORE`, async () => {
    await using fake = await startFakeServer(reply)
    // Version 5 of node-redis asks for RESP3 only if it is told to.
    await using client = createClient({ transport: 'redis', url: `redis://app:hidden@127.0.0.1:${fake.port}`, RESP: 3 })
    const complaints = new Complaints(client)
    const errors = await refusesAll(client, 'UNSUPPORTED_STORE')
    assert.deepStrictEqual(complaints.codes, ['UNSUPPORTED_STORE'])
    if (what === 'Redis 6.2') assert.match(errors[0]?.message ?? '', /7\.0 or newer.*6\.2\.0/)
    for (const error of errors) assert.doesNotMatch(inspect(error, { depth: 20 }), /hidden/)
  })
}

test('a numbered database that the server does not have: refused at once', async () => {
  await using server = await redisServer({ args: ['--databases', '4'] })
  await using client = createClient(`${server.url}/9`)
  await refusesAll(client, 'UNSUPPORTED_STORE')
})

/** What answers there is not Redis, or not for long: no reason to give up. */
const strange: Record<string, (words: string[]) => string | undefined> = {
  silence: () => undefined,
  HTTP: () => 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
  rubbish: () => '\0\x01\x02\xff\xfe\r\n\r\n',
  'a server that is loading': () => '-LOADING Redis is loading the dataset in memory\r\n',
  'a server that is full': () => '-ERR max number of clients reached\r\n',
}
for (const [what, reply] of Object.entries(strange)) {
  // If the server itself says no, it is asked less often.
  const isRefusal = what.startsWith('a server')
  test(`on the port answers ${what}: the client goes on trying, and waits`, async () => {
    await using fake = await startFakeServer(reply)
    await using client = createClient({
      url: `redis://127.0.0.1:${fake.port}`,
      livenessTimeout: 200,
      writeTimeout: 500,
    })
    const complaints = new Complaints(client)
    const items = client.database('test').collection<object>('items')
    let settled = false
    const subscribed = items.subscribe().finally(() => {
      settled = true
    })
    const refused = await rejection(items.set('k', { a: 1 }))
    assert.deepStrictEqual([refused.code, refused.stored], ['WRITE_TIMEOUT', 'no'])
    await until('it has tried some more', () => fake.connections >= (isRefusal ? 4 : 10))
    await until('what it has given up is closed', () => fake.open <= 2)
    assert.ok(!settled)
    assert.deepStrictEqual(complaints.codes, ['DISCONNECTED'])
    await client.close()
    assert.strictEqual((await rejection(subscribed)).code, 'CLOSED')
    await until('all is closed', () => fake.open === 0)
  })
}

test('with the server down at the start, everything waits, and is done when it comes up', async () => {
  const port = await freePort()
  await using client = createClient(`redis://127.0.0.1:${port}`)
  const complaints = new Complaints(client)
  const items = client.database('test').collection<object>('items')
  const connected = client.connect()
  const subscribed = items.subscribe()
  const written = items.set('k', { a: 1 })
  const deleted = items.delete('other')
  await until('it has tried some times', () => (client.errorCounts.DISCONNECTED ?? 0) >= 3)
  assert.deepStrictEqual(complaints.codes, ['DISCONNECTED'])
  await using server = await redisServer({ port })
  await Promise.all([connected, subscribed, written])
  assert.strictEqual(await deleted, false)
  assert.deepStrictEqual(items.get('k'), { a: 1 })
  await using raw = await Raw.connect(server.url)
  assert.strictEqual((await raw.keys('memis:{test:items}:')).length, 1)
})

test('a read-only replica: refused at once, with the remedy; once it is promoted, all is well (H4)', async () => {
  await using master = await redisServer({ args: ['--repl-diskless-sync-delay', '0'] })
  await using server = await redisServer({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
  await using raw = await Raw.connect(server.url)
  await until('they are in touch', async () => /master_link_status:up/.test(await raw.send('INFO', 'replication')))
  await using client = createClient(server.url)
  const complaints = new Complaints(client)
  const [error] = await refusesAll(client, 'UNSUPPORTED_STORE')
  assert.match(error?.message ?? '', /read-only replica.*address of the master/)
  await raw.send('REPLICAOF', 'NO', 'ONE')
  await new Promise<void>((resolve) => client.once('connect', resolve))
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('k', { a: 1 })
  assert.deepStrictEqual(items.get('k'), { a: 1 })
  assert.deepStrictEqual(complaints.codes, ['UNSUPPORTED_STORE'])
})

test('no secret of a URL or an option is in any error, its cause, an event, a warning, or the client itself (H3)', async () => {
  await using server = await redisServer({ password: 'right' })
  await using silent = await startFakeServer(() => undefined)
  const fakes: FakeServer[] = []
  const said: string[] = []
  const show = (value: unknown) => said.push(inspect(value, { depth: 20, showHidden: true }), String(value))
  const warned = (warning: Error) => void show(warning)
  process.on('warning', warned)

  const secrets = ['s3cret-pass', 's3cret/p@ss']
  const login = ['s3cret-user:s3cret-pass@', ':s3cret-pass@', 's3cret-user:s3cret%2Fp%40ss@']
  const closed = await freePort()
  const hosts = [`127.0.0.1:${closed}`, `127.0.0.1:${silent.port}`, 'no-such-host.invalid:6379']
  for (const reply of Object.values({ ...old, ...strange })) {
    const fake = await startFakeServer(reply)
    fakes.push(fake)
    hosts.push(`127.0.0.1:${fake.port}`)
  }
  const urls = login.map((each) => `redis://${each}127.0.0.1:${server.port}`)
  urls.push(...hosts.map((host, i) => `redis://${login[i % 3]}${host}`))
  urls.push(`rediss://${login[0]}127.0.0.1:${server.port}`, `rediss://${login[0]}127.0.0.1:${closed}`)
  const options: unknown[] = [
    ...urls.map((url) => ({ url })),
    {
      transport: 'redis',
      username: 's3cret-user',
      password: 's3cret-pass',
      socket: { host: '127.0.0.1', port: server.port },
    },
    // Whatever cannot be a URL is refused at once; nor does that refusal show it.
    ...['bad host', '[::', '127.0.0.1:99999', '127.0.0.1:port', '127.0.0.1/database', '127.0.0.1/-1', '%zz'].flatMap(
      (rest) => login.flatMap((each) => [`redis://${each}${rest}`, { url: `redis://${each}${rest}` }]),
    ),
    'http://s3cret-user:s3cret-pass@localhost',
    's3cret-pass',
    { url: 's3cret-user:s3cret-pass@localhost:6379' },
    { url: 'redis://:s3cret-pass@localhost', disableOfflineQueue: true },
    { url: 'redis://:s3cret-pass@localhost', transport: 's3cret' },
    { transport: 'redis', password: 5, url: 'redis://:s3cret-pass@localhost', commandOptions: {} },
    { transport: 'redis', client: createRedisClient({ password: 's3cret-pass' }), password: 's3cret-pass' },
  ]
  const attempt = async (each: unknown) => {
    let client: Client
    try {
      // Who answers must not be taken for one who does not.
      const isSilent = JSON.stringify(each).includes(`:${silent.port}`)
      const patience = { writeTimeout: 1000, livenessTimeout: isSilent ? 1000 : 10_000, RESP: 3 }
      client = createClient({ ...(typeof each === 'string' ? { url: each } : (each as object)), ...patience } as never)
    } catch (error) {
      return show(error)
    }
    client.on('error', show)
    const items = client.database('test').collection<object>('items')
    const asked = [client.connect(), items.subscribe(), items.set('k', { a: 1 })]
    const settled = asked.map((promise) => promise.then(show, show))
    await within(new Promise<void>((resolve) => client.once('error', () => resolve())), 20_000)
    show([client, items, client.errorCounts])
    await client.close()
    await Promise.all(settled)
    show(client)
  }
  // A few at a time: a server that does not answer soon enough would be all that they have to tell.
  const queue = [...options]
  const workers = Array.from({ length: 8 }, async () => {
    while (queue.length > 0) await attempt(queue.shift())
  })
  await Promise.all(workers)
  process.off('warning', warned)
  for (const fake of fakes) await fake[Symbol.asyncDispose]()
  for (const fault of [/WRONGPASS/, /ECONNREFUSED/, /did not answer/, /HELLO/, /6\.2\.0/, /cannot be read/]) {
    assert.ok(
      said.some((text) => fault.test(text)),
      `nothing was said of ${fault}`,
    )
  }
  const leaks = said.filter((text) => [...secrets, 's3cret%2Fp%40ss'].some((secret) => text.includes(secret)))
  assert.deepStrictEqual(
    leaks.slice(0, 3).map((text) => text.slice(0, 200)),
    [],
  )
})

test('nobody listens to error: faults of the connection are a single warning, and no crash', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  await using client = createClient(`redis://127.0.0.1:${await freePort()}`)
  const items = client.database('test').collection<object>('items')
  items.subscribe()
  await until('it has tried some times', () => (client.errorCounts.DISCONNECTED ?? 0) >= 4)
  process.off('warning', warned)
  assert.deepStrictEqual(
    warnings.map(({ name, code }: Error & { code?: string }) => [name, code]),
    [['MemisWarning', 'DISCONNECTED']],
  )
})

/** How many connections the server has, apart from the one that asks. */
async function connections(raw: Raw): Promise<number> {
  const list: string = await raw.send('CLIENT', 'LIST')
  return list.trim().split('\n').length - 1
}

test('a client has two connections, however many collections it has and whatever happened to it, and none once closed', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const clients = Array.from({ length: 3 }, () => createClient(server.url))
  const readies: unknown[] = []
  for (const client of clients) {
    for (const name of ['a', 'b', 'c']) {
      const items = client.database('test').collection<object>(name)
      items.on('ready', (info) => void readies.push(info))
      await items.subscribe()
      await items.set('k', { a: 1 })
    }
  }
  assert.strictEqual(await connections(raw), 6)
  for (let i = 1; i <= 5; i++) {
    await raw.send('CLIENT', 'KILL', 'TYPE', i % 2 === 0 ? 'normal' : 'pubsub')
    await until('all are back', () => readies.length === 9 * (i + 1))
    await until('two each', async () => (await connections(raw)) === 6)
  }
  await Promise.all(clients.map((client) => client.close()))
  await until('none are left', async () => (await connections(raw)) === 0)
})

test('a client that is closed while it connects, or twice, leaves no connection', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  for (const wait of [
    () => {},
    () => new Promise(setImmediate),
    () => until('it connects', async () => (await connections(raw)) > 0),
  ]) {
    const client = createClient(server.url)
    const subscribed = client.database('test').collection('items').subscribe()
    await wait()
    await Promise.all([client.close(), client.close()])
    await subscribed.catch((error: MemisError) => assert.strictEqual(error.code, 'CLOSED'))
    await until('none are left', async () => (await connections(raw)) === 0)
  }
})

test('close() sends what waits, and does not wait for ever for a server that does not answer', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const client = createClient(server.url)
  const items = client.database('test').collection<object>('items')
  const writes = Array.from({ length: 3000 }, (_, i) => items.set(`key ${i}`, { i }))
  await client.close()
  await Promise.all(writes)
  assert.strictEqual((await raw.keys('memis:{test:items}:')).length, 3000)

  const other = createClient({ url: server.url, writeTimeout: 1000 })
  const late = other.database('test').collection<object>('late')
  await late.set('k', { a: 1 })
  server.pause()
  const write = rejection(late.set('k', { a: 2 }))
  const start = performance.now()
  await other.close()
  const took = performance.now() - start
  assert.ok(took > 500 && took < 5000, `closed after ${took} ms`)
  const error = await write
  assert.ok(error.code === 'CLOSED' || error.code === 'WRITE_TIMEOUT', error.code)
  assert.strictEqual(error.stored, 'unknown')
  server.resume()
})

for (const connected of [false, true]) {
  test(`a user's own client of node-redis, ${connected ? '' : 'not '}connected, is duplicated and left alone`, async () => {
    await using server = await redisServer({ password: 'right' })
    await using raw = await Raw.connect(server.url)
    const own = createRedisClient({ url: server.url, name: 'of-the-user', database: 3 })
    const told: unknown[] = []
    for (const event of ['error', 'end', 'reconnecting', 'connect', 'ready']) own.on(event, () => void told.push(event))
    if (connected) await own.connect()
    const before = [own.isOpen, own.isReady, own.listenerCount('error'), inspect(own.options)]
    const heard = told.length
    const line = async () =>
      /.* name=of-the-user .* cmd=(\S+) .*/.exec(await raw.send('CLIENT', 'LIST', 'TYPE', 'normal'))?.[1]
    if (connected) await own.sendCommand(['CLIENT', 'NO-EVICT', 'off'])

    const client = createClient({ transport: 'redis', client: own })
    const items = client.database('test').collection<object>('items')
    await items.subscribe()
    await items.set('k', { a: 1 })
    assert.strictEqual(await connections(raw), connected ? 3 : 2)
    if (connected) {
      const list: string = await raw.send('CLIENT', 'LIST')
      assert.match(list, /name=of-the-user .*cmd=client\|no-evict /, await line())
    }
    await raw.send('SELECT', 3)
    assert.strictEqual((await raw.keys('memis:{test:items}:')).length, 1)
    await client.close()

    assert.deepStrictEqual([own.isOpen, own.isReady, own.listenerCount('error'), inspect(own.options)], before)
    assert.strictEqual(told.length, heard)
    await until('its own are left', async () => (await connections(raw)) === (connected ? 1 : 0))
    if (connected) {
      assert.strictEqual(await own.ping(), 'PONG')
      own.destroy()
    }
  })
}

for (const [how, reached] of [
  ['used', true],
  ['closed at once', true],
  ['never reached', false],
] as const) {
  test(`a process ends by itself once its client is closed: ${how}`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    const url = reached ? server.url : `redis://127.0.0.1:${await freePort()}`
    await using child = new Child('life.ts', url, how)
    assert.strictEqual(await within(child.end(), 20_000), 0, child.output)
    assert.match(child.output, /closed/)
    if (how === 'used') assert.strictEqual((await raw.keys('memis:{test:life used}:')).length, 3)
    await until('none are left', async () => (await connections(raw)) === 0)
  })
}

test('options of node-redis that memis must own are refused, and the others reach the connections', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const { port } = server
  for (const option of [
    'disableOfflineQueue',
    'commandsQueueMaxLength',
    'pingInterval',
    'keyPrefix',
    'readonly',
    'commandOptions',
  ]) {
    assert.throws(
      () => createClient({ transport: 'redis', [option]: undefined } as never),
      { code: 'INVALID_OPTION' },
      option,
    )
  }
  for (const option of ['reconnectStrategy', 'socketTimeout']) {
    const socket = { port, [option]: 5 }
    assert.throws(() => createClient({ transport: 'redis', socket } as never), { code: 'INVALID_OPTION' }, option)
  }
  const cluster = { duplicate: () => {} }
  for (const client of [{}, null, 'redis', cluster]) {
    assert.throws(() => createClient({ transport: 'redis', client } as never), { code: 'INVALID_OPTION' })
  }
  await using client = createClient({
    transport: 'redis',
    name: 'of-memis',
    socket: { host: '127.0.0.1', port },
    database: 2,
  })
  await client.connect()
  const list: string = await raw.send('CLIENT', 'LIST')
  assert.strictEqual([...list.matchAll(/db=2 .*|name=of-memis/g)].length >= 2, true, list)
})

test.run()
