/**
 * Whatever JSON can hold, under whatever well-formed names, comes back deeply equal (I2, N2): in the replica of the
 * writer, in one that heard of it, and in one that came later.
 */
import assert from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { suite } from 'uvu'
import type { Collection } from '../../src'
import { until } from '../support/testing'
import { type Store, stores } from '../support/transports'

const runs = 50
const itemsEach = 20

const bytesUpTo = (most: number) => (text: string) => text !== '' && Buffer.byteLength(text) <= most

/** Names that mean something to Redis, NATS, Lua, JavaScript, or to memis itself. */
const loaded = [
  ...[
    'a:b',
    'c',
    'a',
    'b:c',
    ':',
    '::',
    '{}',
    '{a}',
    '{',
    '}',
    '%',
    '%3A',
    '%7B',
    'a.b',
    '*',
    '>',
    '$',
    '/',
    '/meta',
    '/log',
  ],
  ...[
    'meta',
    'log',
    'ttl',
    '\\255',
    '\u00ff',
    '\u00fe\u00ff',
    '\0',
    '\n',
    '\r\n',
    ' ',
    '  ',
    '-',
    '-1',
    '0',
    '1',
    '01',
    '1e3',
  ],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', 'then', 'toJSON', 'null', 'nil'],
  ...[
    'undefined',
    'true',
    '"',
    "'",
    '\\',
    '[',
    ']',
    '\u2028',
    '\ufeff',
    '\ufffd',
    'é',
    'e\u0301',
    '漢字',
    '👩‍🚀',
    '\u{10ffff}',
  ],
]

const name = (most: number) =>
  fc
    .oneof(
      fc.constantFrom(...loaded),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
      fc.constantFrom('k'.repeat(most), '😀'.repeat(most / 4), '\0'.repeat(most)),
    )
    .filter(bytesUpTo(most))

type Items = Collection<object>

/** Any string of JavaScript, lone surrogates included. */
const text = fc.oneof(
  fc.constantFrom('', ...loaded, '\ud800', '\udfff\ud800', '{"a":1}', '[1,', '"}'),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.array(fc.integer({ max: 0xffff, min: 0 }), { maxLength: 5 }).map((units) => String.fromCharCode(...units)),
)

const number = fc.oneof(
  fc.constantFrom(
    -0,
    0,
    1e21,
    -1e21,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    2 ** 53,
    -(2 ** 53) - 2,
    0.1,
    1 / 3,
    1e16 + 2,
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

/** Made property by property: assigning to `__proto__` would set the prototype. */
const objectOf = (names: fc.Arbitrary<string>, values: fc.Arbitrary<unknown>, bare: fc.Arbitrary<boolean>) =>
  fc.tuple(fc.array(fc.tuple(names, values), { maxLength: 8 }), bare).map(([entries, isBare]) => {
    const object = isBare ? Object.create(null) : {}
    for (const [key, value] of entries) {
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
    }
    return object as object
  })

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie('value'), { maxLength: 6 }),
    objectOf(text, tie('value'), fc.boolean()),
  ),
}))

const item = objectOf(
  fc.oneof(
    text.filter((field) => !/\p{Surrogate}/u.test(field)),
    fc.constantFrom('', '__proto__'),
  ),
  value,
  fc.boolean(),
)

const items = fc.uniqueArray(fc.tuple(name(256), item), {
  selector: ([key]) => key,
  minLength: itemsEach,
  maxLength: itemsEach,
  size: 'max',
})

/** What JSON makes of an item: -0 is 0, and every object has the usual prototype. */
const asJson = (object: object): object => JSON.parse(JSON.stringify(object))

for (const { name: transport, start } of stores) {
  const test = suite(`hostile items, ${transport}`)
  let store: Store

  test.before(async () => {
    store = await start()
  })
  test.after(() => store.stop())

  test(`${runs * itemsEach} items come back deeply equal, in the writer, in a replica and in a late joiner`, async () => {
    await using writer = store.client()
    await using reader = store.client()
    await using joiner = store.client()
    let count = 0
    const property = fc.asyncProperty(name(64), name(128), items, async (database, collection, entries) => {
      const [written, read, joined] = [writer, reader, joiner].map((client) =>
        client.database(database).collection(collection),
      ) as [Items, Items, Items]
      try {
        await Promise.all([written.subscribe(), read.subscribe()])
        const expected = new Map(entries.map(([key, each]) => [key, asJson(each)]))
        await Promise.all(entries.map(([key, each]) => written.set(key, each)))
        await until('the replica has heard of all', () => read.size >= entries.length, 5000)
        await joined.subscribe()
        for (const replica of [written, read, joined]) assert.deepStrictEqual(new Map(replica), expected)
        count += entries.length
      } finally {
        await written.clear()
        for (const replica of [written, read, joined]) replica.unsubscribe()
      }
    })
    // What fails is made smaller for so long; then it is told as it is.
    await fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true })
    assert.strictEqual(count, runs * itemsEach)
    assert.deepStrictEqual(
      [writer, reader, joiner].map(({ errorCounts }) => errorCounts),
      [{}, {}, {}],
    )
    assert.ok(!('polluted' in {}) && Object.keys(Object.prototype).length === 0)
  })

  test('items of 10,000 fields and of 900 levels come back deeply equal, and replace each other', async () => {
    await using writer = store.client()
    await using joiner = store.client()
    const [written, joined] = [writer, joiner].map((client) => client.database('d').collection<object>('c')) as [
      Items,
      Items,
    ]
    const wide = asJson(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, [i, { i }]])))
    const deep = asJson(JSON.parse(`${'{"a":['.repeat(450)}${']}'.repeat(450)}`))
    await written.subscribe()
    for (const each of [wide, deep, wide, {}, deep]) {
      await written.set('k', each)
      await joined.subscribe()
      for (const replica of [written, joined]) assert.ok(isDeepStrictEqual(replica.get('k'), each))
      joined.unsubscribe()
    }
  })

  test.run()
}
