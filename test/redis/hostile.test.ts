/**
 * Whatever arrives on a channel or lies in the store (H1): nothing crashes, no prototype changes, the stream goes on, it is
 * told as an error with a code, once a burst, and replicas old and new agree in the end.
 */
import assert from 'node:assert'
import { type Client, type Collection, createClient } from '../../src'
import type { Server } from '../support/servers'
import {
  baseOf,
  Complaints,
  type Disposable,
  differences,
  harmOf,
  Raw,
  Replay,
  readStore,
  redisServer,
  rejection,
  suite,
  until,
  untilEqual,
} from './support'

/** What hangs is not waited for as long as elsewhere: there are many tests here. */
const test = suite('hostile', 30_000)

let server: Disposable<Server>
let raw: Raw
let writer: Client
let clients: Client[] = []
let count = 0
const assertUnharmed = harmOf(test)

test.before(async () => {
  server = await redisServer()
  raw = await Raw.connect(server.url)
  writer = createClient(server.url)
})
test.after.each(async () => {
  await Promise.all(clients.map((client) => client.close()))
  clients = []
  assertUnharmed()
})
test.after(async () => {
  await writer.close()
  await raw[Symbol.asyncDispose]()
  await server.stop()
})

/** A replica in a client of its own, and what it says. */
class Listener {
  readonly client: Client
  readonly complaints: Complaints
  readonly collection: Collection<object>
  readonly replay: Replay
  readonly stales: string[] = []

  constructor(name: string, options: object = {}) {
    this.client = createClient({ transport: 'redis', url: server.url, ...options })
    clients.push(this.client)
    this.complaints = new Complaints(this.client)
    this.collection = this.client.database('test').collection(name)
    this.collection.on('stale', (error) => void this.stales.push(error.code))
    this.replay = new Replay(this.collection)
  }
}

/** A collection of its own for each case, with three items in it, one that listens, and the store's word on where it stands. */
async function scene(options: object = {}) {
  const name = `case ${++count}`
  const base = baseOf('test', name)
  const items = writer.database('test').collection<object>(name)
  const old = new Listener(name, options)
  await old.collection.subscribe()
  for (const key of ['a', 'b', 'c']) await items.set(key, { key })
  await until('the items are heard of', () => old.collection.size === 3)
  const epoch = /([\w-]+):\d+$/.exec(await raw.send('HGET', `${base}/meta`, 'epochs'))?.[1] ?? ''
  const head = Number(await raw.send('HGET', `${base}/meta`, 'head'))
  return { name, base, items, old, epoch, head }
}

const deadline = 8000

type Scene = Awaited<ReturnType<typeof scene>>

/** The next good write is heard of, and all agree with the store and with who joins now. */
async function goesOn({ name, items, old }: Scene): Promise<Listener> {
  await items.set('good', { good: true })
  await items.set('a', { again: true })
  await untilEqual(raw, [old.collection], { deadline })
  assert.deepStrictEqual(old.collection.get('good'), { good: true })
  const late = new Listener(name)
  await late.collection.subscribe()
  await untilEqual(raw, [old.collection, late.collection], { deadline })
  old.replay.check()
  late.replay.check()
  return late
}

/** Each code was told once, in what is one burst. */
function toldOnce({ complaints }: Listener, ...codes: string[]): void {
  assert.deepStrictEqual([...complaints.codes].sort(), codes.sort())
}

const header = (epoch: string, first: number | string, last = first, none = '') =>
  `memis1 ${epoch} ${first} ${last} ${none}\n`
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** Not a notification of memis at all. */
const foreign: Record<string, string | Buffer> = {
  nothing: '',
  'a word': 'hello',
  'a line': '\n',
  'our name alone': 'memis1',
  'our name and a line': 'memis1\n',
  'another version': 'memis2 e 1 1 \n[]',
  'JSON of somebody else': '{"type":"set","key":"a","value":{"__proto__":{"polluted":1}}}',
  'numbers that are none': 'memis1 epoch one two \n[]',
  'negative numbers': 'memis1 epoch -1 -1 \n[["a"]]',
  'a number too long': `memis1 epoch 1 ${'9'.repeat(40)} \n[["a"]]`,
  'no line break': 'memis1 epoch 1 1 [["a"]]',
  'bytes that are no text': Buffer.from([0xff, 0xfe, 0, 0x80, 0x0a, 0xc3]),
  '8 MB': 'x'.repeat(8 * 1024 * 1024),
}
for (const [what, message] of Object.entries(foreign)) {
  test(`on the channel, ${what}: passed over, told once as UNDECODABLE, and counted`, async () => {
    const stage = await scene()
    for (let i = 0; i < 3; i++) await raw.send('PUBLISH', stage.base, message)
    await goesOn(stage)
    toldOnce(stage.old, 'UNDECODABLE')
    assert.strictEqual(stage.old.client.errorCounts.UNDECODABLE, 3)
    assert.deepStrictEqual(stage.old.stales, [])
  })
}

/** The header is right, and of the next number; what follows is not what it should be. */
const broken: Record<string, string> = {
  'not JSON': '[["a",0,{"x":',
  nothing: '',
  null: 'null',
  'a string': '"abc"',
  'an object': '{"length":1,"0":["a"]}',
  'too few': '[]',
  'too many': '[["a"],["b"]]',
  'an entry that is no list': '[{"length":1,"0":"a"}]',
  'an empty entry': '[[]]',
  'a key that is null': '[[null]]',
  'a key that is empty': '[["",0,{"x":1}]]',
  'a key that is too long': JSON.stringify([['k'.repeat(300), 0, { x: 1 }]]),
  'a key that is an object': '[[{"toString":1,"length":1},0,{"x":1}]]',
  'an item that is an array': '[["a",0,[1]]]',
  'an item that is a string': '[["a",0,"x"]]',
  'an item that is null': '[["a",0,null]]',
  'no item': '[["a",0]]',
  'a ttl that is a string': '[["a","soon",{"x":1}]]',
  'a ttl that is infinite': '[["a",1e999,{"x":1}]]',
  'a ttl that is an object': '[["a",{},{"x":1}]]',
  'an item nested 100,000 deep': `[["a",0,{"x":${nested(100_000)}}]]`,
  'an array nested 100,000 deep': nested(100_000),
  '8 MB that are not JSON': `[["a",0,{"x":"${'x'.repeat(8 * 1024 * 1024)}`,
}
for (const [what, payload] of Object.entries(broken)) {
  test(`after a good header, ${what}: told once, and put right`, async () => {
    const stage = await scene({ auditInterval: 50 })
    await raw.send('PUBLISH', stage.base, header(stage.epoch, stage.head + 1) + payload)
    await until('it is told', () => stage.old.complaints.errors.length > 0, deadline)
    await goesOn(stage)
    toldOnce(stage.old, stage.old.complaints.codes[0] === 'OUT_OF_TOUCH' ? 'OUT_OF_TOUCH' : 'UNDECODABLE')
  })
}

/** Numbers that do not fit: each may be told as being out of touch, which is no error, but the end of a session. */
const astray: Record<string, (stage: Scene) => string> = {
  'of another epoch': ({ head }) => `${header('another', head + 1)}[["a",0,{"lie":1}]]`,
  'of another epoch, far ahead': ({ head }) => `${header('another', head + 1000)}[["a",0,{"lie":1}]]`,
  'of the future': ({ epoch, head }) => `${header(epoch, head + 1000)}[["a",0,{"lie":1}]]`,
  'of the far future': ({ epoch }) => `${header(epoch, 9007199254740991)}[["a",0,{"lie":1}]]`,
  'beyond all numbers': ({ epoch }) => `${header(epoch, '9999999999999999')}[["a",0,{"lie":1}]]`,
  'of everything at once': ({ epoch }) => `${header(epoch, 1, 9007199254740991)}[["a",0,{"lie":1}]]`,
  'of the past': ({ epoch }) => `${header(epoch, 1)}[["a",0,{"lie":1}]]`,
  'that run backwards': ({ epoch, head }) => `${header(epoch, head + 1, head - 1)}[["a",0,{"lie":1}]]`,
  'of number 0': ({ epoch }) => `${header(epoch, 0)}[["a",0,{"lie":1}]]`,
}
for (const [what, make] of Object.entries(astray)) {
  test(`notifications ${what} change nothing`, async () => {
    const stage = await scene()
    for (let i = 0; i < 3; i++) await raw.send('PUBLISH', stage.base, make(stage))
    await goesOn(stage)
    assert.ok(!stage.old.replay.revisions.has('lie'))
    assert.deepStrictEqual(
      stage.old.complaints.codes.filter((code) => code !== 'UNDECODABLE' && code !== 'OUT_OF_TOUCH'),
      [],
    )
  })
}

/** Well-formed, and of the next number. */
const lies: Record<string, string> = {
  'a set': '[["a",0,{"lie":1}]]',
  'a new key': '[["lie",0,{"lie":1}]]',
  'a delete': '[["b"]]',
  'a ttl': '[["a",1,{"key":"a"}]]',
  'an item with __proto__': '[["__proto__",0,{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}]]',
  'a negative ttl': '[["a",-5,{"lie":1}]]',
}
for (const [what, payload] of Object.entries(lies)) {
  for (const quiet of [true, false]) {
    test(`a well-formed lie, ${what}, ${quiet ? '' : 'with a true write right after it, '}is put right by the audit`, async () => {
      const stage = await scene({ auditInterval: 50 })
      await raw.send('PUBLISH', stage.base, header(stage.epoch, stage.head + 1) + payload)
      if (quiet) await until('it is believed', () => stage.old.replay.events > 3)
      else await stage.items.set('true', { number: stage.head + 1 })
      await untilEqual(raw, [stage.old.collection], { deadline })
      await goesOn(stage)
    })
  }
}

/** Found out by the audit first, and the numbers are given before the replica is back: what is read then begins before the lie. */
for (const [what, payload] of Object.entries(lies)) {
  test(`a well-formed lie, ${what}, that the audit finds just before a true write is put right`, async () => {
    const stage = await scene({ auditInterval: 20 })
    const writes: Promise<unknown>[] = []
    const { items, old } = stage
    old.collection.once('stale', () =>
      writes.push(items.set('true', { number: stage.head + 1 }), items.set('b', { n: 2 })),
    )
    await raw.send('PUBLISH', stage.base, header(stage.epoch, stage.head + 1) + payload)
    await until('it is found out', () => writes.length > 0, deadline)
    await Promise.all(writes)
    await untilEqual(raw, [old.collection], { deadline })
    await goesOn(stage)
  })
}

test('while rubbish is published without end, 2,000 writes arrive and joiners join', async () => {
  const stage = await scene()
  const { name, base, items, old, epoch, head } = stage
  const messages = [
    ...Object.values(foreign),
    ...Object.values(broken).map((payload) => header(epoch, head + 1) + payload),
  ]
  const rubbish = [...messages, ...Object.values(astray).map((make) => make(stage))].filter(
    ({ length }) => length < 10_000,
  )
  let over = false
  const flood = (async () => {
    for (let i = 0; !over; i++) await raw.send('PUBLISH', base, rubbish[i % rubbish.length] as string)
  })()
  const late: Listener[] = []
  for (let i = 0; i < 2000; i += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, n) => items.set(`key ${(i + n) % 300}`, { n: i + n })))
    if (i % 500 === 0) {
      const listener = new Listener(name)
      late.push(listener)
      await listener.collection.subscribe()
    }
  }
  over = true
  await flood
  await untilEqual(raw, [old.collection, ...late.map(({ collection }) => collection)])
  for (const { replay } of [old, ...late]) replay.check()
  for (const { complaints } of [old, ...late]) {
    assert.strictEqual(new Set(complaints.codes).size, complaints.codes.length, `${complaints.codes}`)
  }
})

/** What is done to the hash of the item `b`; the item is absent then. */
const items: Record<string, (name: string) => (string | Buffer)[][]> = {
  'a string': (name) => [
    ['DEL', name],
    ['SET', name, 'foreign'],
  ],
  'a list': (name) => [
    ['DEL', name],
    ['RPUSH', name, 'foreign'],
  ],
  'a hash without the field 0xFF': (name) => [['HDEL', name, Buffer.from([0xff])]],
  'a hash of somebody else': (name) => [
    ['DEL', name],
    ['HSET', name, 'a', '1', 'b', '2'],
  ],
  'a value that is not JSON': (name) => [['HSET', name, 'x', 'plain text']],
  'a value that is empty': (name) => [['HSET', name, 'x', '']],
  'a value that is two values': (name) => [['HSET', name, 'x', '1,2']],
  'a value that brings a field': (name) => [['HSET', name, 'x', '1,"y":2']],
  'values that end and begin each other': (name) => [['HSET', name, 'x', '{"y":1', 'y', '2}']],
  'values that hide one field and bring another': (name) => [
    ['DEL', name],
    ['HSET', name, Buffer.from([0xff]), '2', 'x', '{"q":1'],
    ['HSET', name, 'y', '2},"z":3'],
  ],
  'a value that is nested 100,000 deep': (name) => [['HSET', name, 'x', nested(100_000)]],
  'a value that is no UTF-8': (name) => [['HSET', name, 'x', Buffer.from([0x22, 0xc3, 0x28, 0x80])]],
}
for (const [what, harm] of Object.entries(items)) {
  test(`in the store, ${what}: the item is absent for who joins, told once, and the others are there`, async () => {
    const stage = await scene()
    for (const command of harm(`${stage.base}:b`)) await raw.sendBinary(...(command as [string]))
    const late = new Listener(stage.name)
    await late.collection.subscribe()
    assert.deepStrictEqual([...late.collection.keys()].sort(), ['a', 'c'])
    toldOnce(late, 'UNDECODABLE')
    // A new write makes it whole.
    await stage.items.set('b', { whole: true })
    await untilEqual(raw, [stage.old.collection, late.collection])
    await goesOn(stage)
    assert.strictEqual(await stage.items.delete('b'), true)
    await untilEqual(raw, [stage.old.collection, late.collection])
    late.replay.check()
  })
}

test('in the store, an item of 8 MB in one field and one with __proto__: who joins has them', async () => {
  const stage = await scene()
  await raw.send('HSET', `${stage.base}:b`, 'big', JSON.stringify('x'.repeat(8 * 1024 * 1024)))
  await raw.send(
    'HSET',
    `${stage.base}:c`,
    '__proto__',
    '{"polluted":1}',
    'constructor',
    '{"prototype":{"polluted":1}}',
  )
  const late = new Listener(stage.name)
  await late.collection.subscribe()
  assert.deepStrictEqual(differences(new Map(late.collection), await readStore(raw, stage.name)), [])
  assert.deepStrictEqual(Object.keys(late.collection.get('c') ?? {}).sort(), ['__proto__', 'constructor', 'key'])
  toldOnce(late)
  // Who was there before heard nothing of what was done by hand.
  for (const key of ['b', 'c']) await stage.items.set(key, { key })
  await goesOn(stage)
})

/** What is done to the index; whoever joins finds the items all the same. */
const indexes: Record<string, (base: string) => (string | Buffer)[]> = {
  'a key without an item': (base) => ['ZADD', `${base}/log`, '2.5', 'phantom'],
  'a key that is empty': (base) => ['ZADD', `${base}/log`, '1', ''],
  'a key that is too long': (base) => ['ZADD', `${base}/log`, '1', 'k'.repeat(300)],
  'a key that is no UTF-8': (base) => ['ZADD', `${base}/log`, '1', Buffer.from([0xc3, 0x28])],
  'an infinite number': (base) => ['ZADD', `${base}/log`, '+inf', 'b'],
  'a negative number': (base) => ['ZADD', `${base}/log`, '-5', 'phantom'],
  'a fraction': (base) => ['ZADD', `${base}/log`, '2.5', 'phantom'],
  'a number from the future': (base) => ['ZADD', `${base}/log`, '1000000', 'b'],
  'a time from the future for what has none': (base) => ['ZADD', `${base}/ttl`, '1e15', 'b'],
  'a mark of a delete for what is there': (base) => ['ZADD', `${base}/ttl`, '-1', 'b'],
  'an origin that is none': (base) => ['HSET', `${base}/origins`, 'b', 'rubbish'],
  'a head that is none': (base) => ['HSET', `${base}/meta`, 'head', 'rubbish'],
  'epochs that are none': (base) => ['HSET', `${base}/meta`, 'epochs', 'rubbish %s :'],
  'no server': (base) => ['HDEL', `${base}/meta`, 'server'],
  'a forgotten that is none': (base) => ['HSET', `${base}/meta`, 'forgotten', 'rubbish'],
  'a forgotten from the future': (base) => ['HSET', `${base}/meta`, 'forgotten', '1000000'],
  'no meta': (base) => ['DEL', `${base}/meta`],
  'a meta with more in it': (base) => ['HSET', `${base}/meta`, '__proto__', 'x', 'other', 'y'],
}
for (const [what, harm] of Object.entries(indexes)) {
  test(`in the index, ${what}: who joins has what is there, the next writes arrive, all agree`, async () => {
    const stage = await scene({ auditInterval: 50 })
    await raw.sendBinary(...(harm(stage.base) as [string]))
    const late = new Listener(stage.name, { auditInterval: 50 })
    await late.collection.subscribe()
    await stage.items.set('b', { again: true })
    await stage.items.delete('c')
    const later = await goesOn(stage)
    await untilEqual(raw, [stage.old.collection, late.collection, later.collection])
    late.replay.check()
  })
}

/** A part of the collection is of a foreign type: nothing can be done before somebody has put it right. */
for (const part of ['log', 'ttl', 'meta', 'origins']) {
  test(`${part} is of another type: writes are refused and change nothing; once it is gone, everything goes on`, async () => {
    const stage = await scene({ auditInterval: 50 })
    const name = `${stage.base}/${part}`
    const before = await readStore(raw, stage.name)
    await raw.send('DEL', name)
    await raw.send('SET', name, 'foreign')
    for (const write of [
      () => stage.items.set('b', { x: 1 }),
      () => stage.items.delete('a'),
      () => stage.items.clear(),
    ]) {
      const error = await rejection(write())
      assert.deepStrictEqual([error.code, error.stored], ['STORE_REFUSED', 'no'])
    }
    assert.deepStrictEqual(differences(await readStore(raw, stage.name), before), [])
    const late = new Listener(stage.name)
    const joined = late.collection.subscribe()
    if (part === 'log' || part === 'meta') await until('it is told', () => late.complaints.errors.length > 0, deadline)
    await raw.send('DEL', name)
    // Whatever of the index was lost with it comes back with the next write of its key.
    for (const key of ['a', 'b', 'c']) await stage.items.set(key, { key, again: true })
    await joined
    await goesOn(stage)
    await untilEqual(raw, [late.collection])
    assert.ok(
      late.complaints.codes.every((code) => code === 'STORE_REFUSED'),
      `${late.complaints.codes}`,
    )
  })
}

test('a clear that is refused when a part of it was taken may have been stored, and says so', async () => {
  const stage = await scene()
  await Promise.all(Array.from({ length: 30_000 }, (_, i) => stage.items.set(`k${i}`, { i })))
  const clearing = rejection(stage.items.clear())
  try {
    await until('a part is taken', async () => (await raw.send('EXISTS', `${stage.base}:k0`)) === 0)
    await raw.send('CONFIG', 'SET', 'maxmemory', 1)
    const error = await clearing
    assert.deepStrictEqual([error.code, error.stored], ['STORE_REFUSED', 'unknown'])
  } finally {
    await raw.send('CONFIG', 'SET', 'maxmemory', 0)
  }
  const left = (await readStore(raw, stage.name)).size
  assert.ok(left > 0 && left < 30_000, `${left}`)
  await goesOn(stage)
  await untilEqual(raw, [stage.old.collection])
})

test('a collection of another layout is refused at once, to read and to write, and left as it is', async () => {
  const stage = await scene()
  await raw.send('HSET', `${stage.base}/meta`, 'layout', 2)
  const before = await readStore(raw, stage.name)
  const late = new Listener(stage.name)
  assert.strictEqual((await rejection(late.collection.subscribe())).code, 'UNSUPPORTED_STORE')
  const error = await rejection(late.collection.set('a', { x: 1 }))
  assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'no'])
  assert.deepStrictEqual(differences(await readStore(raw, stage.name), before), [])
  // The client is whole: its other collections go on.
  const other = late.client.database('test').collection<object>('other')
  await other.subscribe()
  await other.set('a', { x: 1 })
  assert.deepStrictEqual(other.get('a'), { x: 1 })
})

test.run()
