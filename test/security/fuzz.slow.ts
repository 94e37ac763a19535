/**
 * Every decoder on mutated input (H1, H7): nothing throws, nothing is believed that must not be, and time grows with the size alone. By default
 * for about a minute; `MEMIS_FUZZ=1000000 npx tsx test/security/fuzz.slow.ts` gives each a million inputs. test/core/fuzz.slow.ts has more decoders.
 */
import assert from 'node:assert'
import { fuzz } from '../core/fuzz'
import { note, suite } from '../support/testing'
import { moreTargets } from './decoders'
import { type Growing, growing } from './growing'

const test = suite('security: fuzz', 600_000)
const count = Number(process.env.MEMIS_FUZZ ?? 200_000)

for (const target of moreTargets) {
  test(`${target.name}: ${count.toLocaleString('en')} inputs`, async () => {
    const start = performance.now()
    fuzz(target, count, 2026)
    const seconds = (performance.now() - start) / 1000
    note(`${target.name}: ${Math.round(count / seconds / 1000)} thousand inputs a second, none did harm`)
  })
}

/** CPU time (ms), the least of some: others share the machine. */
function timeOf({ make, decode }: Growing, size: number): number {
  let least = Infinity
  for (let i = 0; i < 5; i++) {
    const input = make(size)
    const before = process.cpuUsage()
    decode(input)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

for (const [what, kind] of Object.entries(growing)) {
  test(`${what}: time grows no faster than size (H7)`, async () => {
    const [small, large] = kind.sizes
    const [least, most] = [timeOf(kind, small), timeOf(kind, large)]
    note(`${what}: ${least.toFixed(1)} ms for ${small}, ${most.toFixed(1)} ms for ${large}`)
    // A quadratic one takes sixteen times as long for four times as much.
    assert.ok(most < 12 * Math.max(least, 4), `${least} ms for ${small}, ${most} ms for ${large}`)
    assert.ok(most < 1000, `${most} ms`)
  })
}

test.run()
