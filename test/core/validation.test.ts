import { suite } from 'uvu'
import type { Item } from '../../src/conformance/api/replica'
import assert, { refused, same, throws } from '../../src/conformance/assert'
import { MemisError } from '../../src/core/errors'
import { onMemory } from './on-memory'

const runner = suite('validation')
const test = onMemory(runner)

/** The longest names that are allowed, in bytes of UTF-8. */
const limits = { database: 64, collection: 128, key: 256 }

/** Names of exactly so many bytes, of characters of one to four bytes. */
const namesOf = (bytes: number) =>
  ['x', 'é', '€', '😀'].map((character) => {
    const count = Math.floor(bytes / Buffer.byteLength(character))
    return character.repeat(count) + 'x'.repeat(bytes - count * Buffer.byteLength(character))
  })

const notNames: readonly unknown[] = [
  ...[
    '',
    '\ud800',
    '\udc00',
    'a\ud800b',
    '\ude00\ud83d',
    undefined,
    null,
    0,
    1,
    NaN,
    1n,
    true,
    {},
    [],
    ['a'],
    new Date(0),
  ],
  ...[Symbol('a'), () => 'a', Buffer.from('a'), new String('a'), Object.create(null)],
]

class Band {
  genre = 'Alternative'
}

/** What is no item, with what the message must name. */
const notItems: readonly (readonly [unknown, string])[] = [
  ...[undefined, null, true, 1, 'text', 1n, Symbol('s')].map((value) => [value, ''] as const),
  ...[[], [{}], new Date(0), new Map(), new Set(), new Band(), () => {}, /a/, new Error('e')].map(
    (value) => [value, ''] as const,
  ),
  ...[new String('s'), new Uint8Array(1), new (class extends Map {})(), { toJSON: () => ({}) }].map(
    (value) => [value, ''] as const,
  ),
  [{ tour: { start: new Date(0) } }, 'tour.start is a Date'],
  [{ tours: [{}, { start: new Date(0) }] }, 'tours[1].start is a Date'],
  [{ a: NaN }, 'a is NaN'],
  [{ a: [1, Infinity] }, 'a[1] is Infinity'],
  [{ a: { b: -Infinity } }, 'a.b is -Infinity'],
  [{ a: 1n }, 'a is'],
  [{ a: () => {} }, 'a is'],
  [{ a: Symbol('s') }, 'a is'],
  [{ a: new Map() }, 'a is a Map'],
  [{ a: new Set() }, 'a is a Set'],
  [{ a: new Uint8Array(1) }, 'a is a Uint8Array'],
  [{ a: Buffer.from('b') }, 'a is'],
  [{ a: new ArrayBuffer(1) }, 'a is'],
  [{ a: /r/ }, 'a is'],
  [{ a: new Error('e') }, 'a is'],
  [{ a: new String('s') }, 'a is'],
  [{ a: new Number(1) }, 'a is'],
  [{ a: Promise.resolve() }, 'a is'],
  [{ a: { b: [new Band()] } }, 'a.b[0] is an instance of Band'],
  [{ a: { toJSON: () => 1 } }, 'a is'],
  [{ a: [1, undefined] }, 'a[1] is undefined'],
  // biome-ignore lint/suspicious/noSparseArray: that is the point
  [{ a: [1, , 2] }, 'a'],
  [{ [Symbol('s')]: 1 }, ''],
  [{ a: { [Symbol('s')]: 1 } }, 'a'],
  [{ a: Object.assign([1], { extra: 1 }) }, 'a'],
  [cyclic(), 'self'],
]

function cyclic(): Item {
  const item: Item = {}
  item.self = { again: item }
  return item
}

/** An item whose JSON text has exactly so many bytes. */
const itemOf = (bytes: number): Item => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) })

function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  assert(Object.isFrozen(value))
  for (const inner of Object.values(value)) assertFrozen(inner)
}

const notTtls: readonly unknown[] = [0, -0, -1, -0.001, NaN, Infinity, -Infinity, null, '1', '', true, 1n]

test('N1 the same name gives the same object, at once', async (scene) => {
  const client = await scene.client()
  const database = client.database('a')
  const collection = database.collection('b')
  assert.equal(client.database('a'), database)
  assert.equal(client.database('a').collection('b'), collection)
  assert.notEqual(client.database('b'), database)
  assert.notEqual(database.collection('a'), collection)
  assert.notEqual(client.database('b').collection('b'), collection)
  assert.notEqual((await scene.client()).database('a').collection('b'), collection)
  same([database.name, collection.name], ['a', 'b'])
})

test('N3 one byte more is refused, for names and keys alike', async (scene) => {
  const { client, items } = await scene.replica()
  for (const name of namesOf(limits.database + 1)) throws(() => client.database(name), 'INVALID_NAME')
  for (const name of namesOf(limits.collection + 1)) throws(() => client.database('d').collection(name), 'INVALID_NAME')
  for (const key of namesOf(limits.key + 1)) {
    await refused(items.set(key, {}), 'INVALID_NAME')
    await refused(items.delete(key), 'INVALID_NAME')
  }
  assert.equal(items.size, 0)
})

test('N3 H2 what is no name is refused with a coded error, and nothing of it is stored', async (scene) => {
  const { client, items } = await scene.replica()
  for (const name of notNames as readonly string[]) {
    throws(() => client.database(name), 'INVALID_NAME')
    throws(() => client.database('d').collection(name), 'INVALID_NAME')
    await refused(items.set(name, {}), 'INVALID_NAME')
    const { message } = await refused(items.delete(name), 'INVALID_NAME')
    assert.match(message, /artists/)
  }
  await items.set('k', {})
  same([...(await scene.replica()).items.keys()], ['k'])
})

test('I1 I2 an item is what JSON makes of it: no -0, no undefined fields, ordinary prototypes', async (scene) => {
  const [writer, reader] = await scene.two()
  const bare = Object.assign(Object.create(null), {
    genre: 'rock',
    tour: Object.assign(Object.create(null), { days: [-0] }),
  })
  const late = async () => (await scene.replica()).items
  await writer.items.set('bare', bare)
  await writer.items.set('zero', { zero: -0, list: [-0] })
  await writer.items.set('undefined', { a: undefined, b: { c: undefined }, d: 1 })
  await writer.items.set('frozen', Object.freeze({ list: Object.freeze([1]) }))
  await scene.eventually(() => assert.equal(reader.items.size, 4))
  for (const items of [writer.items, reader.items, await late()]) {
    same(items.get('bare'), { genre: 'rock', tour: { days: [0] } })
    same(items.get('zero'), { zero: 0, list: [0] })
    same(items.get('undefined'), { b: {}, d: 1 })
    same(items.get('frozen'), { list: [1] })
  }
})

test('I1 H2 what JSON would change without a word is refused, and the error names key and path', async (scene) => {
  const { items, events } = await scene.replica()
  await items.set('coldplay', { genre: 'Alternative' })
  for (const [value, path] of notItems) {
    const { message } = await refused(items.set('coldplay', value as Item), 'INVALID_ITEM')
    assert(message.includes(`coldplay: ${path}`), `${message} does not name coldplay: ${path}`)
    assert.match(message, /artists/)
  }
  await items.set('coldplay', { genre: 'Pop' })
  same(
    events.map(({ item }) => item),
    [{ genre: 'Alternative' }, { genre: 'Pop' }],
  )
})

test('I1 the same object twice in an item is no cycle', async (scene) => {
  const [writer, reader] = await scene.two()
  const shared = { deep: [1] }
  await writer.items.set('k', { a: shared, b: [shared, shared] })
  const expected = { a: { deep: [1] }, b: [{ deep: [1] }, { deep: [1] }] }
  await scene.eventuallyEqual([writer, reader], new Map([['k', expected]]))
})

test('I3 an item is deeply frozen, and the same object at every read', async (scene) => {
  const [writer, reader] = await scene.two()
  const item = { genre: 'rock', tour: { days: [{ city: 'Utrecht' }] }, albums: ['Parachutes'] }
  await writer.items.set('k', item)
  await scene.eventually(() => assert.equal(reader.items.size, 1))
  for (const { items, events } of [writer, reader, await scene.replica()]) {
    const got = items.get('k') as Item
    assertFrozen(got)
    assert.throws(() => {
      got.genre = 'pop'
    }, TypeError)
    same(got, item)
    assert.equal(items.get('k'), got)
    assert.equal([...items.values()][0], got)
    assert.equal([...items][0]?.[1], got)
    assert.equal(events[0]?.item, got)
    items.forEach((each) => void assert.equal(each, got))
  }
  const before = reader.items.get('k')
  await writer.items.set('other', {})
  await scene.eventually(() => assert.equal(reader.items.size, 2))
  assert.equal(reader.items.get('k'), before)
})

test('I3 changing the object that was given to set changes nothing', async (scene) => {
  const [writer, reader] = await scene.two()
  const item = { genre: 'rock', tour: { days: [1, 2] } }
  const stored = writer.items.set('k', item)
  item.genre = 'changed at once'
  item.tour.days.push(3)
  await stored
  item.genre = 'changed later'
  item.tour.days.length = 0
  const expected = new Map([['k', { genre: 'rock', tour: { days: [1, 2] } }]])
  await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  assert(!Object.isFrozen(item) && !Object.isFrozen(item.tour))
})

test('I4 an item over 1 MiB is refused with both sizes, and nothing else of its batch suffers', async (scene) => {
  const [writer, reader] = await scene.two()
  const size = 1024 * 1024 + 1
  const before = writer.items.set('before', { n: 1 })
  const over = refused(writer.items.set('big', itemOf(size)), 'ITEM_TOO_LARGE')
  const after = writer.items.set('after', { n: 2 })
  const [{ message }] = await Promise.all([over, before, after])
  const sizes = [...message.matchAll(/\d+/g)].map(Number)
  assert(sizes.includes(size), message)
  assert(
    sizes.some((limit) => limit > 900_000 && limit < size),
    message,
  )
  assert.match(message, /artists.*big/)
  const expected = new Map([
    ['before', { n: 1 }],
    ['after', { n: 2 }],
  ])
  await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
})

test('I4 maxItemBytes sets the limit, to the byte of UTF-8', async (scene) => {
  const client = await scene.client({ maxItemBytes: 100 })
  const items = client.database('d').collection<Item>('c')
  await items.set('k', itemOf(100))
  const { message } = await refused(items.set('k', itemOf(101)), 'ITEM_TOO_LARGE')
  assert.match(message, /\b101\b.*\b100\b/)
  // 50 characters of two bytes.
  await refused(items.set('k', { text: 'é'.repeat(50) }), 'ITEM_TOO_LARGE')
})

test('W1 a ttl that is no number of seconds greater than 0 is refused', async (scene) => {
  const { items } = await scene.replica()
  await items.set('k', { n: 1 })
  for (const ttl of notTtls as readonly number[]) {
    const { message } = await refused(items.set('k', { n: 2 }, ttl), 'INVALID_TTL')
    assert.match(message, /artists/)
  }
  same([...items], [['k', { n: 1 }]])
})

test('H2 an error is a MemisError with a code and a message that names collection and key', async (scene) => {
  const { items } = await scene.replica()
  const errors = await Promise.all([
    refused(items.set('coldplay', { start: new Date() }), 'INVALID_ITEM'),
    refused(items.set('coldplay', { text: 'x'.repeat(2 ** 20) }), 'ITEM_TOO_LARGE'),
    refused(items.set('coldplay', {}, -1), 'INVALID_TTL'),
  ])
  for (const error of errors) {
    assert(error instanceof MemisError && error instanceof Error)
    assert.equal(error.name, 'MemisError')
    assert.match(error.message, /region-nl.*artists.*coldplay/)
  }
  const odd = items.set('a\u001b[31m\nb', { start: new Date() })
  const { message } = await refused(odd, 'INVALID_ITEM')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not reach a terminal
  assert.doesNotMatch(message, /[\u0000-\u001f]/)
})

runner.run()
