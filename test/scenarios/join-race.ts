/** Between the first contents of a replica and its live updates, no write is missed (R2). */
import assert from 'node:assert'
import type { Client, Collection } from '../../src'
import { Replay, untilEqualTo } from '../support/replicas'
import { dice, note } from '../support/testing'
import type { Site } from './site'

const writes = 5000
const joins = 200
/** More than memis reads at once. */
const keys = 1100

interface Item {
  /** The number of the write. */
  n: number
}

/** The last write of a key that the store has confirmed. */
interface Confirmed {
  n: number
  gone: boolean
}

/** While 5,000 writes and deletes run: every joiner equals the store, and its events equal its contents. */
export async function joinRace(site: Site): Promise<void> {
  await using writer = site.client()
  const seed = Date.now() % 1_000_000
  const random = dice(seed)
  const collection = writer.database('test').collection<Item>('race')

  const confirmed = new Map<string, Confirmed>()
  const deletes = new Map<string, number[]>()
  function write(n: number): PromiseLike<unknown> {
    const key = `key ${random(keys)}`
    const gone = random(4) === 0
    if (gone) deletes.set(key, [...(deletes.get(key) ?? []), n])
    const written = gone ? collection.delete(key) : collection.set(key, { n })
    return written.then(() => confirmed.set(key, { n, gone }))
  }

  // At first all keys have an item that is older than the race.
  await Promise.all(Array.from({ length: keys }, (_, i) => collection.set(`key ${i}`, { n: -1 })))

  const joiners: { client: Client; collection: Collection<Item>; replay: Replay }[] = []
  const faults: string[] = []
  let during = 0
  async function join(): Promise<void> {
    const client = site.client()
    const joined = client.database('test').collection<Item>('race')
    joiners.push({ client, collection: joined, replay: new Replay(joined) })
    joined.on('stale', (error) => void faults.push(`stale: ${error.message}`))
    // It connects first: so many writes happen at the time of the call.
    await client.connect()
    const before = new Map(confirmed)
    await joined.subscribe()
    if (done < writes) during++
    for (const [key, { n, gone }] of before) {
      const item = joined.get(key)
      const fits = item ? item.n > n || (item.n === n && !gone) : gone || deletes.get(key)?.some((later) => later > n)
      if (!fits) faults.push(`${key} was ${gone ? 'deleted' : 'set'} by write ${n}, and ${item?.n} was joined`)
    }
  }

  const start = performance.now()
  const joining: Promise<void>[] = []
  let done = 0
  try {
    while (done < writes) {
      const burst = Array.from({ length: Math.min(1 + random(10), writes - done) }, () => write(done++))
      while (joining.length < (done / writes) * joins) joining.push(join())
      await Promise.all(burst)
    }
    await Promise.all(joining)
    const took = performance.now() - start
    const late = await untilEqualTo(
      site.read,
      joiners.map((joiner) => joiner.collection),
    )
    for (const { replay } of joiners) replay.check()
    assert.deepStrictEqual(faults.slice(0, 5), [], `seed ${seed}`)
    assert.strictEqual(joiners.length, joins)
    assert.ok(during > joins / 2, `only ${during} joins were done before the writes were`)
    note(
      `${joins} joins, ${during} of them done while ${writes} writes ran, in ${took.toFixed(0)} ms; equal ${late.toFixed(0)} ms later`,
    )
  } finally {
    await Promise.all(joiners.map(({ client }) => client.close()))
  }
}
