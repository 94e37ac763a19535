/**
 * A Redis server, or several, as the conformance suites take a store: each transport reaches each server through a proxy of its own, and a
 * prefix keeps the cases apart.
 */
import { suite } from 'uvu'
import { apiConformance, type ConformanceOptions, type Store, transportConformance } from '../../src/conformance'
import { systemClock } from '../../src/core/clock'
import type { CollectionId, Transport } from '../../src/core/transport'
import { redisTransport } from '../../src/transports/redis/transport'
import { startProxy, type TcpProxy } from '../support/proxy'
import type { RedisOptions } from '../support/servers'
import { startRedis } from '../support/servers'
import { baseOf, Raw } from './raw'

interface RedisStore extends Store {
  readonly prefix: string
  readonly access: Access
  readonly proxies: Map<Transport, readonly TcpProxy[]>
  /** All links are cut, those that are made meanwhile included. */
  isDown: boolean
}

/** The servers that hold the data. */
export interface Access {
  readonly ports: readonly number[]
  /** The masters. */
  readonly masters: readonly Raw[]
  /** The master of a key. */
  owner(key: string): Promise<Raw>
  /** Keys with the same answer may be named in one command. */
  slot(key: string): Promise<number>
  /** A transport that reaches the server of each port through the proxy of another. */
  connect(through: ReadonlyMap<number, number>): Transport
}

/** Servers that may evict, so that items that vanish are looked for. */
export const evicting = ['--maxmemory', '8gb', '--maxmemory-policy', 'allkeys-random']

let cases = 0

export interface SharedServer {
  readonly options: Pick<ConformanceOptions<RedisStore>, 'setup' | 'hooks'>
  stop(): Promise<void>
}

/** One server for all cases. */
export async function sharedRedis(more: RedisOptions = {}): Promise<SharedServer> {
  const server = await startRedis({ args: evicting, ...more })
  const raw = await Raw.connect(server.url)
  const access: Access = {
    ports: [server.port],
    masters: [raw],
    owner: async () => raw,
    slot: async () => 0,
    connect: (through) =>
      redisTransport({ url: `redis://127.0.0.1:${through.get(server.port)}` } as object, systemClock),
  }
  return {
    options: { setup: async () => setup(access), hooks },
    async stop() {
      await raw[Symbol.asyncDispose]()
      await server.stop()
    },
  }
}

export function setup(access: Access): RedisStore {
  const store: RedisStore = {
    prefix: `case-${++cases}-${process.pid}`,
    access,
    proxies: new Map(),
    isDown: false,
    async transport() {
      const proxies = await Promise.all(access.ports.map((port) => startProxy(port)))
      if (store.isDown) for (const proxy of proxies) proxy.cut()
      const transport = access.connect(new Map(access.ports.map((port, i) => [port, (proxies[i] as TcpProxy).port])))
      store.proxies.set(transport, proxies)
      return transport
    },
    async teardown() {
      await Promise.all([...store.proxies.values()].flat().map((proxy) => proxy.close()))
      await remove(store)
    },
  }
  return store
}

const keysOf = async ({ access, prefix }: RedisStore): Promise<string[]> =>
  (await Promise.all(access.masters.map((raw) => raw.keys(`${prefix}:`)))).flat()

/** The keys that are there, by slot. */
async function slotsOf(store: RedisStore): Promise<{ raw: Raw; keys: string[] }[]> {
  const slots = new Map<number, { raw: Raw; keys: string[] }>()
  for (const key of await keysOf(store)) {
    const slot = await store.access.slot(key)
    const found = slots.get(slot) ?? { raw: await store.access.owner(key), keys: [] }
    slots.set(slot, found)
    found.keys.push(key)
  }
  return [...slots.values()]
}

async function remove(store: RedisStore): Promise<void> {
  for (const { raw, keys } of await slotsOf(store)) await raw.send('UNLINK', ...keys)
}

const itemOf = ({ prefix }: RedisStore, { database, collection }: CollectionId, key: string) =>
  `${baseOf(database, collection, prefix)}:${key}`

const proxiesOf = ({ proxies }: RedisStore, transport?: Transport): TcpProxy[] =>
  [...proxies].flatMap(([of, each]) => (transport === undefined || of === transport ? each : []))

/** Several commands at once, as one transaction. */
async function all(raw: Raw, commands: readonly (string | Buffer)[][]): Promise<void> {
  await Promise.all([raw.send('MULTI'), ...commands.map((each) => raw.sendBinary(...each)), raw.send('EXEC')])
}

export const hooks: NonNullable<ConformanceOptions<RedisStore>['hooks']> = {
  cut(store, transport) {
    store.isDown ||= transport === undefined
    for (const proxy of proxiesOf(store, transport)) proxy.cut()
  },
  silence(store, transport) {
    for (const proxy of proxiesOf(store, transport)) proxy.freeze()
  },
  async heal(store, transport) {
    store.isDown &&= transport !== undefined
    await Promise.all(proxiesOf(store, transport).map((proxy) => proxy.heal()))
  },
  dropNotification(store, transport) {
    for (const proxy of proxiesOf(store, transport)) proxy.loseNext((chunk) => chunk.includes('memis2 '))
  },
  lose: remove,
  /** A server has no clock of its own: an epoch that began an hour ago is what one that is behind would leave. */
  async loseWithClockBehind(store) {
    for (const { raw, keys } of await slotsOf(store)) {
      const metas = keys.filter((name) => name.endsWith('/meta'))
      const server = /master_replid:(\w+)/.exec(await raw.send('INFO', 'replication'))?.[1] ?? ''
      const id = `${(Date.now() - 3_600_000).toString(16).padStart(11, '0')}-00000000`
      const epoch = `${id} 0 ${server} ${'0'.repeat(40)}`
      const fields = ['layout', '2', 'head', '0', 'epoch', epoch, 'epochs', '', 'sign', '0']
      await all(raw, [['DEL', ...keys], ...metas.map((meta) => ['HSET', meta, ...fields])])
    }
  },
  async backUp(store) {
    const slots = await Promise.all(
      (await slotsOf(store)).map(async ({ raw, keys }) => ({
        raw,
        dumps: await Promise.all(
          keys.map(async (name) => {
            const [dump] = await raw.sendBinary('EVAL', "return {redis.call('DUMP', KEYS[1])}", '1', name)
            const due = await raw.send('PEXPIRETIME', name)
            return ['RESTORE', name, String(Math.max(0, due)), dump as Buffer, 'ABSTTL', 'REPLACE']
          }),
        ),
      })),
    )
    return async () => {
      const now = await slotsOf(store)
      for (const { raw, keys } of now) if (!slots.some((each) => each.raw === raw)) await raw.send('UNLINK', ...keys)
      for (const { raw, dumps } of slots) {
        const slot = await store.access.slot(String(dumps[0]?.[1]))
        const there = await Promise.all(
          now.map(async ({ keys }) => ((await store.access.slot(String(keys[0]))) === slot ? keys : [])),
        )
        const gone = there.flat()
        await all(raw, [...(gone.length > 0 ? [['DEL', ...gone]] : []), ...dumps])
      }
    }
  },
  async evict(store, id, key) {
    const name = itemOf(store, id, key)
    await (await store.access.owner(name)).send('DEL', name)
  },
  async damage(store, id, key) {
    const name = itemOf(store, id, key)
    await (await store.access.owner(name)).send('HSET', name, 'value', 'no JSON')
  },
  async refuseWrites({ access }, refuse) {
    // In this order: it must never have to evict.
    const settings = [
      ['maxmemory-policy', refuse ? 'noeviction' : 'allkeys-random'],
      ['maxmemory', refuse ? '1' : '8gb'],
    ] as const
    for (const raw of access.masters) {
      for (const [name, value] of refuse ? settings : [...settings].reverse())
        await raw.send('CONFIG', 'SET', name, value)
    }
  },
  async countRecords(store, { database, collection }) {
    const base = baseOf(database, collection, store.prefix)
    const names = (await keysOf(store)).filter((name) => name.startsWith(base) && !name.includes('/writer/'))
    const raw = await store.access.owner(base)
    const counts = await Promise.all([
      raw.send('ZCARD', `${base}/log`),
      raw.send('ZCARD', `${base}/ttl`),
      raw.send('HLEN', `${base}/revs`),
    ])
    return counts.reduce((sum: number, count) => sum + Number(count), names.length)
  },
}

/** Runs both conformance suites on one store, which all their cases share. */
export function conform(name: string, store: Promise<SharedServer>): void {
  const test = suite(name)
  const options = { name, test, hooks, setup: async () => (await store).options.setup() }
  transportConformance(options)
  apiConformance(options)
  test.after(async () => (await store).stop())
  test.run()
}
