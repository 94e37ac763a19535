/** Numbers that many count up at the same time: clause C5. */
import { refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item } from './replica'
import type { Scene } from './scene'
import { outage } from './support'

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

export function counting(test: Define<Scene>): void {
  test('C5 increment adds to a number and resolves to the sum; an absent field counts as 0', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    await writer.items.set('a', { n: 1, name: 'x' }, 600)
    same(await writer.items.increment('a', 'n'), 2)
    same(await outside.items.increment('a', 'n', -5), -3)
    same(await outside.items.increment('a', 'half', 0.5), 0.5)
    same(await writer.items.increment('a', 'toString'), 1)
    const late = await scene.replica()
    await scene.eventuallyEqual([writer, reader, late], new Map([['a', { n: -3, name: 'x', half: 0.5, toString: 1 }]]))
    const left = late.items.entry('a')?.expiresIn ?? 0
    same(left > 500 && left <= 600, true, `the ttl is kept: ${left} s are left`)
  })

  test('C5 increment refuses an absent item, and a field that is not a number', async (scene) => {
    const [writer, outside] = [await scene.replica(), await scene.unsubscribed()]
    await writer.items.set('a', { text: '1', nothing: null, big: 1.7e308 })
    for (const { items } of [writer, outside]) {
      const error = await refused(items.increment('absent', 'n'), 'NOT_FOUND')
      same([error.database, error.collection, error.key], ['region-nl', 'artists', 'absent'], 'the names in the error')
      for (const field of ['text', 'nothing']) await refused(items.increment('a', field), 'INVALID_ITEM')
      await refused(items.increment('a', 'big', 1.7e308), 'INVALID_ITEM')
    }
    same(new Map((await scene.replica()).items), new Map([['a', { text: '1', nothing: null, big: 1.7e308 }]]))
  })

  test('C5 fifty that increment the same number at once: each call counts exactly once', async (scene) => {
    const clients = [...(await scene.two()), ...(await Promise.all([1, 2, 3].map(() => scene.unsubscribed())))]
    await clients[0]?.items.set('a', { n: 0 })
    const told: number[] = []
    await Promise.all(
      clients.flatMap(({ items }) =>
        numbers(10).map(async () => {
          for (let i = 0; i < 4; i++) told.push(await items.increment('a', 'n'))
        }),
      ),
    )
    const late = await scene.replica()
    same(late.items.get('a'), { n: 200 })
    // Each was told a sum of its own.
    same(
      [...told].sort((a, b) => a - b),
      numbers(200),
      'the sums that the calls resolved to',
    )
    for (const replica of clients.slice(0, 2)) {
      await scene.eventually(() => same(replica.items.get('a'), { n: 200 }))
      replica.assertRising()
    }
  })

  test('C5 each increment counts exactly once if links break all the time', outage, async (scene) => {
    const both = await scene.two()
    await both[0].items.set('a', { n: 0 })
    const calls: Promise<number>[] = []
    for (let round = 0; round < 6; round++) {
      for (const { items } of both) for (let i = 0; i < 3; i++) calls.push(items.increment('a', 'n'))
      // While an attempt is on its way: in each round it has come another way.
      for (let i = 0; i < round; i++) await turn()
      const away = both[round % 2] as (typeof both)[0]
      await scene.cut(away)
      await scene.heal(away)
    }
    const told = await Promise.all(calls)
    same(
      [...told].sort((a, b) => a - b),
      numbers(36),
      'the sums that the calls resolved to',
    )
    await scene.eventuallyEqual([...both, await scene.replica()], new Map<string, Item>([['a', { n: 36 }]]))
  })

  test('C5 C2 each increment counts exactly once if every answer is lost', async (scene) => {
    const both = [await scene.interfered(), await scene.interfered()] as const
    const other = await scene.replica()
    await other.items.set('a', { n: 0 })
    const told: number[] = []
    await Promise.all(
      both.map(async ([{ items }, transport]) => {
        for (let n = 0; n < 5; n++) {
          // Twice, somebody else counts on before the batch goes again.
          transport.loseAnswer(n < 2 ? async () => void told.push(await other.items.increment('a', 'n')) : undefined)
          told.push(await items.increment('a', 'n'))
        }
      }),
    )
    same(
      [...told].sort((a, b) => a - b),
      numbers(14),
      'the sums that the calls resolved to',
    )
    const replicas = [...both.map(([replica]) => replica), other, await scene.replica()]
    await scene.eventuallyEqual(replicas, new Map([['a', { n: 14 }]]))
  })
}
