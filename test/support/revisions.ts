/** Revisions and histories as tests write them down: `7` or `'e2.7'`, and `{ e1: 0, e2: 5 }`. */
import { decodeRevision } from '../../src/core/history'
import type { Epoch, Revision } from '../../src/core/transport'

/** A place, or the name of a version. A number alone is one of the epoch `e1`. */
export type At = number | string

/** What a user's opaque revision stands for. */
export function revisionOf(text: string): Revision {
  const revision = decodeRevision(text)
  if (revision === undefined) throw new Error(`no revision: ${text}`)
  return revision
}

export const at = (place: At): Revision => (typeof place === 'number' ? { epoch: 'e1', n: place } : revisionOf(place))

/** Each epoch with the place that it began after, the oldest first. */
export type Floors = Readonly<Record<string, number>>

export const historyOf = (floors: Floors): Epoch[] => Object.entries(floors).map(([id, floor]) => ({ id, floor }))
