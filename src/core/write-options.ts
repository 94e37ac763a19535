/** The options of writes. */
import { parseRevision } from './bulk'
import { MemisError, quote } from './errors'
import type { SignalOptions } from './readable-collection'
import type { Condition, Revision } from './transport'
import { checkTtl, checkTtlOrKeep } from './ttl'
import type { Seconds } from './types'
import { checkOptions } from './waiters'

export interface SetOptions {
  /** Seconds, fractions allowed; `'keep'`: the remaining time of the item that is there. Without one the item does not expire. */
  ttl?: Seconds | 'keep'
  /** Writes only if there is no item. */
  ifAbsent?: boolean
  /** Writes only if the item has this revision. */
  ifRevision?: string
}

export interface DeleteOptions {
  /** Deletes only if the item has this revision. */
  ifRevision?: string
}

export interface UpdateOptions extends SignalOptions {
  /** Seconds; default `'keep'`: the remaining time of the item that is there. */
  ttl?: Seconds | 'keep'
}

export function parseSetOptions(
  key: string,
  options: Seconds | SetOptions | undefined,
): { ttlMs: number | null | 'keep'; condition: Condition | undefined } {
  if (typeof options !== 'object' || options === null) return { ttlMs: checkTtl(key, options), condition: undefined }
  checkOptions('set', options, ['ttl', 'ifAbsent', 'ifRevision'])
  const { ttl, ifAbsent = false } = options
  checkFlag('ifAbsent', ifAbsent)
  const revision = parseIfRevision(options)
  if (ifAbsent && revision !== undefined) {
    throw new MemisError('INVALID_OPTION', 'ifAbsent and ifRevision exclude each other')
  }
  return { ttlMs: checkTtlOrKeep(key, ttl), condition: ifAbsent ? null : revision }
}

/**
 * One that is given as undefined, as by `entry(key)?.revision`, is refused: a write that was meant to be conditional would be none.
 * @throws MemisError `INVALID_OPTION`
 */
export function parseIfRevision(options: SetOptions | DeleteOptions): Revision | undefined {
  if (!('ifRevision' in options)) return undefined
  const { ifRevision } = options
  if (ifRevision !== undefined) return parseRevision('ifRevision', ifRevision)
  throw new MemisError('INVALID_OPTION', 'ifRevision is undefined: to write only if there is no item, give ifAbsent')
}

/** @throws MemisError `INVALID_OPTION` */
export function checkFlag(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new MemisError('INVALID_OPTION', `${name} must be true or false; this is ${quote(value)}`)
}
