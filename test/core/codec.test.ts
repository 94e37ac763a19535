import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import { decodeItem, encodeItem, equalItems, maxDepth } from '../../src/core/codec'
import { anyField, anyItem, shuffled } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('codec')

const encode = (item: unknown, maxBytes = Infinity) => encodeItem('coldplay', item, maxBytes)
const decode = (json: string) => decodeItem(JSON.parse(json))
const refused = (message: string) => ({ code: 'INVALID_ITEM', message })

/** Objects in objects, so many in all. */
function nested(levels: number): object {
  let item = {}
  for (let level = 1; level < levels; level++) item = { inner: item }
  return item
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen)
}

test('what is encoded comes back as it was', () => {
  fc.assert(
    fc.property(anyItem, (item) => {
      const { json, item: copy } = encode(item)
      assert.deepEqual(decode(json), withoutMinusZero(item))
      assert.deepEqual(copy, withoutMinusZero(item))
    }),
  )
})

test('the length of the text is counted in bytes', () => {
  fc.assert(
    fc.property(anyItem, (item) => {
      const { json, bytes } = encode(item)
      assert.equal(bytes, Buffer.byteLength(json))
    }),
  )
})

test('an item whose getter writes another one is encoded as any other', () => {
  const outer = {
    get a() {
      return encode({ inner: { x: 1 } }).json
    },
    b: { c: 2 },
  }
  assert.deepEqual(encode(outer).item, { a: '{"inner":{"x":1}}', b: { c: 2 } })
  const faulty = {
    get a() {
      assert.throws(() => encode({ x: { y: 1n } }), refused('coldplay: x.y is a bigint'))
      return 1
    },
    b: { c: 2n },
  }
  assert.throws(() => encode(faulty), refused('coldplay: b.c is a bigint'))
})

test('equality ignores the order of the fields, at every depth', () => {
  fc.assert(
    fc.property(anyItem, fc.nat(), (item, seed) => {
      const other = shuffled(item, seed)
      assert.ok(equalItems(item, other))
      assert.ok(equalItems(other, item))
    }),
  )
})

test('equality is as strict as the text, but for the order', () => {
  const canonical = (item: unknown) => JSON.stringify(sorted(item))
  // Few names and values, so that equal ones meet.
  const small = fc.dictionary(
    fc.constantFrom('a', 'b', '__proto__'),
    fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 2 },
        fc.constantFrom(null, 0, 1, '', '1', false),
        fc.array(tie('value'), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { maxKeys: 2 }),
      ),
    })).value,
    { maxKeys: 2 },
  )
  fc.assert(
    fc.property(small, small, (a, b) => {
      assert.equal(equalItems(a, b), canonical(a) === canonical(b))
      assert.equal(equalItems(b, a), equalItems(a, b))
      assert.ok(equalItems(a, a))
    }),
    { numRuns: 500 },
  )
})

test('what differs is not equal', () => {
  const pairs: [unknown, unknown][] = [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { b: 1 }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ a: null }, {}],
    [{ a: {} }, { a: [] }],
    [{ a: [] }, { a: {} }],
    [{ a: [1, 2] }, { a: [1] }],
    [{ a: [1, 2] }, { a: [2, 1] }],
    [{ a: 0 }, { a: false }],
    [{ a: 1 }, { a: '1' }],
    [{ a: null }, { a: {} }],
    [{ toString: 1 }, { other: 1 }],
    [JSON.parse('{"__proto__":{}}'), { a: {} }],
  ]
  for (const [a, b] of pairs) {
    assert.ok(!equalItems(a, b), JSON.stringify([a, b]))
    assert.ok(!equalItems(b, a), JSON.stringify([b, a]))
  }
})

test('a field that is undefined is absent', () => {
  const { json, item } = encode({ a: undefined, b: { c: undefined, d: 1 } })
  assert.equal(json, '{"b":{"d":1}}')
  assert.deepEqual(item, { b: { d: 1 } })
})

test('-0 comes back as 0, as JSON has it', () => {
  const { json, item } = encode({ zero: -0, in: [-0] })
  assert.equal(json, '{"zero":0,"in":[0]}')
  assert.deepEqual(item, { zero: 0, in: [0] })
})

test('hostile names of fields are names like any other, and change no prototype', () => {
  const item = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1},"":0,"toString":"x"}')
  const { json, item: copy } = encode(item)
  assert.deepEqual(decode(json), item)
  assert.deepEqual(copy, item)
  assert.equal(Object.getPrototypeOf(copy), Object.prototype)
  assert.equal(Object.getPrototypeOf(decode(json)), Object.prototype)
  assert.equal(({} as { polluted?: true }).polluted, undefined)
})

test('an object without a prototype and one of another realm are plain', () => {
  assert.equal(encode(Object.assign(Object.create(null), { a: 1 })).json, '{"a":1}')
  assert.equal(encode(runInNewContext('({ a: [{ b: 1 }] })')).json, '{"a":[{"b":1}]}')
  assert.equal(encode({ a: Object.create(null) }).json, '{"a":{}}')
})

test('ten thousand fields', () => {
  const item = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, i]))
  assert.deepEqual(decode(encode(item).json), item)
})

test('the same object in two places is no cycle', () => {
  const part = { x: 1 }
  assert.equal(encode({ a: part, b: [part, part] }).json, '{"a":{"x":1},"b":[{"x":1},{"x":1}]}')
})

test('the copy is frozen deeply, and nothing done to the original reaches it', () => {
  const original = { tour: { dates: [1, 2] } }
  const { item } = encode(original)
  original.tour.dates.push(3)
  original.tour = { dates: [] }
  assert.deepEqual(item, { tour: { dates: [1, 2] } })
  assert.ok(isDeeplyFrozen(item))
  assert.ok(!Object.isFrozen(original.tour), 'the original is left alone')
})

test('what comes back is frozen deeply', () => {
  fc.assert(fc.property(anyItem, (item) => assert.ok(isDeeplyFrozen(decode(encode(item).json)))))
})

test('a property is read once: a getter cannot make the copy and the text differ', () => {
  let reads = 0
  const { item, json } = encode({
    get count() {
      return ++reads
    },
  })
  assert.equal(reads, 1)
  assert.deepEqual(item, { count: 1 })
  assert.equal(json, '{"count":1}')
})

test('what is no plain object is no item', () => {
  class Artist {
    genre = 'Alternative'
  }
  const others: [unknown, string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    [[], 'an array'],
    ['text', 'a string'],
    [1, '1'],
    [true, 'true'],
    [1n, 'a bigint'],
    [Symbol('s'), 'a symbol'],
    [() => {}, 'a function'],
    [new Date(), 'a Date'],
    [new Map(), 'a Map'],
    [new Set(), 'a Set'],
    [new Uint8Array(1), 'a Uint8Array'],
    [Promise.resolve(), 'a Promise'],
    [/x/, 'a RegExp'],
    [new Artist(), 'an instance of Artist'],
    [Object.create({ inherited: 1 }), 'an object with a prototype or a toJSON of its own'],
    [{ toJSON: () => ({}) }, 'an object with a prototype or a toJSON of its own'],
    [Object('boxed'), 'a String'],
  ]
  for (const [item, is] of others) {
    assert.throws(() => encode(item), refused(`coldplay: an item must be a plain object, this is ${is}`))
  }
})

test('what JSON would change without a word is refused, and the message says where it is', () => {
  class Venue {}
  const values: [unknown, string][] = [
    [NaN, 'is NaN'],
    [Infinity, 'is Infinity'],
    [-Infinity, 'is -Infinity'],
    [1n, 'is a bigint'],
    [() => {}, 'is a function'],
    [Symbol('s'), 'is a symbol'],
    [new Date(), 'is a Date'],
    [new Map(), 'is a Map'],
    [new Set(), 'is a Set'],
    [new Uint8Array(1), 'is a Uint8Array'],
    [new ArrayBuffer(1), 'is a ArrayBuffer'],
    [new Venue(), 'is an instance of Venue'],
    [Object('boxed'), 'is a String'],
    [Object(1), 'is a Number'],
    [Object.assign([1], { toJSON: () => 1 }), 'is an array'],
    [new (class extends Array {})(), 'is an array'],
    [{ toJSON: () => 1 }, 'is an object with a prototype or a toJSON of its own'],
    [{ [Symbol('s')]: 1 }, 'has a symbol as a key'],
    // biome-ignore lint/suspicious/noSparseArray: the point
    [[1, , 2], 'is an array with holes or with fields of its own'],
    [Object.assign([1], { extra: 1 }), 'is an array with holes or with fields of its own'],
    [Object.assign([1], { [Symbol('s')]: 1 }), 'is an array with holes or with fields of its own'],
  ]
  for (const [value, what] of values) {
    assert.throws(() => encode({ tour: { start: value } }), refused(`coldplay: tour.start ${what}`))
    assert.throws(() => encode({ tours: [{}, { start: value }] }), refused(`coldplay: tours[1].start ${what}`))
    assert.throws(() => encode({ start: value }), refused(`coldplay: start ${what}`))
  }
})

test('undefined in an array is refused, and so is a hole that hides behind a field', () => {
  assert.throws(() => encode({ a: [undefined] }), refused('coldplay: a[0] is undefined'))
  // biome-ignore lint/suspicious/noSparseArray: the point
  assert.throws(() => encode({ a: Object.assign([1, , 2], { extra: 1 }) }), refused('coldplay: a[1] is undefined'))
})

test('a symbol as a key of the item itself is refused', () => {
  assert.throws(() => encode({ [Symbol('s')]: 1 }), refused('coldplay: has a symbol as a key'))
})

test('an item that contains itself is refused', () => {
  const item: Record<string, unknown> = { name: 'x' }
  item.self = [item]
  assert.throws(() => encode(item), refused('coldplay: self[0] contains itself'))
})

test('an item may be nested a thousand levels deep, and no deeper', () => {
  const deepest = nested(maxDepth)
  assert.deepEqual(decode(encode(deepest).json), deepest)
  const message = `coldplay: inner.inner.inner is nested more than ${maxDepth} levels deep`
  assert.throws(() => encode(nested(maxDepth + 1)), refused(message))
  assert.throws(() => encode(nested(100_000)), refused(message))
})

test('a getter or a proxy that throws is refused with its error as the cause', () => {
  const reason = new Error('no')
  const item = {
    get genre() {
      throw reason
    },
  }
  assert.throws(() => encode(item), { code: 'INVALID_ITEM', message: 'coldplay: genre cannot be read', cause: reason })
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  assert.throws(() => encode({ inner: proxy }), { code: 'INVALID_ITEM' })
})

test('an item that cannot even be looked at is refused with a code, too', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  assert.throws(() => encode(proxy), { code: 'INVALID_ITEM' })
  const throwing = {
    get toJSON() {
      throw new Error('no')
    },
  }
  assert.throws(() => encode(throwing), { code: 'INVALID_ITEM' })
})

test('a lone surrogate: refused in the name of a field, kept in a value and in the name of an inner field', () => {
  assert.throws(() => encode({ 'a\ud800': 1 }), { code: 'INVALID_ITEM', message: /has a lone surrogate in its name$/ })
  const item = { value: '\udc00', inner: { '\ud800': 1 } }
  const { json, bytes } = encode(item)
  assert.equal(bytes, Buffer.byteLength(Buffer.from(json).toString()), 'the text survives UTF-8')
  assert.deepEqual(decode(Buffer.from(json).toString()), item)
})

test('a name on the path that is not simple is quoted, and a long one or a long path is shortened', () => {
  const path = (item: object) => {
    try {
      encode(item)
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }
  assert.equal(path({ 'a b': { '\x1b[31m\n': NaN } }), 'coldplay: "a b"."\\u001b[31m\\n" is NaN')
  assert.equal(path({ a: [{ ['x'.repeat(1e6)]: NaN }] }), `coldplay: a[0]."${'x'.repeat(77)}…" is NaN`)
  const deep = Array.from({ length: 20 }).reduce<unknown>((inner, _, i) => ({ [`f${i}`]: [inner] }), NaN)
  assert.equal(path(deep as object), 'coldplay: f19[0].f18[0]….f1[0].f0[0] is NaN')
})

test('a key that is not simple is quoted in the message', () => {
  assert.throws(() => encodeItem('a b\n', { x: NaN }, 99), { message: '"a b\\n": x is NaN' })
})

test('an item that is too large is refused with both sizes', () => {
  assert.equal(encode({ a: 'é' }, 10).bytes, 10)
  assert.throws(() => encode({ a: 'éé' }, 10), {
    code: 'ITEM_TOO_LARGE',
    message: 'coldplay: the item has 12 bytes, 10 are allowed',
  })
})

test('what is no object is no item when it comes back, either', () => {
  for (const json of ['null', '1', '"x"', 'true', '[]', '[{}]']) assert.equal(decode(json), undefined)
  assert.equal(decodeItem(undefined), undefined)
})

test('what comes back with a lone surrogate in the name of a field is no item: set would not take it', () => {
  assert.equal(decode('{"a":1,"\\ud800":1}'), undefined)
  assert.ok(decode('{"a":{"\\ud800":"\\ud800"}}'))
})

test('what comes back too deep is no item, and does not overflow the stack', () => {
  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`)
  assert.ok(decodeItem(deep(maxDepth)))
  assert.equal(decodeItem(deep(maxDepth + 1)), undefined)
  assert.equal(decodeItem(deep(100_000)), undefined)
  assert.equal(decodeItem(JSON.parse(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)), undefined)
})

test('the names that the property tests make are hostile enough', () => {
  const names = new Set(fc.sample(anyField, 1000))
  for (const name of ['__proto__', 'constructor', '']) assert.ok(names.has(name), name)
})

/** -0 is not told apart from 0 by JSON. */
function withoutMinusZero(value: unknown): unknown {
  if (typeof value === 'number') return value === 0 ? 0 : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutMinusZero)
  const copy = {}
  for (const [name, inner] of Object.entries(value)) define(copy, name, withoutMinusZero(inner))
  return copy
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.entries(value)
    .map(([name, inner]) => [name, sorted(inner)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .concat([['is an object', true]])
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

test('a number that no JSON text can give back is no item', () => {
  assert.equal(decodeItem(JSON.parse('{"a":1e999}')), undefined)
  assert.equal(decodeItem(JSON.parse('{"a":[{"b":-1e999}]}')), undefined)
  assert.deepEqual(decodeItem(JSON.parse('{"a":1e308}')), { a: 1e308 })
})

test.run()
