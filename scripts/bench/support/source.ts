/** A transport without a store: a watch is told what there is, in this process, and a write is taken as it comes. */
import { systemClock } from '../../../src/core/clock'
import type { Change, Transport } from '../../../src/core/transport'

export function sourceOf(contents: () => Iterable<Change[]>): Transport {
  let n = 0
  return {
    name: 'source',
    lacks: [],
    clock: systemClock,
    maxItemBytes: Infinity,
    open: (host) => host.up(),
    async write(_, { writes }) {
      return { epoch: 'e', outcomes: writes.map(() => ({ n: ++n, existed: true })) }
    },
    watch(_, __, sink) {
      sink.begin('whole', 'e', 0)
      for (const changes of contents()) {
        sink.changes(changes)
        n += changes.length
      }
      sink.live(n)
      return { close() {} }
    },
    async close() {},
  }
}

/** So many items, a thousand at a time; `leftMs` by index. */
export function* changesOf<T>(
  count: number,
  itemOf: (i: number) => T,
  leftMs: (i: number) => number | null = () => null,
  keyOf = (i: number) => `artist-${i}`,
): Generator<Change[]> {
  for (let from = 0; from < count; from += 1000) {
    const changes: Change[] = []
    for (let i = from; i < from + 1000 && i < count; i++) {
      changes.push({ kind: 'set', key: keyOf(i), n: i + 1, item: itemOf(i), leftMs: leftMs(i) })
    }
    yield changes
  }
}
