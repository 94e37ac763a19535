import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import {
  disconnected,
  type ErrorCode,
  errorCodes,
  isPermanent,
  MemisError,
  outOfTouch,
  withStored,
} from '../../src/core/errors'
import { isHarmful } from '../../src/core/text'

const test = suite('errors')

test('an error has a code, a message and a cause, and is an Error', () => {
  const cause = new Error('below')
  const error = new MemisError('STORE_REFUSED', 'no room', { cause, stored: 'no' })
  assert.ok(error instanceof Error)
  assert.ok(error instanceof MemisError)
  assert.equal(error.code, 'STORE_REFUSED')
  assert.equal(error.message, 'no room')
  assert.equal(error.cause, cause)
  assert.equal(error.stored, 'no')
  assert.equal(String(error), 'MemisError: no room')
})

test('a field that is not known is not there', () => {
  const error = new MemisError('CLOSED', 'closed', { cause: undefined, key: undefined })
  assert.deepEqual(Object.keys(error).sort(), ['code', 'name', 'retryable'])
  assert.ok(!('cause' in error))
})

test('an abort goes by the name that it has everywhere', () => {
  assert.equal(new MemisError('ABORTED', 'aborted').name, 'AbortError')
})

test('an error is retryable if its code is', () => {
  const codes = Object.keys(errorCodes) as ErrorCode[]
  const retryable = codes.filter((code) => new MemisError(code, '').retryable)
  assert.deepEqual(retryable, ['TOO_MANY_PENDING', 'WRITE_TIMEOUT', 'DISCONNECTED', 'OUT_OF_TOUCH'])
})

test('permanent are the faults that will not pass by themselves, and no retry helps', () => {
  const codes = Object.keys(errorCodes) as ErrorCode[]
  const lasting = codes.filter((code) => isPermanent(new MemisError(code, '')))
  assert.deepEqual(lasting, ['INVALID_OPTION', 'UNAUTHORIZED', 'UNSUPPORTED_STORE', 'MISSING_PACKAGE'])
  for (const code of lasting) assert.equal(errorCodes[code].retryable, false)
})

test('every code says what it means, and suggests an HTTP status unless it fails no call', () => {
  for (const [code, { meaning, httpStatus }] of Object.entries(errorCodes)) {
    assert.match(code, /^[A-Z_]+$/)
    assert.ok(meaning.length > 10, code)
    if (httpStatus !== null) assert.ok(httpStatus >= 400 && httpStatus < 600, code)
  }
})

test('names are fields, and stand in front of the message', () => {
  const prefixes: [object, string][] = [
    [{}, ''],
    [{ database: 'shop' }, 'shop: '],
    [{ key: 'nl' }, 'nl: '],
    [{ database: 'shop', collection: 'regions' }, 'shop/regions: '],
    [{ database: 'shop', collection: 'regions', key: 'nl' }, 'shop/regions: nl: '],
    [{ database: 'a b', collection: 'c/d\n', key: '\u202e' }, '"a b"/"c/d\\n": "\\u{202e}": '],
  ]
  for (const [names, prefix] of prefixes) {
    const error = new MemisError('STORE_REFUSED', 'no', names)
    assert.equal(error.message, `${prefix}no`)
    assert.deepEqual({ ...error, ...names }, { ...error })
  }
})

test('a copy with names, or with what is stored, keeps the rest', () => {
  const cause = new Error('below')
  const current = { key: 'nl', item: {}, revision: 'e.1', expiresIn: null }
  const first = new MemisError('CONFLICT', 'the item has changed', { cause, current, key: 'nl' })
  const named = first.at({ database: 'shop', collection: 'regions', key: 'other' })
  const error = withStored(named, 'no')
  assert.equal(error.message, 'shop/regions: nl: the item has changed')
  const { code, stored, database, collection, key, retryable } = error
  assert.deepEqual(
    { code, stored, database, collection, key, retryable },
    { code: 'CONFLICT', stored: 'no', database: 'shop', collection: 'regions', key: 'nl', retryable: false },
  )
  assert.equal(error.cause, cause)
  assert.equal(error.current, current)
  // The first is shared by many calls.
  assert.equal(first.message, 'nl: the item has changed')
  assert.ok(!('stored' in first || 'database' in first))
})

test('names are attached once', () => {
  const names = { database: 'shop', collection: 'regions', key: 'nl' }
  const error = disconnected('no answer').at(names).at(names).at({ database: 'other', collection: 'other' })
  assert.equal(error.message, 'shop/regions: nl: no answer')
})

test('a name that is not a string is not attached, nor is a key that is invalid', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  for (const key of [undefined, null, 1, Symbol('s'), {}, Object.create(null), proxy] as never[]) {
    const error = new MemisError('INVALID_NAME', 'no').at({ database: 'shop', collection: key, key })
    assert.equal(error.message, 'shop: no')
    assert.ok(!('key' in error || 'collection' in error))
    assert.equal(new MemisError('CLOSED', 'no', { key }).message, 'no')
  }
  const long = new MemisError('INVALID_NAME', 'a key may have 256 bytes').at({ key: 'x'.repeat(1e6) })
  assert.equal(long.message, 'a key may have 256 bytes')
})

test('whatever a transport rejects with becomes an error that says whether the write is stored', () => {
  const error = disconnected('no answer', new Error('below'))
  assert.equal(withStored(error, 'unknown').stored, 'unknown')
  assert.equal(withStored(error, 'unknown').cause, error.cause)
  const refused = withStored(error, 'no')
  assert.equal(withStored(refused, 'no'), refused)
  for (const thrown of [undefined, null, 'text', {}, new TypeError('a mistake')]) {
    const wrapped = withStored(thrown, 'unknown')
    assert.equal(wrapped.code, 'STORE_REFUSED')
    assert.equal(wrapped.stored, 'unknown')
    assert.equal(wrapped.cause, thrown)
  }
  assert.equal(outOfTouch('a gap').code, 'OUT_OF_TOUCH')
})

test('nothing harmful is printed of a message, a name or a cause, and nothing without end', () => {
  const evil = `u\x1b]0;owned\x07\x9b31m\u202e\u2028\n2026-11-27 INFO admin logged in${'x'.repeat(100_000)}`
  const below = Object.assign(new Error(evil, { cause: new Error(evil) }), { code: 'ERR_STORE' })
  below.name = evil
  const errors = [
    new MemisError('STORE_REFUSED', evil),
    new MemisError('STORE_REFUSED', 'no', { database: evil, collection: evil, key: evil }),
    new MemisError('STORE_REFUSED', 'no', { cause: below }),
    new MemisError('STORE_REFUSED', 'no', { cause: new Error('harmless', { cause: new Error(evil) }) }),
    new MemisError('STORE_REFUSED', 'no', { cause: evil }),
    new MemisError('STORE_REFUSED', evil, { cause: below }).at({ key: evil }).with({ stored: 'no' }),
  ]
  for (const error of errors) {
    assert.ok(error.message.length < 800)
    for (const text of [error.message, error.stack ?? '', inspect(error.cause, { depth: 9 })]) {
      for (const line of text.split(/\n\s*/)) {
        assert.ok(!isHarmful(line), JSON.stringify(line))
        assert.doesNotMatch(line, /^2026/)
      }
      assert.ok(text.length < 5000)
    }
  }
  const { cause } = new MemisError('STORE_REFUSED', 'no', { cause: below })
  assert.equal((cause as NodeJS.ErrnoException).code, 'ERR_STORE')
})

test('a harmless cause is the very same object, and so is one that the caller’s own code threw', () => {
  const harmless = new Error('connect ECONNREFUSED 127.0.0.1:6379', { cause: new Error('below') })
  assert.equal(new MemisError('DISCONNECTED', 'no', { cause: harmless }).cause, harmless)
  const own = new Error('two\nlines')
  for (const code of ['LISTENER_FAILED', 'ABORTED', 'INVALID_ITEM'] as const) {
    assert.equal(new MemisError(code, 'no', { cause: own }).cause, own)
  }
})

/** The module as another copy of memis has it: its own classes, and the same process. */
function anotherCopy(): typeof import('../../src/core/errors') {
  const cached = Object.keys(require.cache).filter((file) => /src[\\/]core[\\/]/.test(file))
  const kept = cached.map((file) => [file, require.cache[file]] as const)
  for (const file of cached) delete require.cache[file]
  try {
    return require('../../src/core/errors')
  } finally {
    for (const [file, module] of kept) require.cache[file] = module
  }
}

test('errors of another copy of the module are recognised, and can be given names', () => {
  const other = anotherCopy()
  assert.notEqual(other.MemisError, MemisError)
  const error = new other.MemisError('DISCONNECTED', 'no')
  assert.ok(error instanceof MemisError)
  assert.ok(new MemisError('CLOSED', 'no') instanceof other.MemisError)
  assert.equal(withStored(error, 'no').code, 'DISCONNECTED')
  assert.equal(error.at({ key: 'a' }).message, 'a: no')
})

test('nothing else is taken for an error of memis', () => {
  class Mine extends MemisError {}
  assert.ok(new Mine('CLOSED', '') instanceof Mine)
  assert.ok(new Mine('CLOSED', '') instanceof MemisError)
  assert.ok(!(new MemisError('CLOSED', '') instanceof Mine))
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const others = [undefined, null, 0, 'CLOSED', {}, proxy, new Error('no'), { code: 'CLOSED' }, MemisError]
  const forged = { [Symbol.for('memis.MemisError')]: true, code: 'CLOSED' }
  for (const other of [...others, forged]) assert.ok(!((other as unknown) instanceof MemisError))
})

test.run()
