/** A collection lies in one slot of a cluster, and its scripts run there. */
import assert from 'node:assert'
import { createClient } from '../../src'
import type { Server } from '../support/servers'
import { baseOf, Complaints, type Disposable, Raw, Replay, redisServer, suite, until, untilEqual } from './support'

const test = suite('cluster')

async function clusterOfOne(): Promise<Disposable<Server>> {
  const server = await redisServer({ args: ['--cluster-enabled', 'yes'] })
  await using raw = await Raw.connect(server.url)
  await raw.send('CLUSTER', 'ADDSLOTSRANGE', 0, 16383)
  await until('the cluster is whole', async () => /cluster_state:ok/.test(await raw.send('CLUSTER', 'INFO')))
  return server
}

test('all keys and the channel of a collection are in one slot; all scripts run on a cluster of one node', async () => {
  await using server = await clusterOfOne()
  await using raw = await Raw.connect(server.url)
  // The audit asks for all collections of a client, which lie in different slots.
  await using writer = createClient({ url: server.url, auditInterval: 20, retention: 1 })
  await using reader = createClient({ url: server.url, auditInterval: 20, retention: 1 })
  const complaints = [writer, reader].map((client) => new Complaints(client))
  // Braces, which mean something in the names of a cluster's keys, in each name.
  const names = [
    ['region-nl', 'artists'],
    ['{a}', '{b}'],
    ['a}b', 'c{d'],
    ['{}', ':{}'],
  ] as const
  const slots = new Set<number>()
  for (const [database, name] of names) {
    const [written, read] = [writer, reader].map((client) => client.database(database).collection<object>(name)) as [
      ReturnType<ReturnType<typeof writer.database>['collection']>,
      ReturnType<ReturnType<typeof writer.database>['collection']>,
    ]
    const replay = new Replay(read)
    await Promise.all([written.subscribe(), read.subscribe()])
    const keys = ['a', '{b}', '}{', '{}c', 'd:{e}']
    await Promise.all(keys.map((key) => written.set(key, { key }, key === 'a' ? 0.05 : undefined)))
    assert.strictEqual(await written.delete('{b}'), true)
    assert.strictEqual(await written.delete('none'), false)
    // With a retention of 1 ms, this one trims marks.
    await until('the first has expired', () => !read.has('a'))
    await read.set('f', { n: 1 }, 3600)

    const base = baseOf(database, name)
    const found = await raw.keys(base)
    assert.ok(found.length >= 7, `${found}`)
    const own = new Set(await Promise.all([...found, base].map((key) => raw.send('CLUSTER', 'KEYSLOT', key))))
    assert.strictEqual(own.size, 1, `${database} ${name} lies in ${own.size} slots`)
    for (const slot of own) slots.add(slot)

    await untilEqual(raw, [written, read], { database })
    read.unsubscribe()
    replay.reset()
    await read.subscribe()
    await untilEqual(raw, [written, read], { database })
    await written.clear()
    assert.deepStrictEqual((await raw.keys(`${base}:`)).length, 0)
    await until('the clear is heard of', () => read.size === 0)
    assert.deepStrictEqual(replay.faults, [])
  }
  assert.strictEqual(slots.size, names.length, 'collections are spread over slots')
  await using counts = await Raw.connect(server.url)
  const audits = async () => Number(/cmdstat_hmget:calls=(\d+)/.exec(await counts.send('INFO', 'commandstats'))?.[1])
  const before = await audits()
  await until(
    'some audits',
    async () => (await audits()) > before + 20 || complaints.some(({ errors }) => errors.length),
  )
  for (const { errors } of complaints) assert.deepStrictEqual(errors, [])
})

test('K10 who unsubscribes before the way to the node is known leaves no subscription behind', async () => {
  await using server = await clusterOfOne()
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ transport: 'redis', cluster: { rootNodes: [{ url: server.url }] } })
  await client.connect()
  const database = client.database('test')
  const collections = Array.from({ length: 20 }, (_, i) => database.collection(`items ${i}`))
  for (const items of collections) {
    items.subscribe().catch(() => {})
    items.unsubscribe()
  }
  const [kept] = collections as [(typeof collections)[0]]
  await kept.subscribe()
  const channels = () => raw.send('PUBSUB', 'SHARDCHANNELS')
  await until('one subscription is left', async () => (await channels()).length === 1)
  kept.unsubscribe()
  await until('none is left', async () => (await channels()).length === 0)
})

test.run()
