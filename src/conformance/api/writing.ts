/** Writing: clauses W1 to W5. */
import { must, same } from '../assert'
import type { Define } from '../suite'
import { turn, within } from '../waiting'
import type { Item } from './replica'
import type { Scene } from './scene'
import { expired } from './support'

const day = 24 * 3600

export function writing(test: Define<Scene>): void {
  test('W1 R2 a client sets an item, and another one reads it', async (scene) => {
    const writer = await scene.unsubscribed()
    await within(writer.client.connect(), 0.4 * scene.patience, 'connect()')
    await within(writer.items.set('k', { n: 1 }), scene.patience, 'set()')
    const reader = await scene.replica()
    same([...reader.items], [['k', { n: 1 }]], 'what a client reads')
    await within(writer.items.set('k', { n: 2 }), scene.patience, 'set()')
    await scene.eventually(() => same([...reader.items], [['k', { n: 2 }]], 'what a client reads'))
  })

  test('W1 set resolves when the store has accepted it', async (scene) => {
    const { items } = await scene.unsubscribed()
    for (let n = 1; n <= 5; n++) {
      same(await items.set('k', { n }), undefined, 'set() resolves to nothing')
      same(new Map((await scene.replica()).items), new Map([['k', { n }]]), 'what a joiner finds')
    }
  })

  test('W1 a ttl of 60 days is as good as one of 60 seconds', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('60 days', {}, 60 * day)
    await writer.items.set('60 seconds', {}, 60)
    await writer.items.set('10 years', {}, 3650 * day)
    await writer.items.set('short', {}, 0.1)
    const late = await scene.replica()
    await scene.eventually(() => {
      for (const { items } of [writer, reader, late])
        must(!items.has('short'), 'awaited: short has expired', [...items.keys()])
    })
    const all = [writer, reader, late, await scene.replica()]
    for (const { items } of all) same([...items.keys()].sort(), ['10 years', '60 days', '60 seconds'])
  })

  test('W1 a set without ttl ends the expiry, even if the contents are the same', async (scene) => {
    const [writer, reader] = await scene.two()
    await Promise.all([
      ...[writer.items.set('other', { n: 1 }, 0.15), writer.items.set('equal', { n: 1 }, 0.15)],
      ...[writer.items.set('other', { n: 2 }), writer.items.set('equal', { n: 1 })],
    ])
    await writer.items.set('later', {}, 0.2)
    await expired(scene, writer, [writer, reader], 'later')
    await scene.eventuallyEqual(
      [writer, reader, await scene.replica()],
      new Map([
        ['other', { n: 2 }],
        ['equal', { n: 1 }],
      ]),
    )
    // A store may tell of two writes that follow each other at once by the second alone.
    same([[...new Set(reader.told('other'))], reader.told('equal')], [['set live'], ['set live']])
  })

  test('W2 writing needs no subscription', async (scene) => {
    const { items } = await scene.unsubscribed()
    const reader = await scene.replica()
    await items.set('a', { n: 1 })
    await items.set('b', { n: 1 })
    same(await items.delete('a'), true)
    await scene.eventuallyEqual([reader], new Map([['b', { n: 1 }]]))
    await items.clear()
    await scene.eventuallyEqual([reader], new Map())
  })

  test('W3 once a write has resolved, get returns its result, and its event came before', async (scene) => {
    const { items, told } = Object.assign(await scene.replica(), { told: [] as string[] })
    items.on('set', (key, { n }) => void told.push(`set ${key} ${n}`))
    items.on('delete', (key) => void told.push(`delete ${key}`))
    for (let n = 1; n <= 50; n++) {
      told.length = 0
      await items.set('k', { n })
      same([items.get('k'), told], [{ n }, [`set k ${n}`]])
      if (n % 3 > 0) continue
      await items.delete('k')
      same([items.get('k'), told.at(-1)], [undefined, 'delete k'])
    }
    await items.set('k', { n: 0 })
    await items.clear()
    same([items.size, told.at(-1)], [0, 'delete k'])
  })

  test('W3 a write that resolves while the first contents are still coming can be read', async (scene) => {
    const { items } = await scene.unsubscribed()
    await Promise.all(Array.from({ length: 1000 }, (_, i) => items.set(`key ${i}`, { i })))
    const joiner = await scene.unsubscribed()
    const waiting = joiner.items.subscribe()
    await joiner.items.set('own', { n: 1 })
    same(joiner.items.get('own'), { n: 1 })
    same(await joiner.items.delete('key 0'), true)
    same(joiner.items.get('key 0'), undefined)
    await waiting
    same(joiner.items.size, 1000, 'how many items there are')
    same(joiner.told('own').length, 1)
  })

  test('W3 K1 two clients that write the same keys read their own writes or newer ones, and agree', async (scene) => {
    const both = await scene.two()
    await Promise.all(
      both.map(async ({ items }, writer) => {
        for (let n = 1; n <= 200; n++) {
          const key = `key ${n % 3}`
          await items.set(key, { writer, n })
          const got = items.get(key) as Item
          must(
            got.writer !== writer || got.n === n,
            `writer ${writer} reads what it wrote: ${n}, or what the other one did`,
            got,
          )
        }
      }),
    )
    await scene.eventuallyEqual([...both, await scene.replica()])
    same(both[0].items.size, 3, 'how many items there are')
  })

  test('W4 writes to one key take effect in the order of the calls, awaited or not', async (scene) => {
    const [writer, reader] = await scene.two()
    const { items } = writer
    const results = await Promise.all([
      ...[
        items.set('a', { n: 1 }),
        items.set('a', { n: 2 }),
        items.delete('a'),
        items.delete('a'),
        items.set('a', { n: 3 }),
      ],
      ...[items.delete('b'), items.set('b', { n: 1 }), items.delete('b')],
      ...[items.set('c', { n: 1 }, 60), items.set('c', { n: 2 })],
    ])
    same(results, [undefined, undefined, true, false, undefined, false, undefined, true, undefined, undefined])
    const expected = new Map([
      ['a', { n: 3 }],
      ['c', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('W4 the order holds over many turns, and every replica sees it', async (scene) => {
    const [writer, reader] = await scene.two()
    const last = new Map<string, Item>()
    const all: Promise<unknown>[] = []
    for (let n = 1; n <= 1000; n++) {
      const key = `key ${(n * 7) % 10}`
      if (n % 11 === 0) all.push(writer.items.delete(key))
      all.push(writer.items.set(key, { n }))
      last.set(key, { n })
      if (n % 40 === 0) await turn()
    }
    await Promise.all(all)
    await scene.eventuallyEqual([writer, reader, await scene.replica()], last)
    writer.assertRising()
    reader.assertRising()
  })

  test('W1 W4 2,500 sets in one turn', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(Array.from({ length: 2500 }, (_, i) => [`key ${i}`, { i, text: 'x'.repeat(100) }]))
    await Promise.all([...expected].map(([key, item]) => writer.items.set(key, item)))
    same(new Map(writer.items), expected)
    await scene.eventuallyEqual([reader, await scene.replica()], expected)
  })

  test('W4 2,500 sets of a hundred keys in one turn: the last of each stays', async (scene) => {
    const [writer, reader] = await scene.two()
    const sets = Array.from({ length: 2500 }, (_, n): [string, Item] => [`key ${(n * 7) % 100}`, { n }])
    await Promise.all(sets.map(([key, item]) => writer.items.set(key, item)))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map(sets))
    writer.assertRising()
    reader.assertRising()
  })

  test('W5 delete resolves to whether the store had the key', async (scene) => {
    const [writer, other] = await scene.two()
    same(await writer.items.delete('k'), false)
    await writer.items.set('k', {})
    same(await other.items.delete('k'), true)
    same(await writer.items.delete('k'), false)
    await writer.items.set('k', {}, 0.05)
    await expired(scene, writer, [writer], 'k')
    same(await writer.items.delete('k'), false)
  })

  test('W5 deleting an absent key is no error and emits nothing', async (scene) => {
    const [writer, reader] = await scene.two()
    const heard = (item?: Item) => scene.eventually(() => same(reader.items.get('k'), item))
    await writer.items.delete('k')
    await writer.items.set('k', { n: 1 })
    await heard({ n: 1 })
    await writer.items.delete('k')
    await heard()
    await writer.items.delete('k')
    await writer.items.set('k', { n: 2 })
    await heard({ n: 2 })
    for (const replica of [writer, reader]) same(replica.told('k'), ['set live', 'delete live', 'set live'])
  })

  test('W5 clear deletes everything, and emits deletes', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.clear()
    for (const key of ['a', 'b', 'c']) await writer.items.set(key, { key })
    await scene.eventuallyEqual([writer, reader])
    same(await reader.items.clear(), undefined)
    same([...reader.items], [])
    await scene.eventuallyEqual([writer, await scene.replica()], new Map())
    for (const replica of [writer, reader]) {
      for (const key of ['a', 'b', 'c']) same(replica.told(key), ['set live', 'delete live'])
    }
  })

  test('W4 W5 clear takes effect in the order of the calls', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('old', {})
    await Promise.all([
      ...[writer.items.set('a', { n: 1 }), writer.items.set('b', { n: 1 }), writer.items.clear()],
      ...[writer.items.set('b', { n: 2 }), writer.items.set('c', { n: 2 })],
    ])
    const expected = new Map([
      ['b', { n: 2 }],
      ['c', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('N2 W5 clear and delete keep to their own collection', async (scene) => {
    const { client, items } = await scene.replica()
    const others = [
      client.database('region-nl').collection<Item>('artists:'),
      client.database('region').collection<Item>('artists'),
    ]
    for (const other of others) {
      await other.subscribe()
      await other.set('k', {})
    }
    await items.set('k', {})
    same(await items.delete('k'), true)
    await items.set('k', {})
    await items.clear()
    const reader = await scene.client()
    for (const other of others) same(other.size, 1, `how many items ${other.name} has`)
    const again = reader.database('region').collection('artists')
    await again.subscribe()
    same(again.size, 1, 'how many items a joiner finds')
  })
}
