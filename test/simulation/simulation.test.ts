/** Many worlds, each made of a seed, in virtual time: see `world.ts`, `faults.ts` and `invariants.ts`. */
import assert from 'node:assert'
import { suite } from 'uvu'
import { run } from './run'
import { testSeeds } from './seeds'

const test = suite('simulation')

testSeeds(test, 1, 600)

test('a seed gives the same world each time', async () => {
  const [once, again] = [await run(7, 300, true), await run(7, 300, true)]
  assert.ok(once.lines.length > 0)
  assert.deepStrictEqual(again, once)
})

test.run()
