/** Items that tell who wrote them: whoever sees one can tell by itself whether somebody wrote it, under that very key. */
import { isDeepStrictEqual } from 'node:util'

export interface Item {
  /** Its key. */
  readonly k: string
  /** Who wrote it. */
  readonly by: string
  /** Counts the items of who wrote it. */
  readonly n: number
  /** When it was written (ms since 1970), by the clock that all on this machine share. */
  readonly at: number
  /** Its time to live (ms), or null. */
  readonly ttl: number | null
  /** Of all of the above: nobody comes by it by chance. */
  readonly sum: string
  /** Makes items differ in size. */
  readonly pad: string
}

export function makeItem(k: string, by: string, n: number, ttl: number | null, at = Date.now()): Item {
  const hash = hashOf(`${k} ${by} ${n} ${at} ${ttl}`)
  return { k, by, n, at, ttl, sum: hash.toString(36), pad: 'x'.repeat(hash % 300) }
}

/** Whether it is, to the last byte, what its writer made under that key. */
export function isGenuine(key: string, item: Item): boolean {
  const { by, n, ttl, at } = item
  return isDeepStrictEqual({ ...item }, { ...makeItem(key, by, n, ttl, at) })
}

/** What follows is said of keys by their names: `<writer>/<kind>/<number>`, or anything else where all write. */
export const ownerOf = (key: string): string | undefined => /^(.+)\/(steady|own)\//.exec(key)?.[1]

/** Set again and again, without a ttl, and never deleted. */
export const isSteady = (key: string): boolean => key.includes('/steady/')

/** FNV-1a, twice, so that it has 53 bits. */
function hashOf(text: string): number {
  let [one, two] = [0x811c9dc5, 0x1000193]
  for (let i = 0; i < text.length; i++) {
    one = Math.imul(one ^ text.charCodeAt(i), 0x01000193)
    two = Math.imul(two ^ text.charCodeAt(i), 0x5bd1e995)
  }
  return (one >>> 0) * 2 ** 21 + ((two >>> 0) % 2 ** 21)
}
