/** The costs of `get` and `set` in one process, on a transport that costs next to nothing. */
import { type Collection, createClient, type DeepReadonly } from '../../../src'
import { serve } from '../support/actor'
import { type Item, itemOf, keyOf } from '../support/items'
import { entriesOf, sourceOf } from '../support/source'

export type ReadJobs = typeof jobs

let artists: Collection<Item>
let map: Map<string, DeepReadonly<Item>>
let keys: string[]
/** The sum of all reads, so that none is optimised away. */
let sum = 0

const jobs = serve({
  async fill(count: number, ttl: boolean) {
    const leftMs = ttl ? (i: number) => 3600_000 + i : undefined
    const client = createClient({ transport: sourceOf(() => entriesOf(count, itemOf, leftMs)) })
    artists = client.database('bench').collection('artists')
    await artists.subscribe()
    map = new Map(artists)
    keys = shuffled(Array.from({ length: count }, (_, i) => keyOf(i)))
    globalThis.gc?.()
  },

  /** Nanoseconds per `get` of memis. */
  get(count: number) {
    const start = process.hrtime.bigint()
    for (let i = 0, k = 0; i < count; i++) {
      sum += artists.get(keys[k] as string)?.plays ?? 0
      if (++k === keys.length) k = 0
    }
    return Number(process.hrtime.bigint() - start) / count
  },

  /** Nanoseconds per `get` of a Map. */
  mapGet(count: number) {
    const start = process.hrtime.bigint()
    for (let i = 0, k = 0; i < count; i++) {
      sum += map.get(keys[k] as string)?.plays ?? 0
      if (++k === keys.length) k = 0
    }
    return Number(process.hrtime.bigint() - start) / count
  },

  /** Nanoseconds per `set` of memis that changes the item, a thousand at a time. */
  async set(count: number, version: number) {
    const items = Array.from({ length: count }, (_, i) => itemOf(i, version))
    const start = process.hrtime.bigint()
    for (let i = 0, k = 0; i < count; ) {
      const calls: Promise<void>[] = []
      for (const end = Math.min(count, i + 1000); i < end; i++) {
        calls.push(artists.set(keys[k] as string, items[i] as Item))
        if (++k === keys.length) k = 0
      }
      await Promise.all(calls)
    }
    return Number(process.hrtime.bigint() - start) / count
  },

  /** Nanoseconds per `set` of a Map. */
  mapSet(count: number, version: number) {
    const items = Array.from({ length: count }, (_, i) => itemOf(i, version))
    const start = process.hrtime.bigint()
    for (let i = 0, k = 0; i < count; i++) {
      map.set(keys[k] as string, items[i] as Item)
      if (++k === keys.length) k = 0
    }
    return Number(process.hrtime.bigint() - start) / count
  },

  read: () => sum,
})

function shuffled<A>(list: A[]): A[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[list[i], list[j]] = [list[j] as A, list[i] as A]
  }
  return list
}
