/** From connecting to closing: clauses E4, K8, W7. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item } from './replica'
import type { Scene } from './scene'
import { observe, outage } from './support'

/** What would keep the process from ending. A server is not counted: it may be of the setup's. */
const resources = () => process.getActiveResourcesInfo().filter((name) => !name.endsWith('ServerWrap'))

export function lifecycle(test: Define<Scene>): void {
  test('E4 a client connects by itself, and emits connect; connect() waits for that', async (scene) => {
    const client = await scene.client()
    let connects = 0
    client.on('connect', () => void connects++)
    await client.connect()
    await client.connect()
    must(connects <= 1, 'connect is emitted once, perhaps before anybody listened', connects)
    const items = client.database('d').collection<Item>('c')
    await items.set('k', {})
    same(await items.delete('k'), true)
  })

  test('K8 started while the store is down, a client waits: connect, subscribe and writes', outage, async (scene) => {
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
    await scene.eventually(() =>
      must((replica.client.errorCounts.DISCONNECTED ?? 0) > 0, 'awaited: DISCONNECTED', replica.client.errorCounts),
    )
    await turn()
    must(
      waiting.every(({ state }) => state === 'pending'),
      'all calls wait',
      waiting,
    )
    same(connects, [])
    await scene.bringBack()
    await scene.eventually(() =>
      must(
        waiting.every(({ state }) => state === 'resolved'),
        'awaited: all calls resolve',
        waiting,
      ),
    )
    same(waiting[3]?.value, true)
    same([...replica.items], [['k', { n: 1 }]])
    same(connects, ['connect'])
    await replica.client.connect()
  })

  test('K8 W7 a client that waits for its store can be closed', outage, async (scene) => {
    await scene.takeDown()
    const { client, items } = await scene.unsubscribed()
    const waiting = [refused(client.connect(), 'CLOSED'), refused(items.subscribe(), 'CLOSED')]
    await Promise.all([...waiting, client.close()])
  })

  test('W7 close first sends what waits', async (scene) => {
    const reader = await scene.replica()
    const writer = await scene.replica()
    const writes = Array.from({ length: 1500 }, (_, i) => observe(writer.items.set(`key ${i}`, { i })))
    await writer.client.close()
    same(new Set(writes.map(({ state }) => state)), new Set(['resolved']))
    await scene.eventually(() => same(reader.items.size, 1500, 'how many items the reader has'))
  })

  test('W7 close sends what was written before the client had connected', async (scene) => {
    const reader = await scene.replica()
    const writer = await scene.unsubscribed()
    const write = observe(writer.items.set('k', { n: 1 }))
    await writer.client.close()
    same([write.state, write.error], ['resolved', undefined])
    await scene.eventuallyEqual([reader], new Map([['k', { n: 1 }]]))
  })

  test('W7 close harms no other client', async (scene) => {
    const [a, b] = await scene.two()
    await a.items.set('k', { n: 1 })
    await a.client.close()
    await b.items.set('k', { n: 2 })
    await scene.eventuallyEqual([b, await scene.replica()], new Map([['k', { n: 2 }]]))
  })

  test('W7 after close no timer and no socket stays', async (scene) => {
    await turn() // the time limit of the case, and waiting, take timers of their own
    let before: string[] = []
    await scene.eventually(() => {
      before = resources()
    })
    const [a, b] = await scene.two()
    await Promise.all(Array.from({ length: 50 }, (_, i) => a.items.set(`key ${i}`, { i }, 60)))
    await scene.eventuallyEqual([a, b])
    const never = a.client.database('region-nl').collection<Item>('never ready')
    void never.subscribe()
    await a.client.close()
    await b.client.close()
    await scene.eventually(() => {
      const left = resources()
      for (const name of new Set(left)) {
        const [now, then] = [left, before].map((all) => all.filter((each) => each === name).length) as [number, number]
        must(now <= then, `no more of ${name} than before: ${then}`, now)
      }
    })
  })

  test('W7 close while cut off ends in time, and says of each write whether it was stored', outage, async (scene) => {
    const writer = await scene.replica({ writeTimeout: 300 })
    const reader = await scene.replica()
    await scene.cut(writer)
    const writes = [observe(writer.items.set('k', {})), observe(writer.items.set('l', {}))]
    await writer.client.close()
    for (const { error } of writes) {
      must(error?.code === 'CLOSED' || error?.code === 'WRITE_TIMEOUT', 'CLOSED or WRITE_TIMEOUT', error)
      same(error.stored, 'no')
    }
    same(reader.items.size, 0, 'how many items the reader has')
  })

  test('W7 close while cut off sends what waits if the store comes back in time', outage, async (scene) => {
    const writer = await scene.replica()
    const reader = await scene.replica()
    await scene.cut(writer)
    const write = observe(writer.items.set('k', { n: 1 }))
    const closing = writer.client.close()
    await turn()
    await scene.reconnect(writer)
    await closing
    same([write.state, write.error], ['resolved', undefined])
    await scene.eventuallyEqual([reader], new Map([['k', { n: 1 }]]))
  })
}
