/** What replicas and timers cost in a heap of their own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Collection, createClient } from '../../../src'
import { serve } from '../support/actor'
import { type Item, itemOf, keyOf } from '../support/items'
import { changesOf, sourceOf } from '../support/source'

export type HeapJobs = typeof jobs

/** What is measured is held here. */
const held: unknown[] = []

function heapUsed(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** One item for all: what is compared is what a ttl costs, not what items do. */
const item = Object.freeze(itemOf(0))
/** When those fall due that do soon, by their number. */
const due: number[] = []
const lateness: number[] = []
let fired = () => {}

function expired(key: string): void {
  const late = performance.now() - (due[Number(key.slice(7))] as number)
  if (lateness.push(late) === due.length) fired()
}

let began: NodeJS.CpuUsage

const jobs = serve({
  /** Bytes for an item in a replica, and in a Map of the same objects. */
  async replica(url: string, name: string) {
    const client = createClient(url)
    await client.connect()
    // What is made once and stays is no item's.
    const warm = client.database('bench').collection<Item>('warm')
    await warm.subscribe()
    const before = heapUsed()
    const artists = client.database('bench').collection<Item>(name)
    await artists.subscribe()
    const ours = heapUsed() - before
    const map = new Map(artists)
    artists.unsubscribe()
    const theirs = heapUsed() - before
    await client.close()
    return { ours: ours / map.size, theirs: theirs / map.size }
  },

  /** So many items with a ttl, of which the first `soon` fall due from `from` on within `within` ms. */
  async make(how: 'memis' | 'timers', count: number, soon: number, from: number, within: number) {
    const heap = heapUsed()
    began = process.cpuUsage()
    const ttlOf = (i: number) => {
      if (i >= soon) return Math.ceil(3600_000 * (1 + Math.random()))
      const ttl = Math.ceil(from + Math.random() * within)
      due[i] = performance.now() + ttl
      return ttl
    }
    if (how === 'memis') {
      const client = createClient({ transport: sourceOf(() => changesOf(count, () => item, ttlOf)) })
      const artists: Collection<Item> = client.database('bench').collection('artists')
      artists.on('expire', expired)
      await artists.subscribe()
      held.push(artists)
    } else {
      const map = new Map<string, { item: Item; timer: NodeJS.Timeout }>()
      const expire = (key: string) => {
        map.delete(key)
        expired(key)
      }
      for (let i = 0; i < count; i++) map.set(keyOf(i), { item, timer: setTimeout(expire, ttlOf(i), keyOf(i)) })
      held.push(map)
    }
    const { user, system } = process.cpuUsage(began)
    return { cpu: (user + system) / 1000, heap: (heapUsed() - heap) / count }
  },

  /** Waits until what falls due soon has, and a second more. */
  async fire() {
    const start = process.cpuUsage()
    if (lateness.length < due.length) {
      await new Promise<void>((resolve) => {
        fired = resolve
      })
    }
    const firing = process.cpuUsage(start)
    const idleFrom = process.cpuUsage()
    await sleep(1000)
    const idle = process.cpuUsage(idleFrom)
    lateness.sort((a, b) => a - b)
    return {
      cpu: (firing.user + firing.system) / 1000,
      idle: (idle.user + idle.system) / 1000,
      p99: lateness[Math.floor(lateness.length * 0.99)] as number,
    }
  },
})
