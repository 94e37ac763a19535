/** Where a replica goes on from, when its store may have lost or forked its history. No I/O. */
import type { Position, Revision } from './transport'

/** One history of a store: its name, and the number it began after. */
export interface Epoch {
  readonly id: string
  readonly floor: number
}

/** The one that goes on. There is always one. */
export const currentEpoch = (epochs: readonly Epoch[]): Epoch => epochs.at(-1) as Epoch

export interface History {
  /** Oldest first; the last is the one that goes on. */
  readonly epochs: readonly Epoch[]
  /** The number of the last write. */
  readonly head: number
  /** Up to which number marks of what is gone may be missing. */
  readonly forgotten: number
}

export interface Resumption {
  /** What was written after this number is news; null: everything is to be told. */
  readonly after: number | null
  /** Up to this number both mean the same writes; `Infinity` where nothing was lost. */
  readonly common: number
}

/**
 * The two share what was written before their epochs parted, and no epoch that came after began lower. A replica that is no
 * further can go on with what is new; one that is holds what the store lost.
 */
export function resume(from: Position | null, { epochs, head, forgotten }: History): Resumption {
  for (const each of from === null ? [] : [from, ...from.past]) {
    const index = epochs.findIndex(({ id }) => id === each.epoch)
    if (from === null || index === -1) continue
    const upTo = each === from ? Infinity : each.n
    const common = Math.min(head, upTo, ...epochs.slice(index + 1).map(({ floor }) => floor))
    if (from.n > common) return { after: null, common }
    const same = each === from && index === epochs.length - 1
    return { after: from.n >= forgotten && !from.whole ? from.n : null, common: same ? Infinity : common }
  }
  return { after: null, common: 0 }
}

/** Whether a write was taken before another one, in whatever epochs. What was taken since a loss is newer than what was lost. */
export function precedes(one: Revision, other: Revision): boolean {
  return one.epoch === other.epoch ? one.n < other.n : one.epoch < other.epoch
}

/** A revision as stores keep it: `<epoch> <number>`, which is no whole one where it lies between two (see `Outcome`). */
export const encodeRevision = ({ epoch, n }: Revision): string => `${epoch} ${n}`

/** Of what is not written so, undefined. */
export function decodeRevision(text: unknown): Revision | undefined {
  const [, epoch, n] = typeof text === 'string' ? (/^(\S+) (\d{1,16}(?:\.\d{1,16})?)$/.exec(text) ?? []) : []
  return epoch === undefined ? undefined : { epoch, n: Number(n) }
}
