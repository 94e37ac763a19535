/**
 * A short run of chaos on each store: one seed where it keeps its contents, one where it loses them and they are put back, one
 * where they are gone. The long one is `scripts/chaos.ts`.
 */
import assert from 'node:assert'
import { note, suite } from '../support/testing'
import { run, type Verdict } from './run'
import { stores } from './stores'
import { summarize } from './summary'

const test = suite('chaos', 300_000)
const seconds = 6
const seeds = [4, 5, 7]

/**
 * On NATS, a stream that is deleted while clients write to it may lose what they wrote to the one made anew: seen, and not
 * understood yet. Until it is, chaos on NATS is run by hand, and read.
 */
const isOpen = (transport: string) => transport.startsWith('nats')

for (const transport of Object.keys(stores)) {
  if (isOpen(transport)) {
    console.log(
      `skip: chaos on ${transport}: open, by hand: npx tsx scripts/chaos.ts --transport ${transport} --seed 5 --seconds 6`,
    )
    test.skip(`chaos on ${transport}`)
    continue
  }
  const verdicts: Verdict[] = []
  for (const seed of seeds) {
    test(`K1 K2 K3 K7 W3 W4 W6 W7 E2 ${transport}, seed ${seed}, ${seconds} s`, async () => {
      const verdict = await run(transport, seed, seconds)
      verdicts.push(verdict)
      const { violations, trace } = verdict
      const replay = `npx tsx scripts/chaos.ts --transport ${transport} --seed ${seed} --seconds ${seconds}`
      assert.ok(violations.length === 0, [...trace, ...violations, replay].join('\n'))
    })
  }
  test(`${transport}: what was injected`, async () => {
    const { faults, calls, events } = summarize(transport, '', verdicts)
    const told = faults.map(({ name, count, worst }) => `${name} ${count} (${worst} ms)`)
    note(`${transport}: ${calls} calls, ${events} events; faults (time to repair, at worst): ${told.join(', ')}`)
    assert.ok(faults.length > 0)
  })
}

test.run()
