/** Many processes count up the same number, and their connections break all the time: each call counts exactly once. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../src'
import { Child } from '../support/child'
import { startProxy, type TcpProxy } from '../support/proxy'
import { note } from '../support/testing'
import type { Site } from './site'

const processes = 50
const count = 200
/** A connection of each process is cut this often (ms); of several, one after the other. */
const cutEvery = 200
/** Processes that start at the same time. */
const portion = 5
// A call that was refused would not tell whether it counted.
const options = { writeTimeout: 300_000 }
/** Every so many processes, one follows the collection; the others ask the store. */
const subscribedShare = 5

interface Counted {
  readonly sums: readonly number[]
  readonly batches: number
  readonly repeated: number
  readonly disconnects: number
  readonly ms: number
  readonly rss: number
}

/** A way to the store: the options of a client, and the proxies by which it reaches the servers. */
export interface Way {
  readonly options: object
  readonly proxies: readonly TcpProxy[]
}

/** A process, and its own way to the store. */
class Counter implements AsyncDisposable {
  readonly child: Child
  readonly #proxies: readonly TcpProxy[]
  #isCut = false
  #cutting: Promise<void> | undefined

  constructor(proxies: readonly TcpProxy[], options: object, subscribes: boolean) {
    this.#proxies = proxies
    this.child = new Child('increment.ts', JSON.stringify(options), String(count), subscribes ? 'subscribes' : '')
  }

  /** Cuts its connections again and again, until `heal`. */
  cut(delay: number): void {
    this.#isCut = true
    this.#cutting = (async () => {
      await sleep(delay)
      for (let i = 0; this.#isCut; i++) {
        const proxy = this.#proxies[i % this.#proxies.length] as TcpProxy
        proxy.cut()
        await proxy.heal()
        await sleep(cutEvery)
      }
    })()
  }

  async heal(): Promise<void> {
    this.#isCut = false
    await this.#cutting
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.heal()
    await this.child[Symbol.asyncDispose]()
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
  }
}

/** `optionsFor` makes the options of a client that reaches the server by that port. */
export const incrementsOnServer = (site: Site, name: string, optionsFor: (port: number) => object): Promise<void> =>
  increments(name, site.client(options), async () => {
    const proxy = await startProxy(site.server.port)
    return { proxies: [proxy], options: optionsFor(proxy.port) }
  })

/** `client` reaches the store without a proxy, and is closed at the end. `way`: a new one for each process. */
export async function increments(name: string, client: Client, way: () => Promise<Way>): Promise<void> {
  await using own = client
  const numbers = own.database('test').collection<{ n: number }>('numbers')
  await numbers.set('counter', { n: 0 })
  const counters: Counter[] = []
  try {
    const started = performance.now()
    while (counters.length < processes) {
      const added = await Promise.all(
        Array.from({ length: portion }, async (_, i) => {
          const { proxies, options: own } = await way()
          return new Counter(proxies, { ...own, ...options }, (counters.length + i) % subscribedShare === 0)
        }),
      )
      counters.push(...added)
      await Promise.all(added.map(({ child }) => child.ask('connect')))
    }
    const ready = performance.now()
    for (const [i, counter] of counters.entries()) counter.cut((i * cutEvery) / processes)
    const counted: Counted[] = await Promise.all(counters.map(({ child }) => child.ask('count')))
    const ms = performance.now() - ready
    await Promise.all(counters.map((counter) => counter.heal()))

    await numbers.subscribe()
    assert.strictEqual(numbers.get('counter')?.n, processes * count)
    // Each call was told a sum of its own.
    assert.strictEqual(new Set(counted.flatMap(({ sums }) => sums)).size, processes * count)
    const total = (value: (each: Counted) => number) => counted.reduce((sum, each) => sum + value(each), 0)
    const repeated = total((each) => each.repeated)
    assert.ok(repeated > 0, 'no answer was lost')
    const largest = Math.max(...counted.map(({ rss }) => rss)) / 2 ** 20
    note(
      `${name}: ${processes} processes × ${count} increments, connections cut every ${cutEvery} ms: exactly ` +
        `${processes * count} in ${(ms / 1000).toFixed(1)} s (${Math.round((processes * count * 1000) / ms)} a second); ` +
        `${total((each) => each.batches)} batches, ${repeated} of them sent again, ` +
        `${total((each) => each.disconnects)} disconnects; started in ${((ready - started) / 1000).toFixed(1)} s, ` +
        `${largest.toFixed(0)} MB a process at most`,
    )
    await Promise.all(counters.map(({ child }) => child.ask('close')))
  } finally {
    await Promise.all(counters.map((counter) => counter[Symbol.asyncDispose]()))
  }
}
