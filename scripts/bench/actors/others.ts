/** A process that uses memis or another package for the same job, through the same functions. */
import { setImmediate } from 'node:timers/promises'
import { type ClientOptions, createClient } from '../../../src'
import { serve, sharedNow } from '../support/actor'
import { type Item, itemOf, keyOf } from '../support/items'

export type OtherJobs = typeof jobs

interface Store {
  /** Synchronous if the package can do that. */
  get(key: string): unknown
  set(key: string, item: Item): Promise<unknown>
  close(): Promise<unknown>
}

/** Packages of the bench alone: the types of this repository are checked without them. */
// biome-ignore lint/suspicious/noExplicitAny: see above
const load = (name: string): Promise<any> => import(name)

const makers: Record<string, (url: string) => Promise<Store>> = {
  'memis on Redis': (url) => memis({ transport: 'redis', url }),
  'memis on NATS': (servers) => memis({ transport: 'nats', servers }),

  async bentocache(url) {
    const { BentoCache, bentostore } = await load('bentocache')
    const { memoryDriver } = await load('bentocache/drivers/memory')
    const { redisDriver, redisBusDriver } = await load('bentocache/drivers/redis')
    const { hostname: host, port } = new URL(url)
    const connection = { host, port: Number(port) }
    const items = bentostore()
      // With `serialize: false`, version 1.6.1 crashes if another process announces a change.
      .useL1Layer(memoryDriver({ maxItems: 1_000_000 }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }))
    const cache = new BentoCache({ default: 'items', stores: { items } })
    return {
      get: (key) => cache.get({ key }),
      set: (key, value) => cache.set({ key, value, ttl: '1h' }),
      close: () => cache.disconnectAll(),
    }
  },

  async "node-redis's client-side cache"(url) {
    const redis: typeof import('redis') = await load('redis')
    const client = await redis
      .createClient({ url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } })
      .connect()
    return {
      get: async (key) => {
        const text = await client.get(key)
        return text === null ? undefined : JSON.parse(text)
      },
      set: (key, item) => client.set(key, JSON.stringify(item)),
      close: async () => client.destroy(),
    }
  },

  async '@nats-io/kv'(servers) {
    const { connect } = await load('@nats-io/transport-node')
    const { Kvm } = await load('@nats-io/kv')
    const nats = await connect({ servers })
    const kv = await new Kvm(nats).create('artists')
    return {
      get: async (key) => (await kv.get(key))?.json(),
      set: (key, item) => kv.put(key, JSON.stringify(item)),
      close: () => nats.close(),
    }
  },
}

async function memis(options: ClientOptions): Promise<Store> {
  const client = createClient(options)
  const artists = client.database('bench').collection<Item>('artists')
  await artists.subscribe()
  return {
    get: (key) => artists.get(key),
    set: (key, item) => artists.set(key, item),
    close: () => client.close(),
  }
}

let store: Store

/** Awaits only promises, which would make a synchronous get slower. */
async function plays(key: string): Promise<number | undefined> {
  const item = store.get(key)
  return ((item instanceof Promise ? await item : item) as Item | undefined)?.plays
}

const jobs = serve({
  async open(name: string, url: string) {
    store = await (makers[name] as (typeof makers)[string])(url)
  },

  close: () => store.close(),

  /** Nanoseconds per read of an item that was read before, or is in the replica. */
  async read(count: number, items: number) {
    for (let i = 0; i < items; i++) await store.get(keyOf(i))
    const start = process.hrtime.bigint()
    for (let i = 0; i < count; i++) {
      const item = store.get(keyOf(i % items))
      if (item instanceof Promise) await item
    }
    return Number(process.hrtime.bigint() - start) / count
  },

  /** Writes so many items. */
  async fill(count: number) {
    for (let i = 0; i < count; i++) await store.set(keyOf(i), itemOf(i))
  },

  /** Writes an item; returns when that began. */
  async begin(version: number) {
    const start = sharedNow()
    await store.set(keyOf(0), itemOf(0, version))
    return start
  },

  /** When a read first returned that item; gives up after 5 s. */
  async seen(version: number) {
    const wanted = itemOf(0, version).plays
    const end = sharedNow() + 5000
    while (sharedNow() < end && (await plays(keyOf(0))) !== wanted) await setImmediate()
    return sharedNow()
  },
})
