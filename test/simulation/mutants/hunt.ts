/** Runs the simulation on a copy of the sources with a fault in it. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, mutated, root } from './mutate'

const seeds = 1000
/** A fault that makes the simulation hang is not caught by it (ms). */
const longest = 600_000
/** The seed that caught each fault the last time: it is tried first. */
const seedsFile = join(__dirname, 'seeds.json')
const known: Record<string, number> = JSON.parse(readFileSync(seedsFile, 'utf8'))

export interface Catch {
  readonly isCaught: boolean
  readonly text: string
}

/** A copy of all that the simulation needs. */
export function copyOfSources(): string {
  const folder = mkdtempSync(join(tmpdir(), 'memis-mutants-'))
  for (const part of ['src', 'test/simulation', 'scripts/simulate.ts', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Puts the fault into the copy, runs seeds until one catches it, and takes it out again. */
export async function hunt(mutant: Mutant, folder: string): Promise<Catch> {
  const { name } = mutant
  const file = join(folder, mutant.file)
  const text = readFileSync(file, 'utf8')
  try {
    writeFileSync(file, mutated(mutant))
    const last = known[name]
    const again = last === undefined ? undefined : await simulate(folder, last, 1)
    const found = again?.seed === undefined ? await simulate(folder, 1, seeds) : again
    if (found.seed === undefined)
      return { isCaught: false, text: `${name} lives after ${seeds} seeds: ${found.output}` }
    if (found.seed !== last) noteSeed(name, found.seed)
    return { isCaught: true, text: `${name}: seed ${found.seed}, ${found.violation}` }
  } catch (error) {
    return { isCaught: false, text: (error as Error).message }
  } finally {
    writeFileSync(file, text)
  }
}

interface Found {
  readonly seed: number | undefined
  readonly violation: string
  readonly output: string
}

async function simulate(folder: string, from: number, count: number): Promise<Found> {
  const options = ['--from', String(from), '--seeds', String(count), '--most', '1']
  const args = ['--import', 'tsx', 'scripts/simulate.ts', ...options]
  const output = await new Promise<string>((done) => {
    execFile(process.execPath, args, { cwd: folder, timeout: longest }, (_, stdout, stderr) => done(stdout + stderr))
  })
  const [, seed, violation = ''] = /^seed (\d+), step \d+: (.*)$/m.exec(output) ?? []
  return { seed: seed === undefined ? undefined : Number(seed), violation, output: output.slice(-400) }
}

function noteSeed(name: string, seed: number): void {
  known[name] = seed
  const inOrder = Object.fromEntries(Object.entries(known).sort())
  if (process.env.RENEW !== undefined) writeFileSync(seedsFile, `${JSON.stringify(inOrder, undefined, 2)}\n`)
}
