import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import { WeakCache } from '../../src/core/weak-cache'
import { until } from '../support/testing'

const test = suite('weak cache')

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Collects until the cache holds so many. */
const collected = (cache: WeakCache<object>, size: number) =>
  until(`the cache holds ${size}`, () => {
    collectGarbage()
    return cache.size === size
  })

const refuse = (): never => assert.fail('made again')

test('N1 the same name gives the same object, another name another', () => {
  const cache = new WeakCache<object>()
  const a = cache.get('a', () => ({}))
  assert.equal(cache.get('a', refuse), a)
  assert.notEqual(
    cache.get('b', () => ({})),
    a,
  )
  assert.notEqual(
    cache.get('__proto__', () => ({})),
    cache.get('constructor', () => ({})),
  )
})

test('K10 what nobody holds is collected with its name; what somebody holds stays', async () => {
  const cache = new WeakCache<object>()
  const held = cache.get('held', () => ({}))
  for (let i = 0; i < 1000; i++) cache.get(`${i}`, () => ({}))
  assert.equal(cache.size, 1001)
  await collected(cache, 1)
  assert.equal(cache.get('held', refuse), held)
})

test('N1 a name that is asked for again after its object was collected stays in the cache', async () => {
  const cache = new WeakCache<object>()
  for (let round = 0; round < 20; round++) {
    cache.get('a', () => ({}))
    await new Promise(setImmediate) // until then, whatever was made or asked for is kept
    collectGarbage()
    // The former object is gone, and the cache may be told so at any time from now on.
    const again = cache.get('a', () => ({}))
    await new Promise(setImmediate)
    assert.equal(cache.get('a', refuse), again)
  }
})

test.run()
