/** Subscribing: clauses R2 and R3. */
import { must, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'

export function reading(test: Define<Scene>): void {
  test('R2 subscribe resolves once the replica holds everything that was in the store', async (scene) => {
    const { items } = await scene.unsubscribed()
    const expected = new Map(Array.from({ length: 3000 }, (_, i) => [`key ${i}`, { i }]))
    await Promise.all([...expected].map(([key, item]) => items.set(key, item)))
    const late = await scene.replica()
    same(new Map(late.items), expected)
    same(new Set(late.events.map(({ change }) => change.cause)), new Set(['snapshot']))
    same(late.events.length, 3000, 'how many events there were')
  })

  test('R2 W1 K1 a replica that joins while others write misses nothing and never goes back', async (scene) => {
    const writers = [await scene.unsubscribed(), await scene.unsubscribed()]
    const joiners = [await scene.unsubscribed(), await scene.unsubscribed()]
    const stored = new Map<string, Item>()
    const deleted = new Set<string>()
    let joining = true

    const write = async ({ items }: Replica, writer: number) => {
      for (let n = 1; joining || n < 200; n++) {
        // Each writer has keys of its own: of these, it knows what is in the store.
        const key = `${writer}.${n % 5}`
        const brief = `brief ${writer}.${n}`
        await Promise.all([items.set(brief, { n }), items.set(key, { n })])
        stored.set(key, { n })
        await items.delete(brief)
        deleted.add(brief)
        await turn() // a store in memory answers without one
      }
    }
    const join = async (replica: Replica) => {
      for (let i = 0; i < 20; i++) {
        replica.leave()
        const [held, gone] = [new Map(stored), [...deleted]]
        await replica.items.subscribe()
        for (const [key, { n }] of held) {
          must(
            (replica.items.get(key) ?? { n: 0 }).n >= n,
            `${key} is at least as new as what was stored before: ${n}`,
            replica.items.get(key),
          )
        }
        for (const key of gone) must(!replica.items.has(key), `${key} was deleted before`, replica.items.get(key))
        await turn()
        replica.assertRising()
      }
    }
    const joined = Promise.all(joiners.map(join)).finally(() => {
      joining = false
    })
    await Promise.all([joined, ...writers.map(write)])
    await scene.eventuallyEqual([...joiners, await scene.replica()], stored)
    for (const joiner of joiners) joiner.assertRising()
  })

  test('R2 W3 a replica that joins while its own client writes catches up all the same', async (scene) => {
    const { items } = await scene.unsubscribed()
    await Promise.all(Array.from({ length: 1000 }, (_, i) => items.set(`key ${i}`, { n: 0 })))
    const joiner = await scene.unsubscribed()
    let joining = true
    const write = async () => {
      for (let n = 1; joining || n < 20; n++) {
        await joiner.items.set(`key ${n % 10}`, { n })
        if (joining) same(joiner.items.get(`key ${n % 10}`), { n })
        await turn()
      }
    }
    const joined = joiner.items.subscribe().finally(() => {
      joining = false
    })
    await Promise.all([joined, write()])
    same(joiner.items.size, 1000, 'how many items there are')
    same([joiner.stales, joiner.readies.length], [[], 1])
    joiner.assertRising()
    await scene.eventuallyEqual([joiner, await scene.replica()])
  })

  test('R3 a later subscribe starts anew', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    await writer.items.set('b', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    reader.leave()
    await writer.items.delete('a')
    await writer.items.set('c', { n: 1 })
    await reader.items.subscribe()
    same(
      new Map(reader.items),
      new Map([
        ['b', { n: 1 }],
        ['c', { n: 1 }],
      ]),
    )
    same([reader.told('a'), reader.told('b'), reader.told('c')], [[], ['set snapshot'], ['set snapshot']])
    same([reader.readies.at(-1)?.cause, reader.readies.at(-1)?.size], ['snapshot', 2])
    await writer.items.set('d', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    same(reader.told('d'), ['set live'])
  })

  test('R3 unsubscribe harms no other collection and no other process', async (scene) => {
    const [a, b] = await scene.two()
    const other = a.client.database('region-nl').collection<Item>('other')
    await other.subscribe()
    a.items.unsubscribe()
    await b.items.set('k', {})
    await b.client.database('region-nl').collection<Item>('other').set('l', {})
    await scene.eventually(() => same([[...b.items.keys()], [...other.keys()]], [['k'], ['l']]))
  })
}
