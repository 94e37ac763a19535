/** A process that does what memis does by hand, with node-redis, as a good engineer would write it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { serve, sharedNow, timesOf } from '../support/actor'
import { Arrivals } from '../support/arrivals'
import { fieldsOf, type Item, itemFrom, itemOf, itemsOf, keyOf } from '../support/items'
import type { ReplicationJobs } from '../support/replication'

export type RawRedisJobs = ReplicationJobs & typeof more

const connect = (url: string) => createClient({ url }).connect()
type Redis = Awaited<ReturnType<typeof connect>>

/** So many items are sent at once. While they are in flight, the next ones are sent. */
const window = 1000

const clients: Redis[] = []
/** False: only notifications. */
let stores = true
let arrivals = new Arrivals(0)

async function pipelined(
  count: number,
  commands: (redis: Redis, key: string, item: Item, i: number) => Promise<unknown>[],
) {
  const [redis] = clients as [Redis]
  const items = itemsOf(count)
  const start = sharedNow()
  let former: Promise<unknown> = Promise.resolve()
  for (let from = 0; from < count; from += window) {
    const calls: Promise<unknown>[] = []
    for (let i = from; i < from + window && i < count; i++) {
      const [key, item] = items[i] as [string, Item]
      calls.push(...commands(redis, key, item, i))
    }
    const all = Promise.all(calls)
    await former
    former = all
  }
  await former
  return start
}

const jobs: ReplicationJobs = {
  async connect(options, count = 1) {
    const { url, publishOnly = false } = options as { url: string; publishOnly?: boolean }
    stores = !publishOnly
    for (let i = 0; i < count; i++) clients.push(await connect(url))
  },

  async expect(name, count) {
    arrivals = new Arrivals(count)
    for (const redis of clients) {
      const replica = new Map<string, Item>()
      await redis.subscribe(name, (message) => {
        const { key, item } = JSON.parse(message)
        replica.set(key, item)
        arrivals.add()
      })
    }
  },

  arrived: () => arrivals.last,

  moments: () => arrivals.moments,

  async forget(name) {
    await Promise.all(clients.map((redis) => redis.unsubscribe(name)))
  },

  write: (name, count) =>
    pipelined(count, (redis, key, item) => [
      ...(stores ? [redis.hSet(`${name}:${key}`, fieldsOf(item))] : []),
      redis.publish(name, JSON.stringify({ key, item })),
    ]),

  async single(name, count, pause) {
    const [redis] = clients as [Redis]
    const starts: number[] = []
    for (let i = 0; i < count; i++) {
      await sleep(pause)
      const item = itemOf(i)
      starts.push(sharedNow())
      await redis.publish(name, JSON.stringify({ key: keyOf(i), item }))
    }
    return starts
  },

  lone(name, count) {
    const [redis] = clients as [Redis]
    return timesOf(count, (i) => {
      const item = itemOf(i)
      const message = JSON.stringify({ key: keyOf(i), item })
      return redis
        .multi()
        .hSet(`${name}:${keyOf(i)}`, fieldsOf(item))
        .publish(name, message)
        .exec()
    })
  },

  async load(name, options) {
    const redis = await connect((options as { url: string }).url)
    globalThis.gc?.()
    const replica = new Map<string, { item: Item; ttl: number }>()
    const start = sharedNow()
    const keys = await redis.zRange(name, 0, -1)
    for (let from = 0; from < keys.length; from += window) {
      await Promise.all(
        keys.slice(from, from + window).map(async (key) => {
          const path = `${name}:${key}`
          const [fields, ttl] = await Promise.all([redis.hGetAll(path), redis.pTTL(path)])
          replica.set(key, { item: itemFrom(fields), ttl })
        }),
      )
    }
    const took = sharedNow() - start
    redis.destroy()
    return { took, size: replica.size }
  },
}

const more = {
  /** Makes what `load` reads: a hash for each item, and an index. */
  async fill(name: string, count: number) {
    await pipelined(count, (redis, key, item, i) => [
      redis.zAdd(name, { score: i, value: key }),
      redis.hSet(`${name}:${key}`, fieldsOf(item)),
    ])
  },

  /** Only hashes with a ttl. */
  async bare(name: string, count: number) {
    await pipelined(count, (redis, key, item) => [
      redis.hSet(`${name}:${key}`, fieldsOf(item)),
      redis.pExpire(`${name}:${key}`, 3600_000),
    ])
  },

  async flush() {
    await (clients[0] as Redis).flushAll()
  },

  async resetStats() {
    await (clients[0] as Redis).configResetStat()
  },

  /** How long these commands took in the server since `resetStats`, altogether (µs). */
  async serverTime(...commands: string[]) {
    const stats = await (clients[0] as Redis).info('commandstats')
    const times = commands.map((name) =>
      Number(new RegExp(`^cmdstat_${name}:.*?usec=(\\d+)`, 'm').exec(stats)?.[1] ?? 0),
    )
    return times.reduce((sum, time) => sum + time, 0)
  },

  /** Bytes of the server's data. */
  async memory() {
    const info = await (clients[0] as Redis).info('memory')
    return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1])
  },
}

serve<RawRedisJobs>({ ...jobs, ...more })
