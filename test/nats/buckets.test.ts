/** Buckets that somebody else has made: what memis can do in each, what it refuses and how that is mended, and what it never touches. */
import assert from 'node:assert'
import { connect } from 'nats'
import { type Client, createClient } from '../../src'
import { startProxy } from '../support/proxy'
import {
  Complaints,
  natsSite,
  note,
  passAcks,
  Replay,
  readStore,
  rejection,
  subjectOf,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('buckets, NATS', 120_000)

const itemsOf = (client: Client) => client.database('test').collection<object>('items')

/** What memis itself would not set. */
const plain = {
  ...{ name: 'KV_memis-test', subjects: ['$KV.memis-test.>'], retention: 'limits', discard: 'new', storage: 'file' },
  ...{ max_msgs_per_subject: 1, num_replicas: 1, duplicate_window: 120e9, allow_rollup_hdrs: true, allow_direct: true },
}

test('a bucket without allow_msg_ttl: all but a ttl, which is refused with the command that enables it; that mends it', async () => {
  await using site = await natsSite()
  await site.raw.ask('STREAM.CREATE.KV_memis-test', plain)
  await using client = site.client()
  const complaints = new Complaints(client)
  const items = itemsOf(client)
  await items.subscribe()
  await items.set('a', { v: 1 })
  assert.strictEqual(await items.delete('a'), true)
  await items.set('b', { v: 1 })
  const [kept, ...errors] = await Promise.all([
    items.set('c', { v: 1 }),
    rejection(items.set('d', { v: 1 }, 60)),
    rejection(items.set('b', { v: 2 }, { ttl: 60, ifRevision: items.entry('b')?.revision as string })),
  ])
  assert.strictEqual(kept, undefined)
  for (const error of errors) {
    assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'no'])
    assert.match(
      error.message,
      /allow_msg_ttl .*nats stream edit KV_memis-test --allow-msg-ttl --subject-del-markers-ttl 10m/,
    )
  }
  assert.deepStrictEqual([...items.keys()], ['b', 'c'])
  await untilEqual(site.raw, [items])
  // What the command does.
  const { config } = await site.raw.ask('STREAM.INFO.KV_memis-test')
  await site.raw.ask('STREAM.UPDATE.KV_memis-test', {
    ...config,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: 600e9,
  })
  await until('it is noticed', () =>
    items.set('d', { v: 1 }, 60).then(
      () => true,
      () => false,
    ),
  )
  assert.deepStrictEqual(complaints.codes, [])
})

test('a bucket without allow_atomic: transactions are refused with the command that enables them; that mends it', async () => {
  await using site = await natsSite()
  await site.raw.ask('STREAM.CREATE.KV_memis-test', { ...plain, allow_msg_ttl: true, subject_delete_marker_ttl: 600e9 })
  await using client = site.client()
  const items = itemsOf(client)
  await items.subscribe()
  const both = () =>
    items.transaction((t) => {
      t.set('a', { v: 1 })
      t.set('b', { v: 1 })
    })
  const error = await rejection(both())
  assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'no'])
  assert.match(error.message, /allow_atomic .*nats stream edit KV_memis-test --allow-batch/)
  assert.strictEqual((await readStore(site.raw, 'items')).size, 0)
  // One write needs no batch.
  await items.transaction((t) => t.set('alone', { v: 1 }))
  const { config } = await site.raw.ask('STREAM.INFO.KV_memis-test')
  await site.raw.ask('STREAM.UPDATE.KV_memis-test', { ...config, allow_atomic: true })
  await until('it is noticed', () =>
    both().then(
      () => true,
      () => false,
    ),
  )
  assert.deepStrictEqual([...items.keys()].sort(), ['a', 'alone', 'b'])
})

test('a bucket that remembers ids for a shorter time than writeTimeout: writes work; what cannot be repeated says how to mend it', async () => {
  await using site = await natsSite()
  await site.raw.ask('STREAM.CREATE.KV_memis-test', { ...plain, duplicate_window: 2e9 })
  const connection = await connect({ servers: site.server.url })
  let isLosing = false
  passAcks(connection, (tell) => isLosing || tell())
  await using client = createClient({ transport: 'nats', connection, writeTimeout: 60_000 })
  new Complaints(client)
  const items = itemsOf(client)
  await items.subscribe()
  await items.set('a', { v: 1 })
  isLosing = true
  const error = await rejection(items.set('a', { v: 2 }))
  assert.deepStrictEqual([error.code, error.stored], ['WRITE_TIMEOUT', 'unknown'])
  assert.match(error.message, /2000 ms.*nats stream edit KV_memis-test --dupe-window/)
  isLosing = false
  await items.set('a', { v: 3 })
  await untilEqual(site.raw, [items])
  await client.close()
  await connection.close()
})

test('a bucket of a KV client with an age of its items, which is its memory of ids as well: works', async () => {
  await using site = await natsSite()
  await site.raw.kvm.create('memis-test', { ttl: 3000 })
  await using client = site.client()
  const items = itemsOf(client)
  const replay = new Replay(items)
  await items.subscribe()
  await items.set('a', { v: 1 })
  const { expiresIn } = items.entry('a') ?? {}
  assert.ok(expiresIn !== undefined && expiresIn !== null && expiresIn <= 3.01, `expires in ${expiresIn} s`)
  await until('it expires', () => items.size === 0)
  replay.check()
})

test('a prefix of none: a bucket of exactly that name, in which clear() leaves alone what is no item of the collection', async () => {
  await using site = await natsSite()
  const kv = await site.raw.kvm.create('shared')
  const foreign = {
    'items.text': 'hello',
    'items.list': '[1]',
    'items.=61': '{"a":1}',
    'other.k': '{"a":1}',
    config: '{"a":1}',
  }
  for (const [key, value] of Object.entries(foreign)) await kv.put(key, value)
  await using client = createClient({ transport: 'nats', servers: site.server.url, prefix: '' })
  new Complaints(client)
  const items = client.database('shared').collection<object>('items')
  await items.subscribe()
  await items.set('a', { v: 1 })
  await kv.put('items.b', '{"v":2}')
  await until('both are there', () => items.size === 2)
  await items.clear()
  assert.strictEqual(items.size, 0)
  for (const [key, value] of Object.entries(foreign)) assert.strictEqual((await kv.get(key))?.string(), value, key)
  for (const key of ['items.a', 'items.b']) assert.strictEqual((await kv.get(key))?.operation, 'PURGE')
})

test('100,000 items are cleared in parts: other writes get through meanwhile, and what is set meanwhile stays', async () => {
  await using site = await natsSite()
  await using client = site.client({ maxPending: 200_000, writeTimeout: 100_000 })
  await using other = site.client()
  new Complaints(client)
  const items = itemsOf(client)
  await Promise.all(Array.from({ length: 100_000 }, (_, n) => items.set(`key ${n}`, { n })))
  const others = other.database('test').collection<object>('others')
  const replica = itemsOf(other)
  await replica.subscribe()
  const start = performance.now()
  let isCleared = false
  const clearing = items.clear().then(() => {
    isCleared = true
  })
  let longest = 0
  let writes = 0
  while (!isCleared) {
    const at = performance.now()
    await others.set('k', { n: writes++ })
    longest = Math.max(longest, performance.now() - at)
  }
  await clearing
  const took = performance.now() - start
  await items.set('since', { n: 0 })
  note(
    `100,000 items cleared in ${took.toFixed(0)} ms; ${writes} other writes meanwhile took up to ${longest.toFixed(0)} ms`,
  )
  assert.ok(writes > 10, `${writes} writes`)
  await until('the replica has heard of it', () => replica.size === 1)
  for (const n of [0, 1, 50_000, 99_999]) {
    const last = await site.raw.last('test', subjectOf('test', 'items', `key ${n}`))
    assert.strictEqual(last?.headers.get('KV-Operation'), 'PURGE', `key ${n}`)
  }
})

test('a client that dies in the midst of a clear: others are live again, with what is left', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const client = site.client({ writeTimeout: 1000 }, proxy.port)
  await using other = site.client({ auditInterval: 200 })
  new Complaints(client)
  const items = itemsOf(client)
  for (let n = 0; n < 5; n++) await items.set(`key ${n}`, { n })
  const replica = itemsOf(other)
  await replica.subscribe()
  // As a client leaves it that has published the first mark.
  await site.raw.publish(subjectOf('test', 'items', 'key 0').replace('key=200', '='), '', {
    'KV-Operation': 'PURGE',
    'Nats-TTL': '60s',
  })
  await items.set('since', { n: 0 })
  await until('the replica is told', () => replica.has('since'))
  await until('it is current', () => (replica.freshness.age ?? Infinity) < 150)
  const joined = site.client({ auditInterval: 200 })
  await itemsOf(joined).subscribe()
  assert.strictEqual(itemsOf(joined).size, 6)
  await Promise.all([client.close(), joined.close()])
  await proxy.close()
})

test.run()
