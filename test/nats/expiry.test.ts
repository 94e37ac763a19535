/** Items leave replicas and the bucket when their time is over: by the server's own doing, or, before 2.11, by memis's. */
import assert from 'node:assert'
import type { Collection } from '../../src'
import { startProxy } from '../support/proxy'
import {
  Complaints,
  itemOf,
  type Message,
  natsSite,
  note,
  type Raw,
  Replay,
  readStore,
  startOf,
  subjectOf,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('expiry, NATS')

type Site = Awaited<ReturnType<typeof natsSite>>

/** How many a replica told of each key and event, in order. */
function listen(collection: Collection<object>): Map<string, { event: string; at: number }[]> {
  const told = new Map<string, { event: string; at: number }[]>()
  for (const event of ['set', 'expire', 'delete'] as const) {
    collection.on(event, (key) => {
      const list = told.get(key) ?? []
      list.push({ event, at: performance.now() })
      told.set(key, list)
    })
  }
  return told
}

const all = (raw: Raw): Promise<Message[]> => raw.messages('test', startOf('test', 'items'))

/** Whether a message is a mark of what expired: the server's own, or memis's where the server leaves none. */
const isExpiry = ({ headers }: Message) =>
  headers.get('Nats-Marker-Reason') === 'MaxAge' || headers.get('Memis-Gone') === 'expire'

test('ttls of 0.3 s and 1.5 s, heard of and found: on time in replicas, gone from the bucket, and told once as expire', async () => {
  await using site = await natsSite()
  await using writing = site.client()
  await using reading = site.client()
  await using joining = site.client()
  const [written, read, joined] = [writing, reading, joining].map((client) =>
    client.database('test').collection<object>('items'),
  ) as [Collection<object>, Collection<object>, Collection<object>]
  const replicas = [written, read, joined]
  const tolds = replicas.map(listen)
  const replays = replicas.map((replica) => new Replay(replica))
  await Promise.all([written.subscribe(), read.subscribe()])
  const begin = new Map<string, number>()
  for (const ttl of [0.3, 1.5, 3600]) {
    for (let i = 0; i < 20; i++) {
      const key = `${ttl} s, ${i}`
      begin.set(key, performance.now())
      await written.set(key, { i }, ttl)
    }
  }
  await joined.subscribe()
  const taken = performance.now()
  await until('all but the long ones expire', () => replicas.every(({ size }) => size === 20))
  const lateness: number[] = []
  for (const [i, told] of tolds.entries()) {
    for (const [key, list] of told) {
      const ttl = Number.parseFloat(key)
      assert.deepStrictEqual(
        list.map(({ event }) => event),
        ttl === 3600 ? ['set'] : ['set', 'expire'],
        `${key} in replica ${i}`,
      )
      const [, expire] = list
      if (expire === undefined) continue
      // Not before the store can have had it for so long.
      const after = expire.at - (begin.get(key) as number) - ttl * 1000
      assert.ok(after >= -1, `${key} expired ${-after} ms early`)
      lateness.push(after)
    }
  }
  lateness.sort((a, b) => a - b)
  const p99 = lateness[Math.floor(lateness.length * 0.99)] as number
  note(
    `ttls of 0.3 and 1.5 s: replicas told ${lateness[0]?.toFixed(1)} to ${lateness.at(-1)?.toFixed(1)} ms ` +
      `after the ttl was over, counted from the call of set; p99 ${p99.toFixed(1)} ms`,
  )
  const gone = await until('they leave the bucket', async () => (await readStore(site.raw, 'items')).size === 20)
  note(
    `gone from the bucket ${(performance.now() - taken).toFixed(0)} ms after the last set (${gone.toFixed(0)} ms more)`,
  )
  // Each has left a mark, for who is away.
  const marks = (await all(site.raw)).filter((message) => itemOf(message) === undefined)
  assert.strictEqual(marks.length, 40)
  for (const mark of marks) assert.ok(isExpiry(mark), [...mark.headers].join())
  for (const told of tolds) for (const list of told.values()) assert.ok(list.length <= 2)
  for (const { errorCounts } of [writing, reading, joining]) assert.deepStrictEqual(errorCounts, {})
  for (const replay of replays) replay.check()
})

test('what expires while a replica is away is told once, by its own timer; of what came and went meanwhile it tells nothing', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const writing = site.client()
  const reading = site.client({}, proxy.port)
  const complaints = new Complaints(reading)
  const [written, read] = [writing, reading].map((client) => client.database('test').collection<object>('items')) as [
    Collection<object>,
    Collection<object>,
  ]
  const replay = new Replay(read)
  const told = listen(read)
  await read.subscribe()
  await written.set('short', { v: 1 }, 1)
  for (const key of ['deleted', 'stays']) await written.set(key, { v: 1 })
  await until('the reader has all', () => read.size >= 2 && read.has('stays'))
  const stale = new Promise((resolve) => read.once('stale', resolve))
  proxy.cut()
  await stale
  await written.set('unseen', { v: 1 }, 0.3)
  assert.strictEqual(await written.delete('deleted'), true)
  await until('they leave the bucket', async () => (await readStore(site.raw, 'items')).size === 1)
  assert.deepStrictEqual([...read.keys()], ['deleted', 'stays'])
  const ready = new Promise((resolve) => read.once('ready', resolve))
  await proxy.heal()
  await ready
  await untilEqual(site.raw, [read])
  assert.deepStrictEqual(
    [...told].map(([key, list]) => [key, ...list.map(({ event }) => event)]),
    [
      ['short', 'set', 'expire'],
      ['deleted', 'set', 'delete'],
      ['stays', 'set'],
    ],
  )
  assert.ok(
    complaints.codes.every((code) => code === 'DISCONNECTED'),
    `${complaints.codes}`,
  )
  replay.check()
  await Promise.all([writing.close(), reading.close()])
  await proxy.close()
})

test('an item whose ttl is replaced or taken away does not expire at its first deadline, in the bucket neither', async () => {
  await using site = await natsSite()
  await using writing = site.client()
  await using reading = site.client()
  const [written, read] = [writing, reading].map((client) => client.database('test').collection<object>('items')) as [
    Collection<object>,
    Collection<object>,
  ]
  const told = listen(read)
  const replay = new Replay(read)
  await read.subscribe()
  for (const key of ['longer', 'without', 'equal', 'shorter']) await written.set(key, { a: 1 }, 1)
  await written.set('longer', { a: 2 }, 3600)
  await written.set('without', { a: 2 })
  await written.set('equal', { a: 1 }, 3600)
  await written.set('shorter', { a: 2 }, 0.05)
  await written.set('sentinel', { a: 1 }, 1.2)
  await until('the sentinel leaves the bucket', async () => {
    const message = await site.raw.last('test', subjectOf('test', 'items', 'sentinel'))
    return message !== undefined && itemOf(message) === undefined && !read.has('sentinel')
  })
  assert.deepStrictEqual([...read.keys()].sort(), ['equal', 'longer', 'without'])
  assert.deepStrictEqual(
    ['longer', 'without', 'equal', 'shorter'].map((key) => told.get(key)?.map(({ event }) => event)),
    [['set', 'set'], ['set', 'set'], ['set'], ['set', 'set', 'expire']],
  )
  await untilEqual(site.raw, [read])
  const without = await site.raw.last('test', subjectOf('test', 'items', 'without'))
  assert.deepStrictEqual([without?.headers.has('Memis-TTL'), without?.headers.has('Nats-TTL')], [false, false])
  replay.check()
})

test('a ttl of 60 days does not fire, and is 60 days in the bucket; one of 100 years likewise', async () => {
  await using site = await natsSite()
  await using client = site.client()
  const items = client.database('test').collection<object>('items')
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  await items.subscribe()
  const day = 24 * 3600
  await items.set('60 days', { a: 1 }, 60 * day)
  await items.set('100 years', { a: 1 }, 100 * 365 * day)
  for (const ttl of [0.05, 0.2]) await items.set(`sentinel ${ttl}`, { a: 1 }, ttl)
  await until('the sentinels expire', () => items.size === 2)
  await untilEqual(site.raw, [items])
  for (const [key, seconds] of [
    ['60 days', 60 * day],
    ['100 years', 100 * 365 * day],
  ] as const) {
    const message = await site.raw.last('test', subjectOf('test', 'items', key))
    assert.strictEqual(message?.headers.get('Memis-TTL'), String(seconds * 1000))
    assert.strictEqual(message?.headers.get('Nats-TTL'), `${seconds}s`)
  }
  assert.deepStrictEqual(warnings, [])
  process.off('warning', warned)
})

test('who wrote with a ttl has gone: what is left in the bucket is swept by who reads next', async () => {
  await using site = await natsSite()
  {
    await using writing = site.client()
    const written = writing.database('test').collection<object>('items')
    await Promise.all(Array.from({ length: 300 }, (_, i) => written.set(`key ${i}`, { i }, i < 200 ? 0.7 : 3600)))
  }
  await until('their time is over', async () => overdue(site), 30_000)
  await using reading = site.client()
  const read = reading.database('test').collection<object>('items')
  const told = listen(read)
  await read.subscribe()
  assert.strictEqual(read.size, 100)
  const took = await until('they are swept', async () => (await readStore(site.raw, 'items')).size === 100)
  note(`200 overdue items are gone from the bucket ${took.toFixed(0)} ms after a reader came`)
  assert.deepStrictEqual(
    new Set([...told.values()].flatMap((list) => list.map(({ event }) => event))),
    new Set(['set']),
  )
  assert.strictEqual(told.size, 100)
  const swept = (await all(site.raw)).filter((message) => itemOf(message) === undefined)
  for (const mark of swept) assert.ok(isExpiry(mark), [...mark.headers].join())
})

/** Whether the youngest of the short-lived items has been in the stream for longer than its ttl, by the server's clock. */
async function overdue({ raw }: Site): Promise<boolean> {
  const { message } = await raw.ask('STREAM.MSG.GET.KV_memis-test', {
    last_by_subj: subjectOf('test', 'items', 'key 199'),
  })
  // Both run on this machine.
  return message.hdrs !== undefined && Date.now() - Date.parse(message.time) > 1200
}

test('marks of what expired or was deleted are kept for the retention, and then leave the bucket', async () => {
  await using site = await natsSite()
  const retention = 2000
  await using client = site.client({ retention })
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('stays', { a: 1 })
  await items.set('stays with a ttl', { a: 1 }, 3600)
  const begin = performance.now()
  const dead = Array.from({ length: 50 }, (_, i) => [
    items.set(`expires ${i}`, { i }, 0.2),
    items.set(`deleted ${i}`, { i }).then(() => items.delete(`deleted ${i}`)),
  ])
  await Promise.all(dead.flat())
  await until('the items are gone', async () => (await readStore(site.raw, 'items')).size === 2)
  const kept = (await all(site.raw)).length
  if (performance.now() - begin < retention) assert.strictEqual(kept, 102)
  await until('the marks are gone', async () => (await all(site.raw)).length === 2)
  const took = performance.now() - begin
  assert.ok(took >= retention, `gone after ${took} ms`)
  note(`100 marks, kept for ${retention} ms: gone after ${took.toFixed(0)} ms`)
  await untilEqual(site.raw, [items])
  assert.strictEqual(items.size, 2)
})

test.run()
