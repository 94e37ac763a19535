/** What replicas and timers cost, in a heap of their own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../../src'
import { serve } from '../support/actor'
import { type Item, itemOf, keyOf } from '../support/items'
import { entriesOf, sourceOf } from '../support/source'

export type HeapJobs = typeof jobs

function heapUsed(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** The same item everywhere: the cost of a ttl is measured, not that of items. */
const item = Object.freeze(itemOf(0))
/** When each item falls due that does so soon, by number; and how late each expire event was (ms). */
const due: number[] = []
const lateness: number[] = []
let allTold = () => {}

function expired(key: string): void {
  const late = performance.now() - (due[Number(key.slice(keyOf('').length))] as number)
  if (lateness.push(late) === soon) allTold()
}

const many = 900_000
const soon = 100_000
/** The items that fall due soon do so after 1 s, within so many ms. */
const within = 5000

const longTtl = () => Math.ceil(3600_000 * (1 + Math.random()))
function soonTtl(i: number): number {
  const ttl = Math.ceil(1000 + Math.random() * within)
  due[i] = performance.now() + ttl
  return ttl
}

/** Makes items with long ttls; then more, with short ones. */
interface Timed {
  make(): Promise<void>
  more(): void
}

function memisTimed(): Timed {
  const source = sourceOf(() => entriesOf(many, () => item, longTtl))
  const client = createClient({ transport: source })
  const artists = client.database('bench').collection<Item>('artists').on('expire', expired)
  return {
    make: () => artists.subscribe(),
    more: () => source.tell(entriesOf(soon, () => item, soonTtl, many)),
  }
}

function rawTimed(): Timed {
  const map = new Map<string, { item: Item; timer: NodeJS.Timeout }>()
  const expire = (key: string) => {
    map.delete(key)
    expired(key)
  }
  const add = (first: number, count: number, ttlOf: (i: number) => number) => {
    for (let i = first; i < first + count; i++) {
      const key = keyOf(i)
      map.set(key, { item, timer: setTimeout(expire, ttlOf(i), key) })
    }
  }
  return {
    make: async () => add(0, many, longTtl),
    more: () => add(many, soon, soonTtl),
  }
}

let timed: Timed

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

const jobs = serve({
  /** Bytes per item in a replica, and in a Map of the same objects. */
  async replica(url: string, name: string) {
    const client = createClient(url)
    const database = client.database('bench')
    // What is made once, for the first collection, does not count.
    await database.collection('warm').subscribe()
    const before = heapUsed()
    const artists = database.collection<Item>(name)
    await artists.subscribe()
    const ours = heapUsed() - before
    const map = new Map(artists)
    artists.unsubscribe()
    await sleep(200) // until Redis has confirmed it
    const theirs = heapUsed() - before
    await client.close()
    return { ours: ours / map.size, theirs: theirs / map.size }
  },

  /** CPU (ms) and heap (bytes per item) of items with ttls of hours. */
  async make(how: 'memis' | 'timers') {
    const heap = heapUsed()
    const start = process.cpuUsage()
    timed = how === 'memis' ? memisTimed() : rawTimed()
    await timed.make()
    return { making: cpuSince(start), heap: (heapUsed() - heap) / many }
  },

  /** CPU of an idle second; CPU of more items and their expiry; and how late that is. */
  async fire() {
    const idleStart = process.cpuUsage()
    await sleep(1000)
    const idle = cpuSince(idleStart)
    const start = process.cpuUsage()
    const told = new Promise<void>((resolve) => {
      allTold = resolve
    })
    timed.more()
    await told
    lateness.sort((a, b) => a - b)
    return { idle, firing: cpuSince(start), p99: lateness[Math.floor(lateness.length * 0.99)] as number }
  },
})
