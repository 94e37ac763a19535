/** Keeping up: clauses K1 to K8, as far as an outage shows them. */

import type { Collection } from '../core/collection'
import { MemisError } from '../core/errors'
import assert from './assert'
import type { Define, Item, Replica, Scene } from './scene'
import { expired, observe, refused, same, turn } from './support'

type Meanwhile = (items: Collection<Item>) => Promise<unknown>

/** A replica that was cut off while a writer did something, and that has caught up. Its events are of the return. */
async function returned(scene: Scene, before: Readonly<Record<string, Item>>, meanwhile: Meanwhile): Promise<Replica> {
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

export function keepingUp(test: Define): void {
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

  test('K6 freshness tells the state, since when, and the age of the last proof', async (scene) => {
    const { items } = await scene.unsubscribed()
    const started = items.freshness.since
    same({ ...items.freshness, since: 0 }, { state: 'idle', since: 0, age: null })
    const waiting = items.subscribe()
    same([items.freshness.state, items.freshness.age], ['syncing', null])
    await waiting
    const { state, since, age } = items.freshness
    assert(state === 'live' && since >= started && age !== null && age >= 0 && age <= 3 * scene.patience)
    items.once('set', () => assert.equal(items.freshness.state, 'live'))
    await items.set('k', {})
    items.unsubscribe()
    same([items.freshness.state, items.freshness.age], ['idle', null])
    assert(items.freshness.since >= since)
  })

  test.outage('K3 K6 a replica that is out of touch goes on serving, and says so', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const item = reader.items.get('k')
    const live = reader.items.freshness
    let stateInListener: string | undefined
    reader.items.on('stale', () => {
      stateInListener = reader.items.freshness.state
    })
    await scene.cut(reader)
    await scene.eventually(() => assert.equal(reader.stales.length, 1))
    assert.equal(stateInListener, 'stale')
    assert(reader.stales[0] instanceof MemisError)
    assert.match(reader.stales[0].message, /artists/)
    await writer.items.set('k', { n: 2 })
    await writer.items.delete('k')
    assert.equal(reader.items.get('k'), item)
    same([reader.items.size, reader.items.has('k'), [...reader.items.keys()]], [1, true, ['k']])
    const { state, since, age } = reader.items.freshness
    assert(state === 'stale' && since >= live.since && age !== null)
    await scene.eventually(() => assert((reader.items.freshness.age as number) > age))
    await scene.heal(reader)
    same([reader.items.freshness.state, reader.items.size], ['live', 0])
    assert(reader.items.freshness.since >= since)
    same([reader.stales.length, writer.stales.length, writer.items.freshness.state], [1, 0, 'live'])
  })

  test.outage('K4 E4 on return come the events of what was missed, then ready', async (scene) => {
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

  test.outage('K4 a key that was set five times gives one set', async (scene) => {
    const reader = await returned(scene, { k: { n: 0 } }, async (items) => {
      for (let n = 1; n <= 5; n++) await items.set('k', { n })
      for (let n = 1; n <= 5; n++) await items.set('new', { n })
    })
    same([reader.told('k'), reader.told('new')], [['set resync'], ['set resync']])
    same([reader.of('k')[0]?.item, reader.of('k')[0]?.change.previous], [{ n: 5 }, { n: 0 }])
  })

  test.outage('K4 what was set and deleted meanwhile, or set back to what it was, gives nothing', async (scene) => {
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
  })

  test.outage('K4 E3 what gives nothing keeps its object too', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 0 })
    await scene.eventuallyEqual([writer, reader])
    const before = reader.items.get('k')
    await scene.cut(reader)
    await writer.items.set('k', { n: 1 })
    await writer.items.set('k', { n: 0 })
    await scene.heal(reader)
    assert.equal(reader.items.get('k'), before)
  })

  test.outage('K4 deletes and clears that were missed are told as deletes', async (scene) => {
    const deleted = await returned(scene, { a: {}, b: {}, c: { n: 0 } }, async (items) => {
      await items.delete('a')
      await items.set('c', { n: 1 })
      await items.delete('c')
    })
    same([deleted.told('a'), deleted.told('b'), deleted.told('c')], [['delete resync'], [], ['delete resync']])
    same(deleted.of('c')[0]?.item, { n: 0 })
  })

  test.outage('K4 W5 a clear that was missed is told as deletes, what was set after it as sets', async (scene) => {
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

  test.outage('K4 X3 what came and expired meanwhile gives nothing, what expired gives expire, once', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('timed', { n: 0 }, 0.5)
    await writer.items.set('stays', { n: 0 })
    await scene.eventually(() => assert(reader.items.has('stays') && reader.told('timed').length > 0))
    await scene.cut(reader)
    await writer.items.set('brief', { n: 0 }, 0.05)
    await writer.items.set('stays', { n: 1 }, 60)
    await expired(scene, writer, [writer], 'brief')
    await scene.eventually(() => assert(!writer.items.has('timed') && !reader.items.has('timed')))
    await scene.heal(reader)
    await scene.eventuallyEqual([writer, reader], new Map([['stays', { n: 1 }]]))
    same(
      reader.of('timed').map(({ event }) => event),
      ['set', 'expire'],
    )
    same([reader.told('brief'), reader.told('stays')], [[], ['set live', 'set resync']])
  })

  test.outage('K4 a ttl that was given or changed while away counts on return', async (scene) => {
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
      if (key !== 'new' || event !== 'none') assert(event === 'expire' && at >= started + 1000 - 1, `${key}: ${event}`)
    }
  })

  test.outage('K4 K1 much that was missed', async (scene) => {
    const before = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`old ${i}`, { i }]))
    await returned(scene, before, (items) =>
      Promise.all(
        Array.from({ length: 3000 }, (_, i) => [
          items.set(`new ${i}`, { i }),
          i % 3 === 0 ? items.delete(`old ${i / 3}`) : items.set(`old ${i % 300}`, { i, changed: true }),
        ]).flat(),
      ),
    )
  })

  test.outage('K4 W6 W3 what the replica itself wrote meanwhile is there on return', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('both', { n: 0 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    await writer.items.set('both', { n: 1 })
    await writer.items.set('theirs', { n: 1 })
    const own = ['both', 'own'].map((key) => reader.items.set(key, { n: 2 }).then(() => reader.items.get(key)))
    const [read] = await Promise.all([Promise.all(own), scene.heal(reader)])
    same(read, [{ n: 2 }, { n: 2 }])
    const expected = new Map([
      ['both', { n: 2 }],
      ['theirs', { n: 1 }],
      ['own', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader], expected)
    reader.assertRising()
    same(reader.told('own').length, 1)
  })

  test.outage('K1 K4 outage after outage under writes from both sides, all are equal in the end', async (scene) => {
    const [a, b] = await scene.two()
    const witness = await scene.replica()
    const numbers = new Map<Replica, number>()
    // Each has keys of its own, whose items count up.
    const write = async (replica: Replica, count: number) => {
      for (let i = 0; i < count; i++) {
        const n = (numbers.get(replica) ?? 0) + 1
        numbers.set(replica, n)
        void replica.items.set(`${replica === a ? 'a' : 'b'} ${n % 5}`, { n })
        if (n % 13 === 0) void replica.items.delete(`brief ${n % 3}`)
        else void replica.items.set(`brief ${n % 3}`, { n: Infinity > n ? n + (replica === a ? 0 : 0.5) : n }, 0.01)
        if (i % 10 === 0) await turn()
      }
    }
    for (let round = 0; round < 4; round++) {
      const [away, other] = round % 2 === 0 ? [a, b] : [b, a]
      await Promise.all([write(away, 20), write(other, 20)])
      await Promise.all([scene.cut(away), write(other, 40)])
      await Promise.all([write(away, 20), write(other, 20)])
      await Promise.all([scene.heal(away), write(other, 20), write(away, 20)])
    }
    await Promise.all([a.items.set('last a', {}), b.items.set('last b', {})])
    await scene.eventuallyEqual([a, b, witness, await scene.replica()])
    for (const replica of [a, b, witness]) {
      same(replica.readies.length, replica.stales.length + 1)
      const own = replica.events.filter(({ key }) => /^[ab] /.test(key))
      for (const key of new Set(own.map(({ key }) => key))) {
        const counted = replica.of(key).map(({ item }) => item.n)
        same(
          counted,
          [...new Set(counted)].sort((x, y) => x - y),
          `${key} went back`,
        )
      }
    }
  })

  test.outage('R3 K4 unsubscribing and subscribing while away', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    reader.leave()
    assert.equal(reader.items.freshness.state, 'idle')
    const waiting = observe(reader.items.subscribe())
    await writer.items.set('k', { n: 2 })
    same([waiting.state, reader.items.freshness.state, reader.items.size], ['pending', 'syncing', 0])
    await scene.heal(reader)
    same(reader.told('k'), ['set snapshot'])
    await scene.eventually(() => assert.equal(waiting.state, 'resolved'))
    same([...reader.items], [['k', { n: 2 }]])
  })

  test.outage('K3 K4 E4 the store goes and comes back: every client and replica says so, once', async (scene) => {
    const replicas = await scene.two()
    const logs = replicas.map(({ client, items }) => {
      const log: string[] = []
      client
        .on('connect', () => void log.push('connect'))
        .on('disconnect', ({ code }) => void log.push(`disconnect ${code}`))
      items.on('stale', () => void log.push('stale')).on('ready', () => void log.push('ready'))
      return log
    })
    await replicas[0].items.set('k', { n: 1 })
    await scene.takeDown()
    await scene.eventually(() => {
      for (const log of logs) same([...log].sort(), ['disconnect DISCONNECTED', 'stale'])
    })
    const late = observe(replicas[1].items.set('k', { n: 2 }))
    await scene.bringBack()
    await scene.eventually(() => {
      for (const log of logs) same(log.slice(2).sort(), ['connect', 'ready'])
      assert.equal(late.state, 'resolved')
    })
    await scene.eventuallyEqual(replicas, new Map([['k', { n: 2 }]]))
  })

  test.outage('K8 started while the store is down, a client waits: connect, subscribe and writes', async (scene) => {
    const other = await scene.unsubscribed()
    await other.items.set('old', { n: 1 })
    await scene.takeDown()
    const replica = await scene.unsubscribed()
    const connects: string[] = []
    replica.client
      .on('connect', () => void connects.push('connect'))
      .on('disconnect', () => void connects.push('disconnect'))
    const waiting = [
      observe<unknown>(replica.client.connect()),
      observe<unknown>(replica.items.subscribe()),
      observe<unknown>(replica.items.set('k', { n: 1 })),
      observe<unknown>(replica.items.delete('old')),
    ]
    same([replica.items.freshness.state, replica.items.size], ['syncing', 0])
    await scene.eventually(() => assert((replica.client.errorCounts.DISCONNECTED ?? 0) > 0))
    await turn()
    assert(waiting.every(({ state }) => state === 'pending'))
    same(connects, [])
    await scene.bringBack()
    await scene.eventually(() => assert(waiting.every(({ state }) => state === 'resolved')))
    same(waiting[3]?.value, true)
    same([...replica.items], [['k', { n: 1 }]])
    same(connects, ['connect'])
    await replica.client.connect()
  })

  test.outage('K8 W7 a client that waits for its store can be closed', async (scene) => {
    await scene.takeDown()
    const { client, items } = await scene.unsubscribed()
    const waiting = [refused(client.connect(), 'CLOSED'), refused(items.subscribe(), 'CLOSED')]
    await Promise.all([...waiting, client.close()])
  })
}
