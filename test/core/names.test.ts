import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { checkName, isKey } from '../../src/core/names'
import { anyUnits } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('names')

const limits = { database: 64, collection: 128, key: 256 } as const
const kinds = Object.keys(limits) as (keyof typeof limits)[]

test('any well-formed, non-empty string is a name, and is returned as it is', () => {
  const names = ['a', 'a:b', '*', '>', '{}', '/', ' ', '\n', '\0', '🎉', '__proto__', 'constructor', '%', '\ufeff', '"']
  for (const kind of kinds) for (const name of names) assert.equal(checkName(kind, name), name)
})

test('a name is bounded in bytes of UTF-8, not in characters', () => {
  for (const kind of kinds) {
    const limit = limits[kind]
    for (const [unit, bytes] of [
      ['a', 1],
      ['é', 2],
      ['€', 3],
      ['🎉', 4],
    ] as const) {
      const longest = unit.repeat(Math.floor(limit / bytes))
      assert.equal(checkName(kind, longest), longest)
      assert.throws(() => checkName(kind, longest + unit), { code: 'INVALID_NAME' })
    }
  }
})

test('a name that is not a string, or is empty, is refused', () => {
  const others = [undefined, null, 0, 1, NaN, true, 1n, Symbol('s'), {}, [], ['a'], () => {}, Object('boxed')]
  for (const kind of kinds) {
    for (const name of others) assert.throws(() => checkName(kind, name), { code: 'INVALID_NAME' })
    assert.throws(() => checkName(kind, ''), { code: 'INVALID_NAME' })
  }
})

test('a value that cannot be made a string is refused with a code, too', () => {
  const throwing = {
    toString() {
      throw new Error('no')
    },
  }
  for (const name of [Object.create(null), throwing]) {
    assert.throws(() => checkName('key', name), { code: 'INVALID_NAME' })
  }
})

test('a lone surrogate is refused anywhere in a name', () => {
  for (const kind of kinds) {
    for (const name of ['\ud83c', '\udf89', 'a\ud83cb', '🎉\ud83c', '\udf89\ud83c']) {
      assert.throws(() => checkName(kind, name), { code: 'INVALID_NAME', message: /lone surrogate/ })
    }
  }
})

test('the message says which name is wrong and why, and is bounded', () => {
  const message = (name: unknown, kind: keyof typeof limits = 'key') => {
    try {
      checkName(kind, name)
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }
  assert.equal(message(1), 'a key must be a string, this is 1')
  assert.equal(message('', 'database'), 'a database name must not be empty')
  assert.equal(message('\ud800', 'collection'), 'a collection name must be well-formed, "\\ud800" has a lone surrogate')
  const long = message('x'.repeat(1_000_000))
  assert.match(String(long), /^a key may have 256 bytes of UTF-8, "x{77}…" has 1000000$/)
})

test('a key from a store is accepted exactly if `set` would accept it', () => {
  const taken = (key: unknown) => {
    try {
      checkName('key', key)
      return true
    } catch {
      return false
    }
  }
  const anything = fc.oneof(
    anyUnits,
    fc.tuple(fc.constantFrom('a', 'é', '€', '🎉'), fc.nat(300)).map(([unit, times]) => unit.repeat(times)),
    fc.constantFrom(undefined, null, 0, 1n, true),
  )
  fc.assert(fc.property(anything, (key) => assert.equal(isKey(key), taken(key))))
  for (const key of ['x'.repeat(256), 'x'.repeat(257), '🎉'.repeat(64), '🎉'.repeat(65), '\ud800', '', null, {}]) {
    assert.equal(isKey(key), taken(key))
  }
})

test.run()
