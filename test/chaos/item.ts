/** Items that say who wrote them: a reader can tell whether an item was really written, and under this key. */
import { isDeepStrictEqual } from 'node:util'

export interface Item {
  /** Its key. */
  readonly k: string
  /** The name of its writer. */
  readonly by: string
  /** Counts the items of its writer. */
  readonly n: number
  /** When it was written: ms since 1970, by the clock of the machine that all processes share. */
  readonly at: number
  /** Its time to live (ms), or null. */
  readonly ttl: number | null
  /** Computed from all of the above, so that no other item has it by chance. */
  readonly sum: string
  /** Makes items differ in size. */
  readonly pad: string
}

export function makeItem(k: string, by: string, n: number, ttl: number | null, at = Date.now()): Item {
  const hash = hashOf(`${k} ${by} ${n} ${at} ${ttl}`)
  return { k, by, n, at, ttl, sum: hash.toString(36), pad: 'x'.repeat(hash % 300) }
}

/** Whether it is exactly what its writer made under this key. */
export function isGenuine(key: string, item: Item): boolean {
  const { by, n, ttl, at } = item
  return isDeepStrictEqual({ ...item }, { ...makeItem(key, by, n, ttl, at) })
}

/** The only member that writes a key, by its name `<writer>/<kind>/<number>`; undefined if all members write it. */
export const ownerOf = (key: string): string | undefined => /^(.+)\/(steady|own)\//.exec(key)?.[1]

/** Whether a key is set again and again without a ttl, and never deleted. */
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
