/** One consumer per replica at any time, and none left behind. */
import assert from 'node:assert'
import { startProxy } from '../support/proxy'
import { Complaints, natsSite, note, Raw, Replay, suite, until, untilConsumers, untilEqual } from './support'

const test = suite('consumers, NATS')

test('a consumer for each replica that is subscribed, none for a client that only writes, none after the end', async () => {
  await using site = await natsSite()
  const [one, two, writer] = [site.client(), site.client(), site.client()]
  const collection = (client: typeof one, name: string) => client.database('test').collection<object>(name)
  await collection(writer, 'a').set('k', { v: 1 })
  await untilConsumers(site.raw, 0)
  await Promise.all([
    collection(one, 'a').subscribe(),
    collection(one, 'b').subscribe(),
    collection(two, 'a').subscribe(),
  ])
  assert.strictEqual((await site.raw.consumers()).length, 3)
  const filters = (await site.raw.consumers()).map(({ config }) => config.filter_subject).sort()
  assert.deepStrictEqual(filters, ['$KV.memis-test.a.>', '$KV.memis-test.a.>', '$KV.memis-test.b.>'])
  collection(one, 'b').unsubscribe()
  await untilConsumers(site.raw, 2)
  // Subscribing in vain, over and over.
  for (let i = 0; i < 20; i++) {
    const waiting = collection(one, 'b').subscribe()
    if (i % 2 === 0) await waiting
    else waiting.catch(() => {})
    collection(one, 'b').unsubscribe()
  }
  await untilConsumers(site.raw, 2)
  await one.close()
  // At once: they are gone before close() resolves.
  assert.strictEqual((await site.raw.consumers()).length, 1)
  await Promise.all([two.close(), writer.close()])
  assert.strictEqual((await site.raw.consumers()).length, 0)
})

test('100 reconnects in a row: never more than one consumer per replica once it is live, and none left after close()', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const client = site.client({ livenessTimeout: 2000 }, proxy.port)
  const other = site.client()
  const items = client.database('test').collection<object>('items')
  const replay = new Replay(items)
  const written = other.database('test').collection<object>('items')
  await items.subscribe()
  const counts: number[] = []
  const complaints = new Complaints(client)
  const start = performance.now()
  for (let i = 0; i < 100; i++) {
    const ready = new Promise((resolve) => items.once('ready', resolve))
    proxy.cut()
    await proxy.heal()
    await ready
    counts.push((await site.raw.consumers()).length)
    await written.set(`key ${i % 10}`, { i })
  }
  assert.ok(complaints.connects >= 100, `${complaints.connects} connects`)
  const took = performance.now() - start
  const last = await untilConsumers(site.raw, 1)
  note(
    `100 reconnects in ${took.toFixed(0)} ms; consumers after each: at most ${Math.max(...counts)}, ` +
      `on average ${(counts.reduce((sum, count) => sum + count) / 100).toFixed(2)}; one ${last.toFixed(0)} ms after the last`,
  )
  assert.ok(Math.max(...counts) <= 2, `consumers: ${counts}`)
  await untilEqual(site.raw, [items])
  replay.check()
  await client.close()
  assert.strictEqual((await site.raw.consumers()).length, 0)
  await Promise.all([other.close(), proxy.close()])
})

test('a client that is killed leaves a consumer that the server removes by itself', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const client = site.client({ livenessTimeout: 1000 }, proxy.port)
  new Complaints(client)
  await client.database('test').collection<object>('items').subscribe()
  await untilConsumers(site.raw, 1)
  // It never comes back.
  proxy.cut()
  const took = await untilConsumers(site.raw, 0, 'memis-test', 30_000)
  note(`the consumer of a client that has vanished is gone after ${(took / 1000).toFixed(1)} s`)
  await Promise.all([client.close(), proxy.close()])
})

test('a stream is left as it was by whoever closes while the server is away', async () => {
  await using site = await natsSite()
  const client = site.client({ livenessTimeout: 1000 })
  new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('k', { v: 1 })
  const stale = new Promise((resolve) => items.once('stale', resolve))
  await site.server.kill()
  await stale
  await client.close()
  await site.server.restart()
  await using raw = await Raw.connect(site.server.url)
  await until('the server forgets its consumer', async () => (await raw.consumers()).length === 0, 30_000)
})

test.run()
