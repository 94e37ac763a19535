/** The cost of `update` beside `set`, and of a change that many watch, in a process of its own. */
import { type ClientOptions, type Collection, createClient } from '../../../src'
import type { Entry } from '../../../src/core/transport'
import { serve, timesOf } from '../support/actor'
import { type Item, itemOf, keyOf } from '../support/items'
import { median } from '../support/rounds'
import { type Source, sourceOf } from '../support/source'

export type BuildingJobs = typeof jobs

let artists: Collection<Item>
let outside: Collection<Item>
let source: Source
let place = 0

/** Changes of a thousand keys in turns, a thousand at a time. */
function* changes(count: number): Generator<Entry[]> {
  for (const end = place + count; place < end; ) {
    const entries: Entry[] = []
    for (let i = 0; i < 1000 && place < end; i++) {
      entries.push({ key: keyOf(place % 1000), epoch: 'bench', n: ++place, item: itemOf(0, place), leftMs: null })
    }
    yield entries
  }
}

const next = (item: { readonly plays: number } | undefined) => itemOf(0, (item?.plays ?? 0) + 1)

const jobs = serve({
  /** Connects two clients, and subscribes one. */
  async connect(options: object) {
    const open = () =>
      createClient(options as ClientOptions)
        .database('bench')
        .collection<Item>('artists')
    artists = open()
    outside = open()
    await artists.subscribe()
    await artists.set(keyOf(0), itemOf(0))
    await outside.update(keyOf(0), next)
  },

  /** The median of how long each takes, one after the other (ms). */
  async set(count: number) {
    return median(await timesOf(count, () => artists.set(keyOf(0), next(artists.get(keyOf(0))))))
  },
  async update(count: number) {
    return median(await timesOf(count, () => artists.update(keyOf(0), next)))
  },
  async updateOutside(count: number) {
    return median(await timesOf(count, () => outside.update(keyOf(0), next)))
  },

  /** Watches so many keys, of which one changes. */
  async watch(count: number) {
    source = sourceOf(() => [])
    const watched = createClient({ transport: source }).database('bench').collection<Item>('artists')
    for (let i = 0; i < count; i++) watched.watch(i === 0 ? keyOf(0) : `other-${i}`, () => {})
    await watched.subscribe()
    globalThis.gc?.()
  },

  /** Nanoseconds per change. */
  change(count: number) {
    const all = [...changes(count)]
    const start = process.hrtime.bigint()
    source.tell(all)
    return Number(process.hrtime.bigint() - start) / count
  },
})
