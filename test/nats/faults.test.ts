/**
 * What can befall a replica between it and its bucket: each is noticed, told as `stale`, and repaired within the liveness
 * timeout; afterwards the replica equals the bucket, and no event came twice.
 */
import assert from 'node:assert'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'nats'
import { type Client, type Collection, createClient, type MemisOptions, type ReadyInfo } from '../../src'
import { startProxy } from '../support/proxy'
import {
  awake,
  Complaints,
  Load,
  natsSite,
  note,
  passAcks,
  type Raw,
  Replay,
  readStore,
  subjectOf,
  suite,
  until,
  untilConsumers,
  untilEqual,
} from './support'

const test = suite('faults, NATS')

const livenessTimeout = 1500
/** For the timers of a busy machine. */
const slack = 1000

/** Two replicas of 500 items, one of whom writes, and what they tell. */
class Scene implements AsyncDisposable {
  readonly collections: Collection<object>[]
  readonly replays: Replay[]
  readonly complaints: Complaints[]
  readonly stales: string[][] = [[], []]
  readonly readies: ReadyInfo[][] = [[], []]
  readonly deletes: string[] = []

  private constructor(
    readonly site: Awaited<ReturnType<typeof natsSite>>,
    readonly clients: Client[],
  ) {
    this.collections = clients.map((client) => client.database('test').collection('items'))
    this.replays = this.collections.map((collection) => new Replay(collection))
    this.complaints = clients.map((client) => new Complaints(client))
  }

  static async set(site: Awaited<ReturnType<typeof natsSite>>, options: MemisOptions = {}): Promise<Scene> {
    const scene = new Scene(
      site,
      [1, 2].map(() => site.client({ livenessTimeout, auditInterval: 500, ...options })),
    )
    const { collections } = scene
    const [first] = collections as [Collection<object>]
    await Promise.all(collections.map((collection) => collection.subscribe()))
    for (let n = 0; n < 500; n++) first.set(`key ${n}`, { n }, n % 2 === 0 ? 3600 : undefined)
    for (let n = 0; n < 20; n++) first.set(`deleted ${n}`, { n })
    for (let n = 0; n < 19; n++) first.delete(`deleted ${n}`)
    await first.delete('deleted 19')
    await untilEqual(site.raw, collections)
    for (const [i, collection] of collections.entries()) {
      collection.on('stale', ({ code }) => void scene.stales[i]?.push(code))
      collection.on('ready', (info) => void scene.readies[i]?.push(info))
      collection.on('delete', (key) => void scene.deletes.push(key))
    }
    return scene
  }

  /** Waits until both have told `stale` and `ready`, and equal the bucket. Returns the ms since `from`. */
  async repaired(from: number): Promise<number> {
    await until('both are ready again', () => this.readies.every(({ length }) => length > 0))
    await untilEqual(this.site.raw, this.collections)
    const took = awake() - from
    await until('both are live', () => this.collections.every(({ freshness }) => freshness.state === 'live'))
    for (const stales of this.stales) assert.ok(stales.length > 0, 'stale was not told')
    for (const replay of this.replays) replay.check()
    return took
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
  }
}

/** What was asked for under load is there. */
async function underLoad<R>(scene: Scene, harm: () => Promise<R>): Promise<{ result: R; load: Load }> {
  const load = new Load(scene.collections[0] as Collection<object>, 'load')
  await load.more(200)
  const result = await harm()
  await load.more(200)
  await load.stop()
  return { result, load }
}

test('consumers deleted on the server, during writes: noticed, and made anew', async () => {
  await using site = await natsSite()
  await using scene = await Scene.set(site)
  const { result: from, load } = await underLoad(scene, async () => {
    for (const { name } of await site.raw.consumers()) await site.raw.ask(`CONSUMER.DELETE.KV_memis-test.${name}`)
    return awake()
  })
  const took = await scene.repaired(from)
  note(`consumers deleted: equal after ${took.toFixed(0)} ms (livenessTimeout ${livenessTimeout})`)
  assert.ok(took <= livenessTimeout + slack, `equal after ${took} ms`)
  load.check(await readStore(site.raw, 'items'))
  // On a busy machine the link may be lost as well.
  assert.ok(
    scene.stales.every((codes) => codes.includes('OUT_OF_TOUCH')),
    `${scene.stales}`,
  )
  for (const [ready] of scene.readies) assert.deepStrictEqual([ready?.cause, ready?.lost], ['resync', 0])
  await untilConsumers(site.raw, 2)
})

test('a server that dies before it has answered for two writes to one key: given again, the later one stays', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const client = site.client({ livenessTimeout: 10_000, writeTimeout: 60_000 }, proxy.port)
  new Complaints(client)
  const items = client.database('test').collection<object>('items')
  const reader = site.client({ writeTimeout: 60_000 })
  new Complaints(reader)
  const replica = reader.database('test').collection<{ n: number }>('items')
  const heard: number[] = []
  replica.on('set', (key, { n }) => void (key === 'set' && heard.push(n)))
  await replica.subscribe()
  await items.set('first', { n: 0 })
  proxy.freeze('back')
  const written = [
    items.set('set', { n: 1 }),
    items.set('set', { n: 2 }),
    items.set('gone', { n: 1 }),
    items.delete('gone'),
  ]
  await until('the store has the later one', async () => {
    const stored = await readStore(site.raw, 'items')
    return JSON.stringify(stored.get('set')) === '{"n":2}'
  })
  await site.server.kill()
  proxy.cut()
  await site.server.restart()
  await proxy.heal()
  await Promise.all(written)
  const stored = await readStore(site.raw, 'items')
  assert.deepStrictEqual([stored.get('set'), stored.get('gone')], [{ n: 2 }, undefined])
  await items.set('last', { n: 3 })
  await until('the replica has heard of all', () => replica.has('last'))
  assert.deepStrictEqual(heard, [...new Set(heard)].sort(), 'never back to the older one')
  await Promise.all([client.close(), reader.close(), proxy.close()])
})

// The leader proves that nothing was written: without its consumer, a replica is current until something is.
test('consumers deleted on the server while nothing is written: replicas stay live, and what is written then arrives', async () => {
  await using site = await natsSite()
  await using scene = await Scene.set(site)
  for (const { name } of await site.raw.consumers()) await site.raw.ask(`CONSUMER.DELETE.KV_memis-test.${name}`)
  const deleted = awake()
  await until('the liveness timeout is over', () => awake() - deleted > livenessTimeout + 500)
  assert.deepStrictEqual(
    [scene.stales, scene.collections.map(({ freshness }) => freshness.state)],
    [
      [[], []],
      ['live', 'live'],
    ],
  )
  await scene.collections[0]?.set('late', { late: true })
  const from = awake()
  const took = await scene.repaired(from)
  note(`consumers deleted in silence: equal ${took.toFixed(0)} ms after the next write`)
  assert.ok(took <= livenessTimeout + slack, `equal after ${took} ms`)
  for (const replica of scene.collections) assert.ok(replica.has('late'))
})

test('a consumer that is deleted before it has delivered what was there: another one is made', async () => {
  await using site = await natsSite()
  await using writer = site.client()
  await writer.database('test').collection<object>('items').set('k', { n: 1 })
  const connection = await connect({ servers: site.server.url })
  const subscribe = connection.subscribe.bind(connection)
  let deleted: Promise<unknown> | undefined
  connection.subscribe = (subject, options) =>
    subscribe(subject, {
      ...options,
      callback: (error, message) => {
        // The first delivery never arrives, and nothing comes after it.
        if (message.subject.startsWith('$KV.')) {
          deleted ??= site.raw
            .consumers()
            .then(([consumer]) => site.raw.ask(`CONSUMER.DELETE.KV_memis-test.${consumer?.name}`))
          if (!isHealed) return
        }
        options?.callback?.(error, message)
      },
    })
  let isHealed = false
  const client = createClient({ transport: 'nats', connection, livenessTimeout, auditInterval: 200 })
  const items = client.database('test').collection<object>('items')
  const subscribed = items.subscribe()
  await until('it is deleted', () => deleted !== undefined)
  await deleted
  isHealed = true
  const from = awake()
  await subscribed
  const took = awake() - from
  assert.deepStrictEqual([...items], [['k', { n: 1 }]])
  assert.ok(took <= livenessTimeout + slack, `live after ${took} ms`)
  await client.close()
  await connection.close()
})

test('nobody leads the stream, and a server tells of its own copy: that proves nothing (K2)', async () => {
  await using site = await natsSite()
  const connection = await connect({ servers: site.server.url })
  const subscribe = connection.subscribe.bind(connection)
  let isLed = true
  connection.subscribe = (subject, options) =>
    subscribe(subject, {
      ...options,
      callback: (error, message) => {
        const { subject, reply, headers, data } = message
        const text = message.string()
        if (isLed || !text.includes('stream_info_response')) return options?.callback?.(error, message)
        // As a server of a cluster answers that has lost the others.
        const leaderless = Buffer.from(`${text.trimEnd().slice(0, -1)},"cluster":{"name":"c","replicas":[]}}`)
        options?.callback?.(error, {
          subject,
          reply,
          headers,
          data: leaderless,
          size: () => data.length,
        } as unknown as typeof message)
      },
    })
  const client = createClient({ transport: 'nats', connection, livenessTimeout, auditInterval: 200 })
  new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  isLed = false
  const from = awake()
  await until('it is stale', () => items.freshness.state === 'stale')
  const took = awake() - from
  assert.ok(took <= livenessTimeout + slack, `stale after ${took} ms`)
  const { age } = items.freshness
  assert.ok(age !== null && age >= took - 50, `proved ${age} ms ago, though nobody has led for ${took} ms`)
  isLed = true
  await until('it is live', () => items.freshness.state === 'live')
  await client.close()
  await connection.close()
})

test('kill -9 and restart with its data, three times, during writes: nothing is lost', async () => {
  await using site = await natsSite()
  await using scene = await Scene.set(site)
  const tooks: number[] = []
  for (let i = 0; i < 3; i++) {
    for (const list of [...scene.stales, ...scene.readies]) list.length = 0
    const { result: from, load } = await underLoad(scene, async () => {
      await site.server.kill()
      await until('both know', () => scene.stales.every(({ length }) => length > 0))
      await site.server.restart()
      return awake()
    })
    tooks.push(await scene.repaired(from))
    load.check(await readStore(site.raw, 'items'))
  }
  note(`kill -9 and restart: equal ${tooks.map(Math.round).join(', ')} ms after the server's return`)
  assert.ok(Math.max(...tooks) <= 5000, `equal after ${tooks} ms`)
  for (const { codes } of scene.complaints)
    assert.ok(
      codes.every((code) => code === 'DISCONNECTED'),
      `${codes}`,
    )
  assert.deepStrictEqual(
    scene.deletes.filter((key) => key.startsWith('key')),
    [],
  )
  await untilConsumers(site.raw, 2)
})

for (const dataLoss of ['restore', 'accept'] as const) {
  test(`restart without its data, ${dataLoss}: told, and equal to the bucket that is made anew`, async () => {
    await using site = await natsSite()
    await using scene = await Scene.set(site, { dataLoss })
    await site.server.kill()
    rmSync(join(site.server.dir, 'jetstream'), { recursive: true })
    await until('both know', () => scene.stales.every(({ length }) => length > 0))
    await site.server.restart()
    const took = await scene.repaired(awake())
    note(`restart without data, ${dataLoss}: equal ${took.toFixed(0)} ms after the server's return`)
    assert.ok(took <= 5000, `equal after ${took} ms`)
    const kept = dataLoss === 'restore' ? 500 : 0
    for (const { size } of scene.collections) assert.strictEqual(size, kept)
    assert.strictEqual(scene.deletes.length, dataLoss === 'restore' ? 0 : 2 * 500)
    await goesOn(scene)
  })

  test(`the stream deleted and made anew by somebody else, ${dataLoss}: noticed, told, and followed`, async () => {
    await using site = await natsSite()
    await using scene = await Scene.set(site, { dataLoss })
    const { raw } = site
    // More messages than the old one had, so that its numbers alone tell nothing.
    const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
    await raw.ask('STREAM.DELETE.KV_memis-test')
    const from = awake()
    await until('it is there again', () => create(raw, config))
    for (let n = 0; n < 5; n++) {
      await raw.publish(subjectOf('test', 'items', `key ${n}`), JSON.stringify({ anew: n }))
    }
    await Promise.all(
      Array.from({ length: 1000 }, (_, n) => raw.publish(subjectOf('test', 'others', `o ${n}`), JSON.stringify({ n }))),
    )
    await raw.publish(subjectOf('test', 'items', 'new'), '{"new":1}')
    const took = await scene.repaired(from)
    note(`stream deleted and made anew, ${dataLoss}: equal after ${took.toFixed(0)} ms`)
    // Making it anew and filling it took a part of that.
    assert.ok(took <= livenessTimeout + 5000, `equal after ${took} ms`)
    for (const { size } of scene.collections) assert.strictEqual(size, dataLoss === 'restore' ? 501 : 6)
    for (const replica of scene.collections) assert.deepStrictEqual(replica.get('key 3'), { anew: 3 })
    await goesOn(scene)
  })
}

test('a bucket that another KV client purges: noticed, and told as deletes; a key that was written since stays', async () => {
  await using site = await natsSite()
  await using scene = await Scene.set(site)
  await site.raw.ask('STREAM.PURGE.KV_memis-test')
  await site.raw.publish(subjectOf('test', 'items', 'key 3'), '{"since":true}')
  const took = await scene.repaired(awake())
  note(`purged: equal after ${took.toFixed(0)} ms`)
  assert.ok(took <= livenessTimeout + slack, `equal after ${took} ms`)
  for (const replica of scene.collections) assert.deepStrictEqual([...replica], [['key 3', { since: true }]])
  await goesOn(scene)
})

test('a bucket that is purged while replicas are away: they tell deletes on return', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  await using client = site.client({}, proxy.port)
  await using writer = site.client()
  new Complaints(client)
  const [items, written] = [client, writer].map((each) => each.database('test').collection<object>('items')) as [
    Collection<object>,
    Collection<object>,
  ]
  for (const key of ['a', 'b', 'c']) await written.set(key, { key })
  const replay = new Replay(items)
  await items.subscribe()
  const ready = new Promise((resolve) => items.once('ready', resolve))
  proxy.cut()
  await site.raw.ask('STREAM.PURGE.KV_memis-test')
  await written.set('b', { key: 'b again' })
  await proxy.heal()
  await ready
  assert.deepStrictEqual([...items], [['b', { key: 'b again' }]])
  replay.check()
  await proxy.close()
})

test('who was away for a moment is told what changed, not everything, also after a restart (K5)', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const forEver = { maxReconnectAttempts: -1, reconnectTimeWait: 20 }
  const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, ...forEver })
  const client = createClient({ transport: 'nats', connection })
  const writer = site.client()
  const [items, written] = [client, writer].map((each) => each.database('test').collection<object>('items')) as [
    Collection<object>,
    Collection<object>,
  ]
  for (const each of [client, writer]) new Complaints(each)
  await Promise.all(Array.from({ length: 3000 }, (_, n) => written.set(`key ${n}`, { n })))
  const replay = new Replay(items)
  await items.subscribe()
  for (const [i, harm] of ['cut', 'kill -9'].entries()) {
    const ready = new Promise((resolve) => items.once('ready', resolve))
    proxy.cut()
    if (harm === 'kill -9') {
      await site.server.kill()
      await site.server.restart()
    }
    const changes = Array.from({ length: 20 }, (_, n) => written.set(`key ${n}`, { n, harm }))
    await Promise.all([...changes, written.delete(`key ${100 + i}`)])
    const before = connection.stats().inMsgs
    await proxy.heal()
    await ready
    await untilEqual(site.raw, [items])
    const heard = connection.stats().inMsgs - before
    // Beside the 21, answers to questions and heartbeats.
    assert.ok(heard >= 21 && heard <= 200, `${heard} messages after ${harm}`)
    replay.check()
  }
  await Promise.all([client.close(), writer.close()])
  await connection.close()
  await proxy.close()
})

test('the stream deleted and not made anew: replicas make it', async () => {
  await using site = await natsSite()
  await using scene = await Scene.set(site)
  const before = await settings(site.raw)
  await site.raw.ask('STREAM.DELETE.KV_memis-test')
  const took = await scene.repaired(awake())
  note(`stream deleted: all is back after ${took.toFixed(0)} ms`)
  assert.ok(took <= livenessTimeout + 5000, `back after ${took} ms`)
  assert.deepStrictEqual(await settings(site.raw), before)
  for (const { size } of scene.collections) assert.strictEqual(size, 500)
  await goesOn(scene)
})

test('the stream made anew in the midst of a batch, of which one was confirmed by the former: no number of that one counts', async () => {
  await using site = await natsSite()
  const { raw } = site
  const connection = await connect({ servers: site.server.url })
  const acks: (() => void)[] = []
  let isHeld = false
  passAcks(connection, (tell) => (isHeld ? void acks.push(tell) : tell()))
  const options = { livenessTimeout, dataLoss: 'accept', bucket: { storage: 'memory' } } as const
  await using client = createClient({ transport: 'nats', connection, ...options })
  new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  for (let n = 0; n < 20; n++) await items.set('k', { n })
  isHeld = true
  const calls = [items.delete('k'), items.set('k', { last: true })]
  await until('the delete is confirmed', () => acks.length > 0)
  const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
  await raw.ask('STREAM.DELETE.KV_memis-test')
  await until('it is there again', () => create(raw, config))
  isHeld = false
  for (const tell of acks) tell()
  await Promise.all(calls)
  await untilEqual(raw, [items])
  await until('the replica has it', () => items.has('k'))
  await client.close()
  await connection.close()
})

test('the stream made anew while a session begins: what is known of the former one begins no epoch in it', async () => {
  await using site = await natsSite()
  const { raw } = site
  const connection = await connect({ servers: site.server.url })
  const subscribe = connection.subscribe.bind(connection)
  let isLosing = false
  connection.subscribe = (subject, options) =>
    subscribe(subject, {
      ...options,
      callback: (error, message) => {
        const isLost = isLosing && message.subject.endsWith('.lost')
        if (!isLost) options?.callback?.(error, message)
      },
    })
  await using client = createClient({ transport: 'nats', connection, livenessTimeout, dataLoss: 'accept' })
  new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  for (let n = 0; n < 20; n++) await items.set(`key ${n}`, { n })
  await until('they are told', () => items.has('key 19'))
  const publish = connection.publish.bind(connection)
  const held: (() => void)[] = []
  connection.publish = (subject, ...rest) => {
    if (isLosing && /CONSUMER\.CREATE\./.test(subject)) held.push(() => publish(subject, ...rest))
    else publish(subject, ...rest)
  }
  isLosing = true
  for (const key of ['lost', 'after']) await raw.publish(subjectOf('test', 'items', key), '{}')
  await until('the next session begins', () => held.length > 0)
  const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
  await raw.ask('STREAM.DELETE.KV_memis-test')
  await until('it is there again', () => create(raw, config))
  for (let n = 0; n < 3; n++) await raw.publish(subjectOf('test', 'items', `new-${n}`), '{}')
  isLosing = false
  for (const go of held) go()
  await untilEqual(raw, [items])
  await until('it is live', () => items.freshness.state === 'live')
  assert.strictEqual(await raw.last('test', '$KV.memis-test.='), undefined, 'another epoch was begun')
  await client.close()
  await connection.close()
})

/** Whether it is there. A replica that is quick may have made it, or be about to: then the server may refuse one of the two. */
async function create(raw: Raw, config: object): Promise<boolean> {
  return raw.ask('STREAM.CREATE.KV_memis-test', { ...config, metadata: undefined }).then(
    () => true,
    ({ message }: Error) => {
      if (/already in use/.test(message)) return true
      if (/error creating store/.test(message)) return false
      throw new Error(message)
    },
  )
}

async function settings(raw: Raw): Promise<object> {
  const { metadata: _, ...config } = (await raw.ask('STREAM.INFO.KV_memis-test')).config
  return config
}

/** Writes of memis's and of another client arrive everywhere. */
async function goesOn({ site, collections, replays }: Scene): Promise<void> {
  await collections[0]?.set('good', { good: true })
  await site.raw.publish(subjectOf('test', 'items', 'foreign'), '{"good":true}')
  await until('both arrive', () => collections.every((each) => each.has('good') && each.has('foreign')))
  await untilEqual(site.raw, collections)
  for (const replay of replays) replay.check()
}

test.run()
