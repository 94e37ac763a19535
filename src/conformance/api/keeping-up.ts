/** Keeping up: clauses K1 to K4. */
import type { Collection } from '../../core/collection'
import { must, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { expired, outage } from './support'

type Meanwhile = (items: Collection<Item>) => Promise<unknown>

/** A replica that was cut off while a writer did something, and that has caught up. Its events are of the return. */
export async function returned(
  scene: Scene,
  before: Readonly<Record<string, Item>>,
  meanwhile: Meanwhile,
): Promise<Replica> {
  const [writer, reader] = await scene.two()
  for (const [key, item] of Object.entries(before)) await writer.items.set(key, item)
  await scene.eventuallyEqual([writer, reader])
  await scene.cut(reader)
  await meanwhile(writer.items)
  same(new Map(reader.items), new Map(Object.entries(before)), 'while it was cut off')
  reader.events.length = 0
  await scene.heal(reader)
  await scene.eventuallyEqual([writer, reader, await scene.replica()])
  return reader
}

export function keepingUp(test: Define<Scene>): void {
  test('K1 when writes stop, every replica equals the store, whoever wrote', async (scene) => {
    const replicas = [await scene.replica(), await scene.replica(), await scene.replica()]
    await Promise.all(
      replicas.map(async ({ items }, writer) => {
        let all: Promise<unknown>[] = []
        for (let n = 0; n < 500; n++) {
          const key = `key ${(n * 31 + writer * 7) % 50}`
          all.push(n % 5 === writer ? items.delete(key) : items.set(key, { writer, n }))
          if (n % 25 > 0) continue
          await Promise.all(all)
          all = []
        }
        await Promise.all(all)
      }),
    )
    await scene.eventuallyEqual([...replicas, await scene.replica()])
  })

  test('K1 a key never goes back to an older item', async (scene) => {
    const [writer, reader] = await scene.two()
    for (let n = 1; n <= 600; n++) {
      void writer.items.set(`key ${n % 3}`, { n })
      // One more that joins and leaves in between.
      if (n % 100 === 50) (await scene.replica()).assertRising()
      if (n % 20 === 0) await turn()
    }
    await writer.items.set('key 0', { n: 601 })
    await scene.eventuallyEqual([writer, reader])
    writer.assertRising()
    reader.assertRising()
  })

  test('K4 E4 on return come the events that were missed, then ready', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    for (const key of ['stays', 'changes', 'goes']) await writer.items.set(key, { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const before = reader.items.get('changes')
    await scene.cut(reader)
    await writer.items.set('changes', { n: 2 })
    await writer.items.delete('goes')
    await writer.items.set('comes', { n: 2 })
    const log: string[] = []
    reader.items.multi('set delete expire', (key, _, { cause }) => void log.push(`${key} ${cause}`))
    reader.items.on('ready', ({ cause, size }) => void log.push(`ready ${cause} ${size}`))
    await scene.heal(reader)
    same(log.slice(0, 3).sort(), ['changes resync', 'comes resync', 'goes resync'])
    same(log.slice(3), ['ready resync 3'])
    same(reader.of('changes').at(-1)?.change.previous, before)
    await writer.items.set('comes', { n: 3 })
    await scene.eventuallyEqual([writer, reader])
    same([log.slice(4), reader.told('stays')], [['comes live'], ['set live']])
    same(
      reader.readies.map(({ cause }) => cause),
      ['snapshot', 'resync'],
    )
  })

  test('K4 a key that was set five times meanwhile emits one set', outage, async (scene) => {
    const reader = await returned(scene, { k: { n: 0 } }, async (items) => {
      for (let n = 1; n <= 5; n++) await items.set('k', { n })
      for (let n = 1; n <= 5; n++) await items.set('new', { n })
    })
    same([reader.told('k'), reader.told('new')], [['set resync'], ['set resync']])
    same([reader.of('k')[0]?.item, reader.of('k')[0]?.change.previous], [{ n: 5 }, { n: 0 }])
  })

  test(
    'K4 an item that was set and deleted meanwhile, or set back to what it was, emits nothing',
    outage,
    async (scene) => {
      const before = { 'there and back': { n: 0 }, again: { n: 0 }, equal: { a: 1, b: 2 } }
      const reader = await returned(scene, before, async (items) => {
        await items.set('brief', { n: 1 })
        await items.delete('brief')
        await items.set('there and back', { n: 1 })
        await items.set('there and back', { n: 0 })
        await items.delete('again')
        await items.set('again', { n: 0 })
        await items.set('equal', { b: 2, a: 1 })
      })
      same(reader.events, [])
    },
  )

  test('K4 E3 an item that did not change keeps its object', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 0 })
    await scene.eventuallyEqual([writer, reader])
    const before = reader.items.get('k')
    await scene.cut(reader)
    await writer.items.set('k', { n: 1 })
    await writer.items.set('k', { n: 0 })
    await scene.heal(reader)
    must(reader.items.get('k') === before, 'the item is the same object as before', reader.items.get('k'))
  })

  test('K4 deletes that were missed are emitted as deletes', outage, async (scene) => {
    const deleted = await returned(scene, { a: {}, b: {}, c: { n: 0 } }, async (items) => {
      await items.delete('a')
      await items.set('c', { n: 1 })
      await items.delete('c')
    })
    same([deleted.told('a'), deleted.told('b'), deleted.told('c')], [['delete resync'], [], ['delete resync']])
    same(deleted.of('c')[0]?.item, { n: 0 })
  })

  test('K4 W5 a clear that was missed is emitted as deletes, and later sets as sets', outage, async (scene) => {
    const reader = await returned(scene, { a: { n: 0 }, b: { n: 0 }, c: { n: 0 } }, async (items) => {
      await items.clear()
      await items.set('a', { n: 0 })
      await items.set('b', { n: 1 })
      await items.set('d', { n: 1 })
    })
    same(
      ['a', 'b', 'c', 'd'].map((key) => reader.told(key)),
      [[], ['set resync'], ['delete resync'], ['set resync']],
    )
  })

  test(
    'K4 X3 an item that came and expired meanwhile emits nothing, one that expired emits expire once',
    outage,
    async (scene) => {
      const [writer, reader] = await scene.two()
      await writer.items.set('timed', { n: 0 }, 0.5)
      await writer.items.set('stays', { n: 0 })
      await scene.eventually(() =>
        must(reader.items.has('stays') && reader.told('timed').length > 0, 'awaited: both', [...reader.items.keys()]),
      )
      await scene.cut(reader)
      await writer.items.set('brief', { n: 0 }, 0.05)
      await writer.items.set('stays', { n: 1 }, 60)
      await expired(scene, writer, [writer], 'brief')
      await scene.eventually(() =>
        must(!writer.items.has('timed') && !reader.items.has('timed'), 'awaited: timed has expired in both', [
          ...reader.items,
        ]),
      )
      await scene.heal(reader)
      await scene.eventuallyEqual([writer, reader], new Map([['stays', { n: 1 }]]))
      same(
        reader.of('timed').map(({ event }) => event),
        ['set', 'expire'],
      )
      same([reader.told('brief'), reader.told('stays')], [[], ['set live', 'set resync']])
    },
  )

  test('K4 a ttl that was given or changed while away counts on return', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('given', { n: 0 })
    await writer.items.set('shortened', { n: 0 }, 60)
    await writer.items.set('taken', { n: 0 }, 60)
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    const started = performance.now()
    const set = (key: string, ttl?: number) => writer.items.set(key, { n: 0 }, ttl)
    await Promise.all([set('given', 1), set('shortened', 1), set('taken'), set('new', 1)])
    await scene.heal(reader)
    await scene.eventually(() => {
      for (const { items } of [writer, reader]) same([...items.keys()], ['taken'])
    })
    for (const key of ['given', 'shortened', 'new']) {
      const { event, at } = reader.of(key).at(-1) ?? { event: 'none', at: Infinity }
      // 'new' may have come and gone before the return.
      if (key !== 'new' || event !== 'none')
        must(event === 'expire' && at >= started + 1000 - 1, `${key} expires, after 1000 ms`, {
          event,
          ms: at - started,
        })
    }
  })
}
