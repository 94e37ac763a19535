/**
 * The powers of somebody who may only publish on channels (H6), the cost of a message (H7, H8), and how memis identifies a store that does
 * not say who it is.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createClient as createRedisClient } from 'redis'
import { type Client, type Collection, createClient } from '../../src'
import { slowly } from '../support/latency'
import type { Server } from '../support/servers'
import {
  baseOf,
  Complaints,
  differences,
  note,
  Raw,
  Replay,
  readStore,
  redisServer,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('security', 120_000)

const base = baseOf('test', 'items')
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

interface Item {
  v: unknown
}

const itemsOf = (client: Client): Collection<Item> => client.database('test').collection('items')

/** A user who may publish and subscribe, and nothing else; it has heard what was published so far. */
class Tenant implements AsyncDisposable {
  readonly heard: string[] = []
  readonly #talks
  readonly #listens

  private constructor(url: string) {
    this.#talks = createRedisClient({ url })
    this.#listens = createRedisClient({ url })
  }

  static async connect(raw: Raw, server: Server): Promise<Tenant> {
    const rights = ['resetkeys', 'resetchannels', '&memis:*', '-@all', '+publish', '+subscribe', '+hello', '+client']
    await raw.send('ACL', 'SETUSER', 'tenant', 'on', '>secret', ...rights)
    const tenant = new Tenant(server.url.replace('//', '//tenant:secret@'))
    await Promise.all([tenant.#talks.connect(), tenant.#listens.connect()])
    await tenant.#listens.subscribe(base, (message) => void tenant.heard.push(message))
    return tenant
  }

  publish(message: string): Promise<number> {
    return this.#talks.publish(base, message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#talks.destroy()
    this.#listens.destroy()
  }
}

/** What the tenant knows: the last notification, taken apart. */
function lastOf({ heard }: Tenant) {
  const text = heard.at(-1) as string
  const [header = '', payload = ''] = text.split('\n')
  const [, sign = '', before = '', epoch = '', , last] = header.split(' ')
  return { text, header, payload, sign, before, epoch, head: Number(last) }
}

const lie = '[["admin",0,{"v":"evil"}],["new",0,{"v":"planted"}],["victim"]]'

/** A notification that follows on, as well as somebody can sign it who does not know the secret. */
function forge(tenant: Tenant, first: number, last: number, payload = lie, secret = '', extras = ''): string {
  const { sign, epoch } = lastOf(tenant)
  const body = `${sign.slice(0, 16)} ${epoch} ${first} ${last}${extras}`
  return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
}

/** Each gives what the tenant publishes, one after the other. */
const attacks: Record<string, (tenant: Tenant) => string[]> = {
  'changes that follow on': (tenant) => {
    const { head } = lastOf(tenant)
    return [forge(tenant, head + 1, head + 3)]
  },
  'changes that follow on, and then places that were told before': (tenant) => {
    const { head } = lastOf(tenant)
    return [forge(tenant, head + 1, head + 3), forge(tenant, head, head + 4, '[]')]
  },
  'changes signed with what everybody knows': (tenant) => {
    const { head, sign, epoch } = lastOf(tenant)
    return ['0', sign, epoch, '0'.repeat(40), sha1('')].map((each) => forge(tenant, head + 1, head + 3, lie, each))
  },
  'a true notification with other contents': (tenant) => {
    const { header } = lastOf(tenant)
    return [`${header}\n${lie}`, `${header}\n[["last"]]`]
  },
  'a true notification with other places': (tenant) => {
    const { text, head } = lastOf(tenant)
    return [text.replace(` ${head} ${head}`, ` ${head + 1} ${head + 1}`), text.replace(` ${head} ${head}`, ' 1 1')]
  },
  'a true notification with more in its header': (tenant) => {
    const { header, payload } = lastOf(tenant)
    return [`${header} x=1\n${payload}`, `${header} v=0\n${payload}`, `${header} a=1\n${payload}`]
  },
  'everything that was said, again': (tenant) => [...tenant.heard],
  'everything that was said, backwards': (tenant) => [...tenant.heard].reverse(),
  'the end of the store': (tenant) => {
    const { head } = lastOf(tenant)
    return [forge(tenant, head + 1, Number.MAX_SAFE_INTEGER, '[]'), forge(tenant, 1, Number.MAX_SAFE_INTEGER, '[]')]
  },
  'an epoch that sorts after all': (tenant) => {
    const { text, epoch, head } = lastOf(tenant)
    return [
      text.replace(epoch, 'fffffffffff-ffffffff'),
      forge(tenant, head + 1, head + 3).replace(epoch, 'fffffffffff-ffffffff'),
    ]
  },
  'contents that are to be read': (tenant) => {
    const { head } = lastOf(tenant)
    return [forge(tenant, head + 1, head + 1, '', '', ' x=1')]
  },
  'the format before signatures': (tenant) => {
    const { epoch, head } = lastOf(tenant)
    return [`memis1 ${epoch} ${head + 1} ${head + 3} \n${lie}`, `memis1 ${epoch} ${head} ${head + 4} \n[]`]
  },
}

for (const dataLoss of ['restore', 'accept'] as const) {
  for (const isBusy of [false, true]) {
    test(`a tenant of the channels publishes lies, ${dataLoss}, ${isBusy ? 'while others write' : 'nobody writes'}: no replica and no store changes (H6)`, async () => {
      await using server = await redisServer()
      await using raw = await Raw.connect(server.url)
      await using tenant = await Tenant.connect(raw, server)
      const open = () => createClient({ url: server.url, auditInterval: 100, dataLoss })
      await using one = open()
      await using two = open()
      const replicas = [one, two].map(itemsOf) as [Collection<Item>, Collection<Item>]
      const complaints = [one, two].map((client) => new Complaints(client))
      const replays = replicas.map((each) => new Replay(each))
      const stales: string[] = []
      for (const each of replicas) {
        await each.subscribe()
        each.on('stale', ({ message }) => void stales.push(message))
      }
      for (let i = 0; i < 50; i++) await replicas[0].set(`k${i}`, { v: i })
      for (const key of ['admin', 'victim', 'last']) await replicas[0].set(key, { v: 'true' })
      await until('all is heard of', () => replicas.every(({ size }) => size === 53) && tenant.heard.length === 53)
      const epochs = () => raw.send('HMGET', `${base}/meta`, 'epoch', 'epochs')
      const before = await epochs()
      for (const [what, messages] of Object.entries(attacks)) {
        const events = replays.map((replay) => replay.events)
        const head = await raw.send('HGET', `${base}/meta`, 'head')
        const true_ = isBusy ? Array.from({ length: 10 }, (_, i) => replicas[0].set(`busy ${i}`, { v: what })) : []
        for (const message of messages(tenant)) await tenant.publish(message)
        await Promise.all(true_)
        // Two audits, in which what was believed would come out.
        const audits = await auditsOf(raw)
        await until('it was compared', async () => (await auditsOf(raw)) >= audits + 4)
        await until('the true writes are told', () =>
          replays.every(({ events: now }, i) => now >= (events[i] as number) + true_.length),
        )
        assert.strictEqual(await raw.send('HGET', `${base}/meta`, 'head'), String(Number(head) + true_.length), what)
        replays.forEach((replay, i) => {
          assert.strictEqual(replay.events, (events[i] as number) + true_.length, `events after ${what}`)
        })
      }
      await untilEqual(raw, replicas)
      assert.deepStrictEqual(replicas[1].get('admin'), { v: 'true' })
      assert.deepStrictEqual([replicas[1].has('new'), replicas[1].has('victim')], [false, true])
      assert.deepStrictEqual(await epochs(), before)
      assert.deepStrictEqual(stales, [])
      for (const { codes } of complaints) assert.deepStrictEqual(codes.sort(), ['UNDECODABLE', 'UNTRUSTED'])
    })
  }
}

/** How many scripts were run. */
const auditsOf = async (raw: Raw): Promise<number> => {
  const info = await raw.send('INFO', 'commandstats')
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0)
}

const sent = async (raw: Raw): Promise<number> =>
  Number(/total_net_output_bytes:(\d+)/.exec(await raw.send('INFO', 'stats'))?.[1])

test('what a forged message costs: no contents are read again, and a flood provokes a few questions (H7)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using tenant = await Tenant.connect(raw, server)
  const clients = Array.from({ length: 5 }, () => createClient({ url: server.url, auditInterval: 60_000 }))
  const replicas = clients.map(itemsOf)
  for (const each of replicas) await each.subscribe()
  for (const client of clients) new Complaints(client)
  const [first] = replicas as [Collection<Item>]
  await Promise.all(Array.from({ length: 5000 }, (_, i) => first.set(`key ${i}`, { v: 'x'.repeat(180) })))
  await first.set('last', { v: 1 })
  await until('all is heard of', () => replicas.every(({ size }) => size === 5001) && tenant.heard.length > 0)
  let stales = 0
  for (const each of replicas) each.on('stale', () => void stales++)
  const { head, epoch } = lastOf(tenant)
  const forged: Record<string, string> = {
    'told twice': forge(tenant, 1, head + 9),
    'half of it': forge(tenant, head >> 1, head + 9),
    'a gap': forge(tenant, head + 5, head + 5),
    'another epoch': forge(tenant, head + 1, head + 1).replace(epoch, '1a21f06a497-24dabc29'),
    'a replay': tenant.heard[0] as string,
    rubbish: 'x',
  }
  for (const [what, message] of Object.entries(forged)) {
    const [bytes, calls] = [await sent(raw), await auditsOf(raw)]
    const size = message.length + 100 // for each replica and the tenant itself
    for (let i = 0; i < 200; i++) await tenant.publish(message)
    await first.set('fence', { v: what })
    await until('the fence is heard of', () => replicas.every((each) => each.get('fence')?.v === what))
    const [told, asked] = [(await sent(raw)) - bytes - 6 * 200 * size, (await auditsOf(raw)) - calls]
    // At most ten questions of each replica at once, and one more each three seconds.
    assert.ok(asked <= 5 * 15, `${asked} scripts were run for 200 messages: ${what}`)
    assert.ok(told < 300_000, `${told} bytes were sent beside the messages: ${what}`)
  }
  assert.strictEqual(stales, 0)
  assert.deepStrictEqual(differences(new Map(first), await readStore(raw, 'items')), [])
  await Promise.all(clients.map((client) => client.close()))
})

for (const [what, make] of Object.entries({
  'of another epoch': () => `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 999999999 999999999\n[]`,
  'that nobody signed': (tenant: Tenant) => forge(tenant, lastOf(tenant).head + 5, lastOf(tenant).head + 5),
  'that were true once': (tenant: Tenant) => lastOf(tenant).text,
  'that are rubbish': () => 'x'.repeat(1000),
})) {
  test(`a joiner 40 ms away gets in while messages ${what} arrive without end (H7)`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    await using tenant = await Tenant.connect(raw, server)
    await using writing = createClient(server.url)
    const items = itemsOf(writing)
    await Promise.all(Array.from({ length: 500 }, (_, i) => items.set(`key ${i}`, { v: i })))
    await items.set('last', { v: 1 })
    await until('it is heard of', () => tenant.heard.length > 1)
    await using far = await slowly(server, 20)
    await using joining = createClient(`redis://127.0.0.1:${far.port}`)
    new Complaints(joining)
    await joining.connect()
    let over = false
    const flood = (async () => {
      while (!over) await tenant.publish(make(tenant))
    })()
    const joiner = itemsOf(joining)
    const from = performance.now()
    await joiner.subscribe()
    const took = performance.now() - from
    await items.set('after', { v: 1 })
    await until('it hears of true ones', () => joiner.has('after'))
    over = true
    await flood
    note(`a joiner 40 ms away, under a flood ${what}: ${took.toFixed(0)} ms`)
    assert.ok(took < 5000, `took ${took} ms`)
    await untilEqual(raw, [joiner])
  })
}

/** More than anything that memis sends; each would cost seconds and hundreds of megabytes if it was parsed. */
const bombs: Record<string, (tenant: Tenant, first: number) => string> = {
  'a million items': (tenant, first) =>
    forge(tenant, first, first + 799_999, `[${Array.from({ length: 800_000 }, (_, i) => `["f${i}",0,{}]`)}]`),
  '12 million brackets': (tenant, first) => forge(tenant, first, first, `[["a",0,{"v":${'['.repeat(12e6)}`),
  '9 million objects': (tenant, first) => forge(tenant, first, first, `[["a",0,{"v":[${'{},'.repeat(9e6)}0]}]]`),
  'a list of what changed nothing without end': (tenant, first) =>
    forge(tenant, first, first, '[["a"]]', '', ` v=${'0,'.repeat(12e6)}0`),
  'just below the limit': (tenant, first) => forge(tenant, first, first, `[["a",0,{"v":[${'{},'.repeat(2e6)}0]}]]`),
}
test('a message of many megabytes is not parsed, and holds nothing up (H8)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using tenant = await Tenant.connect(raw, server)
  await using client = createClient(server.url)
  const items = itemsOf(client)
  const complaints = new Complaints(client)
  await items.subscribe()
  await items.set('a', { v: 1 })
  await until('it is heard of', () => tenant.heard.length > 0)
  const messages = Object.entries(bombs).map(([what, make]) => [what, make(tenant, lastOf(tenant).head + 1)] as const)
  for (const [what, message] of messages) {
    const bomber = createRedisClient({ url: server.url })
    await bomber.connect()
    // A message over the limit is not even looked into, to see who signed it.
    const code = what === 'just below the limit' ? 'UNTRUSTED' : 'UNDECODABLE'
    const before = client.errorCounts[code] ?? 0
    await bomber.publish(base, message)
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await until('it was received', () => (client.errorCounts[code] ?? 0) > before)
    delay.disable()
    bomber.destroy()
    note(`${what}: the event loop stood still for ${(delay.max / 1e6).toFixed(0)} ms at most`)
    assert.ok(delay.max / 1e6 < 1000, `${delay.max / 1e6} ms`)
  }
  assert.deepStrictEqual([items.freshness.state, items.get('a')], ['live', { v: 1 }])
  assert.deepStrictEqual(complaints.disconnects, [])
})

test('an item of 40 MB cuts nobody off: who accepts it reads it, others do without, and say so (H8)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const open = (maxItemBytes?: number) =>
    createClient({ url: server.url, auditInterval: 5000, maxPendingBytes: 1e9, ...(maxItemBytes && { maxItemBytes }) })
  await using writing = open(100e6)
  await using generous = open(100e6)
  await using strict = open()
  const [writer, large, small] = [writing, generous, strict].map(itemsOf) as [
    Collection<Item>,
    Collection<Item>,
    Collection<Item>,
  ]
  const complaints = [generous, strict].map((client) => new Complaints(client))
  const words: string[] = []
  await Promise.all([large.subscribe(), small.subscribe()])
  for (const each of [large, small]) each.on('stale', () => void words.push('stale'))
  await writer.set('other', { v: 0 })
  for (let n = 1; n <= 3; n++) await writer.set('big', { v: 'x'.repeat(40e6) + n })
  await writer.set('other', { v: 1 })
  await until('all is told', () => [large, small].every((each) => each.get('other')?.v === 1))
  assert.strictEqual(String(large.get('big')?.v).length, 40e6 + 1)
  assert.strictEqual(small.has('big'), false)
  assert.deepStrictEqual(words, [])
  for (const { disconnects } of complaints) assert.deepStrictEqual(disconnects, [])
  assert.deepStrictEqual([complaints[0]?.codes, complaints[1]?.codes.includes('LIMIT_EXCEEDED')], [[], true])
  await writer.set('big', { v: 'small' })
  await untilEqual(raw, [large, small])
})

test('no stored value makes a script take long, whatever its length (H7, H9)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ url: server.url, auditInterval: 50, writeTimeout: 3000 })
  new Complaints(client)
  const items = itemsOf(client)
  await items.subscribe()
  await items.set('a', { v: 1 })
  await raw.send('CONFIG', 'SET', 'slowlog-log-slower-than', 100_000)
  const values = ['1', '1 ', 'a:1 ', ':', '-', '01a21eb6bc8-2b15414c:0 ', '01a21eb6bc8-2b15414c 0 - ', ' ', '\n']
  for (const field of ['head', 'epoch', 'epochs', 'sign', 'cards', 'forgotten', 'cleared', 'retention', 'layout']) {
    for (const value of values) {
      for (const bytes of [20_000, 1_000_000]) {
        await raw.send('HSET', `${base}/meta`, field, value.repeat(bytes / value.length))
        await items.set('a', { v: bytes }).catch(() => {})
        await items.delete('b').catch(() => {})
        if (field === 'layout') await raw.send('HSET', `${base}/meta`, 'layout', 2)
      }
    }
    const slow = await raw.send('SLOWLOG', 'GET', 10)
    assert.deepStrictEqual(
      // biome-ignore lint/suspicious/noExplicitAny: a reply
      slow.filter(([, , , words]: any) => /^eval/i.test(words[0])),
      [],
      `${field}: a script took long`,
    )
  }
  await items.set('a', { v: 'last' })
  await until('it is live again', () => items.freshness.state === 'live')
  await untilEqual(raw, [items])
})

test('a name with control characters is clean in what is told (H10)', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient(server.url)
  const complaints = new Complaints(client)
  const name = 'u\u001b]0;owned\u0007\u001b[31m\n2026-11-27 INFO admin logged in\u202e\u2028'
  await client.database('test').collection(name).subscribe()
  for (const message of ['junk', `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 1 1\n[]`]) {
    await raw.send('PUBLISH', baseOf('test', name), message)
  }
  await until('both are told', () => complaints.errors.length === 2)
  const isClean = (text: string) => !/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text)
  for (const { message } of complaints.errors) assert.ok(isClean(message), JSON.stringify(message))
})

test('a user that may not run INFO within scripts: a store that went back is recognised by the places that it named', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await raw.send('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', '~memis:*', '&memis:*', '+@all')
  const url = server.url.replace('//', '//app:secret@')
  const open = () => createClient({ url, auditInterval: 100 })
  await using one = open()
  await using two = open()
  await using outside = open()
  const replicas = [one, two].map(itemsOf) as [Collection<Item>, Collection<Item>]
  for (const client of [one, two, outside]) await client.connect()
  // As a managed service does: INFO may be called, but not by scripts.
  await raw.send('ACL', 'SETUSER', 'app', '-info')
  for (const each of replicas) await each.subscribe()
  const replays = replicas.map((each) => new Replay(each))
  await replicas[0].set('a', { v: 1 })
  await itemsOf(outside).set('outside', { v: 1 })
  assert.match(await raw.send('HGET', `${base}/meta`, 'epoch'), /^\S+ 0 - \S+$/, 'the server is not known')
  const names = await raw.keys(base)
  const dumps = await Promise.all(
    names.map(async (name) => {
      const [dump] = await raw.sendBinary('EVAL', "return {redis.call('DUMP', KEYS[1])}", '1', name)
      return ['RESTORE', name, '0', dump as Buffer, 'REPLACE'] as const
    }),
  )
  await replicas[0].set('lost', { v: 1 })
  await replicas[0].set('a', { v: 2 })
  await until('both know', () => replicas.every((each) => each.get('a')?.v === 2))
  await Promise.all([
    raw.send('MULTI'),
    raw.send('FLUSHALL'),
    ...dumps.map((each) => raw.sendBinary(...each)),
    raw.send('EXEC'),
  ])
  // Somebody who knows nothing of it takes the places of what was lost, and more.
  for (let i = 0; i < 5; i++) await itemsOf(outside).set(`after ${i}`, { v: i })
  await until('all is restored', async () => (await readStore(raw, 'items')).size === 8)
  await untilEqual(raw, replicas)
  assert.deepStrictEqual([replicas[1].get('a'), replicas[1].get('lost')], [{ v: 2 }, { v: 1 }])
  for (const replay of replays) replay.check()
})

test.run()
