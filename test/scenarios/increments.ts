/** Many processes count up the same number, and their connections break all the time: each call counts exactly once. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../support/child'
import { startProxy, type TcpProxy } from '../support/proxy'
import { note } from '../support/testing'
import type { Site } from './site'

const processes = 50
const count = 200
/** Each connection is cut this often (ms). */
const cutEvery = 200
/** Processes that start at the same time. */
const portion = 5
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

/** A process, and its own way to the store. */
class Counter implements AsyncDisposable {
  readonly child: Child
  readonly #proxy: TcpProxy
  #isCut = false
  #cutting: Promise<void> | undefined

  constructor(proxy: TcpProxy, options: object, subscribes: boolean) {
    this.#proxy = proxy
    this.child = new Child('increment.ts', JSON.stringify(options), String(count), subscribes ? 'subscribes' : '')
  }

  /** Cuts its connections again and again, until `heal`. */
  cut(delay: number): void {
    this.#isCut = true
    this.#cutting = (async () => {
      await sleep(delay)
      while (this.#isCut) {
        this.#proxy.cut()
        await this.#proxy.heal()
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
    await this.#proxy.close()
  }
}

/** `optionsFor` makes the options of a client that reaches the store by that port. */
export async function increments(site: Site, name: string, optionsFor: (port: number) => object): Promise<void> {
  // A call that was refused would not tell whether it counted.
  const options = { writeTimeout: 300_000 }
  await using own = site.client(options)
  const numbers = own.database('test').collection<{ n: number }>('numbers')
  await numbers.set('counter', { n: 0 })
  const counters: Counter[] = []
  try {
    const started = performance.now()
    while (counters.length < processes) {
      const added = await Promise.all(
        Array.from({ length: portion }, async (_, i) => {
          const proxy = await startProxy(site.server.port)
          return new Counter(
            proxy,
            { ...optionsFor(proxy.port), ...options },
            (counters.length + i) % subscribedShare === 0,
          )
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
