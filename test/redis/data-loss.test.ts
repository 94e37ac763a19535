/** The server loses what it held (K7): replicas put it back, or take the store's word, as they were told to. */
import assert from 'node:assert'
import { copyFileSync } from 'node:fs'
import { type Client, type Collection, createClient, type ReadyInfo } from '../../src'
import type { Server } from '../support/servers'
import {
  awake,
  baseOf,
  type Disposable,
  note,
  Raw,
  Replay,
  readStore,
  redisServer,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('data loss')

interface Item {
  n: number
}

/** On an idle machine it is less than a second; here others may be at work. */
const patience = 30_000

/** Three replicas of 10,000 items, of which every second has an hour to live, and of 100 that were deleted. */
class Scene implements AsyncDisposable {
  readonly collections: Collection<Item>[]
  readonly replays: Replay[]
  /** What `ready` told of each replica since the scene was set. */
  readonly readies: ReadyInfo[] = []
  readonly deletes: string[] = []

  private constructor(
    readonly server: Disposable<Server>,
    readonly clients: Client[],
  ) {
    this.collections = clients.map((client) => client.database('test').collection<Item>('items'))
    this.replays = this.collections.map((collection) => new Replay(collection as Collection<object>))
  }

  static async set(options: object = {}): Promise<Scene> {
    const server = await redisServer()
    const clients = [1, 2, 3].map(() => createClient({ transport: 'redis', url: server.url, ...options }))
    const scene = new Scene(server, clients)
    const { collections } = scene
    await Promise.all(collections.map((collection) => collection.subscribe()))
    const [first] = collections as [Collection<Item>]
    for (let n = 0; n < 10_000; n++) first.set(`key ${n}`, { n }, n % 2 === 0 ? 3600 : undefined)
    for (let n = 0; n < 100; n++) first.set(`deleted ${n}`, { n })
    await first.set('changed', { n: 1 })
    for (let n = 0; n < 100; n++) first.delete(`deleted ${n}`)
    await first.set('changed', { n: 2 })
    await until('all hold all', () => collections.every((each) => each.size === 10_001 && each.get('changed')?.n === 2))
    for (const collection of collections) {
      collection.on('ready', (info) => scene.readies.push(info))
      collection.on('delete', (key) => scene.deletes.push(key))
    }
    return scene
  }

  /** Waits until all are ready again, and equal the store. Returns the ms since `from`. */
  async equal(from: number): Promise<number> {
    await until('all are ready', () => this.readies.length === 3)
    await using raw = await Raw.connect(this.server.url)
    await untilEqual(raw, this.collections as Collection<object>[])
    const took = awake() - from
    for (const replay of this.replays) replay.check()
    return took
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
    await this.server.stop()
  }
}

test('kill -9 without persistence: all is back within 5 s, with the time it has left, and no replica told a delete', async () => {
  await using scene = await Scene.set()
  const [first, second] = scene.collections as [Collection<Item>, Collection<Item>]
  await scene.server.kill()
  const meanwhile = [first.set('key 5', { n: -5 }), second.delete('key 7')]
  await scene.server.restart()
  const took = await scene.equal(awake())
  await Promise.all(meanwhile)
  note(`kill -9 of a server without persistence, 3 replicas × 10,001 items: all is back after ${took.toFixed(0)} ms`)
  assert.ok(took < patience, `took ${took} ms`)

  await using raw = await Raw.connect(scene.server.url)
  const store = await readStore(raw, 'items')
  assert.strictEqual(store.size, 10_000)
  // What is refused takes a number as well: the last number counts all that was tried.
  const tried = Number(await raw.send('HGET', `${baseOf('test', 'items')}/meta`, 'head'))
  note(`3 replicas put back 10,001 items and 100 deletes with ${tried} writes: each does a share of it`)
  assert.ok(tried < 2 * 10_101, `${tried} writes`)
  assert.deepStrictEqual(store.get('key 5'), { n: -5 })
  assert.strictEqual(store.has('deleted 5'), false)
  assert.deepStrictEqual([...new Set(scene.deletes)], ['key 7'])
  assert.ok(scene.deletes.length <= 3)
  for (const { lost } of scene.readies) assert.ok(lost >= 10_000 && lost <= 10_101, `lost ${lost}`)
  const base = baseOf('test', 'items')
  const left = Number(await raw.send('PTTL', `${base}:key 2`))
  assert.ok(left > 3500_000 && left <= 3600_000, `left ${left}`)
  assert.strictEqual(Number(await raw.send('PTTL', `${base}:key 1`)), -1)
})

test('FLUSHALL under way: found by the audit, and put back', async () => {
  await using scene = await Scene.set({ auditInterval: 500 })
  await using raw = await Raw.connect(scene.server.url)
  await raw.send('FLUSHALL')
  const took = await scene.equal(awake())
  note(`FLUSHALL, an audit every 500 ms, 3 replicas × 10,001 items: all is back after ${took.toFixed(0)} ms`)
  assert.ok(took < patience, `took ${took} ms`)
  assert.deepStrictEqual(scene.deletes, [])
  assert.strictEqual((await readStore(raw, 'items')).size, 10_001)
})

test("dataLoss 'accept': the store is right, and what is gone is told as deleted", async () => {
  await using scene = await Scene.set({ dataLoss: 'accept' })
  await scene.server.kill()
  await scene.server.restart()
  const took = await scene.equal(awake())
  note(`kill -9 of a server without persistence, accepted: told after ${took.toFixed(0)} ms`)
  assert.strictEqual(scene.deletes.length, 3 * 10_001)
  assert.deepStrictEqual(
    scene.collections.map(({ size }) => size),
    [0, 0, 0],
  )
})

test('an older copy takes over, and its numbers go on for other writes: what is newer is put back', async () => {
  await using scene = await Scene.set({ auditInterval: 200 })
  await using copy = await redisServer()
  const [first] = scene.collections as [Collection<Item>]
  {
    await using raw = await Raw.connect(copy.url)
    await raw.send('REPLICAOF', '127.0.0.1', String(scene.server.port))
    await until('the copy follows', async () =>
      String(await raw.send('INFO', 'replication')).includes('master_link_status:up'),
    )
    await raw.send('REPLICAOF', 'NO', 'ONE')
  }
  // Written after the copy was cut off: the copy will never hear of these.
  await first.set('key 1', { n: -1 })
  await first.delete('key 3')
  await first.set('new', { n: 1 })
  await until('all have heard', () =>
    scene.collections.every((each) => each.has('new') && each.freshness.state === 'live'),
  )
  scene.deletes.length = 0
  scene.readies.length = 0 // a server that gets its first copy takes another id, which begins an epoch

  // The copy takes the place of the server: its contents, by way of a snapshot, behind the same address.
  await using raw = await Raw.connect(copy.url)
  await scene.server.kill()
  await raw.send('SAVE')
  copyFileSync(`${copy.dir}/dump.rdb`, `${scene.server.dir}/dump.rdb`)
  await scene.server.restart()
  // Somebody writes before the replicas are back, with the numbers that the lost writes had.
  const writer = createClient(scene.server.url)
  await writer.database('test').collection<Item>('items').set('key 9', { n: -9 })
  await writer.close()

  const took = await scene.equal(awake())
  note(`failover to an older copy: equal after ${took.toFixed(0)} ms`)
  await using back = await Raw.connect(scene.server.url)
  const store = await readStore(back, 'items')
  assert.deepStrictEqual(store.get('key 1'), { n: -1 })
  assert.strictEqual(store.has('key 3'), false)
  assert.deepStrictEqual(store.get('new'), { n: 1 })
  assert.deepStrictEqual(store.get('key 9'), { n: -9 })
  assert.deepStrictEqual(scene.deletes, [])
  for (const { lost, restored } of scene.readies) assert.deepStrictEqual({ lost, restored }, { lost: 3, restored: 3 })
})

test.run()
