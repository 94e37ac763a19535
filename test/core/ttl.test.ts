import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { checkTtl, checkTtlOrKeep } from '../../src/core/ttl'

const test = suite('ttl')

const year = 365.25 * 24 * 3600

test('W1 a ttl is in seconds, fractions allowed, and a millisecond at least', () => {
  const ttls: [seconds: number | undefined, ms: number | null][] = [
    [undefined, null],
    [1, 1000],
    [0.5, 500],
    [0.0015, 2],
    [0.0001, 1],
    [Number.MIN_VALUE, 1],
    [60 * 24 * 3600, 5_184_000_000],
    [100 * year, 3_155_760_000_000],
  ]
  for (const [seconds, ms] of ttls) assert.equal(checkTtl('k', seconds), ms)
})

test('W1 anything else is refused by name', () => {
  for (const wrong of [0, -0, -1, NaN, Infinity, -Infinity, 100 * year + 1, '1', null, true, 1n, {}, [1], new Date()]) {
    assert.throws(() => checkTtl('k', wrong), { code: 'INVALID_TTL', key: 'k' }, String(wrong))
    assert.throws(() => checkTtlOrKeep('k', wrong), { code: 'INVALID_TTL' })
  }
  assert.throws(() => checkTtl('k', 'keep'), { code: 'INVALID_TTL' })
})

test('W1 to keep the remaining time is a word of its own', () => {
  assert.equal(checkTtlOrKeep('k', 'keep'), 'keep')
  assert.equal(checkTtlOrKeep('k', 1), 1000)
  assert.equal(checkTtlOrKeep('k', undefined), null)
})

test.run()
