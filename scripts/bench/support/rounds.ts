/** Measures two sides in turns, so that other work of the machine affects both. */

export interface Pairs {
  readonly ours: number[]
  readonly theirs: number[]
}

/** `ROUNDS=1 npm run bench -- P8` tries a figure out. Results of fewer than 7 rounds are not kept. */
export const rounds = Number(process.env.ROUNDS ?? 7)

/** A B A B …, after a first round that does not count. */
export async function inTurns(
  ours: (round: number) => Promise<number> | number,
  theirs: (round: number) => Promise<number> | number,
  count = rounds,
): Promise<Pairs> {
  const pairs: Pairs = { ours: [], theirs: [] }
  for (let round = 0; round <= count; round++) {
    const our = await ours(round)
    const their = await theirs(round)
    if (round === 0) continue
    pairs.ours.push(our)
    pairs.theirs.push(their)
  }
  return pairs
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]) => quantile(values, 0.5)
