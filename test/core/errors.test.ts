import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import { type ErrorCode, errorCodes, isPermanent, MemisError, quote, readable } from '../../src/core/errors'

const test = suite('errors')

test('an error has a code, a message and a cause, and is an Error', () => {
  const cause = new Error('below')
  const error = new MemisError('STORE_REFUSED', 'no room', { cause, stored: 'no' })
  assert.ok(error instanceof Error)
  assert.equal(error.code, 'STORE_REFUSED')
  assert.equal(error.message, 'no room')
  assert.equal(error.cause, cause)
  assert.equal(error.stored, 'no')
  assert.equal(String(error), 'MemisError: no room')
})

test('what is not known is not there', () => {
  const error = new MemisError('CLOSED', 'closed')
  assert.ok(!('cause' in error))
  assert.equal(error.stored, undefined)
})

test('an abort goes by the name that it has everywhere', () => {
  assert.equal(new MemisError('ABORTED', 'aborted').name, 'AbortError')
})

test('permanent are the faults that will not pass by themselves', () => {
  const codes = Object.keys(errorCodes) as ErrorCode[]
  const lasting = codes.filter((code) => isPermanent(new MemisError(code, '')))
  assert.deepEqual(lasting, ['INVALID_OPTION', 'UNAUTHORIZED', 'UNSUPPORTED_STORE', 'MISSING_PACKAGE'])
})

test('every code says what it means', () => {
  for (const [code, meaning] of Object.entries(errorCodes)) {
    assert.match(code, /^[A-Z_]+$/)
    assert.ok(meaning.length > 10, code)
  }
})

test('a name is quoted, its control characters escaped, and cut where it is long', () => {
  assert.equal(quote('a'), '"a"')
  assert.equal(quote('a\n\0\u001b"'), '"a\\n\\u0000\\u001b\\""')
  assert.equal(quote('x'.repeat(78)), `"${'x'.repeat(78)}"`)
  assert.equal(quote('x'.repeat(79)), `"${'x'.repeat(76)}…`)
})

test('what is no string is shown as the console shows it, on one line', () => {
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
})

test('anything can be quoted, and none of it is run', () => {
  const run = () => assert.fail('it was run')
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile = [
    Object.create(null),
    proxy,
    new Proxy({}, { get: run, ownKeys: run }),
    { toString: run, toJSON: run, [Symbol.toPrimitive]: run, [inspect.custom]: run },
    {
      get field() {
        return run()
      },
    },
  ]
  for (const value of hostile) assert.equal(typeof quote(value), 'string')
})

test('a name is bare in a message where that is readable, and quoted elsewhere', () => {
  for (const name of ['a', 'region-nl', 'a.b:c_1', 'x'.repeat(80)]) assert.equal(readable(name), name)
  for (const name of ['', 'a b', 'é', 'a\n', 'a/b', '__proto__ ']) assert.equal(readable(name), JSON.stringify(name))
  assert.equal(readable('x'.repeat(81)), `"${'x'.repeat(76)}…`)
})

test.run()
