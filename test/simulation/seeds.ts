/** Tests of many seeds, some at a time. */
import assert from 'node:assert'
import type { Test } from 'uvu'
import { run } from './run'

const steps = 1000
const seedsATest = 100

export function testSeeds(test: Test, from: number, to: number): void {
  for (let first = from; first <= to; first += seedsATest) {
    const last = Math.min(to, first + seedsATest - 1)
    test(`seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) {
        if ((await run(seed, steps)).violation === null) continue
        const { violation, step, lines } = await run(seed, steps, true)
        const replay = `npx tsx scripts/simulate.ts --steps ${steps} --seed ${seed}`
        assert.fail([...lines, `step ${step}: ${violation?.invariant}: ${violation?.detail}`, replay].join('\n'))
      }
    })
  }
}
