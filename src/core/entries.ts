/** Checks of entries. */
import { compare } from './history'
import { isKey } from './names'
import type { Entry, Revision } from './transport'

/** Whether the store, which knows `current` of the key, holds that version. */
export const isHeld = (current: Entry | null, version: Entry): boolean =>
  current !== null && !current.isLost && compare(current, version) === 0

/** The size of an entry in a merge: bytes of its key, and of its item as JSON text. */
export const bytesOf = ({ key, item }: Entry): number =>
  Buffer.byteLength(key) + (item === null ? 0 : Buffer.byteLength(JSON.stringify(item) ?? ''))

/** Whether an entry that a store told is well-formed; its item is checked later. */
export function isEntry(entry: Entry): boolean {
  if (typeof entry !== 'object' || entry === null) return false
  const { key, item, leftMs, cause, place } = entry
  if (!isKey(key) || !isRevision(entry) || (place !== undefined && !isRevision(place))) return false
  if (cause !== undefined && cause !== 'delete' && cause !== 'expire') return false
  return item === null || leftMs === null || Number.isFinite(leftMs)
}

const isRevision = (value: Revision | null): boolean =>
  typeof value?.epoch === 'string' && value.epoch !== '' && Number.isSafeInteger(value.n) && value.n >= 1
