/** A figure of the table: what it measures, and the result. */
import { median, type Pairs, quantile } from './rounds'

export interface Row {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly ours: number
  readonly theirs: number
  /** The median of the ratios of all rounds, and their quartiles. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  /** For example `≥ 4`; empty if the figure has no bar. */
  readonly bar: string
  readonly ok: boolean
}

export interface Figure {
  readonly id: string
  readonly title: string
  run(): Promise<Row[]>
}

/** `atLeast`: so many times better than theirs. `atMost`: so many times as expensive. */
export type Bar = { readonly atLeast: number } | { readonly atMost: number } | undefined

/** Compares rates (more is better) or costs (less is better), round by round. */
export function compare(id: string, what: string, unit: string, kind: 'rate' | 'cost', pairs: Pairs, bar?: Bar): Row {
  const ahead = bar === undefined || 'atLeast' in bar
  const ratios = pairs.ours.map((our, i) => {
    const their = pairs.theirs[i] as number
    return (kind === 'rate') === ahead ? our / their : ahead ? their / our : our / their
  })
  const ratio = median(ratios)
  return {
    ...{ id, what, unit },
    ours: median(pairs.ours),
    theirs: median(pairs.theirs),
    ratio,
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    bar: bar === undefined ? '' : 'atLeast' in bar ? `≥ ${bar.atLeast}` : `≤ ${bar.atMost}`,
    ok: bar === undefined || ('atLeast' in bar ? ratio >= bar.atLeast : ratio <= bar.atMost),
  }
}
