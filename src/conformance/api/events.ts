/** Events: clauses E1 to E4. */
import { same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item } from './replica'
import type { Scene } from './scene'
import { expired, inTime } from './support'

export function events(test: Define<Scene>): void {
  test('E1 a write has the same revision in every replica, and each write has one of its own', async (scene) => {
    const [writer, reader] = await scene.two()
    const heard = (count: number) =>
      scene.eventually(() => same(reader.events.length, count, 'how many events the reader got'))
    for (let n = 1; n <= 5; n++) {
      await writer.items.set(`key ${n % 2}`, { n })
      await heard(n)
    }
    await writer.items.delete('key 0')
    await heard(6)
    const revisions = ({ events }: typeof writer) => events.map(({ key, change }) => `${key} ${change.revision}`).sort()
    same(revisions(writer), revisions(reader))
    same(new Set(writer.events.map(({ change }) => change.revision)).size, 6, 'how many revisions there are')
    const late = await scene.replica()
    same(
      late.events[0]?.change.revision,
      writer.of('key 1').at(-1)?.change.revision,
      'the revision that a joiner is told',
    )
  })

  test('E2 each change emits exactly one event, own writes included', async (scene) => {
    const [writer, reader] = await scene.two()
    // One after the other: a store that keeps the last of each key may not show what is overwritten at once.
    const heard = (item?: Item) => scene.eventually(() => same(reader.items.get('k'), item))
    for (let n = 1; n <= 20; n++) {
      await writer.items.set('k', { n })
      await heard({ n })
    }
    await writer.items.delete('k')
    await heard()
    await writer.items.set('k', { n: 0 })
    await heard({ n: 0 })
    const expected = [...Array.from({ length: 20 }, () => 'set live'), 'delete live', 'set live']
    for (const replica of [writer, reader]) {
      same(replica.told('k'), expected)
      same(
        replica.of('k').map(({ item }) => item.n),
        [...Array.from({ length: 20 }, (_, i) => i + 1), 20, 0],
      )
    }
  })

  test('E2 replaying the events gives the replica, at any time, whatever is done to it', async (scene) => {
    // What is asked at each event, Replica asks.
    const writers = await scene.two()
    const reader = await scene.replica()
    await Promise.all(
      writers.map(async ({ items }, writer) => {
        for (let n = 0; n < 300; n++) {
          const key = `key ${(n * 13 + writer) % 17}`
          const kind = (n * 7 + writer) % 10
          if (kind < 5) void items.set(key, { writer, n })
          else if (kind < 7) void items.set(key, { writer, n }, 0.001 + (n % 5) / 50)
          else if (kind < 9) void items.delete(key)
          else if (n % 100 < 10) void items.clear()
          else void items.set(key, {})
          if (n % 10 === 0) await turn()
        }
        await items.set(`last ${writer}`, {})
      }),
    )
    await scene.eventuallyEqual([...writers, reader])
  })

  test('E3 X3 the new ttl of a set that changes nothing counts', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(0.2, async (ttl) => {
      const [shorter, longer, added] = [`shorter ${ttl}`, `longer ${ttl}`, `added ${ttl}`]
      const set = (key: string, ttl?: number) => writer.items.set(key, { n: 1 }, ttl)
      await Promise.all([
        ...[set(shorter, 60), set(longer, ttl / 2), set(added)],
        ...[set(shorter, ttl), set(longer, 60), set(added, ttl)],
      ])
      const all = [writer, reader]
      const heard = [await expired(scene, writer, all, shorter), await expired(scene, writer, all, added)]
      if (heard.includes(false)) return false
      for (const replica of all) {
        for (const key of [shorter, added]) same(replica.told(key), ['set live', 'expire live'])
        same(replica.told(longer), ['set live'])
      }
      same((await scene.replica()).items.get(longer), { n: 1 })
      return true
    })
  })

  test('E4 the first contents have the cause snapshot, then comes ready, once; later changes are live', async (scene) => {
    const writer = await scene.unsubscribed()
    for (const key of ['a', 'b', 'c']) await writer.items.set(key, { key })
    const { items } = await scene.unsubscribed()
    const told: string[] = []
    items.on('set', (key, _, { cause }) => void told.push(`set ${key} ${cause}`))
    items.on('ready', ({ cause, size }) => void told.push(`ready ${cause} ${size}`))
    items.on('stale', () => void told.push('stale'))
    await items.subscribe().then(() => told.push('subscribed'))
    same(told.slice(0, 3).sort(), ['set a snapshot', 'set b snapshot', 'set c snapshot'])
    same(told.slice(3), ['ready snapshot 3', 'subscribed'])
    await writer.items.set('d', {})
    await scene.eventually(() => same(items.size, 4, 'how many items there are'))
    same(told.slice(5), ['set d live'])
  })

  test('E4 events of one collection are emitted in no other', async (scene) => {
    const [a, b] = await scene.two()
    const other = b.client.database('region-nl').collection<Item>('other')
    const told: string[] = []
    other.multi('set expire delete', (key) => void told.push(key))
    await other.subscribe()
    await a.items.set('k', {})
    await a.client.database('region-nl').collection<Item>('other').set('l', {})
    await scene.eventually(() => same([told, b.events.map(({ key }) => key)], [['l'], ['k']]))
  })
}
