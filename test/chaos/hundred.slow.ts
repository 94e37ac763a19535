/**
 * A hundred replicas in four processes return from an outage at once: their requests are spread over time, no command holds
 * up the store, all are right soon, and they leave nothing behind.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../src'
import { startProxy } from '../support/proxy'
import { awake, note, suite, until } from '../support/testing'
import { Process } from './process'
import type { ChaosStore } from './store'
import { stores } from './stores'

const test = suite('a hundred at once', 240_000)

const processes = 4
const clientsEach = 25
const items = 1000
/** All replicas must be right within so many ms. */
const bound = 30_000
/** They must not all be ready within so many ms. */
const leastSpread = 100
/** No command may take longer (ms), on a machine that is busy. */
const longestCommand = 2000

interface Status {
  readonly live: number
  readonly digests: readonly string[]
}

/** The digest of what the store holds, read without memis. */
async function digestOf(store: ChaosStore): Promise<string> {
  const hash = createHash('sha1')
  const held = await store.read('items')
  for (const key of [...held.keys()].sort()) hash.update(`${key} ${JSON.stringify(held.get(key))}\n`)
  return hash.digest('hex')
}

/** Runs until it is stopped. Resolves to the most work that the store had in 100 ms. */
function watchWork(store: ChaosStore): { stop(): Promise<number> } {
  let most = 0
  let over = false
  const watching = (async () => {
    let [before, at] = [await store.work(), performance.now()]
    while (!over) {
      await sleep(100)
      const [now, then] = [await store.work().catch(() => before), performance.now()]
      most = Math.max(most, ((now - before) * 100) / (then - at))
      before = now
      at = then
    }
  })()
  return {
    async stop() {
      over = true
      await watching
      return Math.round(most)
    },
  }
}

async function play(transport: string, persistent: boolean): Promise<void> {
  const start = stores[transport]
  assert.ok(start)
  const store = await start(persistent)
  const proxies = await Promise.all(Array.from({ length: processes }, () => startProxy(store.server.port)))
  const crowd = proxies.map(() => new Process('crowd.ts'))
  try {
    const direct = store.clientOptions(store.server.port)
    const writer = createClient(direct as { transport: 'memory' })
    writer.on('error', () => {}) // the outages
    const collection = writer.database('chaos').collection<{ n: number }>('items')
    await Promise.all(Array.from({ length: items }, (_, n) => collection.set(`key ${n}`, { n })))
    await Promise.all(
      crowd.map((each, i) =>
        each.ask('start', { count: clientsEach, options: store.clientOptions(proxies[i]?.port as number) }),
      ),
    )
    await right(store, crowd)

    const outages: [what: string, begin: () => Promise<void>, end: () => Promise<void>][] = [
      [
        'all links cut',
        async () => {
          for (const proxy of proxies) proxy.cut()
        },
        async () => void (await Promise.all(proxies.map((proxy) => proxy.heal()))),
      ],
      [
        `kill -9 and restart, contents ${persistent ? 'kept' : 'lost'}`,
        () => store.server.kill(),
        () => store.restart(),
      ],
    ]
    for (const [what, begin, end] of outages) {
      await begin()
      await until('all know', async () => (await statuses(crowd)).every(({ live }) => live === 0), bound)
      await Promise.all(crowd.map((each) => each.ask('readies')))
      await end()
      await store.slowest()
      const work = watchWork(store)
      const stoodStill = performance.now() - awake()
      const from = Date.now()
      await collection.set('changed', { n: from })
      const took = await right(store, crowd)
      const most = await work.stop()
      const readies = (await Promise.all(crowd.map((each) => each.ask<number[]>('readies'))))
        .flat()
        .sort((a, b) => a - b)
      const spread = (readies.at(-1) as number) - (readies[0] as number)
      const slowest = await store.slowest()
      note(
        `${transport}, ${what}: ${processes * clientsEach} replicas of ${items} items are right after ${took.toFixed(0)} ms, ` +
          `ready from ${(readies[0] as number) - from} to ${(readies.at(-1) as number) - from} ms; ` +
          `at most ${most} commands or messages in 100 ms` +
          (slowest === undefined ? '' : `; the slowest command ${slowest.toFixed(1)} ms`),
      )
      assert.ok(readies.length >= processes * clientsEach, `${readies.length} were ready`)
      assert.ok(spread >= leastSpread, `all were ready within ${spread} ms`)
      assert.ok(
        (slowest ?? 0) < longestCommand + (performance.now() - awake() - stoodStill),
        `a command took ${slowest} ms`,
      )
    }
    await writer.close()
    await Promise.all(crowd.map((each) => each.ask('close')))
    assert.deepStrictEqual(
      await Promise.all(crowd.map((each) => each.end())),
      crowd.map(() => null),
    )
    await until('no link is left', () => proxies.every(({ connections }) => connections === 0))
    await until('nothing is left on the server', async () => (await store.leftovers()).length === 0)
  } finally {
    await Promise.all(crowd.map((each) => each.kill()))
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await store.stop()
  }
}

const statuses = (crowd: readonly Process[]) => Promise.all(crowd.map((each) => each.ask<Status>('status')))

/** Waits until all are live and hold what the store holds; returns the ms. */
function right(store: ChaosStore, crowd: readonly Process[]): Promise<number> {
  const all = async () => {
    const told = await statuses(crowd)
    if (told.some(({ live, digests }) => live < clientsEach || digests.length > 1)) return false
    const digest = await digestOf(store)
    return told.every(({ digests }) => digests[0] === digest)
  }
  return until('all are right', all, bound)
}

for (const transport of ['redis', 'nats']) {
  for (const persistent of [true, false]) {
    test(`K2 K4 K7 W7 ${transport}, a server that ${persistent ? 'keeps' : 'loses'} its contents`, () =>
      play(transport, persistent))
  }
}

test.run()
