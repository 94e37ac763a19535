/** Runs the simulation on a copy of the sources with a fault in it. */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, mutated, root } from './mutate'

const seeds = 1000
/** A fault that makes the simulation hang is not caught by it (ms). */
const longest = 600_000

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
  const args = ['--import', 'tsx', 'scripts/simulate.ts', '--seeds', String(seeds), '--most', '1']
  try {
    writeFileSync(file, mutated(mutant))
    const output = await new Promise<string>((done) => {
      execFile(process.execPath, args, { cwd: folder, timeout: longest }, (_, stdout, stderr) => done(stdout + stderr))
    })
    const caught = /^seed (\d+), step \d+: (.*)$/m.exec(output)
    if (caught === null) return { isCaught: false, text: `${name} lives after ${seeds} seeds: ${output.slice(-400)}` }
    return { isCaught: true, text: `${name}: seed ${caught[1]}, ${caught[2]}` }
  } catch (error) {
    return { isCaught: false, text: (error as Error).message }
  } finally {
    writeFileSync(file, text)
  }
}
