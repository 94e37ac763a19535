/** Items: clauses I2 and I4. */
import { must, refused, same } from '../assert'
import { hostileNames } from '../hostile-names'
import type { Define } from '../suite'
import type { Item } from './replica'
import type { Scene } from './scene'

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

/** An item whose JSON text has exactly so many bytes. */
const itemOf = (bytes: number): Item => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) })

export function items(test: Define<Scene>): void {
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
      const hasUsual = (object: unknown) => Object.getPrototypeOf(object) === Object.prototype
      must(hasUsual(got) && hasUsual(got.a) && got.polluted === undefined, 'it has the usual prototype', got)
    }
    same(({} as Item).polluted, undefined, 'a field of Object.prototype')
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

  test('I4 maxItemBytes raises the limit, as far as the store allows', async (scene) => {
    const writer = await scene.replica({ maxItemBytes: 2_000_000 })
    const item = itemOf(1_500_000)
    const error = await writer.items.set('k', item).then(
      () => null,
      (error: Error) => error,
    )
    const reader = await scene.replica({ maxItemBytes: 2_000_000 })
    if (error === null) return scene.eventuallyEqual([writer, reader], new Map([['k', item]]))
    const { message } = await refused(Promise.reject(error), 'ITEM_TOO_LARGE')
    must(
      [...message.matchAll(/\d+/g)].some(([limit]) => Number(limit) > 0 && Number(limit) < 1_500_000),
      `${message} does not name the store's own limit`,
    )
  })
}
