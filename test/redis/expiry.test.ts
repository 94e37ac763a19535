/** Items leave replicas and Redis when their time is over, by the server's own account of it, and once. */
import assert from 'node:assert'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Collection, createClient } from '../../src'
import { baseOf, note, Raw, Replay, readStore, redisServer, suite, until, untilEqual } from './support'

const test = suite('expiry')

const itemsOf = (client: ReturnType<typeof createClient>): Collection<object> =>
  client.database('test').collection('items')
const base = baseOf('test', 'items')

test('a ttl of 60 days does not fire, and is 60 days in Redis; one of 100 years likewise', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using writer = createClient(server.url)
  await using reader = createClient(server.url)
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  const [written, read] = [itemsOf(writer), itemsOf(reader)]
  const replays = [written, read].map((collection) => new Replay(collection))
  await Promise.all([written.subscribe(), read.subscribe()])

  const days = 24 * 3600
  await written.set('60 days', { a: 1 }, 60 * days)
  await written.set('100 years', { a: 1 }, 100 * 365 * days)
  // Later than a timer that was set for too long, and so fires at once; and it makes the timer be set once more.
  for (const ttl of [0.05, 0.2]) await written.set(`sentinel ${ttl}`, { a: 1 }, ttl)
  await until('the sentinels expire', () => read.size === 2 && written.size === 2)

  for (const [key, ttl] of [
    ['60 days', 60 * days],
    ['100 years', 100 * 365 * days],
  ] as const) {
    const left: number = await raw.send('PTTL', `${base}:${key}`)
    assert.ok(left <= ttl * 1000 && left > ttl * 1000 - 60_000, `${left} ms are left of ${key}`)
    assert.deepStrictEqual([written.get(key), read.get(key)], [{ a: 1 }, { a: 1 }])
  }
  for (const replay of replays) replay.check()
  assert.deepStrictEqual(warnings, [])
  process.off('warning', warned)
})

test('10,000 items with ttls spread over 5 s expire once in each replica, and on time by the server’s clock', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using writer = createClient(server.url)
  await using early = createClient(server.url)
  await using late = createClient(server.url)
  const count = 10_000
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()

  /** The server's clock in terms of this process's: the most that can be added to `performance.now()`. */
  const measure = async () => {
    let most = Infinity
    for (let i = 0; i < 50; i++) {
      const [seconds, micros] = await raw.send('TIME')
      most = Math.min(most, seconds * 1000 + micros / 1000 - performance.now())
    }
    return most
  }
  const toServer = await measure()

  // One replica hears of each item by its notification, the other finds it in the store with some of its time gone.
  const replicas = [early, late].map((client) => {
    const collection = itemsOf(client)
    const expired = new Map<string, number[]>()
    collection.on('expire', (key) => {
      const at = performance.now()
      expired.set(key, [...(expired.get(key) ?? []), at])
    })
    return { collection, expired, replay: new Replay(collection) }
  })
  const [first, second] = replicas.map(({ collection }) => collection) as [Collection<object>, Collection<object>]
  await first.subscribe()
  const written = itemsOf(writer)
  // The first is due when all have been written and read, the last 5 s after it.
  const ttl = (i: number) => 6 + (5 * i) / count
  await Promise.all(Array.from({ length: count }, (_, i) => written.set(`key ${i}`, { i }, ttl(i))))
  await second.subscribe()
  await until('both hold all', () => first.size === count && second.size === count)
  const due = await Promise.all(
    Array.from({ length: count }, (_, i): Promise<number> => raw.send('PEXPIRETIME', `${base}:key ${i}`)),
  )
  assert.ok(Math.min(...due) > 0, 'all are still in Redis')

  await until('all expire', () => first.size === 0 && second.size === 0, 60_000)
  delay.disable()
  // The server counts by the time of day, which somebody may set (by 4 ms once, in the seconds of this test); memis does not.
  const shift = Math.abs((await measure()) - toServer)
  assert.ok(shift < 100, `the time of day was set by ${shift} ms: little can be said of lateness`)
  for (const [i, { expired, replay }] of replicas.entries()) {
    replay.check()
    assert.strictEqual(expired.size, count)
    const lateness = due.map((at, n) => {
      const times = expired.get(`key ${n}`) ?? []
      assert.strictEqual(times.length, 1, `key ${n} expired ${times.length} times`)
      return (times[0] as number) + toServer - at
    })
    lateness.sort((a, b) => a - b)
    const at = (part: number) => lateness[Math.floor(part * (count - 1))] as number
    const [min, p50, p99, max] = [0, 0.5, 0.99, 1].map(at) as [number, number, number, number]
    note(
      `expiry of ${count} items, ${i === 0 ? 'heard of' : 'found'}: lateness min ${min.toFixed(1)}, ` +
        `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)} ms`,
    )
    assert.ok(min >= -1 - shift, `an item expired ${-min} ms before its time; the time of day was set by ${shift} ms`)
    // What a busy machine takes from the process is no lateness of memis.
    const busy = delay.max / 1e6
    assert.ok(p99 <= 50 + 2 * busy + shift, `${p99} ms late, while the event loop was late by ${busy} ms at most`)
  }

  await until('Redis has dropped them', async () => (await raw.keys(`${base}:`)).length === 0)
})

test('an item whose ttl is replaced or taken away does not expire at its first deadline, in Redis neither', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using writer = createClient(server.url)
  await using reader = createClient(server.url)
  const [written, read] = [itemsOf(writer), itemsOf(reader)]
  const replay = new Replay(read)
  await read.subscribe()
  for (const key of ['longer', 'without', 'equal', 'shorter']) await written.set(key, { a: 1 }, 0.4)
  await written.set('longer', { a: 2 }, 3600)
  await written.set('without', { a: 2 })
  await written.set('equal', { a: 1 }, 3600)
  await written.set('shorter', { a: 2 }, 0.05)
  await written.set('sentinel', { a: 1 }, 0.6)
  await until('the sentinel expires', () => replay.revisions.has('sentinel') && !read.has('sentinel'))

  assert.deepStrictEqual([...read.keys()].sort(), ['equal', 'longer', 'without'])
  assert.strictEqual(await raw.send('PTTL', `${base}:without`), -1)
  assert.ok((await raw.send('PTTL', `${base}:longer`)) > 3_000_000)
  assert.ok((await raw.send('PTTL', `${base}:equal`)) > 3_000_000)
  // A set, a set, and an expire: of the equal one, the first set alone.
  assert.deepStrictEqual(
    ['longer', 'without', 'equal', 'shorter'].map((key) => replay.revisions.get(key)?.length),
    [2, 2, 1, 3],
  )
  await untilEqual(raw, [read])
  replay.check()
})

test('marks of what expired or was deleted are kept for the retention, and trimmed by later writes', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const retention = 1000
  await using writer = createClient({ url: server.url, retention })
  const written = itemsOf(writer)
  const marks = async (): Promise<number[]> => [
    await raw.send('ZCARD', `${base}/log`),
    await raw.send('ZCARD', `${base}/ttl`),
  ]

  await written.set('stays', { a: 1 })
  await written.set('stays with a ttl', { a: 1 }, 3600)
  const begin = performance.now()
  const dead = Array.from({ length: 50 }, (_, i) => [
    written.set(`expires ${i}`, { i }, 0.05),
    written.set(`deleted ${i}`, { i }).then(() => written.delete(`deleted ${i}`)),
  ])
  await Promise.all(dead.flat())
  await until('the items are gone', async () => (await readStore(raw, 'items')).size === 2)
  const kept = await marks()
  // Unless the machine has slept through the retention, each of the hundred has left a mark.
  if (performance.now() - begin < retention) assert.deepStrictEqual(kept, [102, 101])

  const took = await until('later writes trim the marks', async () => {
    await written.set('stays', { a: Math.random() })
    return (await marks())[0] === 2
  })
  assert.deepStrictEqual(await marks(), [2, 1])
  assert.ok(performance.now() - begin >= retention, `trimmed ${took} ms later, before the retention was over`)
  const forgotten = Number(await raw.send('HGET', `${base}/meta`, 'forgotten'))
  assert.ok(forgotten > 2, `forgotten up to ${forgotten}`)
  assert.deepStrictEqual([...(await readStore(raw, 'items')).keys()].sort(), ['stays', 'stays with a ttl'])
})

test('a replica that was away for longer than the retention is told of what is gone all the same', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  // The longest that a client asks for counts.
  await using writer = createClient({ url: server.url, retention: 1 })
  await using reader = createClient({ url: server.url, retention: 1 })
  const [written, read] = [itemsOf(writer), itemsOf(reader)]
  const replay = new Replay(read)
  const gone: string[] = []
  read.multi('expire delete', (key) => void gone.push(key))
  await read.subscribe()
  await Promise.all(Array.from({ length: 20 }, (_, i) => written.set(`key ${i}`, { i }, i < 5 ? 1 : undefined)))
  await until('all are heard of', () => read.size === 20)

  // The reader is cut off, and finds the server full.
  const stale = new Promise((resolve) => read.once('stale', resolve))
  await raw.send('CONFIG', 'SET', 'maxclients', 1)
  await raw.send('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await stale
  for (let i = 5; i < 10; i++) assert.ok(await written.delete(`key ${i}`))
  await until('what expired leaves Redis', async () => (await readStore(raw, 'items')).size === 10)
  await until('the marks are trimmed', async () => {
    await written.set('key 10', { i: Math.random() })
    return (await raw.send('ZCARD', `${base}/log`)) === 10
  })
  await raw.send('CONFIG', 'SET', 'maxclients', 100)

  await untilEqual(raw, [read])
  assert.deepStrictEqual(
    gone.sort(),
    Array.from({ length: 10 }, (_, i) => `key ${i}`),
  )
  replay.check()
})

test.run()
