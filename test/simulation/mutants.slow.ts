/**
 * Whether the simulation would notice: each deliberate fault must be caught, by the seed that caught it the last time or
 * else within 1,000 seeds. Works on a copy of the sources. `MUTANT=fence npx tsx test/simulation/mutants.slow.ts` tries
 * those alone whose name contains that; with `RENEW=1` the seeds that catch them now are kept for the next time.
 */
import assert from 'node:assert'
import { rmSync } from 'node:fs'
import { suite } from 'uvu'
import { type Catch, copyOfSources, hunt } from './mutants/hunt'
import { mutants } from './mutants/index'

const atOnce = 2

const folders = Array.from({ length: atOnce }, copyOfSources)
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const test = suite('mutants')
const wanted = mutants.filter(({ name }) => name.includes(process.env.MUTANT ?? ''))
const catches: Promise<Catch>[] = []

/** They are hunted in the order of the tests, some at a time: each waits for the one so many places before it. */
wanted.forEach((mutant, i) => {
  const folder = folders[i % atOnce] as string
  catches.push(Promise.resolve(catches[i - atOnce]).then(() => hunt(mutant, folder)))
  test(mutant.name, async () => {
    const { isCaught, text } = await (catches[i] as Promise<Catch>)
    assert.ok(isCaught, text)
    console.log(text)
  })
})

test.run()
