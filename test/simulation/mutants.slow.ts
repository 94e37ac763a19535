/**
 * Whether the simulation would notice: each deliberate fault must be caught within 1,000 seeds. Works on a copy of the
 * sources. `MUTANT=fence npx tsx test/simulation/mutants.slow.ts` tries those alone whose name contains that.
 */
import assert from 'node:assert'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import { type Mutant, mutants, mutated, root } from './mutants'

const seeds = 1000
const atOnce = 2

interface Catch {
  readonly ok: boolean
  readonly text: string
}

const folder = mkdtempSync(join(tmpdir(), 'memis-mutants-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function hunt(mutant: Mutant): Promise<Catch> {
  const { name, file } = mutant
  const copy = mkdtempSync(join(folder, 'copy-'))
  for (const part of ['src', 'test', 'scripts/simulate.ts', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(copy, part), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  writeFileSync(join(copy, file), mutated(mutant))
  const args = ['--import', 'tsx', 'scripts/simulate.ts', '--seeds', String(seeds), '--most', '1']
  const output = await new Promise<string>((done) => {
    execFile(process.execPath, args, { cwd: copy }, (_, stdout, stderr) => done(stdout + stderr))
  })
  rmSync(copy, { recursive: true })
  const caught = /^seed (\d+), step \d+: (.*)$/m.exec(output)
  if (caught === null) return { ok: false, text: `${name} lives after ${seeds} seeds: ${output.slice(-400)}` }
  return { ok: true, text: `${name}: seed ${caught[1]}, ${caught[2]}` }
}

const unfit = ({ message }: Error): Catch => ({ ok: false, text: message })

const test = suite('mutants')
const wanted = mutants.filter(({ name }) => name.includes(process.env.MUTANT ?? ''))
const catches: Promise<Catch>[] = []

/** They are hunted in the order of the tests, some at a time: each waits for the one so many places before it. */
wanted.forEach((each, i) => {
  catches.push((catches[i - atOnce] ?? Promise.resolve()).then(() => hunt(each)).catch(unfit))
  test(each.name, async () => {
    const { ok, text } = await (catches[i] as Promise<Catch>)
    assert.ok(ok, text)
    console.log(text)
  })
})

test.run()
