/** Whether the deliberate faults still fit the sources: what the slow suite takes minutes to find. */
import assert from 'node:assert'
import { suite } from 'uvu'
import { mutants } from './mutants/index'
import { mutated } from './mutants/mutate'

const test = suite('mutants fit')

test('what a fault replaces stands in its function once', () => {
  const unfit = mutants.flatMap((mutant) => {
    try {
      mutated(mutant)
      return []
    } catch (error) {
      return [(error as Error).message]
    }
  })
  assert.deepStrictEqual(unfit, [])
})

test('each fault has a name of its own', () => {
  assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})

test.run()
