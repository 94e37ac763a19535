/** Two processes write to the same keys at once: all see the order that the store gives their writes. */
import assert from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { Child } from '../support/child'
import { differences } from '../support/replicas'
import { note, until } from '../support/testing'
import type { Site } from './site'

const keys = 100
const writes = 10_000

interface Told {
  items: [string, unknown][]
  faults: string[]
  replayed: boolean
  events: number
  /** How often an event's writer was another than that of the event before. */
  turns: number
  revisions: [string, string[]][]
}

/** Both replicas, their events and the store agree. */
export async function concurrentWriters({ server, read }: Site): Promise<void> {
  const seed = Date.now() % 1_000_000
  await using one = new Child('writer.ts', server.url, 'one', String(seed), String(writes), String(keys))
  await using two = new Child('writer.ts', server.url, 'two', String(seed + 1), String(writes), String(keys))
  await Promise.all([one.ask('subscribe'), two.ask('subscribe')])

  const start = performance.now()
  await Promise.all([one.ask('write'), two.ask('write')])
  const took = performance.now() - start

  let told: Told[] = []
  const store = await read('common')
  const equal = await until('both replicas equal the store', async () => {
    told = await Promise.all([one.ask('tell'), two.ask('tell')])
    return told.every(({ items }) => isDeepStrictEqual(new Map(items), store))
  }).catch(() => -1)
  for (const { items } of told) assert.deepStrictEqual(differences(new Map(items), store), [], `seed ${seed}`)
  for (const { faults, replayed, turns } of told) {
    assert.ok(turns > 100, `the two hardly wrote at the same time: ${turns} turns`)
    assert.deepStrictEqual(faults, [], `seed ${seed}`)
    assert.ok(replayed, 'the events replayed are not what the replica holds')
  }
  assert.ok(store.size > keys / 2, 'most keys are there at the end')
  assert.strictEqual(sameOrder(told), true, `one saw changes of a key in another order than two, seed ${seed}`)

  note(
    `2 × ${writes} writes in ${took.toFixed(0)} ms, equal ${equal.toFixed(0)} ms later; ` +
      `events: ${told.map(({ events }) => events).join(' and ')}; seed ${seed}`,
  )
  await Promise.all([one.ask('close'), two.ask('close')])
}

/** A replica may skip changes that it received too late. Both must see the changes that they have in common in the same order. */
function sameOrder([one, two]: Told[]): boolean {
  const ofTwo = new Map(two?.revisions)
  return (one?.revisions ?? []).every(([key, first]) => {
    const second = ofTwo.get(key) ?? []
    const common = new Set(second)
    const shared = first.filter((revision) => common.has(revision))
    const inFirst = new Set(shared)
    return isDeepStrictEqual(
      shared,
      second.filter((revision) => inFirst.has(revision)),
    )
  })
}
