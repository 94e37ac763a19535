/** A Redis server as the conformance suites take a store: each transport reaches it through a proxy of its own, and a prefix keeps the cases apart. */
import type { ConformanceOptions, Store } from '../../src/conformance'
import { systemClock } from '../../src/core/clock'
import type { CollectionId, Transport } from '../../src/core/transport'
import { redisTransport } from '../../src/transports/redis/transport'
import { startProxy, type TcpProxy } from '../support/proxy'
import type { RedisOptions, Server } from '../support/servers'
import { startRedis } from '../support/servers'
import { baseOf, Raw } from './raw'

interface RedisStore extends Store {
  readonly prefix: string
  readonly raw: Raw
  /** `maxmemory-policy` of the server. */
  readonly policy: string
  readonly proxies: Map<Transport, TcpProxy>
  /** All links are cut, those that are made meanwhile included. */
  isDown: boolean
}

/** A server that may evict, so that items that vanish are looked for. */
const evicting: RedisOptions = { args: ['--maxmemory', '8gb', '--maxmemory-policy', 'allkeys-random'] }

let cases = 0

export interface SharedServer {
  readonly options: Pick<ConformanceOptions<RedisStore>, 'setup' | 'hooks'>
  stop(): Promise<void>
}

/** One server for all cases. */
export async function sharedRedis(more: RedisOptions = {}): Promise<SharedServer> {
  const server = await startRedis({ ...evicting, ...more })
  const raw = await Raw.connect(server.url)
  return {
    options: { setup: () => setup(server, raw), hooks },
    async stop() {
      await raw[Symbol.asyncDispose]()
      await server.stop()
    },
  }
}

async function setup(server: Server, raw: Raw): Promise<RedisStore> {
  const store: RedisStore = {
    prefix: `case-${++cases}-${process.pid}`,
    raw,
    policy: await policyOf(raw),
    proxies: new Map(),
    isDown: false,
    async transport() {
      const proxy = await startProxy(server.port)
      if (store.isDown) proxy.cut()
      const transport = redisTransport({ url: `redis://127.0.0.1:${proxy.port}` } as object, systemClock)
      store.proxies.set(transport, proxy)
      return transport
    },
    async teardown() {
      await Promise.all([...store.proxies.values()].map((proxy) => proxy.close()))
      const keys = await keysOf(store)
      if (keys.length > 0) await raw.send('UNLINK', ...keys)
    },
  }
  return store
}

const policyOf = async (raw: Raw): Promise<string> => {
  const [, policy] = (await raw.send('CONFIG', 'GET', 'maxmemory-policy')) as string[]
  return String(policy)
}

const keysOf = ({ raw, prefix }: RedisStore) => raw.keys(`${prefix}:`)

const itemOf = ({ prefix }: RedisStore, { database, collection }: CollectionId, key: string) =>
  `${baseOf(database, collection, prefix)}:${key}`

const proxiesOf = ({ proxies }: RedisStore, transport?: Transport): TcpProxy[] =>
  [...proxies].flatMap(([of, proxy]) => (transport === undefined || of === transport ? [proxy] : []))

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
  async lose(store) {
    const keys = await keysOf(store)
    if (keys.length > 0) await store.raw.send('DEL', ...keys)
  },
  /** A server has no clock of its own: an epoch that began an hour ago is what one that is behind would leave. */
  async loseWithClockBehind(store) {
    const { raw } = store
    const keys = await keysOf(store)
    const metas = keys.filter((name) => name.endsWith('/meta'))
    const server = /master_replid:(\w+)/.exec(await raw.send('INFO', 'replication'))?.[1] ?? ''
    const id = `${(Date.now() - 3_600_000).toString(16).padStart(11, '0')}-00000000`
    const epoch = `${id} 0 ${server} ${'0'.repeat(40)}`
    const begun = metas.map((meta) => [
      'HSET',
      meta,
      'layout',
      '2',
      'head',
      '0',
      'epoch',
      epoch,
      'epochs',
      '',
      'sign',
      '0',
    ])
    await all(raw, [['DEL', ...keys, 'none'], ...begun])
  },
  async backUp(store) {
    const { raw } = store
    const dumps = await Promise.all(
      (await keysOf(store)).map(async (name) => {
        const [dump] = await raw.sendBinary('EVAL', "return {redis.call('DUMP', KEYS[1])}", '1', name)
        const due = await raw.send('PEXPIRETIME', name)
        return ['RESTORE', name, String(Math.max(0, due)), dump as Buffer, 'ABSTTL', 'REPLACE'] as (string | Buffer)[]
      }),
    )
    return async () => {
      await all(raw, [['DEL', ...(await keysOf(store)), 'none'], ...dumps])
    }
  },
  async evict(store, id, key) {
    await store.raw.send('DEL', itemOf(store, id, key))
  },
  async damage(store, id, key) {
    await store.raw.send('HSET', itemOf(store, id, key), 'value', 'no JSON')
  },
  async refuseWrites({ raw, policy }, refuse) {
    // In this order: it must never have to evict.
    const settings = [
      ['maxmemory-policy', refuse ? 'noeviction' : policy],
      ['maxmemory', refuse ? '1' : '8gb'],
    ] as const
    for (const [name, value] of refuse ? settings : [...settings].reverse())
      await raw.send('CONFIG', 'SET', name, value)
  },
  async countRecords(store, { database, collection }) {
    const base = baseOf(database, collection, store.prefix)
    const names = (await keysOf(store)).filter((name) => name.startsWith(base) && !name.includes('/writer/'))
    const counts = await Promise.all([
      store.raw.send('ZCARD', `${base}/log`),
      store.raw.send('ZCARD', `${base}/ttl`),
      store.raw.send('HLEN', `${base}/revs`),
    ])
    return counts.reduce((sum: number, count) => sum + Number(count), names.length)
  },
}
