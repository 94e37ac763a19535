import { MemisError, quote } from './errors'

/** 100 years, in seconds. */
const longestTtl = 100 * 365.25 * 24 * 3600
/** The same in ms: nothing lasts longer, whatever a store tells. */
export const longestTtlMs = longestTtl * 1000
const allowed = 'a ttl is a number of seconds, greater than 0 and at most 100 years'

/** Checks a ttl in seconds and returns it in whole ms; null if there is none. */
export function checkTtl(key: string, ttl: unknown): number | null {
  if (ttl === undefined) return null
  if (typeof ttl === 'number' && ttl > 0 && ttl <= longestTtl) return Math.max(1, Math.round(ttl * 1000))
  throw new MemisError('INVALID_TTL', `${allowed}; this is ${quote(ttl)}`, { key })
}

/** The same, if `'keep'` is allowed too: the remaining time of the item that is there. */
export const checkTtlOrKeep = (key: string, ttl: unknown): number | null | 'keep' =>
  ttl === 'keep' ? ttl : checkTtl(key, ttl)
