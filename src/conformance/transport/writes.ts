/** Writes, batches and entries as the cases of the transport suite send them. */
import { encodeItem } from '../../core/codec'
import type {
  Accepted,
  Batch,
  Condition,
  Entry,
  KeyWrite,
  Merged,
  Outcome,
  Revision,
  Write,
} from '../../core/transport'
import { must } from '../assert'

type SetWrite = Extract<Write, { kind: 'set' }>

export interface SetOptions {
  readonly ttlMs?: SetWrite['ttlMs']
  readonly if?: Condition
}

/** Sets an item that holds the value. */
export const set = (key: string, value: unknown, { ttlMs = null, ...rest }: SetOptions = {}): SetWrite => ({
  ...{ kind: 'set', key, item: encodeItem(key, { value }, Infinity), ttlMs },
  ...rest,
})

/** Sets exactly this item. */
export const setItem = (key: string, item: object): SetWrite => ({
  ...{ kind: 'set', key, item: encodeItem(key, item, Infinity), ttlMs: null },
})

export const remove = (key: string, options: { readonly if?: Condition } = {}): KeyWrite => ({
  ...{ kind: 'delete', key },
  ...options,
})

export const check = (key: string, condition: Condition): KeyWrite => ({ kind: 'check', key, if: condition })

export const clear: Write = { kind: 'clear' }

let writers = 0

/** Sends batches in order: each has a higher sequence than the one before. */
export class Writer {
  readonly name = `writer-${process.pid}-${++writers}-${Math.random().toString(36).slice(2)}`
  #sequence = 0

  batch(writes: readonly Write[], sequence = this.#sequence + 1): Batch {
    this.#sequence = Math.max(this.#sequence, sequence)
    return { writer: this.name, sequence, writes }
  }

  atomic(writes: readonly Write[]): Batch {
    return { ...this.batch(writes), isAtomic: true }
  }
}

/** An entry of a history that this store never had, or lost: older than all of its own. `n` orders such entries. */
export const lost = (key: string, n: number, value: unknown, leftMs: number | null = null): Entry => ({
  ...{ key, ...lostRevision(n), item: { value }, leftMs },
})

export const lostTombstone = (key: string, n: number): Entry => ({
  ...{ key, ...lostRevision(n), item: null, leftMs: null, cause: 'delete' },
})

export const lostRevision = (n: number): Revision => ({ epoch: '0000000000000-lost', n })

export const revisionOf = ({ epoch, n }: Revision): Revision => ({ epoch, n })

/** Asserts that the write was accepted. */
export function accepted(outcome: Outcome | undefined, what: string): Accepted {
  must(outcome !== undefined && 'n' in outcome, `${what}: it must be accepted`, outcome)
  return outcome
}

/** Asserts that the condition failed, and returns the entry of the store. */
export function conflict(outcome: Outcome | undefined, what: string): Entry | null {
  must(outcome !== undefined && 'conflict' in outcome, `${what}: it must be a conflict`, outcome)
  return outcome.conflict
}

/** Asserts that the entry was merged, and returns its place. */
export function mergedAt(merged: Merged | undefined, what: string): Revision {
  must(merged !== undefined && 'place' in merged, `${what}: it must be merged`, merged)
  return merged.place
}

/** Asserts that the entry was not merged, and returns the entry of the store. */
export function kept(merged: Merged | undefined, what: string): Entry | null {
  must(merged !== undefined && 'current' in merged, `${what}: the store must keep what it has`, merged)
  return merged.current
}
