/** The results: a table, results.json and chart.svg. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Row } from './figure'

export function printTable(rows: readonly Row[]): void {
  const head = ['', 'what', 'memis', 'the other', 'ratio', 'quartiles', 'bar', '']
  const lines = rows.map((row) => [
    row.id,
    row.what,
    `${tell(row.ours)} ${row.unit}`,
    `${tell(row.theirs)} ${row.unit}`,
    `${tell(row.ratio)}×`,
    `${tell(row.low)} … ${tell(row.high)}`,
    row.bar,
    row.bar === '' ? '' : row.ok ? 'ok' : 'MISSED',
  ])
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => (line[i] as string).length)))
  for (const line of [head, ...lines]) {
    const cells = line.map((text, i) => {
      const width = widths[i] as number
      return i >= 2 && i <= 5 ? text.padStart(width) : text.padEnd(width)
    })
    console.log(cells.join('  ').trimEnd())
  }
}

/** Three significant digits, or a whole number with separators. */
function tell(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

interface Results {
  readonly machine: string
  readonly results: readonly Row[]
}

/** Keeps the results, in place of earlier ones of the same figures. */
export function save(rows: readonly Row[]): void {
  const folder = join(__dirname, '..')
  const file = join(folder, 'results.json')
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}`
  const before: Results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { machine, results: [] }
  const kept = before.results.filter(({ id }) => !rows.some((row) => row.id === id))
  const results = [...kept, ...rows.map(rounded)].sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)))
  writeFileSync(file, `${JSON.stringify({ machine, results }, null, 2)}\n`)
  writeFileSync(join(folder, 'chart.svg'), chart(results, machine))
}

function rounded(row: Row): Row {
  const short = (value: number) => Number(value.toPrecision(4))
  const { ours, theirs, ratio, low, high } = row
  return {
    ...row,
    ...{ ours: short(ours), theirs: short(theirs), ratio: short(ratio), low: short(low), high: short(high) },
  }
}

const line = 22
/** Columns (px): the name, the bars with the line that means "as good" in them, and the numbers. */
const nameWidth = 520
const unit = 70
const zero = nameWidth + 1.5 * unit
/** Bars are logarithmic: one unit is four times better. */
const most = 3
const numbers = zero + (most + 0.9) * unit
const width = numbers + 250

/** How many times better than the other, whichever way round the row says it. */
const timesBetter = (row: Row) => (row.bar.startsWith('≤') || row.bar === '' ? 1 / row.ratio : row.ratio)

function chart(rows: readonly Row[], machine: string): string {
  const height = (rows.length + 3) * line
  const bars = rows.map((row, i) => {
    const y = (i + 1.6) * line
    const times = timesBetter(row)
    const length = Math.max(-1.4, Math.min(most, Math.log2(times) / 2)) * unit
    const x = Math.min(zero, zero + length)
    const absolute = `${tell(row.ours)} ${row.unit}, the other ${tell(row.theirs)} ${row.unit}`
    return [
      `<text x="${nameWidth - 10}" y="${y + 14}" text-anchor="end">${escaped(row.what)}</text>`,
      `<rect x="${x.toFixed(1)}" y="${y + 3}" width="${Math.max(1, Math.abs(length)).toFixed(1)}" height="${line - 7}" rx="2" class="${times >= 1 ? 'ahead' : 'behind'}"/>`,
      `<text x="${(Math.max(zero, zero + length) + 6).toFixed(1)}" y="${y + 14}">${tell(times)}×</text>`,
      `<text x="${width - 10}" y="${y + 14}" text-anchor="end">${escaped(absolute)}</text>`,
    ].join('')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">
<title>memis, compared with other packages and with code that is written by hand</title>
<style>text{fill:#333}.ahead{fill:#2a9d5c}.behind{fill:#c98a2b}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>
<text x="${zero}" y="${line}" text-anchor="middle">as good</text>
<text x="${width - 10}" y="${line}" text-anchor="end">memis, and the other</text>
<line x1="${zero}" y1="${1.4 * line}" x2="${zero}" y2="${(rows.length + 1.7) * line}" stroke="#999"/>
${bars.join('\n')}
<text x="10" y="${height - 8}" opacity="0.7">bars: how many times better memis is (logarithmic); ${escaped(machine)}</text>
</svg>
`
}

const escaped = (text: string) => text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`)
