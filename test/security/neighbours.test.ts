/** Somebody with rights to other keys of the same Redis, or to another account or bucket of the same NATS (SECURITY.md). */
import assert from 'node:assert'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createClient as createRedis } from 'redis'
import { createClient } from '../../src'
import { natsServer } from '../nats/support'
import { Raw, redisServer, untilEqual } from '../redis/support'
import { rejection, suite, until } from '../support/testing'
import { type NatsSite, siteWithUsers, writing } from './nats-users'

const test = suite('security: neighbours', 60_000)

interface Item {
  a: { b: number[] }
}

/** Settings of the server's Lua that all its users share. */
const settings = [
  'cjson.encode_number_precision(1)',
  'cjson.encode_max_depth(1)',
  'cjson.decode_max_depth(1)',
  'cjson.encode_sparse_array(false, 1, 0)',
  'cjson.encode_invalid_numbers(false)',
  'cjson.decode_invalid_numbers(false)',
  'cjson.encode_keep_buffer(false)',
  'math.randomseed(0)',
  "collectgarbage('stop')",
  'redis.setresp(3)',
]
for (const binary of ['redis-server', 'valkey-server'] as const) {
  test(`${binary}: a user of other keys changes how scripts work for all: items, ttls and writes are what they were`, async () => {
    await using server = await redisServer({ binary })
    await using raw = await Raw.connect(server.url)
    await raw.send('ACL', 'SETUSER', 'neighbour', 'on', '>n', '~other:*', 'resetchannels', '-@all', '+eval')
    const neighbour = await createRedis({ url: server.url.replace('//', '//neighbour:n@') }).connect()
    await using writing = createClient({ url: server.url, writeTimeout: 2000 })
    const items = writing.database('test').collection<Item>('items')
    await items.subscribe()
    for (const [i, setting] of settings.entries()) {
      await neighbour.sendCommand(['EVAL', `${setting} return 1`, '0'])
      const key = `key ${i}`
      const item = { a: { b: [i, 0.123456789] } }
      // Together, so that they go by the full script.
      await Promise.all([items.set(key, item, 5723), items.set('x', item), items.delete('x')])
      await items.set(key, item, { ttl: 5723, ifRevision: items.entry(key)?.revision as string })
      await rejection(items.set(key, item, { ifAbsent: true }))
      await using reading = createClient({ url: server.url })
      const joiner = reading.database('test').collection<Item>('items')
      await joiner.subscribe()
      assert.deepStrictEqual(joiner.get(key), item, setting)
      const { expiresIn } = joiner.entry(key) as { expiresIn: number }
      assert.ok(expiresIn > 5700 && expiresIn <= 5723, `${setting}: ${expiresIn}`)
      await untilEqual(raw, [items, joiner])
    }
    neighbour.destroy()
  })
}

test('Redis: with the keys of a prefix up to the brace, a prefix that goes on with a colon is out of reach', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const rules = ['on', '>s', '~shop:{*', 'resetchannels', '&shop:{*', '+@all', '-@admin', '-@dangerous', '+info']
  await raw.send('ACL', 'SETUSER', 'shop', ...rules)
  const url = server.url.replace('//', '//shop:s@')
  await using own = createClient({ url, prefix: 'shop' })
  await using other = createClient({ url, prefix: 'shop:eu' })
  for (const client of [own, other]) client.on('error', () => {})
  await own.database('d').collection<object>('c').set('k', { n: 1 })
  const items = other.database('d').collection<object>('c')
  assert.strictEqual((await rejection(items.set('k', { n: 1 }))).code, 'UNAUTHORIZED')
  assert.strictEqual((await rejection(items.subscribe())).code, 'UNAUTHORIZED')
})

/** Questions to JetStream, to read, change or empty the bucket `memis-test` by a stream of their own. */
const streams: Record<string, object> = {
  'a source': { subjects: ['$KV.memis-other.>'], sources: [{ name: 'KV_memis-test' }] },
  'a mirror': { mirror: { name: 'KV_memis-test' } },
  'republishing into the bucket': {
    subjects: ['$KV.memis-other.>'],
    republish: { src: '$KV.memis-other.>', dest: '$KV.memis-test.>' },
  },
  'republishing to the API': {
    subjects: ['$KV.memis-other.>'],
    republish: { src: '$KV.memis-other.items.planted', dest: '$JS.API.STREAM.PURGE.KV_memis-test' },
  },
}

/** Tries all of it. Resolves to what it read. */
async function attack(neighbour: NatsConnection): Promise<string[]> {
  const found: string[] = []
  const ask = (subject: string, question: object) =>
    neighbour.request(subject, JSON.stringify(question), { timeout: 1000 }).then(
      (answer) => answer.string(),
      (error: Error) => error.message,
    )
  for (const config of Object.values(streams)) {
    await ask('$JS.API.STREAM.CREATE.KV_memis-other', { name: 'KV_memis-other', num_replicas: 1, ...config })
    await ask('$KV.memis-other.items.planted', { by: 'neighbour' })
    found.push(await ask('$JS.API.STREAM.MSG.GET.KV_memis-other', { last_by_subj: '$KV.memis-test.items.a' }))
    await ask('$JS.API.STREAM.DELETE.KV_memis-other', {})
  }
  return found
}

const own = { item: 'only for memis' }
/** Base64 in answers of JetStream. */
const leaks = (answers: readonly string[]) =>
  answers.some((each) => each.includes(btoa(JSON.stringify(own)).slice(0, 12)))

async function withstands(site: Pick<NatsSite, 'client'>, strike: () => Promise<string[]>): Promise<void> {
  await using client = site.client({ auditInterval: 100 })
  const items = client.database('test').collection<object>('items')
  const stales: unknown[] = []
  items.on('stale', (error) => void stales.push(error))
  await items.subscribe()
  await items.set('a', own)
  assert.ok(!leaks(await strike()), 'it was read')
  await items.set('b', own)
  await until('an audit', () => (items.freshness.age ?? 1000) < 100)
  assert.deepStrictEqual([...items.keys()], ['a', 'b'])
  assert.deepStrictEqual(stales, [])
}

test('NATS: an account of its own is out of reach of those who may do everything in another one', async () => {
  const folder = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-accounts-'))
  const config = join(folder, 'accounts.conf')
  const accounts = ['memis', 'neighbour'].map(
    (name) => `${name} { jetstream: enabled, users: [{ user: ${name}, password: ${name} }] }`,
  )
  writeFileSync(config, `accounts { ${accounts.join('\n')} }`)
  try {
    await using server = await natsServer({ args: ['--config', config] })
    const neighbour = await connect({ servers: server.url, user: 'neighbour', pass: 'neighbour' })
    const client = (options: object = {}) =>
      createClient({ transport: 'nats', servers: server.url, user: 'memis', pass: 'memis', ...options })
    await withstands({ client }, () => attack(neighbour))
    await neighbour.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('NATS: in the same account, a user who may not create streams, and has a bucket, reaches no other one', async () => {
  const publish = writing('memis-other').filter((subject) => !subject.includes('STREAM.CREATE'))
  await using site = await siteWithUsers({ neighbour: { publish, subscribe: ['_INBOX.>'] } })
  await site.raw.ask('STREAM.CREATE.KV_memis-other', { name: 'KV_memis-other', subjects: ['$KV.memis-other.>'] })
  const neighbour = await connect({ servers: site.server.url, user: 'neighbour', pass: 'neighbour' })
  await withstands(site, () => attack(neighbour))
  await neighbour.close()
})

test.run()
