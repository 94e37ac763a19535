/** What lies in Redis is what the layout says: somebody with redis-cli, or with another language, finds it so. */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { type Client, createClient } from '../../src'
import type { Server } from '../support/servers'
import {
  baseOf,
  Complaints,
  type Disposable,
  differences,
  Raw,
  Replay,
  readItem,
  readStore,
  redisServer,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('layout')

let server: Disposable<Server>
let raw: Raw
const clients: Client[] = []

test.before(async () => {
  server = await redisServer()
  raw = await Raw.connect(server.url)
})
test.after.each(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  await raw.send('FLUSHALL')
})
test.after(async () => {
  await raw[Symbol.asyncDispose]()
  await server.stop()
})

function connect(options: object = {}): Client {
  const client = createClient({ transport: 'redis', url: server.url, ...options })
  clients.push(client)
  return client
}

const base = baseOf('region-nl', 'artists')

test('an item is a hash: a field each, its value as JSON text, and its number in the field 0xFF', async () => {
  const artists = connect().database('region-nl').collection<object>('artists')
  await artists.set('coldplay', {
    genre: 'Alternative',
    members: ['Chris', 'Guy'],
    '': null,
    ÿ: 1.5,
    born: { year: 1996 },
  })
  await artists.set('empty', {})
  const fields: Buffer[] = await raw.sendBinary('HGETALL', `${base}:coldplay`)
  const shown = new Map(
    Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]?.toString('latin1'), String(fields[2 * i + 1])]),
  )
  assert.deepStrictEqual(
    shown,
    new Map([
      ['genre', '"Alternative"'],
      ['members', '["Chris","Guy"]'],
      ['', 'null'],
      [Buffer.from('ÿ').toString('latin1'), '1.5'],
      ['born', '{"year":1996}'],
      ['\xff', '1'],
    ]),
  )
  assert.deepStrictEqual(await raw.sendBinary('HGETALL', `${base}:empty`), [Buffer.from([0xff]), Buffer.from('2')])
})

test('index, marks, meta and writer are as written down; nothing else lies there', async () => {
  const artists = connect().database('region-nl').collection<object>('artists')
  const before = Date.now()
  await artists.set('stays', { a: 1 }) // 1
  await artists.set('timed', { a: 1 }, 3600) // 2
  await artists.set('deleted', { a: 1 }) // 3
  assert.strictEqual(await artists.delete('deleted'), true) // 4
  assert.strictEqual(await artists.delete('never there'), false) // 5, leaves a mark
  assert.strictEqual(await artists.delete('never there'), false) // changes nothing
  await artists.set('stays', { b: 2 }) // 6
  const after = Date.now()

  assert.deepStrictEqual(await raw.send('ZRANGE', `${base}/log`, 0, -1, 'WITHSCORES'), [
    ['timed', 2],
    ['deleted', 4],
    ['never there', 5],
    ['stays', 6],
  ])
  const marks = new Map<string, number>(await raw.send('ZRANGE', `${base}/ttl`, 0, -1, 'WITHSCORES'))
  const [due, gone] = [marks.get('timed') ?? 0, -(marks.get('deleted') ?? 0)]
  assert.strictEqual(marks.size, 3)
  assert.ok(due >= before + 3_600_000 && due <= after + 3_600_000, `due at ${due}`)
  assert.strictEqual(await raw.send('PEXPIRETIME', `${base}:timed`), due)
  assert.ok(gone >= before && gone <= after, `deleted at ${gone}`)

  const list: string[] = await raw.send('HGETALL', `${base}/meta`)
  const meta = new Map(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]))
  const { layout, head, epochs, cards, retention } = Object.fromEntries(meta)
  assert.deepStrictEqual([layout, head, epochs, cards, retention], ['2', '6', '', '4 3 0 0', '600000'])
  // Id, floor, server, secret.
  assert.match(meta.get('epoch') ?? '', /^[0-9a-f]{11}-[0-9a-f]{8} 0 [0-9a-f]{40} [0-9a-f]{40}$/)
  assert.match(meta.get('sign') ?? '', /^[0-9a-f]{40}$/)
  assert.deepStrictEqual(await readItem(raw, `${base}:stays`), { b: 2 })

  const names = await raw.keys()
  const writers = names.filter((name) => name.startsWith(`${base}/writer/`))
  assert.strictEqual(writers.length, 1)
  const left: number = await raw.send('PTTL', writers[0] as string)
  assert.ok(left > 0 && left <= 600_000, `the writer is forgotten in ${left} ms`)
  const others = [...writers, `${base}/meta`, `${base}/log`, `${base}/ttl`, `${base}:stays`, `${base}:timed`]
  assert.deepStrictEqual(names.sort(), others.sort())
})

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

test('a notification tells epoch, places, what changed nothing, and each change as JSON; the store signed it', async () => {
  const messages: string[] = []
  const ear = (await import('redis')).createClient({ url: server.url })
  await ear.connect()
  await ear.subscribe(base, (message) => void messages.push(message))
  const artists = connect().database('region-nl').collection<object>('artists')
  await artists.set('a', { x: 1 })
  const deletes = ['none', 'none', 'a', 'a']
  await Promise.all([artists.set('b', { 'ü\n': [null] }, 1.5), ...deletes.map((key) => artists.delete(key))])
  await artists.set('c', {})
  await artists.clear()
  await until('all are heard', () => messages.length === 4)
  ear.destroy()

  const [id, , , secret] = (await raw.send('HGET', `${base}/meta`, 'epoch')).split(' ')
  let before = '0'
  const heard = messages.map((message) => {
    const end = message.indexOf('\n')
    const [, sign = '', body = ''] = /^memis2 ([0-9a-f]{40}) (.*)$/.exec(message.slice(0, end)) ?? []
    const payload = message.slice(end + 1)
    assert.strictEqual(sign, sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`)))
    // Each names the signature before it.
    assert.strictEqual(body.slice(0, body.indexOf(' ')), before.slice(0, 16))
    before = sign
    return [body.slice(body.indexOf(' ') + 1), JSON.parse(payload)]
  })
  assert.deepStrictEqual(heard, [
    [`${id} 1 1`, [['a', 0, { x: 1 }]]],
    [`${id} 2 6 v=2,4`, [['b', 1500, { 'ü\n': [null] }], ['none'], ['none'], ['a'], ['a']]],
    [`${id} 7 7`, [['c', 0, {}]]],
    // The clear itself has a place, and changes nothing.
    [`${id} 8 10 v=2`, [['b'], ['c'], null]],
  ])
  assert.strictEqual(await raw.send('HGET', `${base}/meta`, 'sign'), before)
})

test('clients of one process read a notification once: all hold the same items, each tells its own changes', async () => {
  const [writer, ...readers] = Array.from({ length: 4 }, () => connect().database('shared').collection<object>('items'))
  const replays = readers.map((reader) => new Replay(reader))
  for (const reader of readers) await reader.subscribe()
  // More than are remembered, so that some are read by each.
  const large = 'x'.repeat(60_000)
  for (let n = 1; n <= 20; n++) {
    await Promise.all([writer?.set('k', { n, large: `${large}${n}` }), writer?.set(`key ${n}`, { n })])
    if (n % 3 === 0) await writer?.delete(`key ${n}`)
  }
  await writer?.set('last', { inner: { deep: [1] } })
  await untilEqual(raw, readers, { database: 'shared' })
  for (const replay of replays) replay.check()
  const [last, ...others] = readers.map((reader) => reader.get('last') as { inner: { deep: unknown } })
  for (const other of others) assert.strictEqual(other, last)
  assert.ok(Object.isFrozen(last?.inner.deep))
})

test('another language may write by the layout: replicas hear of it, and late joiners find it', async () => {
  const [writer, early, late] = [connect(), connect(), connect()].map((client) =>
    client.database('region-nl').collection<object>('artists'),
  ) as [ReturnType<typeof collection>, ReturnType<typeof collection>, ReturnType<typeof collection>]
  const replay = new Replay(early)
  await early.subscribe()
  await writer.set('mine', { by: 'memis' })
  const script = `
    local meta, log = KEYS[1] .. '/meta', KEYS[1] .. '/log'
    local n = redis.call('HINCRBY', meta, 'head', 1)
    local id, secret = string.match(redis.call('HGET', meta, 'epoch'), '^(%S+) %d+ %S+ (%S+)$')
    redis.call('ZADD', log, n, 'theirs')
    redis.call('DEL', KEYS[1] .. ':theirs')
    redis.call('HSET', KEYS[1] .. ':theirs', '\\255', n, 'by', '"another"')
    local payload = '[["theirs",0,{"by":"another"}]]'
    local body = string.sub(redis.call('HGET', meta, 'sign'), 1, 16) .. ' ' .. id .. ' ' .. n .. ' ' .. n
    local sign = redis.sha1hex(secret .. redis.sha1hex(secret .. body .. '\\n' .. redis.sha1hex(payload)))
    redis.call('HSET', meta, 'sign', sign, 'cards', redis.call('ZCARD', log) .. ' 0 0 0')
    redis.call('PUBLISH', KEYS[1], 'memis2 ' .. sign .. ' ' .. body .. '\\n' .. payload)`
  await raw.send('EVAL', script, 1, base)
  await writer.set('mine', { by: 'memis', again: true })
  await until('both are heard', () => early.size === 2 && early.get('mine') && 'again' in (early.get('mine') as object))
  await late.subscribe()
  assert.deepStrictEqual(late.get('theirs'), { by: 'another' })
  assert.strictEqual(await writer.delete('theirs'), true)
  await until('its delete is heard', () => !early.has('theirs') && !late.has('theirs'))
  replay.check()
})

const collection = (client: Client, database = 'd', name = 'c') => client.database(database).collection<object>(name)

test('names never meet: each collection holds its own items and no others', async () => {
  const names = [
    ...['a', 'b', 'a:b', 'b:c', 'a}', '{a', '{}', '}:{', '%', '%3A', 'a%3Ab', '%253A', '*', '/meta', 'x/ttl', '}/log'],
    ...['é', 'e\u0301', '\0', 'a\0b', '\n', '__proto__'],
  ]
  const keys = ['k', ...names]
  const writer = connect()
  const written: PromiseLike<unknown>[] = []
  const pairs = names.flatMap((database) => names.map((name) => [database, name] as const))
  for (const [database, name] of pairs) {
    const target = collection(writer, database, name)
    for (const key of keys) written.push(target.set(key, { database, name, key }))
  }
  await Promise.all(written)

  const reader = connect()
  const replicas = await Promise.all(
    pairs.map(async ([database, name]) => {
      const replica = collection(reader, database, name)
      await replica.subscribe()
      return { database, name, replica }
    }),
  )
  for (const { database, name, replica } of replicas) {
    const own = new Map(keys.map((key) => [key, { database, name, key }]))
    assert.deepStrictEqual(differences(new Map(replica), own), [])
  }
  // An item each, and of each collection its meta, its index and its writer; nothing has a ttl.
  assert.strictEqual((await raw.keys()).length, pairs.length * (keys.length + 3))

  // Deletes and clears hit their own.
  await collection(writer, 'a:b', 'b').delete('k')
  await collection(writer, 'a', 'b:b').clear()
  await until('they are heard of', () => collection(reader, 'a:b', 'b').size === keys.length - 1)
  for (const { database, name, replica } of replicas) {
    if (database === 'a:b' && name === 'b') assert.ok(!replica.has('k'))
    else assert.strictEqual(replica.size, keys.length, `${database} ${name}`)
  }
})

test('simple names stay as they are', async () => {
  await collection(connect(), 'region-nl', 'artists').set('coldplay/live 2024', { a: 1 })
  assert.ok((await raw.keys()).includes('memis:{region-nl:artists}:coldplay/live 2024'))
})

test('a prefix of its own keeps an application apart', async () => {
  const [one, two] = [connect({ prefix: 'shop' }), connect({ prefix: 'shop:2' })]
  const [ofOne, ofTwo, ofThree] = [one, two, connect()].map((client) => collection(client))
  await Promise.all([ofOne?.subscribe(), ofTwo?.subscribe(), ofThree?.subscribe()])
  await Promise.all([ofOne?.set('k', { of: 1 }), ofTwo?.set('k', { of: 2 }), ofThree?.set('k', { of: 3 })])
  assert.deepStrictEqual([ofOne?.get('k'), ofTwo?.get('k'), ofThree?.get('k')], [{ of: 1 }, { of: 2 }, { of: 3 }])
  assert.deepStrictEqual(await readItem(raw, `${baseOf('d', 'c', 'shop')}:k`), { of: 1 })
})

for (const [how, numbered, plain] of [
  ['database: 2', () => connect({ database: 2 }), () => connect()],
  ['a URL that ends in /2', () => connect({ url: `${server.url}/2` }), () => connect({ url: `${server.url}/0` })],
  // Nobody would, but the channel of one must not be that of the other.
  ['database: 2 and a prefix that looks like it', () => connect({ database: 2 }), () => connect({ prefix: 'memis@2' })],
] as const) {
  test(`a numbered database hears nothing of the others: ${how}`, async () => {
    const [two, zero] = [numbered(), plain()]
    const complaints = [two, zero].map((client) => new Complaints(client))
    const [ofTwo, ofZero] = [collection(two), collection(zero)]
    const stales: unknown[] = []
    for (const each of [ofTwo, ofZero]) each.on('stale', (error) => void stales.push(error))
    await Promise.all([ofTwo.subscribe(), ofZero.subscribe()])
    for (let i = 0; i < 20; i++) {
      await Promise.all([ofTwo.set(`two ${i}`, { i }), ofZero.set(`zero ${i}`, { i })])
    }
    const last = [ofTwo.set('last', { of: 'two' }), ofZero.set('last', { of: 'zero' })]
    await Promise.all(last)
    await raw.send('SELECT', 2)
    assert.deepStrictEqual(differences(new Map(ofTwo), await readStore(raw, 'c', 'd')), [])
    await raw.send('SELECT', 0)
    assert.strictEqual(ofTwo.size, 21)
    assert.strictEqual(ofZero.size, 21)
    assert.deepStrictEqual([ofTwo.get('last'), ofZero.get('last')], [{ of: 'two' }, { of: 'zero' }])
    assert.deepStrictEqual(stales, [])
    for (const { errors } of complaints) assert.deepStrictEqual(errors, [])
  })
}

test('an item of another type than a hash, or of more than 8,000 strings, is no hindrance to a write over it', async () => {
  const [writer, reader] = [collection(connect()), collection(connect())]
  await reader.subscribe()
  const start = baseOf('d', 'c')
  const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, i]))
  await raw.send('SET', `${start}:k`, 'foreign')
  await writer.set('k', wide)
  await writer.set('k', { small: 1 })
  await raw.send('SADD', `${start}:foreign`, 'x')
  await writer.set('k2', wide, 3600)
  assert.strictEqual(await writer.delete('foreign'), true)
  await untilEqualIn(reader)
})

const untilEqualIn = (replica: ReturnType<typeof collection>) => untilEqual(raw, [replica], { database: 'd' })

test.run()
