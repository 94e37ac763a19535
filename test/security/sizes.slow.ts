/**
 * Much and large (H7, H8): messages, items, keys and batches beyond what memis sends. No process is filled or stands still, nobody's link is cut by
 * memis's own doing, and others go on.
 */
import assert from 'node:assert'
import { createClient as createRedis } from 'redis'
import { natsSite } from '../nats/support'
import { baseOf, Raw, redisSite } from '../redis/support'
import type { Site } from '../scenarios/site'
import { type Disposable, harmOf, note, suite, until } from '../support/testing'
import { type Ground, groundOf, Siege } from './siege'
import { Tenant } from './tenant'

const test = suite('security: sizes', 90_000)
const assertUnharmed = harmOf(test)

const grounds: Record<string, Disposable<Ground<Site>>> = {}
let raw: Raw
let count = 0

test.before(async () => {
  grounds.redis = await groundOf<Site>(await redisSite())
  grounds.nats = await groundOf<Site>(await natsSite())
  raw = await Raw.connect(grounds.redis.site.server.url)
})
test.after.each(async () => assertUnharmed())
test.after(async () => {
  await raw[Symbol.asyncDispose]()
  for (const ground of Object.values(grounds)) await ground[Symbol.asyncDispose]()
})

/** Messages that somebody publishes who may only use channels. `first`: the next place. */
const bombs: Record<string, (tenant: Tenant, first: number) => string> = {
  '400,000 sets': (tenant, first) =>
    tenant.forge(first, first + 399_999, `[${Array.from({ length: 400_000 }, (_, i) => `["f${i}",0,{}]`)}]`),
  '6 MB of brackets': (tenant, first) => tenant.forge(first, first, `[["a",0,{"v":${'['.repeat(6e6)}`),
  '6 MB of objects': (tenant, first) => tenant.forge(first, first, `[["a",0,{"v":[${'{},'.repeat(2e6)}0]}]]`),
  '6 MB of names': (tenant, first) => tenant.forge(first, first, '[["a"]]', { extras: ' a=1'.repeat(15e5) }),
  '60 KB of names': (tenant, first) => tenant.forge(first, first, '[["a"]]', { extras: ' a=1'.repeat(15e3) }),
  '60 KB of one name': (tenant, first) => tenant.forge(first, first, '[["a"]]', { extras: ` v=${'0,'.repeat(3e4)}0` }),
  '6 MB without a line break': () => `memis2 ${'0'.repeat(6e6)}`,
  '6 MB of line breaks': () => '\n'.repeat(6e6),
  '3 MB of two-byte characters': (tenant, first) => tenant.forge(first, first, `[["a",0,{"v":"${'é'.repeat(3e6)}"}]]`),
  '20 MB': (tenant, first) => tenant.forge(first, first, 'x'.repeat(20e6)),
}
for (const [what, make] of Object.entries(bombs)) {
  test(`Redis, a message of ${what}: not parsed, and nobody's link is cut (H8)`, async () => {
    const ground = grounds.redis as Ground<Site>
    const name = `sizes${++count}`
    await using tenant = await Tenant.of(raw, ground.site.server, name)
    // A message that takes long must not be taken for lost: audits as far apart as by default.
    await using siege = await Siege.begin(ground, name, { options: { auditInterval: 2000 } })
    const { cpuMs } = await siege.endure(async () => tenant.publish(make(tenant, tenant.last.last + 1)))
    note(`two messages of ${what}: ${cpuMs.toFixed(0)} ms of CPU time, for the attacker and two replicas`)
    assert.deepStrictEqual(siege.stales, [])
    for (const { disconnects } of siege.complaints) assert.deepStrictEqual(disconnects, [])
  })
}

/** Writes of a client of the collection, with limits of its own. Under keys that the truth does not contain. */
const loads: Record<string, { readonly most: number; items(): readonly (readonly [string, object])[] }> = {
  'an item of 3 MB': { most: 4e6, items: () => [['big', { text: 'x'.repeat(3e6) }]] },
  'thirty items of 500 KB': {
    most: 1e6,
    items: () => Array.from({ length: 30 }, (_, i) => [`big ${i}`, { text: 'x'.repeat(5e5), i }]),
  },
  'an item of 100,000 fields': {
    most: 4e6,
    items: () => [['big', Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`f${i}`, i]))]],
  },
  'an item nested 999 deep': {
    most: 1e6,
    items: () => {
      let value: object = {}
      for (let i = 0; i < 998; i++) value = { a: value }
      return [['big', value]]
    },
  },
  '20,000 items': { most: 1e6, items: () => Array.from({ length: 20_000 }, (_, i) => [`big ${i}`, { i }]) },
}
for (const [store, most] of [
  ['redis', Infinity],
  ['nats', 1e6],
] as const) {
  for (const [what, { most: maxItemBytes, items }] of Object.entries(loads)) {
    // NATS takes no larger messages, and this test reads a bucket message by message.
    if (maxItemBytes > most || (store === 'nats' && what === '20,000 items')) continue
    test(`${store}, ${what}, written by a client with other limits: the others go on, and hold what they accept (H8)`, async () => {
      const ground = grounds[store] as Ground<Site>
      const name = `sizes${++count}`
      await using siege = await Siege.begin(ground, name, { isWriter: true })
      await using client = ground.site.client({ maxItemBytes, maxPendingBytes: 1e9 })
      const collection = client.database('test').collection<object>(name)
      const { cpuMs, blockMs } = await siege.endure(async () => {
        const list = items()
        await Promise.all(list.map(([key, item]) => collection.set(key, item)))
        await siege.fence()
        const isTaken = Buffer.byteLength(JSON.stringify(list[0]?.[1])) <= 1_048_576
        for (const replica of siege.replicas) assert.strictEqual(replica.has(list[0]?.[0] as string), isTaken)
        await Promise.all(list.map(([key]) => collection.delete(key)))
      })
      note(
        `${store}, ${what}, twice: ${cpuMs.toFixed(0)} ms of CPU time, the event loop stood still for ${blockMs.toFixed(0)} ms`,
      )
      assert.deepStrictEqual(siege.stales, [])
      for (const { disconnects } of siege.complaints) assert.deepStrictEqual(disconnects, [])
    })
  }
}

test('Redis, a key of 50 MB and a revision of 50 MB in the index: whoever reads is not sent them (H8)', async () => {
  const ground = grounds.redis as Ground<Site>
  const name = `sizes${++count}`
  const base = baseOf('test', name)
  await using siege = await Siege.begin(ground, name, { isWriter: true })
  const long = 'k'.repeat(50e6)
  const { bytes } = await siege.endure(async () => {
    await raw.send('ZADD', `${base}/log`, 1, long)
    await raw.send('HSET', `${base}/revs`, 'key 1', long)
    for (let i = 0; i < 3; i++) await siege.write('key 1')
  })
  assert.ok(bytes < 1_000_000, `${bytes} bytes were sent`)
})

test('Redis, a message over the limit of the server’s output buffers: the server cuts its subscribers off, and they return (SECURITY.md)', async () => {
  const ground = grounds.redis as Ground<Site>
  const name = `sizes${++count}`
  await using tenant = await Tenant.of(raw, ground.site.server, name)
  await using siege = await Siege.begin(ground, name, { options: { auditInterval: 200 } })
  const bomb = 'x'.repeat(34e6)
  let struck = 0
  await siege.endure(async () => {
    // The tenant listens as well, and is cut off too: it publishes by another connection.
    const other = await createRedis({ url: ground.site.server.url, commandOptions: { timeout: 60_000 } }).connect()
    await other.publish(tenant.base, bomb)
    struck++
    other.destroy()
    await until('they are back', () => siege.replicas.every(({ freshness }) => freshness.state === 'live'))
  })
  assert.ok(siege.stales.length > 0 && siege.stales.length <= 2 * struck, String(siege.stales))
})

test.run()
