/** The server removes keys that memis needs: items, or its bookkeeping. DEL by hand looks the same from outside. */
import assert from 'node:assert'
import { type Client, type Collection, createClient, type ReadyInfo } from '../../src'
import { startProxy } from '../support/proxy'
import type { RedisOptions, Server } from '../support/servers'
import { Direct, id, remove, set } from './direct'
import { baseOf, Complaints, type Disposable, note, Raw, Replay, readStore, redisServer, suite, until } from './support'

const test = suite('eviction', 120_000)

const evicting: RedisOptions = { args: ['--maxmemory', '200mb', '--maxmemory-policy', 'allkeys-random'] }
const base = baseOf('test', 'items')

interface Item {
  n: number
}

/** Two replicas of the same items, with an audit every 100 ms, and somebody at the server. */
class Scene implements AsyncDisposable {
  readonly collections: Collection<Item>[]
  readonly complaints: Complaints[]
  readonly replays: Replay[]
  readonly readies: ReadyInfo[] = []
  readonly deletes: string[] = []

  private constructor(
    readonly server: Disposable<Server>,
    readonly raw: Raw,
    readonly clients: Client[],
  ) {
    this.complaints = clients.map((client) => new Complaints(client))
    this.collections = clients.map((client) => client.database('test').collection<Item>('items'))
    this.replays = this.collections.map((each) => new Replay(each))
  }

  static async set(count: number, server: RedisOptions, options: object = {}): Promise<Scene> {
    const started = await redisServer(server)
    const raw = await Raw.connect(started.url)
    const clients = [1, 2].map(() => {
      return createClient({ transport: 'redis', url: started.url, auditInterval: 100, ...options })
    })
    const scene = new Scene(started, raw, clients)
    const { collections } = scene
    await Promise.all(collections.map((each) => each.subscribe()))
    const writes = Array.from({ length: count }, (_, n) => scene.first.set(`key ${n}`, { n }, n % 2 ? 3600 : undefined))
    await Promise.all([...writes, scene.first.set('deleted', { n: -1 })])
    await scene.first.delete('deleted')
    await until('both hold all', () => collections.every((each) => each.size === count && !each.has('deleted')))
    for (const each of collections) {
      each.on('ready', (info) => scene.readies.push(info))
      each.on('delete', (key) => scene.deletes.push(key))
    }
    return scene
  }

  get first(): Collection<Item> {
    return this.collections[0] as Collection<Item>
  }

  /** Waits until the store has exactly so many items again, and the replicas the same. */
  async whole(count: number): Promise<number> {
    let seen = ''
    const isWhole = async () => {
      const { size } = await readStore(this.raw, 'items')
      seen = `${size} in the store, ${this.collections.map((each) => `${each.size} ${each.freshness.state}`)}`
      return size === count && this.collections.every((each) => each.size === count && each.freshness.state === 'live')
    }
    const took = await until('all is whole', isWhole, 60_000).catch((error) => assert.fail(`${error.message}: ${seen}`))
    for (const replay of this.replays) replay.check()
    return took
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
    await this.raw[Symbol.asyncDispose]()
    await this.server.stop()
  }
}

test('an item that was evicted is found missing and put back, with the time it has left; nobody is told a delete', async () => {
  await using scene = await Scene.set(50, evicting)
  assert.strictEqual(await scene.raw.send('DEL', `${base}:key 7`), 1)
  assert.strictEqual(await scene.raw.send('DEL', `${base}:key 8`), 1)
  note(`two items evicted, an audit every 100 ms: back after ${(await scene.whole(50)).toFixed(0)} ms`)
  const left = Number(await scene.raw.send('PTTL', `${base}:key 7`))
  assert.ok(left > 3500_000 && left <= 3600_000, `left ${left}`)
  // The replicas were in touch all the time.
  assert.deepStrictEqual([scene.readies, scene.deletes], [[], []])
})

test('where the server may evict, that is told once for each client; where it may not, it is not', async () => {
  await using evicts = await Scene.set(1, evicting)
  const warnings = (scene: Scene) => {
    return scene.complaints.map(({ codes }) => codes.filter((code) => code === 'STORE_EVICTS').length)
  }
  assert.deepStrictEqual(warnings(evicts), [1, 1])
  await using keeps = await Scene.set(1, {})
  assert.deepStrictEqual(warnings(keeps), [0, 0])
})

test("dataLoss 'accept': what was evicted is told as deleted, once", async () => {
  await using scene = await Scene.set(50, evicting, { dataLoss: 'accept' })
  await scene.raw.send('DEL', `${base}:key 7`)
  await scene.whole(49)
  // The next passes of the scrub find the same again, and keep still.
  await scene.first.set('later', { n: 0 })
  const proofs = scene.collections.map(({ freshness }) => freshness.since)
  await scene.raw.send('DEL', `${base}:key 8`)
  await scene.whole(49)
  assert.deepStrictEqual(scene.deletes.sort(), ['key 7', 'key 7', 'key 8', 'key 8'])
  assert.strictEqual(scene.readies.length, 0, 'the replicas were in touch all the time')
  assert.ok(scene.collections.every(({ freshness }, i) => freshness.since >= (proofs[i] as number)))
})

test('an item that was evicted and then deleted stays deleted', async () => {
  await using scene = await Scene.set(50, { args: [] })
  await scene.raw.send('DEL', `${base}:key 7`)
  assert.strictEqual(await scene.first.delete('key 7'), false)
  await until('both have heard', () => scene.collections.every((each) => !each.has('key 7')))
  await scene.whole(49)
})

for (const part of ['meta', 'log', 'ttl']) {
  test(`the bookkeeping loses its ${part}: found by the audit, and all is put back; what was deleted is not`, async () => {
    await using scene = await Scene.set(50, {})
    assert.strictEqual(await scene.raw.send('DEL', `${base}/${part}`), 1)
    await until('it is noticed', () => scene.readies.length === 2)
    note(`${part} evicted, an audit every 100 ms: whole after ${(await scene.whole(50)).toFixed(0)} ms`)
    await using late = createClient(scene.server.url)
    const joined = late.database('test').collection<Item>('items')
    await joined.subscribe()
    assert.strictEqual(joined.size, 50)
    assert.strictEqual((await scene.raw.send('ZCARD', `${base}/log`)) >= 50, true)
  })
}

test('a server that runs out of memory evicts whatever it likes: all is whole again once there is room', async () => {
  await using scene = await Scene.set(3000, evicting)
  const used = Number(/^used_memory:(\d+)/m.exec(await scene.raw.send('INFO', 'memory'))?.[1])
  const evicted = async () => Number(/^evicted_keys:(\d+)/m.exec(await scene.raw.send('INFO', 'stats'))?.[1])
  await scene.raw.send('CONFIG', 'SET', 'maxmemory', used - 400_000)
  await until('it has evicted', async () => {
    // Refused where the keys that it took by lot did not make room enough.
    await scene.raw.send('SET', 'junk', 'x'.repeat(1000)).catch(() => {})
    return (await evicted()) > 500
  })
  await scene.raw.send('CONFIG', 'SET', 'maxmemory', 200_000_000)
  note(`${await evicted()} keys evicted at random: whole after ${(await scene.whole(3000)).toFixed(0)} ms`)
  for (let n = 0; n < 3000; n++) assert.deepStrictEqual(scene.first.get(`key ${n}`), { n })
})

test('marks do not pile up: once the horizon has passed nothing is kept of what is gone, though nobody writes', async () => {
  await using scene = await Scene.set(1, {}, { retention: 300 })
  for (let n = 0; n < 20_000; n++) scene.first.set(`short ${n}`, { n }, 0.2)
  for (let n = 0; n < 1000; n++) scene.first.set(`gone ${n}`, { n })
  await scene.first.set('stays', { n: 1 })
  for (let n = 0; n < 1000; n++) scene.first.delete(`gone ${n}`)
  const kept = async () => [await scene.raw.send('ZCARD', `${base}/log`), await scene.raw.send('ZCARD', `${base}/ttl`)]
  await until('two items are left, and nothing else', async () => {
    return scene.collections.every(({ size }) => size === 2) && String(await kept()) === '2,0'
  })
  assert.strictEqual((await scene.raw.keys(base)).filter((name) => !name.includes('/writer/')).length, 4)
})

test('who was away while all marks went with an index that expired is told of what is gone', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const proxy = await startProxy(server.port)
  await using _proxy = { [Symbol.asyncDispose]: () => proxy.close() }
  const retention = 300
  await using away = createClient({ transport: 'redis', url: `redis://127.0.0.1:${proxy.port}`, retention })
  await using here = createClient({ transport: 'redis', url: server.url, retention })
  const [replica, items] = [away, here].map((client) => client.database('test').collection<Item>('items'))
  assert.ok(replica && items)
  const replay = new Replay(replica)
  await replica.subscribe()
  await items.set('ghost', { n: 1 })
  await until('it is heard of', () => replica.has('ghost'))
  proxy.cut()
  await until('it is away', () => replica.freshness.state === 'stale')
  // Of all that there is, nothing stays: the index expires as a whole.
  await items.delete('ghost')
  await until('the index has expired', async () => (await raw.send('EXISTS', `${base}/log`)) === 0)
  await items.set('after', { n: 2 })
  await proxy.heal()
  await until('it has caught up', () => replica.freshness.state === 'live')
  assert.deepStrictEqual([...replica.keys()], ['after'])
  replay.check()
})

test('no more than so many marks are kept, however long the retention', async () => {
  await using scene = await Scene.set(1, {})
  const count = 103_000
  await scene.first.set('stays', { n: 1 })
  for (let n = 0; n < count; n++) {
    scene.first.set(`gone ${n}`, { n })
    const gone = scene.first.delete(`gone ${n}`)
    if (n % 10_000 === 0) await gone
  }
  await until('all are gone', () => scene.collections.every(({ size }) => size === 2), 60_000)
  const marks = Number(await scene.raw.send('ZCARD', `${base}/ttl`))
  assert.ok(marks <= 100_000 && marks > 90_000, `${marks} marks`)
  await scene.whole(2)
})

test('what was deleted since the loss is not restored, though its tombstone is no more', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using direct = await Direct.open(server.url, { retention: 50 })
  const { epoch, n } = await direct.accepted(set('stays', { n: 1 }))
  const isRestored = async (key: string) => {
    const lost = { key, epoch: '0', n: 1, item: { n: 0 }, leftMs: null }
    const [merged] = await direct.transport.merge(id, { epoch, n }, [lost])
    return merged !== undefined && 'place' in merged
  }
  assert.strictEqual(await isRestored('lost'), true)
  await direct.write(set('deleted', { n: 2 }))
  await direct.write(remove('deleted'))
  assert.strictEqual(await isRestored('deleted'), false)
  await until('the tombstone has gone', async () => {
    await direct.write(set('stays', { n: 2 }))
    return (await raw.send('ZSCORE', `${base}/log`, 'deleted')) === null
  })
  assert.strictEqual(await isRestored('deleted'), false)
})

for (const isLone of [true, false]) {
  test(`a batch of ${isLone ? 'a lone set' : 'two'} that is repeated is answered with the time that its items have left`, async () => {
    await using server = await redisServer()
    await using direct = await Direct.open(server.url)
    // The first write of all takes the full script, the next may take the shortened one.
    await direct.write(set('before', { a: 1 }))
    const batch = direct.batch([set('a', {}, { ttlMs: 60_000 }), ...(isLone ? [] : [remove('before')])])
    const give = async () => (await direct.transport.write(id, batch))[0]
    const first = await give()
    const { epoch } = first as { epoch: string }
    assert.deepStrictEqual(first, { epoch, n: 2, existed: false })
    const started = performance.now()
    await until('time has passed', () => performance.now() - started > 30)
    const { leftMs = 0, ...again } = (await give()) as { leftMs?: number }
    assert.deepStrictEqual(again, first)
    assert.ok(leftMs > 0 && leftMs <= 60_000 - 29, `left ${leftMs}`)
  })
}

test.run()
