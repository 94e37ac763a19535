/** Revisions and the history of a store: pure functions, for the core and for transports. */
import type { Epoch, Revision } from './transport'

/** Negative if the first revision is older, 0 if both are the same, of whatever epochs: epochs sort by when they began. */
export function compare(one: Revision, other: Revision): number {
  if (one.epoch === other.epoch) return one.n - other.n
  return one.epoch < other.epoch ? -1 : 1
}

/** Whether the first revision is older. */
export const precedes = (one: Revision, other: Revision): boolean => compare(one, other) < 0

/** The epoch that goes on. A history is never empty. */
export const currentEpoch = (history: readonly Epoch[]): Epoch => history.at(-1) as Epoch

/** Whether the place belongs to this history: its epoch is listed, and had not ended before it. */
export function contains(history: readonly Epoch[], { epoch, n }: Revision): boolean {
  const index = history.findIndex(({ id }) => id === epoch)
  if (index === -1) return false
  const end = history[index + 1]?.floor ?? Infinity
  return n <= end
}

/** Whether two histories are one and the same. */
export const isSameHistory = (one: readonly Epoch[], other: readonly Epoch[]): boolean =>
  one.length === other.length && one.every(({ id, floor }, i) => other[i]?.id === id && other[i]?.floor === floor)

/** The epoch in which a place was taken. */
export function epochAt(history: readonly Epoch[], n: number): string {
  for (let i = history.length - 1; i > 0; i--) {
    const { id, floor } = history[i] as Epoch
    if (n > floor) return id
  }
  return (history[0] as Epoch).id
}

/**
 * The last place that two histories share, or null. `known` is the history that a reader followed, up to the place `upTo`.
 */
export function lastCommon(history: readonly Epoch[], known: readonly Epoch[], upTo: number): Revision | null {
  for (let i = known.length - 1; i >= 0; i--) {
    const { id, floor } = known[i] as Epoch
    const index = history.findIndex((each) => each.id === id)
    if (index === -1) continue
    const n = Math.min(upTo, known[i + 1]?.floor ?? Infinity, history[index + 1]?.floor ?? Infinity)
    if (n >= floor) return { epoch: id, n }
  }
  return null
}

/** A revision as text: `<epoch>.<n>`. Public, and the form in which stores keep it. */
export const encodeRevision = ({ epoch, n }: Revision): string => `${epoch}.${n}`

/** Reads a revision; undefined if it is malformed. */
export function decodeRevision(text: unknown): Revision | undefined {
  if (typeof text !== 'string' || text.length > 120) return undefined
  const dot = text.lastIndexOf('.')
  const epoch = text.slice(0, dot)
  const digits = text.slice(dot + 1)
  if (dot === -1 || !isEpochId(epoch) || !/^(0|[1-9]\d{0,15})$/.test(digits)) return undefined
  const n = Number(digits)
  return Number.isSafeInteger(n) ? { epoch, n } : undefined
}

/** Characters that need no escaping in any store, and a bounded length. */
export const isEpochId = (id: unknown): id is string => typeof id === 'string' && /^[\w:.~-]{1,100}$/.test(id)
