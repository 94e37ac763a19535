/** Items: clauses I1 to I4. */
import assert from './assert'
import { hostileNames } from './hostile-names'
import type { Define, Item } from './scene'
import { refused, same } from './support'

class Band {
  genre = 'Alternative'
}

const nested = (depth: number): Item => (depth === 0 ? {} : { inner: nested(depth - 1) })

/** Items that some way of storing them would change. */
const faithful: Readonly<Record<string, Item>> = {
  'an empty object': {},
  'an empty-string field': { '': '', a: { '': 1 } },
  'a field called __proto__': JSON.parse('{"__proto__":{"polluted":true},"a":{"__proto__":null}}'),
  'fields named as methods are': JSON.parse(
    '{"constructor":1,"toString":"x","hasOwnProperty":null,"toJSON":2,"then":3}',
  ),
  numbers: {
    a: 1e21,
    b: 1e-7,
    c: 5e-324,
    d: Number.MAX_VALUE,
    e: Number.MAX_SAFE_INTEGER,
    f: 0.1 + 0.2,
    g: -1.5,
    h: 123456789012345680,
  },
  'what is nothing': {
    a: null,
    b: [null, [null]],
    c: { d: null },
    e: '',
    f: 0,
    g: false,
    h: [],
    i: {},
    j: [[], {}, ''],
  },
  'strings that look like something else': {
    a: '1',
    b: 'null',
    c: 'true',
    d: '{}',
    e: '[1]',
    f: '"',
    g: '1e21',
    h: ' ',
  },
  'characters of all kinds': {
    a: '\0',
    b: '\n\r\t',
    c: '\u2028\u2029',
    d: '😀👩‍🚀',
    e: 'e\u0301',
    f: '\ufeff',
    g: '\\"/\b\f',
    h: '\x7f\x80',
  },
  'a lone surrogate in a value': { a: '\ud800', b: ['\udc00x'] },
  'fields that look like array indices': { 2: 'two', 1: 'one', 0: 'zero', '-1': 'minus', '01': 'padded' },
  'hostile field names': Object.fromEntries(
    hostileNames.filter((name) => name !== '__proto__').map((name) => [name, name]),
  ),
  'hostile field names, nested': {
    a: [Object.fromEntries(hostileNames.map((name) => [`${name} `, { [name]: name }]))],
  },
  'a hundred levels': nested(100),
  '10,000 fields': Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, i])),
  'a long list': { list: Array.from({ length: 10_000 }, (_, i) => ({ i })) },
  'a long text': { text: 'täxt'.repeat(50_000) },
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

export function items(test: Define): void {
  test('I2 what comes back is deeply equal to what was set, in every replica, the writer’s included', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(Object.entries(faithful))
    await Promise.all([...expected].map(([key, item]) => writer.items.set(key, item)))
    for (const [key, item] of expected) same(writer.items.get(key), item, `${key}, at the writer`)
    await scene.eventually(() => {
      for (const [key, item] of expected) same(reader.items.get(key), item, `${key}, at the reader`)
    })
    const late = await scene.replica()
    for (const [key, item] of expected) same(late.items.get(key), item, `${key}, at a late joiner`)
    for (const { items } of [writer, reader, late]) {
      const got = items.get('a field called __proto__') as Item
      assert.equal(Object.getPrototypeOf(got), Object.prototype)
      assert.equal(Object.getPrototypeOf(got.a), Object.prototype)
      assert.equal(got.polluted, undefined)
    }
    assert.equal(({} as Item).polluted, undefined, 'a prototype was changed')
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

  test('I2 a set replaces the whole item', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { a: 1, b: 2, c: { d: 3, e: 4 } })
    await writer.items.set('k', { b: 2, c: { e: 4 }, f: 5 })
    const expected = new Map<string, Item>([['k', { b: 2, c: { e: 4 }, f: 5 }]])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
    await writer.items.set('k', {})
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['k', {}]]))
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

  test('I3 two processes share no objects', async (scene) => {
    const [a, b] = await scene.two()
    await a.items.set('k', { list: [{}] })
    await b.items.set('l', { list: [{}] })
    const late = [await scene.replica(), await scene.replica()]
    await scene.eventuallyEqual([a, b, ...late])
    for (const key of ['k', 'l']) {
      const objects = [a, b, ...late].flatMap(({ items }) => [
        items.get(key),
        items.get(key)?.list,
        items.get(key)?.list[0],
      ])
      assert.equal(new Set(objects).size, objects.length)
    }
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

  test('I4 an item a little under 1 MiB travels', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('big', itemOf(1_000_000))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['big', itemOf(1_000_000)]]))
  })

  test('I4 W1 many large items written in one turn travel too', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(Array.from({ length: 15 }, (_, i) => [`key ${i}`, { i, ...itemOf(700_000) }]))
    await Promise.all([...expected].map(([key, item]) => writer.items.set(key, item)))
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

  test('I4 maxItemBytes raises the limit, as far as the store allows', async (scene) => {
    const writer = await scene.replica({ maxItemBytes: 2_000_000 })
    const item = itemOf(1_500_000)
    const error = await writer.items.set('k', item).then(
      () => null,
      (error: Error) => error,
    )
    if (error === null) return scene.eventuallyEqual([writer, await scene.replica()], new Map([['k', item]]))
    const { message } = await refused(Promise.reject(error), 'ITEM_TOO_LARGE')
    assert(
      [...message.matchAll(/\d+/g)].some(([limit]) => Number(limit) > 0 && Number(limit) < 1_500_000),
      `${message} does not name the store's own limit`,
    )
  })
}
