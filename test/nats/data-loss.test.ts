/**
 * The server loses what it held (K7): its files, its stream, its end, or all since a backup, whatever its numbers say by then.
 * Replicas put back what they hold, or take the store's word, as they were told to.
 */
import assert from 'node:assert'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'nats'
import { type Client, type Collection, createClient, type MemisOptions, type ReadyInfo } from '../../src'
import { startProxy } from '../support/proxy'
import type { Server } from '../support/servers'
import {
  awake,
  Complaints,
  type Disposable,
  holdSessions,
  natsServer,
  note,
  Raw,
  Replay,
  readStore,
  suite,
  until,
  untilEqual,
} from './support'

interface Item {
  n: number
  by?: string
}

const test = suite('data loss, NATS')

/** Three replicas, and all that they tell. */
class Scene implements AsyncDisposable {
  readonly clients: Client[]
  readonly collections: Collection<Item>[]
  readonly replays: Replay[]
  readonly readies: ReadyInfo[] = []
  readonly deletes: string[] = []

  private constructor(
    readonly server: Disposable<Server>,
    options: MemisOptions,
  ) {
    this.clients = [1, 2, 3].map(() => this.client(options))
    this.collections = this.clients.map((client) => client.database('test').collection<Item>('items'))
    this.replays = this.collections.map((collection) => new Replay(collection))
  }

  static async set(count: number, options: MemisOptions = {}): Promise<Scene> {
    const scene = new Scene(await natsServer(), options)
    const { collections } = scene
    await Promise.all(collections.map((collection) => collection.subscribe()))
    const [first] = collections as [Collection<Item>]
    for (let n = 0; n < count; n++) first.set(`key ${n}`, { n }, n % 2 === 0 ? 3600 : undefined)
    for (let n = 0; n < 20; n++) first.set(`deleted ${n}`, { n })
    for (let n = 0; n < 20; n++) first.delete(`deleted ${n}`)
    await first.set('changed', { n: 1 })
    await first.set('changed', { n: 2 })
    await until('all hold all', () =>
      collections.every((each) => each.size === count + 1 && each.get('changed')?.n === 2),
    )
    for (const collection of collections) {
      collection.on('ready', (info) => scene.readies.push(info))
      collection.on('delete', (key) => scene.deletes.push(key))
    }
    return scene
  }

  client(options: MemisOptions = {}): Client {
    return createClient({ transport: 'nats', servers: this.server.url, ...options })
  }

  get files(): string {
    return join(this.server.dir, 'jetstream')
  }

  /** Waits until all are ready again and equal the store. Returns the ms since `from`. */
  async equal(from: number): Promise<number> {
    await until('all are ready', () => this.readies.length === 3)
    await using raw = await Raw.connect(this.server.url)
    await untilEqual(raw, this.collections)
    const took = awake() - from
    for (const replay of this.replays) replay.check()
    return took
  }

  /** Copies what the server has on disk by now. */
  async backUp(): Promise<void> {
    await this.server.kill('SIGTERM')
    cpSync(this.files, `${this.files}.backup`, { recursive: true })
    await this.server.restart()
    await this.equal(awake())
    this.readies.length = 0
  }

  /** The server has what it had at the backup. `play` is called while it is away. */
  async restoreBackUp(play = () => {}): Promise<void> {
    await this.server.kill()
    rmSync(this.files, { recursive: true })
    cpSync(`${this.files}.backup`, this.files, { recursive: true })
    play()
    await this.server.restart()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
    await this.server.stop()
  }
}

test('kill -9, and its files are gone: all is back within 5 s, with the time it has left, and no replica told a delete', async () => {
  await using scene = await Scene.set(10_000)
  const [first, second] = scene.collections as [Collection<Item>, Collection<Item>]
  await scene.server.kill()
  rmSync(scene.files, { recursive: true })
  const meanwhile = [first.set('key 5', { n: -5 }), second.delete('key 7')]
  await scene.server.restart()
  const took = await scene.equal(awake())
  note(`NATS, kill -9 and no files, 3 replicas × 10,001 items: all is back after ${took.toFixed(0)} ms`)
  await Promise.all(meanwhile)
  await until('the last writes are everywhere', () => scene.collections.every((each) => !each.has('key 7')))
  assert.ok(took < 15_000, `${took} ms; on an idle machine it is less than 5 s`)
  assert.deepStrictEqual(new Set(scene.deletes), new Set(['key 7']))

  await using raw = await Raw.connect(scene.server.url)
  const store = await readStore(raw, 'items')
  assert.deepStrictEqual(store.get('key 5'), { n: -5 }, 'a write made meanwhile wins')
  assert.deepStrictEqual(store.get('key 4'), { n: 4 })
  assert.strictEqual(store.size, 10_000)
  for (let n = 0; n < 20; n++) assert.ok(!store.has(`deleted ${n}`), 'what was deleted before stays so')
  const left = Number((await raw.last('test', '$KV.memis-test.items.key=204'))?.headers.get('Memis-TTL'))
  assert.ok(left > 3_000_000 && left <= 3_600_000, `${left} ms left of an hour`)
})

test('the stream is deleted, and nobody else makes it anew: it is made as it was, and what it held is put back', async () => {
  await using scene = await Scene.set(100, { livenessTimeout: 1500 })
  await using raw = await Raw.connect(scene.server.url)
  const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
  await raw.ask('STREAM.DELETE.KV_memis-test')
  const took = await scene.equal(awake())
  note(`NATS, the stream deleted, livenessTimeout 1500: equal after ${took.toFixed(0)} ms`)
  assert.deepStrictEqual((await raw.ask('STREAM.INFO.KV_memis-test')).config, config)
  assert.strictEqual((await readStore(raw, 'items')).size, 101)
  assert.deepStrictEqual(scene.deletes, [])
})

test('what was cleared while a replica was away is not put back by it, and it is ready though others write elsewhere', async () => {
  await using server = await natsServer()
  const proxy = await startProxy(server.port)
  await using away = createClient({ transport: 'nats', servers: `127.0.0.1:${proxy.port}` })
  await using here = createClient({ transport: 'nats', servers: server.url })
  const itemsOf = (client: Client, name: string) => client.database('test').collection<Item>(name)
  const items = itemsOf(away, 'items')
  await items.subscribe()
  await Promise.all(Array.from({ length: 20 }, (_, n) => items.set(`key ${n}`, { n })))
  proxy.cut()
  await server.kill()
  rmSync(join(server.dir, 'jetstream'), { recursive: true })
  await server.restart()
  await itemsOf(here, 'items').clear()
  await itemsOf(here, 'items').set('after', { n: 1 })
  await itemsOf(here, 'others').set('elsewhere', { n: 1 })
  let readies = 0
  items.on('ready', () => void readies++)
  await proxy.heal()
  await until('it is ready', () => readies === 1)
  assert.deepStrictEqual([...items], [['after', { n: 1 }]])
  await away.close()
  await proxy.close()
})

test('the files are gone, and the store is to be believed: replicas tell deletes', async () => {
  await using scene = await Scene.set(100, { dataLoss: 'accept' })
  await scene.server.kill()
  rmSync(scene.files, { recursive: true })
  await scene.server.restart()
  await scene.equal(awake())
  assert.strictEqual(scene.deletes.length, 303)
  for (const each of scene.collections) assert.strictEqual(each.size, 0)
})

test('own writes are confirmed while the replica is away, and a backup is restored: what it had not heard of was lost, too', async () => {
  await using server = await natsServer()
  const files = join(server.dir, 'jetstream')
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
  await using client = createClient({ transport: 'nats', connection })
  new Complaints(client)
  const items = client.database('test').collection<Item>('items')
  await items.subscribe()
  await items.set('k', { n: 0 })
  const open = holdSessions(connection)
  await server.kill('SIGTERM')
  cpSync(files, `${files}.backup`, { recursive: true })
  await server.restart()
  for (let n = 1; n <= 3; n++) await items.set('k', { n })
  await server.kill()
  rmSync(files, { recursive: true })
  cpSync(`${files}.backup`, files, { recursive: true })
  await server.restart()
  await using raw = await Raw.connect(server.url)
  await raw.publish('$KV.memis-test.items.k', '{"n":4,"by":"other"}')
  for (let n = 0; n < 10; n++) await raw.publish(`$KV.memis-test.items.key${n}`, '{}')
  open()
  await untilEqual(raw, [items])
  assert.deepStrictEqual(items.get('k'), { n: 4, by: 'other' })
  await client.close()
  await connection.close()
})

test('an own item expires while the replica is away, and leaves no mark: nothing was lost', async () => {
  await using server = await natsServer()
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
  await using client = createClient({ transport: 'nats', connection })
  new Complaints(client)
  const items = client.database('test').collection<Item>('items')
  const losses: number[] = []
  items.on('ready', ({ lost }) => losses.push(lost))
  await items.subscribe()
  await items.set('stays', { n: 0 })
  const open = holdSessions(connection)
  await server.restart()
  await items.set('stays', { n: 1 })
  await items.set('k', { n: 1 }, 0.2)
  await until('it has expired', () => !items.has('k'))
  {
    await using raw = await Raw.connect(server.url)
    await raw.ask('STREAM.PURGE.KV_memis-test', { filter: '$KV.memis-test.items.k' })
  }
  await server.restart()
  open()
  await until('it is ready again', () => losses.length === 2)
  assert.deepStrictEqual(losses, [0, 0])
  await client.close()
  await connection.close()
})

test('a backup is restored, in which an older version of an item expires at once: the newer one, which was lost, is put back', async () => {
  await using scene = await Scene.set(10)
  const [first] = scene.collections as [Collection<Item>]
  for (let n = 0; n < 5; n++) await first.set(`lease ${n}`, { n: 1 }, 8)
  const expires = awake() + 8000
  await until('all hold all', () => scene.collections.every((each) => each.has('lease 4')))
  await scene.backUp()
  assert.ok(awake() < expires, 'the machine is too slow for this test')
  for (let n = 0; n < 5; n++) await first.set(`lease ${n}`, { n: 2 }, n % 2 === 0 ? 3600 : undefined)
  // These expire soon after the return.
  for (let n = 0; n < 5; n++) await first.set(`brief ${n}`, { n: 2 }, Math.max(1, (expires - awake()) / 1000 + 3))
  await until('all hold all', () => scene.collections.every((each) => each.has('brief 4')))
  await scene.server.kill()
  await until('the time of the older versions is over', () => awake() > expires + 500)
  await scene.restoreBackUp()
  const from = awake()
  await scene.equal(from)
  for (const each of scene.collections)
    for (let n = 0; n < 5; n++) assert.deepStrictEqual(each.get(`lease ${n}`), { n: 2 }, `lease ${n}`)
  await using raw = await Raw.connect(scene.server.url)
  // Items that were put back stay in the store a little longer.
  await until('replicas and the store are rid of what expired', async () => {
    const contents = [await readStore(raw, 'items'), ...scene.collections]
    return contents.every(({ size }) => size === 11 + 5)
  })
  const took = await scene.equal(from)
  note(`NATS, a backup restored in which items expire at once: equal for good after ${took.toFixed(0)} ms`)
  for (let n = 0; n < 5; n++) assert.deepStrictEqual((await readStore(raw, 'items')).get(`lease ${n}`), { n: 2 })
  assert.ok(took < 9000, `${took} ms; on an idle machine it is about 5 s`)
})

for (const [more, what] of [
  [0, 'nobody has written since'],
  [7, 'fewer writes were made since than were lost'],
  [100, 'more writes were made since than were lost, under the same numbers'],
] as const) {
  test(`a backup is restored, and ${what}: what was lost is put back, what was written since wins`, async () => {
    await using scene = await Scene.set(100)
    const [first] = scene.collections as [Collection<Item>]
    await scene.backUp()
    // Lost: 40 sets, an item that is new, and 10 deletes.
    for (let n = 0; n < 40; n++) await first.set(`key ${n}`, { n, by: 'lost' })
    await first.set('new', { n: 0, by: 'lost' })
    for (let n = 40; n < 50; n++) await first.delete(`key ${n}`)
    await until('all hold all', () => scene.collections.every((each) => each.size === 92 && each.has('new')))
    scene.deletes.length = 0
    // By another client, which knows nothing of what was lost.
    await using other = scene.client()
    const items = other.database('test').collection<Item>('items')
    const since: Promise<void>[] = []
    await scene.restoreBackUp(() => {
      for (let i = 0; i < more; i++) since.push(items.set(`key ${i % 20}`, { n: i, by: 'other' }))
    })
    await Promise.all(since)
    const took = await scene.equal(awake())
    note(`NATS, a backup restored, ${more} writes since: equal after ${took.toFixed(0)} ms`)
    const by = (who: string) => [...first.values()].filter((item) => item.by === who).length
    assert.deepStrictEqual([by('other'), by('lost'), first.size], [Math.min(more, 20), 41 - Math.min(more, 20), 92])
    assert.deepStrictEqual(scene.deletes, [])
    for (let n = 40; n < 50; n++) assert.ok(!first.has(`key ${n}`), 'what was deleted stays so')
    await using raw = await Raw.connect(scene.server.url)
    const epochs = JSON.parse((await raw.last('test', '$KV.memis-test.='))?.text ?? '[]')
    assert.strictEqual(epochs.length, 2, 'all that noticed it begin one epoch together')
  })
}

test.run()
