/** Changes of single fields of an item. */
import type { EncodedItem } from './codec'
import { MemisError, quote } from './errors'
import { kindOf } from './text'

/**
 * The same item with other fields. They are copied by `encode` now, so that changing them later has no effect; one that is undefined is removed.
 * @throws MemisError `INVALID_ITEM` if these are none
 */
export function withFields<T extends object>(
  fields: unknown,
  encode: (fields: object) => EncodedItem,
): (item: T | undefined) => T | undefined {
  const kind = kindOf(fields)
  if (kind !== 'an object') throw new MemisError('INVALID_ITEM', `patch() takes fields; this is ${kind}`)
  const { item: added } = encode(fields as object)
  const removed = new Set(Object.keys(fields as object).filter((name) => !Object.hasOwn(added, name)))
  return (item) => {
    if (item === undefined) return undefined
    const kept = Object.entries(item).filter(([name]) => !removed.has(name))
    return { ...Object.fromEntries(kept), ...added } as T
  }
}

/** The value of a field after `by` was added. @throws MemisError `NOT_FOUND`, `INVALID_ITEM` */
export function sumOf(item: object | undefined, field: string, by: number): number {
  if (item === undefined) throw new MemisError('NOT_FOUND', 'there is no item to increment a field of')
  // An inherited property is no field.
  const value: unknown = Object.hasOwn(item, field) ? (item as Record<string, unknown>)[field] : 0
  if (typeof value === 'number') return value + by
  throw new MemisError('INVALID_ITEM', `${quote(field)} is not a number`)
}

export function checkIncrement(field: unknown, by: unknown): void {
  if (typeof field !== 'string') {
    throw new MemisError('INVALID_OPTION', `field must be the name of a field; this is ${kindOf(field)}`)
  }
  if (Number.isFinite(by)) return
  throw new MemisError('INVALID_OPTION', `by must be a finite number; this is ${quote(by)}`)
}
