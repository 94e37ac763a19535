/** What comes out: a table, results.json and chart.svg. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Row } from './figure'

export function printTable(rows: readonly Row[]): void {
  const head = ['', 'what', 'ours', 'theirs', 'ratio', 'half of the rounds', 'bar', '']
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

/** Three figures, with thousands apart. */
function tell(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

interface Results {
  readonly machine: string
  readonly results: readonly Row[]
}

/** Keeps what was measured, in place of what these figures were before. */
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
const left = 440
const unit = 90
/** Ratios are drawn by their logarithm: twice as good is as far to the right as half as good is to the left. */
const most = 3

/** How many times better than theirs, whichever way round the row tells it. */
const ahead = (row: Row) => (row.bar.startsWith('≤') || row.bar === '' ? 1 / row.ratio : row.ratio)

function chart(rows: readonly Row[], machine: string): string {
  const zero = left + 1.5 * unit
  const width = zero + (most + 0.9) * unit
  const height = (rows.length + 3) * line
  const bars = rows.map((row, i) => {
    const y = (i + 1.6) * line
    const length = Math.max(-1.4, Math.min(most, Math.log2(ahead(row)) / 2)) * unit
    const x = Math.min(zero, zero + length)
    const times = ahead(row)
    return [
      `<text x="${left - 10}" y="${y + 14}" text-anchor="end">${escaped(`${row.id}  ${row.what}`)}</text>`,
      `<rect x="${x.toFixed(1)}" y="${y + 3}" width="${Math.max(1, Math.abs(length)).toFixed(1)}" height="${line - 7}" rx="2" class="${times >= 1 ? 'ahead' : 'behind'}"/>`,
      `<text x="${(Math.max(zero, zero + length) + 6).toFixed(1)}" y="${y + 14}">${tell(times)}×</text>`,
    ].join('')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">
<title>memis beside what people write by hand</title>
<style>text{fill:#333}.ahead{fill:#2a9d5c}.behind{fill:#c98a2b}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>
<text x="${zero}" y="${line}" text-anchor="middle">as good as theirs</text>
<line x1="${zero}" y1="${1.4 * line}" x2="${zero}" y2="${(rows.length + 1.7) * line}" stroke="#999"/>
${bars.join('\n')}
<text x="10" y="${height - 8}" opacity="0.7">how many times better than what it is compared with (logarithmic); ${escaped(machine)}</text>
</svg>
`
}

const escaped = (text: string) => text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`)
