/** A process that does what memis does by hand, with the KV of the package `nats`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, JSONCodec, type KV, type NatsConnection } from 'nats'
import { serve, sharedNow, timesOf } from '../support/actor'
import { Arrivals } from '../support/arrivals'
import { type Item, itemOf, itemsOf, keyOf } from '../support/items'
import type { ReplicationJobs } from '../support/replication'

/** So many puts are called at once. While they are in flight, the next ones are called. */
const window = 500

const codec = JSONCodec<Item>()
let nats: NatsConnection
let arrivals = new Arrivals(0)
let stop = () => {}

const bucket = (name: string, connection = nats): Promise<KV> => connection.jetstream().views.kv(name)

serve<ReplicationJobs>({
  async connect(options) {
    nats = await connect(options)
  },

  async expect(name, count) {
    arrivals = new Arrivals(count)
    const replica = new Map<string, Item>()
    const watch = await (await bucket(name)).watch()
    stop = () => watch.stop()
    ;(async () => {
      for await (const entry of watch) {
        replica.set(entry.key, codec.decode(entry.value))
        arrivals.add()
      }
    })()
  },

  arrived: () => arrivals.last,

  moments: () => arrivals.moments,

  async forget(name) {
    stop()
    await (await bucket(name)).destroy()
  },

  async write(name, count) {
    const kv = await bucket(name)
    const items = itemsOf(count)
    const start = sharedNow()
    let former: Promise<unknown> = Promise.resolve()
    for (let from = 0; from < count; from += window) {
      const calls = Promise.all(items.slice(from, from + window).map(([key, item]) => kv.put(key, codec.encode(item))))
      await former
      former = calls
    }
    await former
    return start
  },

  async single(name, count, pause) {
    const kv = await bucket(name)
    const starts: number[] = []
    for (let i = 0; i < count; i++) {
      await sleep(pause)
      const item = itemOf(i)
      starts.push(sharedNow())
      await kv.put(keyOf(i), codec.encode(item))
    }
    return starts
  },

  async lone(name, count) {
    const kv = await bucket(name)
    return timesOf(count, (i) => kv.put(keyOf(i), codec.encode(itemOf(i))))
  },

  async load(name, options) {
    const connection = await connect(options)
    const kv = await bucket(name, connection)
    globalThis.gc?.()
    const replica = new Map<string, Item>()
    const start = sharedNow()
    for await (const entry of await kv.watch()) {
      replica.set(entry.key, codec.decode(entry.value))
      if (entry.delta === 0) break
    }
    const took = sharedNow() - start
    await connection.close()
    return { took, size: replica.size }
  },
})
