/** Replicas whose link comes and goes: clauses K1, K3, K4, R3. */

import { MemisError } from '../../core/errors'
import { must, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import { returned } from './keeping-up'
import type { Replica } from './replica'
import type { Scene } from './scene'
import { observe, outage } from './support'

export function outages(test: Define<Scene>): void {
  test('K3 K6 a replica that is out of touch goes on serving, and says so', outage, async (scene) => {
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
    await scene.eventually(() => same(reader.stales.length, 1, 'how often stale was emitted'))
    same(stateInListener, 'stale', 'the state in a listener of stale')
    const [why] = reader.stales
    must(
      why instanceof MemisError && /artists/.test(why.message),
      'stale gives an error that names the collection',
      why,
    )
    await writer.items.set('k', { n: 2 })
    await writer.items.delete('k')
    must(reader.items.get('k') === item, 'the item is the same object as before', reader.items.get('k'))
    same([reader.items.size, reader.items.has('k'), [...reader.items.keys()]], [1, true, ['k']])
    const { state, since, age } = reader.items.freshness
    must(state === 'stale' && since >= live.since && age !== null, 'freshness while it is out of touch', {
      state,
      since,
      age,
    })
    await scene.eventually(() =>
      must((reader.items.freshness.age as number) > age, `awaited: an age over ${age}`, reader.items.freshness),
    )
    await scene.heal(reader)
    same([reader.items.freshness.state, reader.items.size], ['live', 0])
    must(reader.items.freshness.since >= since, `live since ${since} or later`, reader.items.freshness)
    same([reader.stales.length, writer.stales.length, writer.items.freshness.state], [1, 0, 'live'])
  })

  test('K4 K1 thousands of changes that were missed', outage, async (scene) => {
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

  test('K4 W6 W3 own writes that were made meanwhile are there on return', outage, async (scene) => {
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

  test('K1 K4 outage after outage under writes from both sides, all are equal in the end', outage, async (scene) => {
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

  test('R3 K4 unsubscribing and subscribing while away', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    reader.leave()
    same(reader.items.freshness.state, 'idle')
    const waiting = observe(reader.items.subscribe())
    await writer.items.set('k', { n: 2 })
    same([waiting.state, reader.items.freshness.state, reader.items.size], ['pending', 'syncing', 0])
    await scene.heal(reader)
    same(reader.told('k'), ['set snapshot'])
    await scene.eventually(() => same(waiting.state, 'resolved', 'subscribe()'))
    same([...reader.items], [['k', { n: 2 }]])
  })

  test('K3 K4 E4 the store goes and comes back: every client and replica says so, once', outage, async (scene) => {
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
      same(late.state, 'resolved', 'the write that waited')
    })
    await scene.eventuallyEqual(replicas, new Map([['k', { n: 2 }]]))
  })
}
