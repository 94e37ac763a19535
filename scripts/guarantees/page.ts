/** The page itself. No number in it is written by hand. */
import { type Column, clauses, columns, shows } from './clauses'
import {
  type ChaosReport,
  type FileReport,
  folder,
  readReport,
  type SimulationReport,
  type Stamp,
  type TestReport,
} from './reports'

const chaosTransports: Readonly<Record<string, Column>> = {
  redis: 'Redis',
  valkey: 'Valkey',
  'nats-2.9': 'NATS 2.9',
  'nats-2.15': 'NATS 2.15',
}

/** What makes all reports. */
export const runs: readonly (readonly string[])[] = [
  ['npm', 'run', 'test:all', '--', '--report', `${folder}/tests.json`],
  ['npx', 'tsx', 'scripts/simulate.ts', '--seeds', '10000', '--report', `${folder}/simulation.json`],
  ...Object.keys(chaosTransports).map((transport) => [
    ...['npx', 'tsx', 'scripts/chaos.ts', '--transport', transport, '--seeds', '20', '--seconds', '30'],
    ...['--report', `${folder}/chaos-${transport}.json`],
  ]),
]

const clauseOf = /\b[NIRWEXKH][1-8]\b/g

/** Where a test was played: by its file, and where that is of several stores by its title. */
export function columnOf(file: string, title: string): Column | undefined {
  if (file.startsWith('test/transports/nats') || file.startsWith('test/nats/') || file.startsWith('test/chaos/')) {
    const store = /\bvalkey\b|\bredis\b|\b2\.9\b|\b2\.15\b/i.exec(file.startsWith('test/transports') ? file : title)
    if (store !== null) return chaosTransports[/^2/.test(store[0]) ? `nats-${store[0]}` : store[0].toLowerCase()]
    return undefined
  }
  if (file === 'test/transports/memory.test.ts' || file.startsWith('test/simulation/')) return 'memory'
  if (file === 'test/transports/redis.test.ts') return 'Redis'
  if (/valkey/.test(file)) return 'Valkey'
  if (file.startsWith('test/redis/')) return 'Redis'
  return file.startsWith('test/core/') ? 'core' : undefined
}

/** Of a clause on a store: the tests that passed, by file. */
export function evidence(files: readonly FileReport[]): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>()
  const count = (file: string, title: string, column: Column | undefined) => {
    if (column === undefined) return
    const whole = shows[file]?.split(' ') ?? []
    for (const clause of new Set([...(title.match(clauseOf) ?? []), ...whole])) {
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
      // That file's tests were played once more, as they are.
      const played = onValkey.endsWith('.ts') ? `test/redis/${onValkey}` : 'test/transports/redis.test.ts'
      for (const each of files) {
        if (each.file === played) for (const other of each.cases) count(played, other, 'Valkey')
      }
    }
  }
  return found
}

export function render(): string {
  const tests = readReport<TestReport>('tests')
  const simulation = readReport<SimulationReport>('simulation')
  const chaos = Object.keys(chaosTransports).map((name) => [name, readReport<ChaosReport>(`chaos-${name}`)] as const)
  const sections = [
    `# What is guaranteed, and what showed it

Made by \`npm run guarantees\` from what the runs below left behind; no number here was written by hand. Beside each table stands
the command that gives its numbers again, and the commit that was run (\`+\`: with changes that were not committed).`,
    tests === undefined ? missing('Clauses and stores', 0) : renderTests(tests),
    simulation === undefined ? missing('The simulation', 1) : renderSimulation(simulation),
    ...chaos.map(([name, report], i) =>
      report === undefined ? missing(`Chaos on ${chaosTransports[name]}`, i + 2) : renderChaos(report),
    ),
  ]
  return `${sections.join('\n\n')}\n`
}

function missing(what: string, run: number): string {
  const how = `## ${what}\n\n**Not run**, so nothing is claimed. To run it: \`${runs[run]?.join(' ')}\``
  return run > 0 ? how : `${how}\n\n${tableOf(() => 'not run')}`
}

function tableOf(cell: (clause: string, column: Column) => string | number): string {
  const rows = Object.entries(clauses).map(([clause, text]) => {
    return `| ${clause} | ${text} | ${columns.map((column) => cell(clause, column)).join(' | ')} |`
  })
  return `| | | ${columns.join(' | ')} |\n|---|---|${columns.map(() => '---|').join('')}\n${rows.join('\n')}`
}

const source = ({ command, commit, day }: Stamp & { command: string }) => `\`${command}\`, ${commit}, ${day}`

function renderTests(report: TestReport & Stamp): string {
  const { sum, files } = report
  const found = evidence(files)
  const table = tableOf((clause, column) => {
    const cell = found.get(`${clause} ${column}`)
    return cell === undefined ? 'no test' : [...cell.values()].reduce((total, count) => total + count, 0)
  })
  const red = files.filter(({ failed }) => failed > 0).map(({ file, failed }) => `- **${file}: ${failed} failed**`)
  const skips = files.flatMap(({ skips }) => skips).map((skip) => `- ${skip}`)
  const where = Object.keys(clauses).map((clause) => {
    const all = new Map<string, number>()
    for (const column of columns) {
      for (const [file, count] of found.get(`${clause} ${column}`) ?? []) all.set(file, (all.get(file) ?? 0) + count)
    }
    const list = [...all].map(
      ([file, count]) => `${file.slice('test/'.length).replace(/\.(test|slow)\.ts$/, '')} ${count}`,
    )
    return `| ${clause} | ${list.join(', ') || 'no test'} |`
  })
  const measured = files.flatMap(({ file, notes }) =>
    notes.map((note) => `| ${file} | ${note.replace(/\|/g, '\\|')} |`),
  )
  return `## Clauses and stores

How many tests showed each clause on each store, by ${source(report)}: ${sum.passed} passed, ${sum.failed} failed,
${sum.skipped} skipped. A test counts for the clauses in its title, and for those its file is about (\`scripts/guarantees/clauses.ts\`);
*core* are tests without a store. Where a cell says *no test*, nothing is shown.

${table}

${red.length > 0 ? `Failed:\n\n${red.join('\n')}` : sum.failed > 0 ? 'No test failed, but lint, types or coverage did.' : 'Nothing failed.'}

${skips.length > 0 ? `Skipped, for what a store cannot do:\n\n${skips.join('\n')}` : 'Nothing was skipped.'}

### Where they are

| | files under \`test\`, and how many tests of each |
|---|---|
${where.join('\n')}

### What these tests measured

| | |
|---|---|
${measured.join('\n')}`
}

function renderSimulation(report: SimulationReport & Stamp): string {
  const { seeds, steps, failed, faults, repair } = report
  const rows = Object.entries(faults)
    .sort()
    .map(([name, count]) => `| ${name} | ${count} |`)
  return `## The simulation

By ${source(report)}: ${seeds} seeds of ${steps} steps, **${failed} failed**. After all was healed, all replicas were right within
${repair.median} ms (median), ${repair.worst} ms (worst) of virtual time.

| fault | injected |
|---|---|
${rows.join('\n')}`
}

function renderChaos(report: ChaosReport & Stamp): string {
  const { transport, seeds, failed, calls, acknowledged, events, losses, restored, converged, faults } = report
  const rows = faults.map(({ name, count, repairs, median, worst }) => {
    const times = repairs === 0 ? 'not taken | not taken' : `${median} | ${worst}`
    return `| ${name} | ${count} | ${repairs} | ${times} |`
  })
  return `## Chaos on ${chaosTransports[transport] ?? transport}

By ${source(report)}: ${seeds} seeds, **${failed.length} failed**${failed.length > 0 ? ` (${failed.join(', ')})` : ''}.
${calls} calls, ${acknowledged} acknowledged, ${events} events; the store lost its contents ${losses} times, and ${restored} items were put back.
Each event was checked as it came; after the last write all replicas were equal to the store within ${converged.median} ms (median),
${converged.worst} ms (worst). The time to repair counts from the end of a fault until every replica is live and has what was written
since, on a machine that ran all processes; of faults that were there together, it is that of all.

| fault | injected | times taken | median ms | worst ms |
|---|---|---|---|---|
${rows.join('\n')}`
}
