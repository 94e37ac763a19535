import { isDeepStrictEqual } from 'node:util'
import type { Item } from './records'

type Items = ReadonlyMap<string, Item>

/** The differences between two collections: a line for each item that differs. */
export function differences(wanted: Items, held: Items): string[] {
  const lines: string[] = []
  for (const [key, item] of wanted) {
    const other = held.get(key)
    if (other === undefined) lines.push(`"${key}" is missing`)
    else if (!isDeepStrictEqual(other, item)) lines.push(`"${key}" differs`)
  }
  for (const key of held.keys()) if (!wanted.has(key)) lines.push(`"${key}" should not be there`)
  return lines
}
