/** The server dies, or cuts its clients off, while writes run: nothing is lost, nothing is told twice, all are equal soon. */
import assert from 'node:assert'
import { type Client, type Collection, createClient, type ReadyInfo } from '../../src'
import {
  awake,
  baseOf,
  Complaints,
  Load,
  note,
  Raw,
  Replay,
  readStore,
  redisServer,
  rejection,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('outage')

/** After the store's return, replicas equal it within so many ms. */
const soon = 5000

/** A client with a replica, and what it tells. */
class Node {
  readonly complaints: Complaints
  readonly collection: Collection<object>
  readonly replay: Replay
  readonly stales: string[] = []
  readonly readies: string[] = []

  constructor(readonly client: Client) {
    this.complaints = new Complaints(client)
    this.collection = client.database('test').collection('items')
    this.replay = new Replay(this.collection)
    this.collection.on('stale', (error) => void this.stales.push(error.code))
    this.collection.on('ready', ({ cause }) => void this.readies.push(cause))
  }
}

/** Three replicas, two of whom write to keys of their own, and what must be true of them once `harm` was done. */
async function underLoad(
  url: () => string,
  harm: (nodes: Node[], loads: Load[]) => Promise<{ from: number; times: number; epochs?: number }>,
): Promise<number> {
  await using one = createClient(url())
  await using two = createClient(url())
  await using three = createClient(url())
  const nodes = [one, two, three].map((client) => new Node(client))
  await Promise.all(nodes.map(({ collection }) => collection.subscribe()))
  const loads = nodes.slice(0, 2).map(({ collection }, i) => new Load(collection, `load ${i}`))
  await Promise.all(loads.map((load) => load.more(300)))

  const { from, times, epochs = 0 } = await harm(nodes, loads)

  // Some more, so that who is cut off for good would show.
  await Promise.all(loads.map((load) => load.more(100)))
  await Promise.all(loads.map((load) => load.stop()))
  await using raw = await Raw.connect(url())
  await untilEqual(
    raw,
    nodes.map(({ collection }) => collection),
  )
  const took = awake() - from
  await until('all are live', () => nodes.every(({ collection }) => collection.freshness.state === 'live'))
  const store = await readStore(raw, 'items')
  for (const load of loads) load.check(store)
  for (const { replay, complaints, stales, readies, client } of nodes) {
    replay.check()
    // Beside the links that were lost, at most: that the store has begun an epoch, told to who had not yet caught up.
    const expected = epochs > 0 ? ['DISCONNECTED', 'OUT_OF_TOUCH'] : ['DISCONNECTED']
    const others = Object.keys(client.errorCounts).filter((code) => times === 0 || !expected.includes(code))
    assert.deepStrictEqual(others, [])
    assert.strictEqual(complaints.disconnects.length, times)
    assert.strictEqual(complaints.connects, times + 1)
    // Who is back before the first write after a restart learns from that write that the store has begun an epoch.
    assert.ok(stales.length >= times && stales.length <= times + epochs, `stale ${stales}`)
    assert.deepStrictEqual(readies, ['snapshot', ...stales.map(() => 'resync')])
  }
  return took
}

test('kill -9 of a server with persistence, three times, during writes: replicas equal the store within 5 s of its return', async () => {
  await using server = await redisServer({ persistence: 'aof' })
  const took: number[] = []
  for (let i = 0; i < 3; i++) {
    const ms = await underLoad(
      () => server.url,
      async (nodes) => {
        await server.kill('SIGKILL')
        await until('all know', () => nodes.every(({ stales }) => stales.length > 0))
        await server.restart()
        return { from: awake(), times: 1, epochs: 1 }
      },
    )
    took.push(Math.round(ms))
    assert.ok(ms < soon, `equal after ${ms} ms`)
  }
  note(`kill -9 and restart: equal ${took.join(', ')} ms after the server's return`)
})

test('kill -9 of a server with persistence, while nobody writes: nothing is taken for lost by those who heard of it alone', async () => {
  await using server = await redisServer({ persistence: 'aof' })
  // No audit tells them how far the store was.
  const clients = [0, 1].map(() => createClient({ transport: 'redis', url: server.url, auditInterval: 60_000 }))
  const collections = clients.map((client) => client.database('test').collection<object>('items'))
  for (const client of clients) new Complaints(client)
  await Promise.all(collections.map((collection) => collection.subscribe()))
  const writer = createClient(server.url)
  for (let i = 0; i < 10; i++) await writer.database('test').collection<object>('items').set(`key ${i}`, { i })
  await writer.close()
  await until('all have heard of it', () => collections.every(({ size }) => size === 10))
  const readies: ReadyInfo[] = []
  for (const collection of collections) collection.on('ready', (info) => readies.push(info))
  await server.kill('SIGKILL')
  await until('all know', () => collections.every(({ freshness }) => freshness.state === 'stale'))
  await server.restart()
  await until('all are back', () => readies.length === 2)
  for (const { cause, size, lost, restored } of readies) {
    assert.deepStrictEqual([cause, size, lost, restored], ['resync', 10, 0, 0])
  }
  await Promise.all(clients.map((client) => client.close()))
})

for (const type of ['pubsub', 'normal']) {
  test(`CLIENT KILL TYPE ${type}, five times, during writes: replicas equal the store within 5 s`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    const took: number[] = []
    const last = await underLoad(
      () => server.url,
      async (nodes, loads) => {
        let from = 0
        for (let i = 1; i <= 5; i++) {
          from = awake()
          const killed = await raw.send('CLIENT', 'KILL', 'TYPE', type)
          assert.ok(killed >= nodes.length, `${killed} were cut off`)
          await until('all came back', () => nodes.every(({ readies }) => readies.length === i + 1))
          took.push(Math.round(awake() - from))
          await Promise.all(loads.map((load) => load.more(100)))
        }
        return { from, times: 5 }
      },
    )
    assert.ok(Math.max(...took, last) < soon, `equal after ${took}, ${last} ms`)
    note(`CLIENT KILL TYPE ${type}: live again after ${took.join(', ')} ms; equal ${last.toFixed(0)} ms after the last`)
  })
}

test('SCRIPT FLUSH, fifty times, during writes: nobody notices', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const took = await underLoad(
    () => server.url,
    async (_, loads) => {
      for (let i = 0; i < 50; i++) {
        await raw.send('SCRIPT', 'FLUSH')
        await Promise.race(loads.map((load) => load.more(5)))
      }
      return { from: awake(), times: 0 }
    },
  )
  note(`SCRIPT FLUSH: equal ${took.toFixed(0)} ms after the last`)
})

test('while the server is away the newest write of each key waits, within bounds; all callers settle (W6)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ transport: 'redis', url: server.url, maxPending: 10 })
  const { collection: items, replay } = new Node(client)
  await items.subscribe()
  await items.set('before', { n: 0 })
  const head = async (of: Raw) => Number(await of.send('HGET', `${baseOf('test', 'items')}/meta`, 'head'))
  assert.strictEqual(await head(raw), 1)
  await server.kill()
  await until('it knows', () => items.freshness.state === 'stale')
  const writes = Array.from({ length: 5000 }, (_, n) => items.set(`key ${n % 10}`, { n }))
  const refused = await rejection(items.set('one too many', { n: 0 }))
  assert.deepStrictEqual([refused.code, refused.stored], ['TOO_MANY_PENDING', 'no'])
  await server.restart()
  await Promise.all(writes)
  await using back = await Raw.connect(server.url)
  const store = await readStore(back, 'items')
  for (let k = 0; k < 10; k++) assert.deepStrictEqual(store.get(`key ${k}`), { n: 4990 + k })
  await until('it is live', () => items.freshness.state === 'live')
  // Ten, and what was put back since the server had lost it.
  assert.ok((await head(back)) <= 12, `${await head(back)} writes`)
  replay.check()
  assert.strictEqual(replay.events, 11)
})

test('who was away for a moment reads what changed, not everything, also after a restart (K5)', async () => {
  await using server = await redisServer({ persistence: 'aof' })
  await using writing = createClient(server.url)
  await using reading = createClient(server.url)
  const items = writing.database('test').collection<object>('items')
  await Promise.all(Array.from({ length: 3000 }, (_, i) => items.set(`key ${i}`, { i })))
  const reader = new Node(reading)
  await reader.collection.subscribe()

  for (const [i, harm] of ['CLIENT KILL', 'kill -9'].entries()) {
    const { length } = reader.readies
    if (harm === 'kill -9') {
      // Its counts begin anew.
      await server.kill()
      await server.restart()
    } else {
      await using raw = await Raw.connect(server.url)
      await raw.send('CONFIG', 'RESETSTAT')
      await raw.send('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    const changes = Array.from({ length: 20 }, (_, n) => items.set(`key ${n}`, { n, harm }))
    await Promise.all([...changes, items.delete(`key ${100 + i}`)])
    await using raw = await Raw.connect(server.url)
    await until('the reader has caught up', () => reader.readies.length > length && reader.collection.size === 2999 - i)
    const reads = Number(/cmdstat_hgetall:calls=(\d+)/.exec(await raw.send('INFO', 'commandstats'))?.[1] ?? 0)
    // Twice, where it was back before the writes were.
    assert.ok(reads <= 50, `${reads} items were read after ${harm}`)
    await untilEqual(raw, [reader.collection])
    reader.replay.check()
  }
})

test.run()
