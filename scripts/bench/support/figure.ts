/** A figure of the table: what it measures, and what came out. */
import { median, type Pairs, quantile } from './rounds'

export interface Row {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly ours: number
  readonly theirs: number
  /** The median of the rounds' ratios, and between which two half of them lie. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  /** `≥ 4`, say; empty where the figure is only told. */
  readonly bar: string
  readonly ok: boolean
}

export interface Figure {
  readonly id: string
  readonly title: string
  run(): Promise<Row[]>
}

/** `atLeast`: so many times ahead of them. `atMost`: so many times what they need. */
export type Bar = { readonly atLeast: number } | { readonly atMost: number } | undefined

/** Compares rates (more is better) or costs (less is better) of the same rounds. */
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
