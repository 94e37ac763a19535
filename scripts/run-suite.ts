/**
 * Runs one file of uvu suites in a process of its own, and judges the outcome. uvu exits with success after a `before` that
 * threw, and if a suite was never run. So its exit code is not enough: its closing block must be printed, and every test must have passed.
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Verdict {
  passed: number
  failed: number
  skipped: number
  /** Why the file is not good, a line each; empty if it is. */
  faults: string[]
  /** The reasons of skipped tests: the lines `skip: …` of the output. */
  skips: string[]
  /** Measurements: the lines `# …` of the output. */
  notes: string[]
  /** The titles of the tests that passed. uvu itself only counts them. */
  cases: string[]
  output: string
  ms: number
}

/** uvu's closing block. */
const closing = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm
/** A file may run for so many ms after its last test: leaving something open is a defect, and must not hold up the others. */
const patience = 20_000

/** The temporary directory of each process group. */
const running = new Map<number, string>()

/**
 * A file prints its suite's name as soon as it is loaded. Once, under load, one of a thousand was never loaded: a file that has
 * printed nothing after so many ms is started once more, which is noted.
 */
const longestSilence = 90_000

export async function runSuite(
  file: string,
  timeout: number,
  env: NodeJS.ProcessEnv = {},
  silence = longestSilence,
): Promise<Verdict> {
  const verdict = await runOnce(file, Math.min(silence, timeout), timeout, env)
  if (verdict.output !== '' || verdict.ms < silence) return verdict
  const again = await runOnce(file, timeout, timeout, env)
  return { ...again, notes: [`started again: it had not been loaded after ${silence / 1000} s`, ...again.notes] }
}

async function runOnce(file: string, silence: number, timeout: number, env: NodeJS.ProcessEnv): Promise<Verdict> {
  const start = performance.now()
  const faults = forgotten(await readFile(file, 'utf8'))
  // Made here, so that the files of a killed process can be removed.
  const temp = await mkdtemp(join(tmpdir(), 'memis-test-'))
  const { FORCE_COLOR: _, ...inherited } = process.env
  // Detached: a process group of its own, so that all processes that the file has started end with it.
  const child = spawn(process.execPath, ['--require', join(__dirname, 'loud-hooks.cjs'), '--import', 'tsx', file], {
    env: { ...inherited, NO_COLOR: '1', MEMIS_TMP: temp, MEMIS_CASES: join(temp, 'cases'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const group = child.pid as number
  running.set(group, temp)
  let output = ''
  let ending: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
    if (ending !== undefined || !output.match(closing)) return
    ending = setTimeout(() => {
      faults.push(`still running ${patience / 1000} s after its last test: something was left open`)
      endGroup(group)
    }, patience)
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => (output += chunk))
  const end = (ms: number) => {
    faults.push(`not done after ${ms / 1000} s`)
    endGroup(group)
  }
  let timer = setTimeout(() => {
    if (output === '') return end(silence)
    timer = setTimeout(() => end(timeout), timeout - silence)
  }, silence)
  child.on('exit', (code, signal) => {
    if (code !== 0) faults.push(signal ? `ended by ${signal}` : `exit code ${code}`)
    endGroup(group)
  })
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  clearTimeout(ending)
  running.delete(group)
  const titles = await readFile(join(temp, 'cases'), 'utf8').catch(() => '')
  rmSync(temp, { recursive: true, force: true })

  const blocks = [...output.matchAll(closing)]
  const [total = 0, passed = 0, skipped = 0] = blocks[0]?.slice(1).map(Number) ?? []
  if (blocks.length !== 1) faults.push(`uvu's closing block stands there ${blocks.length} times`)
  else if (total === 0) faults.push('no tests')
  if (passed < total) faults.push(`${total - passed} of ${total} tests did not pass`)
  const skips = linesWith('skip:', output)
  const notes = linesWith('#', output)
  if (skips.length < skipped) faults.push(`${skipped - skips.length} tests were skipped without a reason`)
  const failed = Math.max(total - passed, faults.length > 0 ? 1 : 0)
  const cases = titles.split('\n').filter(Boolean)
  return { passed, failed, skipped, faults, skips, notes, cases, output, ms: performance.now() - start }
}

/** Ends all running files, for a runner that is interrupted. */
export function endSuites(): void {
  for (const [group, temp] of running) {
    endGroup(group)
    rmSync(temp, { recursive: true, force: true })
  }
}

/** uvu prints a suite's name and its dots without a line break: such a line may begin after them. */
function linesWith(mark: string, output: string): string[] {
  return [...output.matchAll(new RegExp(`(?:^|[•✘] | {2})${mark} (.+)$`, 'gm'))].map((match) => match[1] as string)
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // The group is empty.
  }
}

/** A suite whose run() was forgotten leaves no trace if another one in the file has run. */
function forgotten(source: string): string[] {
  const names = [...source.matchAll(/\b(\w+) = suite\b/g)].map((match) => match[1] as string)
  if (/import \{[^}]*\btest\b[^}]*\} from 'uvu'/.test(source)) names.push('test')
  return names.filter((name) => !source.includes(`${name}.run()`)).map((name) => `${name}.run() is missing`)
}
