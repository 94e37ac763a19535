/** Many writes in one call: clause C6. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { holds, revisionOf } from './conditions'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'

/** The revision of each item. */
const revisions = ({ items }: Replica) =>
  Object.fromEntries([...items.keys()].map((key) => [key, items.entry(key)?.revision]))

/** The time that each item has left, to the nearest hundred seconds. */
const hundreds = ({ items }: Replica) =>
  Object.fromEntries(
    [...items.keys()].map((key) => [key, Math.round((items.entry(key)?.expiresIn ?? Number.POSITIVE_INFINITY) / 100)]),
  )

export function bulk(test: Define<Scene>): void {
  test('C6 setMany takes pairs, a Map, an object or a collection, and resolves when all are accepted', async (scene) => {
    const [writer, reader] = await scene.two()
    const { items } = writer
    const pairs = (function* (): Generator<[string, Item]> {
      yield ['a', { n: 1 }]
      yield ['b', { n: 1 }]
      yield ['b', { n: 2 }]
    })()
    same(await items.setMany(pairs), undefined)
    same(new Map(items), new Map([...'ab'].map((key, i) => [key, { n: i + 1 }])))
    await items.setMany(new Map([['c', { n: 3 }]]))
    await items.setMany({ d: { n: 4 }, 'e:1': { n: 5 } })
    const copy = writer.client.database('region-nl').collection<Item>('copy')
    await copy.setMany(items)
    await copy.setMany([])
    await copy.subscribe()
    same(new Map(copy), new Map(items))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map(copy))
    same(items.size, 5, 'how many items there are')
  })

  test('C6 setMany gives all of them the ttl', async (scene) => {
    const writer = await scene.replica()
    await writer.items.setMany({ a: { n: 1 }, b: { n: 1 } }, { ttl: 600 })
    await writer.items.setMany({ b: { n: 1 } })
    same(hundreds(writer), { a: 6, b: Number.POSITIVE_INFINITY }, 'the hundreds of seconds that are left')
    same(hundreds(await scene.replica()), hundreds(writer), 'what a joiner is told')
  })

  test('C6 one bad item, key or ttl refuses all, and nothing is sent', async (scene) => {
    const [writer, transport] = await scene.interfered()
    const { items } = writer
    await items.set('a', { n: 1 })
    const { answered } = transport
    const bad = new Map<string, Item>([
      ['a', { n: 2 }],
      ['b', { date: new Date() }],
    ])
    for (const send of [
      () => items.setMany(bad),
      () => items.replaceAll(bad),
      () => items.setMany(Object.entries({ a: [] })),
      () => items.replaceAll(Promise.resolve({}) as never),
    ]) {
      await refused(send(), 'INVALID_ITEM')
    }
    for (const send of [
      () =>
        items.setMany([
          ['a', { n: 2 }],
          ['', { n: 2 }],
        ]),
      () => items.replaceAll({ '': { n: 2 } }),
    ]) {
      await refused(send(), 'INVALID_NAME')
    }
    await refused(items.setMany({ a: { n: 2 } }, { ttl: 0 }), 'INVALID_TTL')
    await refused(items.replaceAll({ a: { n: 2 } }, { ttl: -1 }), 'INVALID_TTL')
    await refused(items.replaceAll({ a: { n: 2 } }, { dryRun: 'yes' as never }), 'INVALID_OPTION')
    same(transport.answered, answered, 'how many batches the store was sent')
    same(new Map((await scene.replica()).items), new Map([['a', { n: 1 }]]))
  })

  test('C6 setMany of 2,500 items', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(Array.from({ length: 2500 }, (_, i) => [`key ${i}`, { i }]))
    await writer.items.setMany(expected)
    same(new Map(writer.items), expected)
    await scene.eventuallyEqual([reader, await scene.replica()], expected)
  })

  test('C6 replaceAll writes the differences, deletes the rest, and counts', async (scene) => {
    const [writer, transport] = await scene.interfered()
    const reader = await scene.replica()
    const outside = await scene.unsubscribed()
    const before = { same: { n: 1 }, changed: { n: 1 }, gone: { n: 1 }, 'gone too': { n: 1 } }
    same(await writer.items.replaceAll(before), { set: 4, deleted: 0, unchanged: 0 })
    await scene.eventuallyEqual([writer, reader], new Map(Object.entries(before)))
    const { same: unchanged } = revisions(writer)
    const after = new Map([
      ['same', { n: 1 }],
      ['changed', { n: 2 }],
      ['new', { n: 1 }],
    ])
    const { answered } = transport
    const plan = { set: 2, deleted: 2, unchanged: 1 }
    same(await writer.items.replaceAll(after, { dryRun: true }), plan, 'what it would do')
    same([transport.answered, writer.items.size], [answered, 4], 'a dry run sends nothing')
    same(await outside.items.replaceAll(after), plan, 'what it did')
    await scene.eventuallyEqual([writer, reader, await scene.replica()], after)
    same(revisions(writer).same, unchanged, 'the revision of an item that did not change')
    same(await writer.items.replaceAll([...after].reverse()), { set: 0, deleted: 0, unchanged: 3 })
    for (const replica of [writer, reader]) {
      same(replica.told('same'), ['set live'])
      for (const key of ['gone', 'gone too']) same(replica.told(key), ['set live', 'delete live'])
    }
    same(await reader.items.replaceAll({}), { set: 0, deleted: 3, unchanged: 0 })
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map())
  })

  test('C6 replaceAll changes what the store holds, whatever the replica knows', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    await writer.items.setMany({ a: { n: 1 }, b: { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    transport.hold('open')
    await writer.items.set('a', { n: 2 })
    await writer.items.set('c', { n: 2 })
    same(await reader.items.replaceAll({ a: { n: 1 }, b: { n: 1 } }), { set: 1, deleted: 1, unchanged: 1 })
    transport.release()
    const expected = new Map([...'ab'].map((key) => [key, { n: 1 }]))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C6 after replaceAll all items live for as long as it says', async (scene) => {
    const writer = await scene.replica()
    const { items } = writer
    await items.setMany({ a: { n: 1 }, b: { n: 1 } }, { ttl: 600 })
    await items.set('c', { n: 1 })
    same(await items.replaceAll({ a: { n: 1 }, b: { n: 2 }, c: { n: 1 } }, { ttl: 1200 }), {
      set: 1,
      deleted: 0,
      unchanged: 2,
    })
    same(hundreds(writer), { a: 12, b: 12, c: 12 }, 'the hundreds of seconds that are left')
    const timed = revisionOf(writer, 'c')
    same(await items.replaceAll({ a: { n: 1 }, b: { n: 2 }, c: { n: 1 } }), { set: 0, deleted: 0, unchanged: 3 })
    const forever = Number.POSITIVE_INFINITY
    same(hundreds(writer), { a: forever, b: forever, c: forever }, 'none of them expires any more')
    const untimed = revisionOf(writer, 'c')
    must(untimed !== timed, 'its ttl was changed', untimed)
    const late = await scene.replica()
    await holds(scene, late, 'c', untimed)
    same(hundreds(late), hundreds(writer), 'what a joiner is told')
  })
}
