/**
 * `npm test`: types, lint, every file of tests in a process of its own, three at a time (they mostly wait), and the coverage of src.
 *
 *   npm test -- redis        only the files whose path contains "redis"; no types, lint or coverage
 *   npm run test:all         the slow files (*.slow.ts) as well
 *   npm run test:all -- --report FILE      writes the verdicts as JSON, for scripts/guarantees.ts
 *
 * The last line is the sum of everything that was checked, and the exit code says the same. Before it, failures are repeated in
 * short: where only the end of a long log is kept, that is what is kept.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { reportCoverage } from './coverage'
import { writeReport } from './guarantees/reports'
import { endSuites, runSuite, type Verdict } from './run-suite'

const root = resolve(__dirname, '..')
const atOnce = 3
const timeout = 240_000
const slowTimeout = 900_000
const wantedLines = 95
/** How long each file took (s), the last time that it ran. */
const timesFile = join(root, '.cache/test-times.json')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { slow: { type: 'boolean', default: false }, report: { type: 'string' } },
})
const { slow, report } = values
const [wanted] = positionals
const verdicts: (Omit<Verdict, 'output'> & { file: string })[] = []
const dumps = mkdtempSync(join(tmpdir(), 'memis-coverage-'))
const sum = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []
const times: Record<string, number> = existsSync(timesFile) ? JSON.parse(readFileSync(timesFile, 'utf8')) : {}

process.on('exit', () => {
  endSuites()
  rmSync(dumps, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

async function main(): Promise<void> {
  const files = await findFiles()
  const jobs = files.map((file) => () => suite(file))
  if (!wanted) {
    jobs.unshift(
      () => check('lint', 'node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '--error-on-warnings', '.'),
      () => check('types', 'node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false'),
    )
  }
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job()
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (files.length === 0) tell('suites', 0, { failed: 1 }, ['no test file is called so'])
  if (!wanted) {
    const start = performance.now()
    const { ok, output } = await reportCoverage(dumps, wantedLines)
    tell('coverage', performance.now() - start, ok ? { passed: 1 } : { failed: 1 }, [], output)
  }
  mkdirSync(join(root, '.cache'), { recursive: true })
  writeFileSync(timesFile, JSON.stringify(times, null, 1))
  if (failures.length > 0) console.log(`\nIn short:\n${failures.join('\n')}\n`)
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''
  console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`)
  if (report !== undefined) {
    const command = `npm run ${slow ? 'test:all' : 'test'}${wanted ? ` -- ${wanted}` : ''}`
    writeReport(report, { command, sum, files: verdicts.sort((a, b) => a.file.localeCompare(b.file)) })
  }
  process.exitCode = sum.failed > 0 ? 1 : 0
}

/** The longest first, by how long they took last time: the short ones fill the gaps. A file that has never run comes first. */
async function findFiles(): Promise<string[]> {
  const name = slow ? /\.(test|slow)\.ts$/ : /\.test\.ts$/
  const all = await readdir(join(root, 'test'), { recursive: true })
  const files = all.map((file) => `test/${file}`).filter((file) => name.test(file) && file.includes(wanted ?? ''))
  const time = (file: string) => times[file] ?? Infinity
  const rank = (file: string) => (/^test\/(package|simulation)\//.test(file) ? 0 : 1)
  return files.sort((a, b) => time(b) - time(a) || rank(a) - rank(b) || a.localeCompare(b))
}

async function suite(file: string): Promise<void> {
  const env = { NODE_V8_COVERAGE: dumps }
  const verdict = await runSuite(join(root, file), file.endsWith('.slow.ts') ? slowTimeout : timeout, env)
  const { output: _, ...told } = verdict
  verdicts.push({ file, ...told })
  times[file] = Math.round(verdict.ms / 1000)
  const lines = [...verdict.notes, ...verdict.skips.map((skip) => `skipped: ${skip}`), ...verdict.faults]
  tell(file, verdict.ms, verdict, lines, verdict.failed > 0 ? verdict.output : '')
}

async function check(name: string, script: string, ...args: string[]): Promise<void> {
  const start = performance.now()
  await promisify(execFile)(process.execPath, [script, ...args], { cwd: root }).then(
    () => tell(name, performance.now() - start, { passed: 1 }),
    ({ stdout, stderr }) => tell(name, performance.now() - start, { failed: 1 }, [], stdout + stderr),
  )
}

interface Counts {
  passed?: number
  failed?: number
  skipped?: number
}

function tell(name: string, ms: number, counts: Counts, lines: string[] = [], output = ''): void {
  const { passed = 0, failed = 0, skipped = 0 } = counts
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
  const told = [`${passed} passed`, ...(failed ? [`${failed} failed`] : []), ...(skipped ? [`${skipped} skipped`] : [])]
  console.log(`${failed ? 'FAIL' : ' ok '} ${name}  ${told.join(', ')}  ${(ms / 1000).toFixed(1)} s`)
  for (const line of lines) console.log(`       ${line}`)
  if (output) console.log(`\n${output.trimEnd()}\n`)
  if (failed) failures.push(`FAIL ${name}: ${lines.at(-1) ?? 'see there'}`, ...inShort(output))
}

/** The beginning of what uvu prints for each test that failed. */
function inShort(output: string): string[] {
  const tests = output.split(/^ {3}(?=FAIL )/m).slice(1, 6)
  return tests.flatMap((told) => told.split('\n', 9).map((line) => `  ${line.slice(0, 240)}`))
}

main()
