/**
 * A database is a KV bucket: the official KV client reads what memis wrote, and memis shows what such a client writes; what it
 * writes that is no item does no harm (H1).
 */
import assert from 'node:assert'
import type { KV, KvEntry } from '@nats-io/kv'
import { type Client, type Collection, createClient, type MemisOptions } from '../../src'
import type { Server } from '../support/servers'
import {
  Complaints,
  differences,
  natsServer,
  Raw,
  Replay,
  readStore,
  rejection,
  subjectOf,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('interop, NATS', 30_000)

let server: Server
let count = 0

test.before(async () => {
  server = await natsServer()
})
test.after(async () => {
  await server.stop()
})

type Told = [event: string, key: string, item: unknown]

/** A database of its own for each test, with a replica in a client of its own, and a KV client. */
class Scene implements AsyncDisposable {
  readonly complaints: Complaints
  readonly artists: Collection<object>
  readonly replay: Replay
  readonly told: Told[] = []
  readonly others: Client[] = []

  private constructor(
    readonly server: Server,
    readonly raw: Raw,
    readonly database: string,
    readonly client: Client,
  ) {
    this.complaints = new Complaints(client)
    this.artists = client.database(database).collection('artists')
    this.replay = new Replay(this.artists)
    for (const event of ['set', 'expire', 'delete'] as const) {
      this.artists.on(event, (key, item) => void this.told.push([event, key, item]))
    }
  }

  static async set(options: MemisOptions = {}): Promise<Scene> {
    const client = createClient({ transport: 'nats', servers: server.url, ...options })
    return new Scene(server, await Raw.connect(server.url), `region-${++count}`, client)
  }

  kv(): Promise<KV> {
    return this.raw.kvm.open(`memis-${this.database}`)
  }

  /** Another process's replica, filled. */
  async join(): Promise<Collection<object>> {
    const client = createClient(this.server.url)
    this.others.push(client)
    const joined = client.database(this.database).collection<object>('artists')
    await joined.subscribe()
    return joined
  }

  /** Waits until something has been told of the key. */
  async tells(key: string, event: string): Promise<void> {
    await until(`${event} ${key} is told`, () => this.told.at(-1)?.[0] === event && this.told.at(-1)?.[1] === key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.client, ...this.others].map((client) => client.close()))
    await this.raw[Symbol.asyncDispose]()
  }
}

test('what memis sets and deletes, the KV client gets, lists and watches, under names that anybody would guess', async () => {
  await using scene = await Scene.set()
  const { artists } = scene
  await artists.set('coldplay', { genre: 'Alternative', members: ['Chris', 'Guy'] })
  const kv = await scene.kv()
  const seen: KvEntry[] = []
  const watch = await kv.watch()
  const watching = (async () => {
    for await (const entry of watch) seen.push(entry)
  })()
  await artists.set('u2', { genre: 'Rock' })
  await artists.set('mixed.Case-1/x_y', {})
  await artists.set('with space é', { n: -0 })

  const entry = await kv.get('artists.coldplay')
  assert.deepStrictEqual(entry?.json(), { genre: 'Alternative', members: ['Chris', 'Guy'] })
  assert.strictEqual(entry?.string(), '{"genre":"Alternative","members":["Chris","Guy"]}')
  const keys: string[] = []
  for await (const key of await kv.keys()) keys.push(key)
  assert.deepStrictEqual(keys.sort(), [
    'artists.coldplay',
    'artists.mixed.Case-1/x_y',
    'artists.u2',
    'artists.with=20space=20=C3=A9',
  ])

  assert.strictEqual(await artists.delete('u2'), true)
  assert.ok(['DEL', 'PURGE'].includes((await kv.get('artists.u2'))?.operation ?? 'DEL'))
  // By hand, since there is no wildcard for keys that are not known.
  await artists.clear()
  for (const key of keys) assert.ok(['DEL', 'PURGE'].includes((await kv.get(key))?.operation ?? 'DEL'), key)
  await until('the watch has seen all', () => seen.filter(({ operation }) => operation !== 'PUT').length >= 5)
  const history = (key: string) =>
    seen.filter((each) => each.key === key).map(({ operation }) => (operation === 'PUT' ? 'put' : 'gone'))
  assert.deepStrictEqual(history('artists.u2'), ['put', 'gone'])
  assert.deepStrictEqual(history('artists.coldplay'), ['put', 'gone'])
  assert.deepStrictEqual(seen.find(({ key }) => key === 'artists.u2')?.json(), { genre: 'Rock' })
  watch.stop()
  await watching
})

test('what the KV client puts, deletes and purges, replicas tell: those that are there, and those that come', async () => {
  await using scene = await Scene.set()
  const { artists, told } = scene
  await artists.subscribe()
  const kv = await scene.kv()
  const put = (key: string, item: object) => kv.put(`artists.${key}`, JSON.stringify(item))
  await put('coldplay', { genre: 'Alternative' })
  // Of two that come at once, a bucket may tell the last alone.
  await scene.tells('coldplay', 'set')
  await put('coldplay', { genre: 'Pop' })
  await put('a=20b/c.d', { e: 'é' })
  await scene.tells('a b/c.d', 'set')
  const joined = await scene.join()
  assert.deepStrictEqual(
    new Map(joined),
    new Map<string, object>([
      ['coldplay', { genre: 'Pop' }],
      ['a b/c.d', { e: 'é' }],
    ]),
  )
  assert.strictEqual(await artists.delete('a b/c.d'), true)
  await kv.delete('artists.coldplay')
  await scene.tells('coldplay', 'delete')
  await put('coldplay', { genre: 'Rock' })
  await scene.tells('coldplay', 'set')
  await kv.purge('artists.coldplay')
  await scene.tells('coldplay', 'delete')
  await kv.purge('artists.never-there')
  await kv.create('artists.coldplay', '{"genre":"Alternative"}')
  await scene.tells('coldplay', 'set')
  assert.deepStrictEqual(told, [
    ['set', 'coldplay', { genre: 'Alternative' }],
    ['set', 'coldplay', { genre: 'Pop' }],
    ['set', 'a b/c.d', { e: 'é' }],
    ['delete', 'a b/c.d', { e: 'é' }],
    ['delete', 'coldplay', { genre: 'Pop' }],
    ['set', 'coldplay', { genre: 'Rock' }],
    ['delete', 'coldplay', { genre: 'Rock' }],
    ['set', 'coldplay', { genre: 'Alternative' }],
  ])
  // An update by a revision that memis has made.
  await artists.set('coldplay', { genre: 'Soul' })
  const entry = await kv.get('artists.coldplay')
  await kv.update('artists.coldplay', '{"genre":"Jazz"}', entry?.revision ?? 0)
  await until('the update arrives', () => (artists.get('coldplay') as { genre: string }).genre === 'Jazz')
  await untilEqual(scene.raw, [artists, joined], { database: scene.database })
  scene.replay.check()
  assert.deepStrictEqual(scene.complaints.errors, [])
})

test("a ttl of memis's is the server's too: the KV client sees the item vanish, as a purge", async () => {
  await using scene = await Scene.set()
  const { artists, told } = scene
  await artists.subscribe()
  await artists.set('coldplay', { genre: 'Alternative' }, 1.5)
  await artists.set('u2', { genre: 'Rock' }, 3600)
  const kv = await scene.kv()
  assert.deepStrictEqual((await kv.get('artists.coldplay'))?.json(), { genre: 'Alternative' })
  const message = await scene.raw.last(scene.database, subjectOf(scene.database, 'artists', 'coldplay'))
  assert.strictEqual(message?.headers.get('Memis-TTL'), '1500')
  assert.strictEqual(message?.headers.get('Nats-TTL'), '2s')
  const seen: KvEntry[] = []
  const watch = await kv.watch({ key: 'artists.coldplay' })
  const watching = (async () => {
    for await (const entry of watch) seen.push(entry)
  })()
  await scene.tells('coldplay', 'expire')
  await until('the KV client sees it', () => seen.at(-1)?.operation === 'PURGE')
  assert.deepStrictEqual(
    seen.map(({ operation }) => operation),
    ['PUT', 'PURGE'],
  )
  assert.deepStrictEqual(told.slice(2), [['expire', 'coldplay', { genre: 'Alternative' }]])
  assert.deepStrictEqual(scene.complaints.errors, [])
  watch.stop()
  await watching
})

test('a ttl of the KV client expires in replicas: those that are there, and those that come', async () => {
  await using scene = await Scene.set()
  const { artists, told } = scene
  await artists.subscribe()
  const kv = await scene.kv()
  const begin = performance.now()
  await kv.create('artists.coldplay', '{"genre":"Alternative"}', '2s')
  await scene.tells('coldplay', 'set')
  const joined = await scene.join()
  const both = new Promise((resolve) => joined.once('expire', resolve))
  await scene.tells('coldplay', 'expire')
  await both
  const took = performance.now() - begin
  assert.ok(took >= 1990, `expired after ${took} ms`)
  assert.deepStrictEqual(
    told.map(([event]) => event),
    ['set', 'expire'],
  )
  // A purge that leaves a mark for a while is a delete, and not another one when the mark goes.
  await kv.put('artists.u2', '{"genre":"Rock"}')
  await scene.tells('u2', 'set')
  await kv.purge('artists.u2', { ttl: '1s' })
  await scene.tells('u2', 'delete')
  await until('the mark is gone', async () => {
    return (await scene.raw.last(scene.database, subjectOf(scene.database, 'artists', 'u2'))) === undefined
  })
  await artists.set('after', {})
  await untilEqual(scene.raw, [artists, joined], { database: scene.database })
  assert.deepStrictEqual(
    told.slice(2).map(([event]) => event),
    ['set', 'delete', 'set'],
  )
  assert.deepStrictEqual(scene.complaints.errors, [])
  scene.replay.check()
})

test('a bucket that the KV client has made is used as it is: with a history, and with an age at which all is removed', async () => {
  await using scene = await Scene.set({ writeTimeout: 1500 })
  const { artists, raw, database, told } = scene
  const kv = await raw.kvm.create(`memis-${database}`, { history: 5, ttl: 2000 })
  await kv.put('artists.u2', '{"v":1}')
  await kv.put('artists.u2', '{"v":2}')
  await kv.delete('artists.u2')
  await kv.put('artists.coldplay', '{"v":1}')
  await kv.put('artists.coldplay', '{"v":2}')
  const { config: before } = await raw.ask(`STREAM.INFO.KV_memis-${database}`)
  await artists.subscribe()
  assert.deepStrictEqual(told, [['set', 'coldplay', { v: 2 }]])
  // Such a bucket has no ttl of single items, and says how it would get it.
  const error = await rejection(artists.set('a day', { v: 3 }, 24 * 3600))
  assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'no'])
  assert.match(error.message, /nats stream edit KV_memis-region-\d+ .*--allow-msg-ttl/)
  await artists.set('for good', { v: 4 })
  const begin = performance.now()
  await until('all is gone', () => artists.size === 0)
  const took = performance.now() - begin
  assert.ok(took > 1500 && took < 10_000, `gone after ${took} ms`)
  assert.deepStrictEqual(
    told.slice(2).map(([event]) => event),
    ['expire', 'expire'],
  )
  await until('it is gone from the bucket', async () => (await readStore(raw, 'artists', database)).size === 0)
  const { config: after } = await raw.ask(`STREAM.INFO.KV_memis-${database}`)
  assert.deepStrictEqual(after, before)
  scene.replay.check()
})

/** What is no item, by what a KV client might put. */
const junk: Record<string, string | Uint8Array> = {
  nothing: '',
  text: 'hello',
  'a half': '{"a":',
  'a number': '1',
  'a string': '"a"',
  null: 'null',
  'an array': '[{"a":1}]',
  'bytes that are no text': Uint8Array.from([0xff, 0xfe, 0x00, 0x80]),
  'very deep': `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
}

test('what a KV client puts that is no item is absent, for who was there and who comes, and told as UNDECODABLE (H1)', async () => {
  await using scene = await Scene.set()
  const { artists, told, complaints } = scene
  await artists.subscribe()
  for (const name of ['good', 'replaced']) await artists.set(name, { v: 1 })
  const kv = await scene.kv()
  let puts = 0
  for (const value of Object.values(junk)) {
    await kv.put(`artists.junk-${++puts}`, value)
    await kv.put('artists.replaced', value)
    await until('it is told', () => (scene.client.errorCounts.UNDECODABLE ?? 0) >= 2 * puts)
    assert.strictEqual(artists.has('replaced'), false, `${value}`)
  }
  assert.deepStrictEqual(
    told.slice(2).map(([event, key]) => [event, key]),
    [['delete', 'replaced']],
  )
  assert.deepStrictEqual(new Set(complaints.codes), new Set(['UNDECODABLE']))
  assert.ok(complaints.codes.length <= puts, 'told once a burst')
  const joined = await scene.join()
  assert.deepStrictEqual([...joined.keys()], ['good'])
  // What is good again is there again.
  await kv.put('artists.replaced', '{"v":2}')
  await artists.set('junk-1', { v: 3 })
  for (const replica of [artists, joined]) {
    await until('both are back', () => replica.size === 3)
    assert.deepStrictEqual(replica.get('replaced'), { v: 2 })
  }
  scene.replay.check()
})

/** Headers that a message may have, and whether it is an item all the same. */
const headers: [headers: Record<string, string>, isItem: boolean][] = [
  [{ 'Memis-TTL': 'rubbish' }, true],
  [{ 'Memis-TTL': '-5' }, true],
  [{ 'Memis-TTL': '99999999999999999999999' }, true],
  [{ 'Memis-TTL': '1e400' }, true],
  [{ 'Memis-Origin': 'rubbish' }, true],
  [{ 'Memis-Origin': `9999-99-99 ${'9'.repeat(30)}` }, true],
  [{ 'Memis-Origin': '__proto__ 1' }, true],
  [{ 'Memis-Gone': 'expire' }, true],
  [{ 'X-Own': 'ä' }, true],
  [{ 'KV-Operation': 'DEL' }, false],
  [{ 'KV-Operation': 'PURGE', 'Memis-Gone': 'rubbish' }, false],
]

test('whatever headers a message has, replicas old and new agree, and go on (H1)', async () => {
  await using scene = await Scene.set()
  const { artists, raw, database } = scene
  await artists.subscribe()
  await artists.set('a', { v: 0 })
  for (const [i, [each, isItem]] of headers.entries()) {
    await raw.publish(subjectOf(database, 'artists', `key ${i}`), JSON.stringify({ i }), each)
    await artists.set('a', { v: i + 1 })
    await until(`${JSON.stringify(each)} arrives`, () => (artists.get('a') as { v: number }).v === i + 1)
    if (isItem) await until(`${JSON.stringify(each)} is an item`, () => artists.has(`key ${i}`))
    else assert.strictEqual(artists.has(`key ${i}`), false, JSON.stringify(each))
  }
  const joined = await scene.join()
  assert.deepStrictEqual(differences(new Map(joined), new Map(artists)), [])
  await untilEqual(raw, [artists, joined], { database })
  assert.strictEqual(({} as { polluted?: unknown }).polluted, undefined)
  scene.replay.check()
})

test('keys that memis would write in another way, and what is not the collection’s, are no items of it (H1)', async () => {
  await using scene = await Scene.set()
  const { artists, client } = scene
  await artists.subscribe()
  const kv = await scene.kv()
  await kv.put('artists', '{"v":1}')
  await kv.put('artists2.a', '{"v":1}')
  await kv.put('other', 'anything')
  assert.strictEqual(client.errorCounts.UNDECODABLE, undefined)
  const foreign = [
    'artists.=61',
    'artists.a=2',
    'artists.a=zz',
    'artists.=c3=a9',
    'artists.=FF',
    `artists.${'k'.repeat(300)}`,
  ]
  for (const [i, key] of foreign.entries()) {
    await kv.put(key, '{"v":1}')
    await until(`${key} is told`, () => (client.errorCounts.UNDECODABLE ?? 0) >= i + 1)
  }
  await kv.put('artists.a.b.c', '{"v":1}')
  await scene.tells('a.b.c', 'set')
  assert.deepStrictEqual([...artists.keys()], ['a.b.c'])
  assert.deepStrictEqual([...(await scene.join()).keys()], ['a.b.c'])
  scene.replay.check()
})

test.run()
