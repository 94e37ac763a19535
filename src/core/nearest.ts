/** Finds the name that was meant by a misspelled one. */

/** A longer name is no misspelling of an option. */
const longest = 40

/** The known name that is nearest; undefined if none is near. Upper and lower case, `-` and `_` do not count. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > longest) return undefined
  const given = plain(name)
  let best: string | undefined
  let fewest = Math.max(1, Math.floor(given.length / 3)) + 1
  for (const candidate of known) {
    const edits = distance(given, plain(candidate))
    if (edits >= fewest) continue
    best = candidate
    fewest = edits
  }
  return best
}

const plain = (name: string): string => name.toLowerCase().replace(/[-_]/g, '')

/** How many characters must be inserted, removed, replaced, or swapped with their neighbour. */
function distance(from: string, to: string): number {
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, j) => j)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1]
      const isSwapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row[j] = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1))
      if (isSwapped) row[j] = Math.min(at(row, j), at(before, j - 2) + 1)
    }
    before = last
    last = row
  }
  return at(last, to.length)
}

const at = (row: readonly number[], i: number): number => row[i] ?? Infinity
