/** Many worlds, each made of a seed, in virtual time: see `world.ts`, `faults.ts` and `invariants.ts`. */
import assert from 'node:assert'
import { suite } from 'uvu'
import { run } from './run'

const steps = 1000
const seeds = 2000
const seedsATest = 100

const test = suite('simulation')

for (let first = 1; first <= seeds; first += seedsATest) {
  test(`seeds ${first} to ${first + seedsATest - 1}`, async () => {
    for (let seed = first; seed < first + seedsATest; seed++) {
      if ((await run(seed, steps)).violation === null) continue
      const { violation, step, lines } = await run(seed, steps, true)
      const replay = `npx tsx scripts/simulate.ts --steps ${steps} --seed ${seed}`
      assert.fail([...lines, `step ${step}: ${violation?.invariant}: ${violation?.detail}`, replay].join('\n'))
    }
  })
}

test('a seed gives the same world each time', async () => {
  const [once, again] = [await run(7, 300, true), await run(7, 300, true)]
  assert.ok(once.lines.length > 0)
  assert.deepStrictEqual(again, once)
})

test.run()
