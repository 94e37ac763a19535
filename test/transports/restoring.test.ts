/** What is put back after a loss, at the seam: each store must know it from what is written after the loss, for ever. */
import assert from 'node:assert'
import type { Change, Outcome, Revision } from '../../src/core/transport'
import { Bench, lost, remove, set } from '../support/seam'
import { suite, until } from '../support/testing'
import { stores } from '../support/transports'

const test = suite('restoring')

const isRefused = (outcome: Outcome) => 'refused' in outcome

for (const { name, start } of stores) {
  test(`K7 ${name}: of two that put back, the newer one wins, whoever comes first`, async () => {
    await using bench = await Bench.set(start)
    assert.ok(!isRefused(await bench.write(set('up', 5, null, bench.restores(5)))))
    assert.ok(!isRefused(await bench.write(set('up', 7, null, bench.restores(7)))))
    assert.ok(isRefused(await bench.write(set('up', 6, null, bench.restores(6)))))
    assert.ok(!isRefused(await bench.write(remove('gone', bench.restores(5)))))
    assert.ok(isRefused(await bench.write(set('gone', 4, null, bench.restores(4)))))
    assert.ok(!isRefused(await bench.write(set('gone', 6, null, bench.restores(6)))))
    const told = await bench.told(null)
    assert.deepStrictEqual((told.get('up') as { item?: unknown }).item, { n: 7 })
    assert.deepStrictEqual((told.get('gone') as { item?: unknown }).item, { n: 6 })
  })

  test(`K7 W3 ${name}: a delete stays, also where a mark that was put back says the same already`, async () => {
    await using bench = await Bench.set(start)
    assert.ok(!isRefused(await bench.write(remove('key', bench.restores(5)))))
    const outcome = await bench.write(remove('key'))
    assert.strictEqual((outcome as { existed?: boolean }).existed, false)
    // Somebody knows a later item than the one that the mark was of: it was there before the delete all the same.
    assert.ok(isRefused(await bench.write(set('key', 7, null, bench.restores(7)))))
    assert.notStrictEqual((await bench.told(null)).get('key')?.kind, 'set')
  })

  test(`K7 E2 ${name}: what was put back and expired again does not overrule what was newer in the lost history`, async () => {
    await using bench = await Bench.set(start)
    const outcome = await bench.write(set('key', 5, 50, bench.restores(5)))
    assert.ok('n' in outcome)
    const from = { epoch: bench.epoch, n: outcome.n - 1, past: [] }
    let last: Change | undefined
    const isMarked = async () => {
      last = (await bench.told(from)).get('key')
      // In a stream, the mark is a message of its own, which comes a while later.
      return last?.kind === 'expire' && (last.n > outcome.n || !name.startsWith('nats'))
    }
    await until('it has expired, and a mark is left of it', isMarked)
    assert.deepStrictEqual((last as { origin?: Revision }).origin, lost(5))
    assert.ok(isRefused(await bench.write(set('key', 4, null, bench.restores(4)))))
    assert.ok(!isRefused(await bench.write(set('key', 7, null, bench.restores(7)))))
    assert.deepStrictEqual(((await bench.told(null)).get('key') as { item?: unknown }).item, { n: 7 })
  })
}

test.run()
