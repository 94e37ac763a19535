/** The reports from which GUARANTEES.md is made: what was run, and what came of it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Summary } from '../../test/chaos/summary'

const folder = '.cache/guarantees'
export const chaosTransports = ['redis', 'valkey', 'nats'] as const

/** The commands that make all reports. */
export const runs: readonly (readonly string[])[] = [
  ['npm', 'run', 'test:all', '--', '--report', `${folder}/tests.json`],
  ['npx', 'tsx', 'scripts/simulate.ts', '--seeds', '10000', '--report', `${folder}/simulation.json`],
  ...chaosTransports.map((transport) => [
    ...['npx', 'tsx', 'scripts/chaos.ts', '--transport', transport, '--seeds', '20', '--seconds', '30'],
    ...['--report', `${folder}/chaos-${transport}.json`],
  ]),
]

/** What was run: the command, the commit (with `+` if files differed from it), and the day. */
export interface Stamp {
  readonly command: string
  readonly commit: string
  readonly day: string
}

export interface TestReport {
  readonly command: string
  readonly sum: { readonly passed: number; readonly failed: number; readonly skipped: number }
  readonly files: readonly FileReport[]
}

export interface FileReport {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skips: readonly string[]
  readonly notes: readonly string[]
  /** The titles of the tests that passed. */
  readonly cases: readonly string[]
}

export interface SimulationReport {
  readonly command: string
  readonly seeds: number
  readonly steps: number
  readonly failed: number
  readonly faults: Readonly<Record<string, number>>
  /** ms of virtual time */
  readonly repair: { readonly median: number; readonly worst: number }
}

export interface Reports {
  readonly tests: TestReport & Stamp
  readonly simulation: SimulationReport & Stamp
  readonly chaos: readonly (Summary & Stamp)[]
}

export function writeReport<R extends { readonly command: string }>(file: string, report: R): void {
  const root = resolve(__dirname, '../..')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
  const stamp = { commit, day: new Date().toISOString().slice(0, 10) }
  mkdirSync(dirname(resolve(file)), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ ...stamp, ...report }, null, 1)}\n`)
}

/** All reports; or why there can be no page: a report is missing, something failed, or they are of different commits. */
export function readReports(root: string): { readonly reports?: Reports; readonly faults: readonly string[] } {
  const faults: string[] = []
  const read = <R>(name: string, run: number): (R & Stamp) | undefined => {
    const file = join(root, folder, `${name}.json`)
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
    faults.push(`not run: ${runs[run]?.join(' ')}`)
    return undefined
  }
  const tests = read<TestReport>('tests', 0)
  const simulation = read<SimulationReport>('simulation', 1)
  const chaos = chaosTransports.map((transport, i) => read<Summary>(`chaos-${transport}`, i + 2))
  if (tests !== undefined && tests.sum.failed > 0) faults.push(`${tests.sum.failed} tests failed`)
  if (simulation !== undefined && simulation.failed > 0)
    faults.push(`${simulation.failed} seeds of the simulation failed`)
  for (const each of chaos) {
    if (each !== undefined && each.failed.length > 0)
      faults.push(`chaos on ${each.transport} failed: seeds ${each.failed}`)
  }
  const commits = new Set([tests, simulation, ...chaos].flatMap((report) => report?.commit ?? []))
  if (commits.size > 1) faults.push(`the reports are of different commits: ${[...commits].join(', ')}`)
  const made = chaos.filter((each) => each !== undefined)
  if (faults.length > 0 || tests === undefined || simulation === undefined) return { faults }
  return { reports: { tests, simulation, chaos: made }, faults }
}
