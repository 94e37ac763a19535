import type { ReadJobs } from '../actors/reads'
import { type Actor, startActor } from '../support/actor'
import { compare, type Figure, type Row } from '../support/figure'
import { inTurns } from '../support/rounds'

const reads = 500_000

async function filled(count: number, ttl = false): Promise<Actor<ReadJobs>> {
  const actor = startActor<ReadJobs>('reads')
  await actor.call('fill', count, ttl)
  return actor
}

export const p4: Figure = {
  id: 'P4',
  title: 'get on 100,000 items',
  async run() {
    const rows: Row[] = []
    for (const ttl of [false, true]) {
      const actor = await filled(100_000, ttl)
      const pairs = await inTurns(
        () => actor.call('get', reads),
        () => actor.call('mapGet', reads),
        15,
      )
      await actor.stop()
      const what = `get among 100,000 items ${ttl ? 'with ttl' : 'without ttl'}, against Map.get`
      rows.push(compare('P4', what, 'ns', 'cost', pairs, { atMost: 1.2 }))
    }
    return rows
  },
}

const sizes = [10_000, 100_000, 1_000_000]
const writes = 50_000

export const p10: Figure = {
  id: 'P10',
  title: 'cost of get and set by size',
  async run() {
    const rows: Row[] = []
    const small = await filled(1000)
    for (const size of sizes) {
      const large = await filled(size)
      // In units of Map.get: what the size costs a bare Map is not counted.
      const get = async (actor: Actor<ReadJobs>) =>
        (await actor.call('get', reads)) / (await actor.call('mapGet', reads))
      const gets = await inTurns(
        () => get(large),
        () => get(small),
      )
      rows.push(
        compare(
          'P10',
          `get among ${size.toLocaleString('en-US')} items, against 1,000 (in units of Map.get)`,
          '',
          'cost',
          gets,
          {
            atMost: 1.5,
          },
        ),
      )
      const set = async (actor: Actor<ReadJobs>, round: number) =>
        (await actor.call('set', writes, round)) - (await actor.call('mapSet', writes, round))
      const sets = await inTurns(
        (round) => set(large, round),
        (round) => set(small, round),
      )
      rows.push(
        compare(
          'P10',
          `set among ${size.toLocaleString('en-US')} items, against 1,000 (minus a Map.set)`,
          'ns',
          'cost',
          sets,
          {
            atMost: 1.5,
          },
        ),
      )
      await large.stop()
    }
    await small.stop()
    return rows
  },
}
