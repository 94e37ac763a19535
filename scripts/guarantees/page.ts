/** The page itself. Every number in it is taken from the reports. */
import type { Summary } from '../../test/chaos/summary'
import { type Column, clauses, columns, shows } from './clauses'
import type { FileReport, Reports, SimulationReport, Stamp } from './reports'

const stores: Readonly<Record<string, Column>> = {
  memory: 'memory',
  redis: 'Redis',
  valkey: 'Valkey',
  nats: 'NATS',
}

/** The store that a test ran on, by its folder, or by its title if the file is about several stores. */
export function columnOf(file: string, title: string): Column | undefined {
  if (/valkey/.test(file)) return 'Valkey'
  if (file.startsWith('test/redis/')) return 'Redis'
  if (file.startsWith('test/nats/')) return 'NATS'
  if (file.startsWith('test/core/')) return 'core'
  if (file.startsWith('test/simulation/')) return 'memory'
  const name = /\b(memory|redis|valkey|nats)\b/i.exec(file.startsWith('test/chaos/') ? title : `${file} ${title}`)
  return name === null ? undefined : stores[(name[0] as string).toLowerCase()]
}

/** The clauses at the beginning of a title. */
const clausesOf = (title: string): string[] => /^(?:[A-Z]\d+ )+/.exec(title)?.[0].trim().split(' ') ?? []

/** For each clause and column, `K1 Redis`: how many tests passed, by file. */
export function evidence(files: readonly FileReport[]): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>()
  const count = (file: string, title: string, column: Column | undefined) => {
    if (column === undefined) return
    for (const clause of new Set([...clausesOf(title), ...(shows[file]?.split(' ') ?? [])])) {
      const cell = found.get(`${clause} ${column}`) ?? new Map<string, number>()
      found.set(`${clause} ${column}`, cell)
      cell.set(file, (cell.get(file) ?? 0) + 1)
    }
  }
  for (const { file, cases } of files) {
    for (const title of cases) {
      const onValkey = /^on Valkey: (.*)$/.exec(title)?.[1]
      if (onValkey === undefined) {
        count(file, title, columnOf(file, title))
        continue
      }
      // All tests of that file ran again, on Valkey.
      const again = onValkey.endsWith('.ts') ? `test/redis/${onValkey}` : 'test/transports/redis.test.ts'
      for (const each of files) {
        if (each.file === again) for (const other of each.cases) count(again, other, 'Valkey')
      }
    }
  }
  return found
}

export function render({ tests, simulation, chaos }: Reports): string {
  const found = evidence(tests.files)
  const sections = [
    `# Guarantees

How many tests show each clause of the contract, on each store. \`core\` are tests without a store. An empty cell: no test.
${tests.sum.passed} tests, ${simulation.seeds} simulated histories, and chaos on ${chaos.length} kinds of servers: **nothing failed**.
\`npm run guarantees -- --run\` generates this page (${tests.commit}, ${tests.day}). If anything fails, it does not.

${clauseTable(found)}`,
    whatWasRun(tests, simulation, chaos),
    ...chaos.map(chaosSection),
    simulationSection(simulation),
    details(tests.files, found),
  ]
  return `${sections.join('\n\n')}\n`
}

function clauseTable(found: ReadonlyMap<string, ReadonlyMap<string, number>>): string {
  const rows = Object.entries(clauses).map(([clause, text]) => {
    const cells = columns.map((column) => sumOf(found.get(`${clause} ${column}`)) || '')
    return `| ${clause} | ${text} | ${cells.join(' | ')} |`
  })
  return table(['', 'guarantee', ...columns], rows)
}

function whatWasRun(tests: Reports['tests'], simulation: Reports['simulation'], chaos: Reports['chaos']): string {
  const row = (what: string, amount: string, { command }: Stamp) => `| ${what} | ${amount} | \`${command}\` |`
  return `## What was run

${table(
  ['', '', 'command'],
  [
    row('tests', `${tests.sum.passed} passed, ${tests.sum.skipped} skipped`, tests),
    row('simulation', `${simulation.seeds} seeds × ${simulation.steps} steps`, simulation),
    ...chaos.map((each) => row(`chaos on ${storeOf(each)}`, `${each.seeds} seeds, ${each.calls} calls`, each)),
  ],
)}`
}

function chaosSection(report: Summary): string {
  const { calls, accepted, events, losses, restored, converged, faults } = report
  const rows = faults.map(({ name, count, repairs, median, worst }) => {
    const times = repairs === 0 ? ' | ' : `${median} | ${worst}`
    return `| ${name} | ${count} | ${times} |`
  })
  return `## Chaos on ${storeOf(report)}

${calls} calls, ${accepted} accepted; ${events} events, each checked as it came. The store lost everything ${losses} times, and replicas restored ${restored} items.
After the last write, all replicas were equal to the store within ${converged.median} ms (median), ${converged.worst} ms (worst). A repair ends when every replica is live and has what
was written since the fault ended; faults that were there together share their repair.

${table(['fault', 'times', 'repair, median ms', 'worst ms'], rows)}`
}

function simulationSection({ seeds, steps, faults, repair }: SimulationReport): string {
  const rows = Object.entries(faults)
    .sort()
    .map(([name, count]) => `| ${name} | ${count} |`)
  return `## The simulation

${seeds} seeds of ${steps} steps in virtual time. After all faults had ended, all replicas were right within ${repair.median} ms (median), ${repair.worst} ms (worst).

${table(['fault', 'times'], rows)}`
}

function details(files: readonly FileReport[], found: ReadonlyMap<string, ReadonlyMap<string, number>>): string {
  const where = Object.keys(clauses).map((clause) => {
    const all = new Map<string, number>()
    for (const column of columns) {
      for (const [file, count] of found.get(`${clause} ${column}`) ?? []) all.set(file, (all.get(file) ?? 0) + count)
    }
    const list = [...all].map(([file, count]) => `${nameOf(file)} ${count}`)
    return `| ${clause} | ${list.join(', ')} |`
  })
  const skips = files.flatMap(({ skips }) => skips).map((skip) => `- ${skip}`)
  const measured = files.flatMap(({ file, notes }) =>
    notes.map((note) => `| ${nameOf(file)} | ${note.replace(/\|/g, '\\|')} |`),
  )
  return `## Where the tests are

${table(['clause', 'files under `test`, and how many tests of each'], where)}

## What was skipped

${skips.length > 0 ? skips.join('\n') : 'Nothing.'}

## What the tests measured

${table(['file', ''], measured)}`
}

const sumOf = (cell: ReadonlyMap<string, number> | undefined): number =>
  [...(cell?.values() ?? [])].reduce((total, count) => total + count, 0)

const storeOf = ({ transport }: Summary): string => stores[transport] ?? transport

const nameOf = (file: string): string => file.replace(/^test\//, '').replace(/\.(test|slow)\.ts$/, '')

const table = (head: readonly string[], rows: readonly string[]): string =>
  `| ${head.join(' | ')} |\n|${head.map(() => '---|').join('')}\n${rows.join('\n')}`
