import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import { clean, isHarmful, kindOf, quote, readable } from '../../src/core/text'
import { anyUnits } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('text')

/** What could forge a line of a log, move a terminal's cursor, or turn the direction of writing. */
const harmful: [what: string, text: string, escaped: string][] = [
  ['a newline', '\n', '\\n'],
  ['a carriage return', '\r', '\\r'],
  ['NUL', '\0', '\\u0000'],
  ['an escape sequence', '\x1b[31m', '\\u001b[31m'],
  ['delete', '\x7f', '\\u{7f}'],
  ['an escape sequence of C1', '\x9b31m', '\\u{9b}31m'],
  ['a right-to-left override', '\u202e', '\\u{202e}'],
  ['a bidi isolate', '\u2066', '\\u{2066}'],
  ['a line separator', '\u2028', '\\u{2028}'],
  ['a paragraph separator', '\u2029', '\\u{2029}'],
  ['a byte order mark', '\ufeff', '\\u{feff}'],
  ['a zero-width space', '\u200b', '\\u{200b}'],
  ['a tag', '\u{e0041}', '\\u{e0041}'],
  ['a lone surrogate', 'a\ud800b', 'a\\ud800b'],
]

test('harmful characters are escaped, and nothing else is', () => {
  for (const [what, text, escaped] of harmful) {
    assert.ok(isHarmful(text), what)
    assert.equal(clean(`a ${text} "b"`, 100), `a ${escaped} "b"`, what)
    assert.equal(quote(text), `"${escaped}"`, what)
    assert.equal(readable(text), `"${escaped}"`, what)
  }
  for (const text of ['', 'a b', 'é', '日本', '🎉', '\\n', '"', '\u00a0']) {
    assert.ok(!isHarmful(text), text)
    assert.equal(clean(text, 100), text)
  }
})

test('whatever the text, the result is clean, within the limit, and cut only if it has to be', () => {
  fc.assert(
    fc.property(anyUnits, fc.integer({ min: 1, max: 40 }), (text, limit) => {
      const result = clean(text, limit)
      assert.ok(result.length <= limit)
      assert.ok(!isHarmful(result))
      assert.equal(clean(result, limit), result)
      const whole = clean(text, Infinity)
      assert.equal(result, whole.length <= limit ? whole : result)
      assert.ok(whole.startsWith(result.replace(/…$/, '')))
    }),
  )
})

test('an escape or a pair of surrogates is never cut in two', () => {
  assert.equal(clean('ab\n', 4), 'ab\\n')
  assert.equal(clean('ab\nc', 4), 'ab…')
  assert.equal(clean('ab🎉c', 4), 'ab…')
  assert.equal(clean('ab🎉', 4), 'ab🎉')
})

test('a long text costs no more than a short one', () => {
  const long = '\n'.repeat(2 ** 24)
  const start = process.cpuUsage()
  for (let i = 0; i < 1000; i++) quote(long)
  const { user } = process.cpuUsage(start)
  assert.ok(user < 1_000_000, `${user} µs of CPU`) // reading all of it once takes 100,000 µs
})

test('a string is quoted, and bounded', () => {
  assert.equal(quote('a'), '"a"')
  assert.equal(quote('a\n\0\u001b"\\'), '"a\\n\\u0000\\u001b\\"\\\\"')
  assert.equal(quote('x'.repeat(78)), `"${'x'.repeat(78)}"`)
  assert.equal(quote('x'.repeat(79)), `"${'x'.repeat(77)}…"`)
})

test('any other value is shown as the console shows it, on one line', () => {
  const shown: [unknown, string][] = [
    [undefined, 'undefined'],
    [-1, '-1'],
    [1n, '1n'],
    [Symbol('s'), 'Symbol(s)'],
    [{ a: { b: 1 } }, '{ a: [Object] }'],
    [['x'], "[ 'x' ]"],
  ]
  for (const [value, text] of shown) assert.equal(quote(value), text)
  assert.ok(quote(Array.from({ length: 1000 }, () => 'text')).length <= 80)
  assert.ok(!isHarmful(quote({ '\u202e': Symbol('\u202e') })))
})

test('a simple name is bare, any other is quoted', () => {
  for (const name of ['a', 'region-nl', 'a.b:c_1', 'x'.repeat(80)]) assert.equal(readable(name), name)
  for (const name of ['', 'a b', 'é', 'a\n', 'a/b', '__proto__ ']) assert.equal(readable(name), JSON.stringify(name))
  assert.equal(readable('x'.repeat(81)), `"${'x'.repeat(77)}…"`)
})

test('the kind of a value says nothing of its contents', () => {
  class Secret {}
  const kinds: [unknown, string][] = [
    ['s3cr3t', 'a string'],
    ['', 'an empty string'],
    [{ password: 's3cr3t' }, 'an object'],
    [Object.create(null), 'an object'],
    [['s3cr3t'], 'an array'],
    [new Date(), 'a Date'],
    [new URL('redis://:s3cr3t@host'), 'a URL'],
    [new Secret(), 'an instance of Secret'],
    [() => 's3cr3t', 'a function'],
    [Symbol('s3cr3t'), 'a symbol'],
    [1n, 'a bigint'],
    [null, 'null'],
    [undefined, 'undefined'],
    [NaN, 'NaN'],
    [false, 'false'],
  ]
  for (const [value, kind] of kinds) assert.equal(kindOf(value), kind)
})

test('no value can harm, and none of its code runs', () => {
  const run = () => assert.fail('it was run')
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile = [
    Object.create(null),
    proxy,
    { toString: run, toJSON: run, [Symbol.toPrimitive]: run, [inspect.custom]: run },
    Object.create({ constructor: Object.defineProperty(() => {}, 'name', { value: '\x1b[31mX\n'.repeat(100) }) }),
    {
      get field() {
        return run()
      },
    },
  ]
  for (const value of hostile) {
    for (const text of [quote(value), kindOf(value)]) assert.ok(text.length <= 120 && !isHarmful(text), text)
  }
  assert.equal(typeof quote(new Proxy({}, { get: run, ownKeys: run })), 'string')
})

test.run()
