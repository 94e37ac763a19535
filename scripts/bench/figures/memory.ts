import type { HeapJobs } from '../actors/heap'
import type { RawRedisJobs } from '../actors/raw-redis'
import { startActor } from '../support/actor'
import { compare, type Figure, type Row } from '../support/figure'
import type { ReplicationJobs } from '../support/replication'
import { inTurns, type Pairs, rounds } from '../support/rounds'
import { withRedis } from '../support/servers'

const count = 100_000

export const p7: Figure = {
  id: 'P7',
  title: 'heap for an item, and memory of the store',
  run: () =>
    withRedis(async ({ url }) => {
      const writer = startActor<ReplicationJobs>('memis')
      const raw = startActor<RawRedisJobs>('raw-redis')
      await writer.call('connect', { transport: 'redis', url })
      await raw.call('connect', { url })
      const rows: Row[] = []
      for (const ttl of [undefined, 3600]) {
        const name = ttl === undefined ? 'timeless' : 'timed'
        await writer.call('write', name, count, 0, ttl)
        const heap: Pairs = { ours: [], theirs: [] }
        for (let round = 0; round < rounds; round++) {
          const actor = startActor<HeapJobs>('heap')
          const { ours, theirs } = await actor.call('replica', url, name)
          await actor.stop()
          heap.ours.push(ours)
          heap.theirs.push(theirs)
        }
        const what = `heap of an item ${ttl === undefined ? 'without' : 'with'} ttl, against a Map of the same objects`
        rows.push(compare('P7', what, 'B', 'cost', heap, { atMost: ttl === undefined ? 1.2 : 1.35 }))
      }
      const store = await inTurns(
        async (round) => {
          await raw.call('flush')
          const before = await raw.call('memory')
          await writer.call('write', `ours-${round}`, count, 0, 3600)
          return ((await raw.call('memory')) - before) / count
        },
        async (round) => {
          await raw.call('flush')
          const before = await raw.call('memory')
          await raw.call('bare', `theirs-${round}`, count)
          return ((await raw.call('memory')) - before) / count
        },
        rounds,
      )
      rows.push(
        compare('P7', 'memory in Redis of an item, against a bare hash with PEXPIRE', 'B', 'cost', store, {
          atMost: 2,
        }),
      )
      await Promise.all([writer.stop(), raw.stop()])
      return rows
    }),
}

export const p8: Figure = {
  id: 'P8',
  title: 'a million items with ttls',
  async run() {
    const names = ['heap', 'making', 'firing', 'idle', 'cpu', 'p99'] as const
    const pairs = Object.fromEntries(names.map((name) => [name, { ours: [], theirs: [] }])) as unknown as Record<
      (typeof names)[number],
      Pairs
    >
    for (let round = 0; round < rounds; round++) {
      const ours = startActor<HeapJobs>('heap')
      const theirs = startActor<HeapJobs>('heap')
      // They are made one after the other, and expire at the same time.
      const made = [await ours.call('make', 'memis'), await theirs.call('make', 'timers')] as const
      const told = await Promise.all([ours.call('fire'), theirs.call('fire')])
      for (const i of [0, 1] as const) {
        const figures = { ...made[i], ...told[i], cpu: made[i].making + told[i].firing }
        for (const name of names) pairs[name][i === 0 ? 'ours' : 'theirs'].push(figures[name])
      }
      await Promise.all([ours.stop(), theirs.stop()])
    }
    return [
      compare('P8', 'a million items with ttls, against a setTimeout each: heap of one', 'B', 'cost', pairs.heap, {
        atMost: 1,
      }),
      compare('P8', 'a million items with ttls: CPU to make them, and to expire 100,000', 'ms', 'cost', pairs.cpu, {
        atLeast: 3,
      }),
      compare('P8', 'a million items with ttls: CPU to make them', 'ms', 'cost', pairs.making, undefined),
      compare('P8', 'a million items with ttls: CPU to expire 100,000', 'ms', 'cost', pairs.firing, undefined),
      compare('P8', 'a million items with ttls: CPU in an idle second', 'ms', 'cost', pairs.idle, undefined),
      within20(
        compare(
          'P8',
          'a million items with ttls: lateness of expire, 99th percentile',
          'ms',
          'cost',
          pairs.p99,
          undefined,
        ),
      ),
    ]
  },
}

/** This bar is no ratio. */
const within20 = (row: Row): Row => ({ ...row, bar: '≤ 20 ms', ok: row.ours <= 20 })
