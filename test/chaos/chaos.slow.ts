/**
 * A short run of chaos on each store: one seed in which it keeps its contents, one in which it loses them and gets them
 * back, one in which it loses them for good. `scripts/chaos.ts` runs longer.
 */
import assert from 'node:assert'
import { note, suite } from '../support/testing'
import { run, type Verdict } from './run'
import { stores } from './stores'
import { summarize } from './summary'

const test = suite('chaos', 300_000)
const seconds = 6
const seeds = [4, 5, 7]

for (const transport of Object.keys(stores)) {
  const verdicts: Verdict[] = []
  for (const seed of seeds) {
    test(`K1 K2 K3 K7 W3 W4 W6 W7 C2 C4 C5 C7 E2 E7 ${transport}, seed ${seed}, ${seconds} s`, async () => {
      const verdict = await run(transport, seed, seconds)
      verdicts.push(verdict)
      const { violations, trace } = verdict
      const replay = `npx tsx scripts/chaos.ts --transport ${transport} --seed ${seed} --seconds ${seconds}`
      assert.ok(violations.length === 0, [...violations, replay, ...trace].join('\n'))
    })
  }
  test(`${transport}: which faults there were`, async () => {
    const { faults, calls, events } = summarize(transport, '', verdicts)
    const list = faults.map(({ name, count, worst }) => `${name} ${count} (${worst} ms)`)
    note(`${transport}: ${calls} calls, ${events} events; faults (longest repair): ${list.join(', ')}`)
    assert.ok(faults.length > 0)
  })
}

test.run()
