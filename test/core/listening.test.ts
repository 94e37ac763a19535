/** Events, as listeners get them: clauses E1 to E6. */
import { type EventEmitter, once } from 'node:events'
import { suite } from 'uvu'
import type { Item } from '../../src/conformance/api/replica'
import { expired, inTime, observe, outage } from '../../src/conformance/api/support'
import assert, { same, throws } from '../../src/conformance/assert'
import { turn } from '../../src/conformance/waiting'
import { onMemory } from './on-memory'

const runner = suite('listening')
const test = onMemory(runner)

/** `events.once`, whose types ask for more of an EventEmitter than it does. */
const next = (emitter: object, event: string, signal?: AbortSignal) => once(emitter as EventEmitter, event, { signal })

test('E1 an event has key, item and the change: revision, previous item, cause', async (scene) => {
  const [writer, reader] = await scene.two()
  const args: unknown[][] = []
  for (const event of ['set', 'delete', 'expire'] as const) {
    reader.items.on(event, (...all: unknown[]) => void (all[0] === 'k' && args.push([event, ...all])))
  }
  await writer.items.set('k', { n: 1 })
  await scene.eventually(() => assert.equal(args.length, 1))
  const first = reader.items.get('k')
  await writer.items.set('k', { n: 2 })
  await scene.eventually(() => assert.equal(args.length, 2))
  const second = reader.items.get('k')
  await writer.items.delete('k')
  await scene.eventually(() => assert.equal(args.length, 3))
  await inTime(0.05, async (ttl) => {
    args.length = 3
    await writer.items.set('k', { n: 3 }, ttl)
    return expired(scene, writer, [reader], 'k')
  })

  same(
    args.map(([event, key]) => `${event} ${key}`),
    ['set k', 'set k', 'delete k', 'set k', 'expire k'],
  )
  assert(args[0]?.[2] === first && args[1]?.[2] === second && args[2]?.[2] === second)
  same(
    args.map((all) => all[2]),
    [{ n: 1 }, { n: 2 }, { n: 2 }, { n: 3 }, { n: 3 }],
  )
  const changes = args.map((all) => all[3] as { revision: string; previous: Item; cause: string })
  assert(changes[0]?.previous === undefined && changes[1]?.previous === first && changes[2]?.previous === second)
  assert(changes[3]?.previous === undefined && changes[4]?.previous === args[3]?.[2])
  for (const [i, all] of args.entries()) {
    assert.equal(all.length, 4)
    same([typeof changes[i]?.revision, changes[i]?.cause], ['string', 'live'])
  }
})

test('E2 a collection that is not subscribed tells nothing, not even of its own writes', async (scene) => {
  const writer = await scene.unsubscribed()
  const reader = await scene.replica()
  await writer.items.set('k', { n: 1 })
  await scene.eventually(() => same(reader.told('k'), ['set live']))
  await writer.items.set('k', { n: 2 })
  await inTime(0.05, async (ttl) => {
    await writer.items.set(`timed ${ttl}`, {}, ttl)
    return expired(scene, writer, [reader], `timed ${ttl}`)
  })
  await scene.eventually(() => same(reader.told('k'), ['set live', 'set live']))
  await writer.items.delete('k')
  same([writer.events, writer.readies], [[], []])
})

test('E2 listeners may write', async (scene) => {
  const [a, b] = await scene.two()
  a.items.on('set', (key, { n }) => (n < 10 && key === 'ping' ? a.items.set('pong', { n: n + 1 }) : undefined))
  b.items.on('set', (key, { n }) => (n < 10 && key === 'pong' ? b.items.set('ping', { n: n + 1 }) : undefined))
  a.items.on('delete', (key) => void a.items.set(`after ${key}`, {}))
  a.items.on('expire', (key) => a.items.delete('ping').then(() => a.items.set(`after ${key}`, {})))
  await a.items.set('ping', { n: 1 })
  await scene.eventually(() => same(b.items.get('pong'), { n: 10 }))
  await a.items.set('brief', {}, 0.05)
  await scene.eventuallyEqual(
    [a, b],
    new Map<string, Item>([
      ['pong', { n: 10 }],
      ['after ping', {}],
      ['after brief', {}],
    ]),
  )
})

test('E2 R3 a listener may unsubscribe in the middle of a batch: not one event more', async (scene) => {
  const [writer, reader] = await scene.two()
  reader.items.once('set', () => reader.items.unsubscribe())
  await Promise.all(Array.from({ length: 100 }, (_, i) => writer.items.set(`key ${i}`, { i })))
  await scene.eventually(() => assert.equal(reader.items.freshness.state, 'idle'))
  throws(() => reader.items.size, 'NOT_SUBSCRIBED')
  const late = await scene.replica()
  assert.equal(late.items.size, 100)
  assert.equal(reader.events.length, 1)
  reader.leave()
  await reader.items.subscribe()
  await scene.eventuallyEqual([reader, writer])
})

test('E2 R3 a listener may unsubscribe while the first contents come, and subscribe again', async (scene) => {
  const { items } = await scene.unsubscribed()
  await Promise.all(Array.from({ length: 100 }, (_, i) => items.set(`key ${i}`, { i })))
  const reader = await scene.unsubscribed()
  let again: Promise<void> | undefined
  reader.items.once('set', () => {
    reader.leave()
    again = reader.items.subscribe()
  })
  const first = observe(reader.items.subscribe())
  await scene.eventually(() => assert.equal(first.error?.code, 'UNSUBSCRIBED'))
  await again
  assert.equal(reader.items.size, 100)
  assert.equal(reader.events.length, 100)
})

test('E2 W7 a listener may close the client', async (scene) => {
  const [writer, reader] = await scene.two()
  let closed: Promise<void> | undefined
  reader.items.once('set', () => {
    closed = reader.client.close()
  })
  await Promise.all(Array.from({ length: 10 }, (_, i) => writer.items.set(`key ${i}`, { i })))
  await scene.eventually(() => assert(closed))
  await closed
  assert.equal(reader.events.length, 1)
  throws(() => reader.items.size, 'CLOSED')
})

test('E3 a set that changes nothing gives no event and keeps the object', async (scene) => {
  const [writer, reader] = await scene.two()
  await writer.items.set('k', { a: 1, b: { c: [1, { d: null }], e: '' } })
  await scene.eventuallyEqual([writer, reader])
  const before = [writer.items.get('k'), reader.items.get('k')]
  await writer.items.set('k', { a: 1, b: { c: [1, { d: null }], e: '' } })
  await writer.items.set('k', { b: { e: '', c: [1, { d: null }] }, a: 1 })
  await reader.items.set('k', { b: { e: '', c: [1, { d: null }] }, a: 1 })
  await reader.items.set('fence', {})
  await writer.items.set('fence', { n: 1 })
  await scene.eventually(() => same([writer.items.get('fence'), reader.items.get('fence')], [{ n: 1 }, { n: 1 }]))
  assert(writer.items.get('k') === before[0] && reader.items.get('k') === before[1])
  await writer.items.set('k', { a: 1 })
  await scene.eventually(() => same(reader.items.get('k'), { a: 1 }))
  for (const replica of [writer, reader]) same(replica.told('k'), ['set live', 'set live'])
})

test('E3 contents that differ a little are a change', async (scene) => {
  const [writer, reader] = await scene.two()
  const contents: Item[] = [
    ...[
      {},
      { a: null },
      { a: 0 },
      { a: '' },
      { a: false },
      { a: [] },
      { a: {} },
      { a: [null] },
      { a: [0] },
      { a: ['0'] },
    ],
    ...[
      { a: { 0: 0 } },
      { b: { 0: 0 } },
      { b: { 0: 0 }, a: null },
      { a: [1, 2] },
      { a: [2, 1] },
      JSON.parse('{"__proto__":1}'),
    ],
    ...[JSON.parse('{"__proto__":null}'), { constructor: 1 }, { a: { b: { c: 1 } } }, { a: { b: { c: 2 } } }],
  ]
  for (const item of contents) {
    await writer.items.set('k', item)
    // Of two that follow each other at once, a store may tell the last alone.
    await scene.eventually(() => same(reader.items.get('k'), item))
  }
  for (const replica of [writer, reader])
    same(
      replica.of('k').map(({ item }) => item),
      contents,
    )
})

test('E5 a listener that throws or rejects stops neither the others nor the replication', async (scene) => {
  scene.expect('LISTENER_FAILED')
  const writer = await scene.replica()
  const { items, client } = await scene.unsubscribed()
  const told: string[] = []
  items.on('set', () => {
    throw new Error('thrown')
  })
  items.on('set', async () => {
    throw new Error('rejected')
  })
  items.on('set', (key) => void told.push(`set ${key}`))
  items.on('delete', () => Promise.reject(new Error('deleted')))
  items.on('delete', (key) => void told.push(`delete ${key}`))
  items.on('ready', () => {
    throw 'no error at all'
  })
  await items.subscribe()
  await writer.items.set('a', {})
  await writer.items.set('b', {})
  await scene.eventually(() => same(told, ['set a', 'set b']))
  await writer.items.delete('a')
  await scene.eventually(() => same(told, ['set a', 'set b', 'delete a']))
  await scene.eventually(() => assert.equal(client.errorCounts.LISTENER_FAILED, 6))
  const causes = scene.errors.map(({ cause }) => (cause instanceof Error ? cause.message : cause))
  for (const cause of ['thrown', 'rejected', 'deleted', 'no error at all']) assert(causes.includes(cause), cause)
  for (const { code, message } of scene.errors) {
    assert.equal(code, 'LISTENER_FAILED')
    assert.match(message, /artists.*(set|delete|ready)/)
  }
  same([...items.keys()], ['b'])
})

test('E5 where nobody listens to error, what a listener throws surfaces as uncaught', async (scene) => {
  // A runner that takes them itself in this way leaves no room for the case.
  if (process.hasUncaughtExceptionCaptureCallback()) return
  const client = await scene.clientNotHeard()
  const items = client.database('d').collection<Item>('c')
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')]
  const uncaught: unknown[] = []
  items.on('set', () => {
    throw thrown
  })
  items.on('set', () => Promise.reject(rejected))
  await items.subscribe()
  process.setUncaughtExceptionCaptureCallback((error) => void uncaught.push(error))
  try {
    await items.set('k', {})
    await scene.eventually(() => assert.equal(uncaught.length, 2))
  } finally {
    process.setUncaughtExceptionCaptureCallback(null)
  }
  assert(uncaught.includes(thrown) && uncaught.includes(rejected))
  assert.equal(items.size, 1)
})

test('E5 K8 where nobody listens to error, faults of the connection are one warning', outage, async (scene) => {
  const warnings: Error[] = []
  const hear = (warning: Error) => void warnings.push(warning)
  process.on('warning', hear)
  try {
    await scene.takeDown()
    const client = await scene.clientNotHeard()
    const items = client.database('d').collection<Item>('c')
    const subscribed = items.subscribe()
    await scene.eventually(() => assert((client.errorCounts.DISCONNECTED ?? 0) > 0))
    await turn()
    await scene.bringBack()
    await subscribed
    assert.equal(warnings.filter(({ name }) => name === 'MemisWarning').length, 1)
  } finally {
    process.off('warning', hear)
  }
})

test('E6 multi listens to each event that it names, and unknown ones are refused', async (scene) => {
  const { items } = await scene.replica()
  const told: string[] = []
  const listener = (key: string) => void told.push(key)
  assert.equal(items.multi('expire delete', listener), items)
  items.multi(' set\t\n expire  ' as 'set expire', (key) => void told.push(`${key}!`))
  for (const wrong of ['', ' ', 'change', 'set,delete', 'set change', 'SET', 'toString']) {
    const never = (key: string) => assert.fail(key)
    throws(() => items.multi(wrong as 'set', never), 'INVALID_LISTENER')
    throws(() => items.on(wrong as 'set', never), 'INVALID_LISTENER')
    throws(() => items.once(wrong as 'set', never), 'INVALID_LISTENER')
  }
  for (const wrong of [undefined, null, 'listener', {}]) {
    throws(() => items.multi('set', wrong as never), 'INVALID_LISTENER')
    throws(() => items.on('set', wrong as never), 'INVALID_LISTENER')
    throws(() => items.once('set', wrong as never), 'INVALID_LISTENER')
  }
  await items.set('a', {})
  await items.delete('a')
  await items.set('b', {}, 0.05)
  await scene.eventually(() => assert.equal(items.size, 0))
  same(told, ['a!', 'a', 'b!', 'b', 'b!'])
  items.off('expire', listener).off('delete', listener)
  await items.set('c', {})
  await items.delete('c')
  same(told.slice(5), ['c!'])
})

test('E6 on, once, off and multi chain, on collections and clients', async (scene) => {
  const { client, items } = await scene.replica()
  const told: string[] = []
  const on = () => void told.push('on')
  const twice = () => void told.push('once')
  assert.equal(items.on('set', on).once('set', twice).off('delete', on).multi('set', on), items)
  assert.equal(client.on('close', on).once('close', twice).multi('close', on), client)
  await items.set('k', { n: 1 })
  await items.set('k', { n: 2 })
  same(told, ['on', 'once', 'on', 'on', 'on'])
  items.off('set', on)
  await items.set('k', { n: 3 })
  same(told.slice(5), ['on'])
  items.off('set', on)
  items.once('set', twice).off('set', twice)
  await items.set('k', { n: 4 })
  same(told.slice(6), [])
  await client.close()
  same(told.slice(6), ['on', 'once', 'on'])
})

test('E6 events.once works, on collections and clients', async (scene) => {
  const { client, items } = await scene.unsubscribed()
  const ready = next(items, 'ready')
  await items.subscribe()
  same((await ready)[0].cause, 'snapshot')
  const set = next(items, 'set')
  await items.set('k', { n: 1 })
  const [key, item] = await set
  same([key, item], ['k', { n: 1 }])
  const controller = new AbortController()
  const aborted = observe(next(items, 'delete', controller.signal))
  controller.abort()
  await scene.eventually(() => assert.equal(aborted.state, 'rejected'))
  same([items.listenerCount('delete'), items.listenerCount('ready')], [1, 1]) // the record's own
  const close = next(client, 'close')
  await client.close()
  same(await close, [])
})

test('E6 nobody can tell events in the name of a collection or client', async (scene) => {
  const { client, items } = await scene.replica()
  for (const emitter of [client, items]) assert(!('emit' in emitter))
})

test('E6 many listeners give no warning', async (scene) => {
  const warnings: Error[] = []
  const hear = (warning: Error) => void warnings.push(warning)
  process.on('warning', hear)
  try {
    const { client, items } = await scene.replica()
    let calls = 0
    for (let i = 0; i < 100; i++) {
      items.on('set', () => void calls++)
      client.on('connect', () => {})
    }
    await items.set('k', {})
    await turn()
    same([calls, warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')], [100, []])
  } finally {
    process.off('warning', hear)
  }
})

runner.run()
