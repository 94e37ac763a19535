/** A transport without a store: a watch is told what there is, in this process, and a write is taken as it comes. */
import { systemClock } from '../../../src/core/clock'
import type { Change, Sink, Transport } from '../../../src/core/transport'
import { keyOf } from './items'

export interface Source extends Transport {
  /** Tells what is new. */
  tell(contents: Iterable<Change[]>): void
}

export function sourceOf(contents: () => Iterable<Change[]>): Source {
  let n = 0
  let sink: Sink
  const tell = (contents: Iterable<Change[]>) => {
    for (const changes of contents) {
      sink.changes(changes)
      n += changes.length
    }
    sink.live(n)
  }
  return {
    tell,
    name: 'source',
    lacks: [],
    clock: systemClock,
    maxItemBytes: Infinity,
    open: (host) => host.up(),
    async write(_, { writes }) {
      return { epoch: 'e', outcomes: writes.map(() => ({ n: ++n, existed: true })) }
    },
    watch(_, __, to) {
      sink = to
      sink.begin('whole', 'e', 0)
      tell(contents())
      return { close() {} }
    },
    async close() {},
  }
}

/** So many items from number `first` on, a thousand at a time; `leftMs` by index. */
export function* changesOf<T>(
  count: number,
  itemOf: (i: number) => T,
  leftMs: (i: number) => number | null = () => null,
  first = 0,
): Generator<Change[]> {
  const end = first + count
  for (let from = first; from < end; from += 1000) {
    const changes: Change[] = []
    for (let i = from; i < from + 1000 && i < end; i++) {
      changes.push({ kind: 'set', key: keyOf(i), n: i + 1, item: itemOf(i), leftMs: leftMs(i) })
    }
    yield changes
  }
}
