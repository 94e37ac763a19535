/** A server that became a replica, or is cut off from its master: it decides nothing, and proves nothing (K2, K9). */
import assert from 'node:assert'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Client, type Collection, createClient } from '../../src'
import type { Server } from '../support/servers'
import { Complaints, type Disposable, note, Raw, redisServer, rejection, suite, until } from './support'

const test = suite('replication', 120_000)

interface Item {
  n: number
}

const itemsOf = (client: Client): Collection<Item> => client.database('test').collection('items')

/** Two servers, the second one a replica of the first, and a name that leads to one of them. */
class Pair implements AsyncDisposable {
  accepted = 0
  readonly #sockets = new Set<Socket>()
  readonly #front = createServer((near) => {
    this.accepted++
    const far = connect(this.target.port, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      socket.pipe(other)
      socket.on('error', () => {}) // 'close' follows
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
  })

  private constructor(
    readonly one: Disposable<Server>,
    readonly two: Disposable<Server>,
    readonly rawOne: Raw,
    readonly rawTwo: Raw,
    public target: Server,
  ) {}

  static async start(): Promise<Pair> {
    const one = await redisServer({ args: ['--repl-diskless-sync-delay', '0'] })
    const two = await redisServer({ args: ['--replicaof', '127.0.0.1', String(one.port)] })
    const [rawOne, rawTwo] = [await Raw.connect(one.url), await Raw.connect(two.url)]
    await until('they are in touch', async () => /master_link_status:up/.test(await rawTwo.send('INFO', 'replication')))
    const pair = new Pair(one, two, rawOne, rawTwo, one)
    await new Promise<void>((resolve) => pair.#front.listen(0, '127.0.0.1', resolve))
    return pair
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#front.address() as AddressInfo).port}`
  }

  /** The second server is promoted, the first one follows it; its connections stay up, and the name still leads to it. */
  async failOver(): Promise<void> {
    await this.rawTwo.send('REPLICAOF', 'NO', 'ONE')
    await this.rawOne.send('REPLICAOF', '127.0.0.1', this.two.port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#front.close()
    for (const socket of this.#sockets) socket.destroy()
    for (const each of [this.rawOne, this.rawTwo]) await each[Symbol.asyncDispose]()
    for (const each of [this.one, this.two]) await each.stop()
  }
}

test('a name that leads to a demoted master for 12 s: few connections, and all goes on once it leads to the new one', async () => {
  await using pair = await Pair.start()
  await using writing = createClient({ url: pair.url, writeTimeout: 60_000 })
  await using reading = createClient({ url: pair.url, auditInterval: 200 })
  const complaints = [writing, reading].map((client) => new Complaints(client))
  const [writer, reader] = [writing, reading].map(itemsOf) as [Collection<Item>, Collection<Item>]
  await writer.set('k', { n: 0 })
  await reader.subscribe()
  await pair.failOver()
  pair.accepted = 0
  const written = writer.set('k', { n: 1 })
  await until('the reader says so', () => reader.freshness.state === 'stale')
  const from = performance.now()
  await until('12 s have passed', () => performance.now() - from > 12_000)
  note(`a demoted master for 12 s: two clients made ${pair.accepted} connections`)
  // Two clients, thirty a minute each; the first ones come faster.
  assert.ok(pair.accepted <= 2 * 10, `${pair.accepted} connections`)
  for (const { codes } of complaints) assert.ok(codes.length <= 2, `told ${codes}`)
  assert.strictEqual(reader.freshness.state, 'stale')
  pair.target = pair.two
  await written
  await until('the reader has it', () => reader.get('k')?.n === 1 && reader.freshness.state === 'live')
})

test('a connection that is made, and fails at its first use, is made less and less often (K9)', async () => {
  await using server = await redisServer()
  let accepted = 0
  const sockets = new Set<Socket>()
  const front = createServer((near) => {
    accepted++
    const far = connect(server.port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {}) // 'close' follows
    }
    far.pipe(near)
    near.on('data', (chunk) => {
      if (chunk.includes('EVAL')) for (const socket of [near, far]) socket.destroy()
      else far.write(chunk)
    })
    near.on('close', () => far.destroy())
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  await using client = createClient(`redis://127.0.0.1:${(front.address() as AddressInfo).port}`)
  new Complaints(client)
  itemsOf(client)
    .subscribe()
    .catch(() => {})
  const from = performance.now()
  await until('10 s have passed', () => performance.now() - from > 10_000)
  note(`a link that fails at its first use: ${accepted} connections in 10 s`)
  // Two each; after 100, 200, 400, … ms, and then each two seconds.
  assert.ok(accepted >= 6 && accepted <= 36, `${accepted} connections`)
  front.close()
  for (const socket of sockets) socket.destroy()
})

test('a client that only reads leaves a master that was demoted and cut off, and never says live meanwhile', async () => {
  await using pair = await Pair.start()
  await using client = createClient({ url: pair.url, auditInterval: 200, livenessTimeout: 1500 })
  new Complaints(client)
  const items = itemsOf(client)
  await using other = createClient({ url: pair.one.url })
  await itemsOf(other).set('switch', { n: 0 })
  await items.subscribe()
  await pair.rawTwo.send('REPLICAOF', 'NO', 'ONE')
  await pair.rawTwo.send('CONFIG', 'SET', 'requirepass', 'x')
  await pair.rawOne.send('REPLICAOF', '127.0.0.1', pair.two.port)
  const after = performance.now()
  await until('it is stale', () => items.freshness.state === 'stale')
  const took = performance.now() - after
  assert.ok(took < 1500 + 1000, `noticed after ${took} ms`)
  let lives = 0
  items.on('ready', () => void lives++)
  await until('some time has passed', () => performance.now() - after > 4000)
  assert.deepStrictEqual([lives, items.freshness.state, items.get('switch')], [0, 'stale', { n: 0 }])
})

test('audits that the server refuses prove nothing: the replica is stale within livenessTimeout, though notifications come', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const rules = ['reset', 'on', '>secret', '~memis:*', '&memis:*', '+@all']
  await raw.send('ACL', 'SETUSER', 'app', ...rules)
  const url = server.url.replace('//', '//app:secret@')
  await using reading = createClient({ url, auditInterval: 100, livenessTimeout: 1000 })
  await using writing = createClient(server.url)
  new Complaints(reading)
  const [reader, writer] = [reading, writing].map(itemsOf) as [Collection<Item>, Collection<Item>]
  await reader.subscribe()
  await writer.set('k', { n: 0 })
  await until('it is heard of', () => reader.has('k'))
  await raw.send('ACL', 'SETUSER', 'app', '-hmget')
  let n = 0
  await until('it is stale', async () => {
    await writer.set('k', { n: ++n })
    return reader.freshness.state === 'stale'
  })
  await raw.send('ACL', 'SETUSER', 'app', '+hmget')
  await until('it is live again', () => reader.freshness.state === 'live')
  assert.deepStrictEqual(reader.get('k'), { n })
})

test('one collection that cannot be audited does not keep others from being proved', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ url: server.url, auditInterval: 100, livenessTimeout: 1000 })
  new Complaints(client)
  const [good, bad] = ['good', 'bad'].map((name) => client.database('test').collection<Item>(name))
  assert.ok(good && bad)
  await Promise.all([good.set('k', { n: 1 }), bad.set('k', { n: 1 }), good.subscribe(), bad.subscribe()])
  const stales: string[] = []
  good.on('stale', ({ message }) => void stales.push(message))
  await raw.send('DEL', 'memis:{test:bad}/meta')
  await raw.send('SET', 'memis:{test:bad}/meta', 'foreign')
  await until('the bad one is stale', () => bad.freshness.state === 'stale')
  const from = performance.now()
  await until('twice livenessTimeout has passed', () => performance.now() - from > 2000)
  assert.deepStrictEqual([good.freshness.state, bad.freshness.state], ['live', 'stale'])
  assert.deepStrictEqual(stales, [])
})

test('NOREPLICAS passes: the write waits, and is accepted once there is a replica again', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient(server.url)
  const complaints = new Complaints(client)
  const items = itemsOf(client)
  await items.set('k', { n: 0 })
  await raw.send('CONFIG', 'SET', 'min-replicas-to-write', 1)
  const written = items.set('k', { n: 1 })
  await until('it was refused', async () => /errorstat_NOREPLICAS/.test(await raw.send('INFO', 'errorstats')))
  await raw.send('CONFIG', 'SET', 'min-replicas-to-write', 0)
  await written
  assert.strictEqual(complaints.disconnects.length, 0, 'the link is kept')
})

test('out of memory: sets are refused and not stored, deletes and clears work', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient(server.url)
  const items = itemsOf(client)
  await Promise.all(Array.from({ length: 20 }, (_, n) => items.set(`key ${n}`, { n })))
  await items.subscribe()
  await raw.send('CONFIG', 'SET', 'maxmemory', 1)
  const refused = async (write: Promise<unknown>) => {
    const { code, stored } = await rejection(write)
    assert.deepStrictEqual([code, stored], ['STORE_REFUSED', 'no'])
  }
  await refused(items.set('new', { n: 1 }))
  // All of these leave together.
  const [one, two, three] = [items.set('key 0', { n: 1 }), items.delete('key 1'), items.set('new', { n: 1 })]
  await Promise.all([refused(one), refused(three)])
  assert.strictEqual(await two, true)
  assert.deepStrictEqual(items.get('key 0'), { n: 0 })
  assert.strictEqual(await items.delete('never'), false)
  assert.strictEqual(items.size, 19)
  await items.clear()
  assert.strictEqual(items.size, 0)
  assert.strictEqual((await raw.keys('memis:{test:items}:')).length, 0)
})

test.run()
