import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { inspectCollection, toPlainObject } from '../../src/core/inspect'

const test = suite('inspect')

test('a collection is one line with its name, state and size', () => {
  assert.equal(inspectCollection('shop', 'regions', 'live', 3), 'Collection shop/regions (live, 3 items)')
  assert.equal(inspectCollection('shop', 'regions', 'stale', 1), 'Collection shop/regions (stale, 1 item)')
  assert.equal(inspectCollection('a b', '\x1b[31m\n', 'idle', 0), 'Collection "a b"/"\\u001b[31m\\n" (idle, 0 items)')
})

test('items by key are a plain object, whatever the keys are called', () => {
  const items = new Map([...['a', '__proto__', 'constructor', ''].entries()].map(([i, key]) => [key, { i }]))
  const object = toPlainObject(items)
  assert.deepEqual(new Map(Object.entries(object)), items)
  assert.equal(Object.getPrototypeOf(object), Object.prototype)
  assert.equal(JSON.stringify(object), '{"a":{"i":0},"__proto__":{"i":1},"constructor":{"i":2},"":{"i":3}}')
})

test.run()
