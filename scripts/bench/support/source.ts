/** A transport without a store: it tells watchers what the bench gives it, and accepts every write at once. */
import { systemClock } from '../../../src/core/clock'
import type { Entry, Outcome, Sink, Transport } from '../../../src/core/transport'
import { keyOf } from './items'

export interface Source extends Transport {
  /** Tells what is new. */
  tell(contents: Iterable<Entry[]>): void
}

const epoch = 'bench'

export function sourceOf(contents: () => Iterable<Entry[]>): Source {
  let n = 0
  let sink: Sink
  const accepted = (): Outcome => ({ epoch, n: ++n, existed: true })
  const tell = (contents: Iterable<Entry[]>) => {
    for (const entries of contents) {
      sink.entries(entries)
      n += entries.length
    }
    sink.live({ epoch, n })
  }
  return {
    tell,
    name: 'source',
    lacks: [],
    clock: systemClock,
    maxItemBytes: Infinity,
    isLocal: true,
    open: (host) => host.up(),
    write: async (_, { writes }) => writes.map(accepted),
    merge: async (_, __, entries) => entries.map(() => ({ current: null })),
    beginEpoch: async () => true,
    watch(_, __, to) {
      sink = to
      sink.begin('snapshot', [{ id: epoch, floor: 0 }])
      tell(contents())
      return { close() {} }
    },
    async close() {},
  }
}

/** Entries of `count` items from number `first` on, a thousand at a time. `itemOf` and `leftMs` are given the index. */
export function* entriesOf(
  count: number,
  itemOf: (i: number) => unknown,
  leftMs: (i: number) => number | null = () => null,
  first = 0,
): Generator<Entry[]> {
  const end = first + count
  for (let from = first; from < end; from += 1000) {
    const entries: Entry[] = []
    for (let i = from; i < from + 1000 && i < end; i++) {
      entries.push({ key: keyOf(i), epoch, n: i + 1, item: itemOf(i), leftMs: leftMs(i) })
    }
    yield entries
  }
}
