/**
 * Whatever arrives on a channel or lies in the store (H1): nothing crashes, no prototype changes, the stream goes on, it is
 * told as an error with a code, once a burst, and replicas old and new agree in the end.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
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
  const [text, last, sign] = await raw.send('HMGET', `${base}/meta`, 'epoch', 'head', 'sign')
  const [epoch, , , secret] = text.split(' ')
  return { name, base, items, old, epoch, secret, head: Number(last), sign } as const
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

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/** A notification of these places. With `secret`, as somebody would sign it who may read the collection's keys. */
function forge(
  { epoch, sign }: Pick<Scene, 'epoch' | 'sign'>,
  first: number | string,
  payload: string,
  { last = first, extras = '', secret = '' }: { last?: number | string; extras?: string; secret?: string } = {},
): string {
  const body = `${sign.slice(0, 16)} ${epoch} ${first} ${last}${extras}`
  return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** Not a notification of memis at all. */
const foreign: Record<string, string | Buffer> = {
  nothing: '',
  'a word': 'hello',
  'a line': '\n',
  'our name alone': 'memis2',
  'our name and a line': 'memis2\n',
  'another version': 'memis1 1a21f06a497-24dabc29 1 1 \n[]',
  'JSON of somebody else': '{"type":"set","key":"a","value":{"__proto__":{"polluted":1}}}',
  'numbers that are none': `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 one two\n[]`,
  'negative numbers': `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 -1 -1\n[["a"]]`,
  'a number too long': `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 1 ${'9'.repeat(40)}\n[["a"]]`,
  'no line break': `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 1 1 [["a"]]`,
  'bytes that are no text': Buffer.from([0xff, 0xfe, 0, 0x80, 0x0a, 0xc3]),
  '8 MB': 'x'.repeat(8 * 1024 * 1024),
  'a list of what changed nothing that does not end': `memis2 ${'0'.repeat(40)} 0 1a21f06a497-24dabc29 1 1 v=${'0,'.repeat(4e6)}\n[]`,
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

/** The header is right, of the next place, and signed; what follows is not what it should be. */
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
  test(`after a good header that is signed, ${what}: told once, and put right`, async () => {
    const stage = await scene({ auditInterval: 50 })
    await raw.send('PUBLISH', stage.base, forge(stage, stage.head + 1, payload, stage))
    await until('it is told', () => stage.old.complaints.errors.length > 0, deadline)
    await goesOn(stage)
    toldOnce(stage.old, stage.old.complaints.codes[0] === 'OUT_OF_TOUCH' ? 'OUT_OF_TOUCH' : 'UNDECODABLE')
  })
}

const lie = '[["a",0,{"lie":1}]]'
const other = '1a21f06a497-24dabc29'

/** Places that do not fit. `more`: with it, signed as somebody would who may read the collection's keys. */
const astray: Record<string, (stage: Scene, more: { secret?: string }) => string> = {
  'of another epoch': (stage, more) => forge({ ...stage, epoch: other }, stage.head + 1, lie, more),
  'of another epoch, far ahead': (stage, more) => forge({ ...stage, epoch: other }, stage.head + 1000, lie, more),
  'of an epoch from the future': (stage, more) => forge({ ...stage, epoch: 'fffffffffff-ffffffff' }, 1, lie, more),
  'of the future': (stage, more) => forge(stage, stage.head + 1000, lie, more),
  'of the far future': (stage, more) => forge(stage, 9007199254740991, lie, more),
  'beyond all numbers': (stage, more) => forge(stage, '9999999999999999', lie, more),
  'of everything at once': (stage, more) => forge(stage, 1, lie, { ...more, last: 9007199254740991 }),
  'of the past': (stage, more) => forge(stage, 1, lie, more),
  'that run backwards': (stage, more) => forge(stage, stage.head + 1, lie, { ...more, last: stage.head - 1 }),
  'of place 0': (stage, more) => forge(stage, 0, lie, more),
  'without contents': (stage, more) => forge(stage, stage.head + 1, '', { ...more, extras: ' x=1' }),
  'that follow on nothing': (stage, more) => forge({ ...stage, sign: 'f'.repeat(40) }, stage.head + 1, lie, more),
}
for (const [what, make] of Object.entries(astray)) {
  test(`notifications ${what} that nobody signed change nothing, and are told as UNTRUSTED once`, async () => {
    const stage = await scene({ auditInterval: 50 })
    for (let i = 0; i < 3; i++) await raw.send('PUBLISH', stage.base, make(stage, {}))
    await goesOn(stage)
    await until('it is told', () => stage.old.complaints.errors.length > 0, deadline)
    toldOnce(stage.old, 'UNTRUSTED')
    assert.deepStrictEqual(stage.old.stales, [])
  })

  test(`notifications ${what}, signed by a client that lies, change nothing in the end`, async () => {
    const stage = await scene({ auditInterval: 50 })
    for (let i = 0; i < 3; i++) await raw.send('PUBLISH', stage.base, make(stage, stage))
    await goesOn(stage)
    const expected = ['UNDECODABLE', 'OUT_OF_TOUCH', 'UNTRUSTED']
    assert.deepStrictEqual(
      stage.old.complaints.codes.filter((code) => !expected.includes(code)),
      [],
    )
  })
}

/** Well-formed, and of the next place. */
const lies: Record<string, string> = {
  'a set': lie,
  'a new key': '[["lie",0,{"lie":1}]]',
  'a delete': '[["b"]]',
  'a ttl': '[["a",1,{"key":"a"}]]',
  'an item with __proto__': '[["__proto__",0,{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}]]',
  'a negative ttl': '[["a",-5,{"lie":1}]]',
  'an older revision': '[["a",0,{"lie":1},{"r":"0.1"}]]',
}
for (const [what, payload] of Object.entries(lies)) {
  test(`a well-formed lie, ${what}, that nobody signed changes nothing (H6)`, async () => {
    const stage = await scene({ auditInterval: 50 })
    const before = await readMeta(stage)
    for (const secret of ['', 'a guess', '0'.repeat(40)]) {
      await raw.send('PUBLISH', stage.base, forge(stage, stage.head + 1, payload, { secret }))
    }
    await until('they are ignored', () => stage.old.client.errorCounts.UNTRUSTED === 3, deadline)
    assert.deepStrictEqual(await readMeta(stage), before)
    assert.strictEqual(stage.old.replay.events, 3)
    await goesOn(stage)
    toldOnce(stage.old, 'UNTRUSTED')
    assert.deepStrictEqual(stage.old.stales, [])
  })

  for (const quiet of [true, false]) {
    test(`a well-formed lie, ${what}, signed by a client that lies, ${quiet ? '' : 'with a true write right after it, '}is put right`, async () => {
      const stage = await scene({ auditInterval: 50 })
      await raw.send('PUBLISH', stage.base, forge(stage, stage.head + 1, payload, stage))
      if (!quiet) await stage.items.set('true', { number: stage.head + 1 })
      await until('it is found out', () => stage.old.stales.length > 0, deadline)
      await untilEqual(raw, [stage.old.collection], { deadline })
      await goesOn(stage)
    })
  }

  /** Found out by the audit first, and the places are given before the replica is back: what is read then begins before the lie. */
  test(`a well-formed lie, ${what}, signed, that the audit finds just before a true write is put right`, async () => {
    const stage = await scene({ auditInterval: 20 })
    const writes: Promise<unknown>[] = []
    const { items, old } = stage
    old.collection.once('stale', () =>
      writes.push(items.set('true', { number: stage.head + 1 }), items.set('b', { n: 2 })),
    )
    await raw.send('PUBLISH', stage.base, forge(stage, stage.head + 1, payload, stage))
    await until('it is found out', () => writes.length > 0, deadline)
    await Promise.all(writes)
    await untilEqual(raw, [old.collection], { deadline })
    await goesOn(stage)
  })
}

const readMeta = ({ base }: Scene): Promise<unknown> => raw.send('HMGET', `${base}/meta`, 'head', 'epoch', 'epochs')

test('names and extras that a reader does not know are passed over: there is room to grow', async () => {
  const stage = await scene()
  const payload = '[["a",0,{"v":1},{"by":"somebody","trace":["x"]}],["b",{"why":"tidying up"}]]'
  const message = forge(stage, stage.head + 1, payload, {
    ...stage,
    last: stage.head + 2,
    extras: ' by=web-1 trace=00-4bf92f:x/y',
  })
  await raw.send('PUBLISH', stage.base, message)
  await until('it is believed', () => stage.old.replay.events === 5)
  assert.deepStrictEqual([stage.old.collection.get('a'), stage.old.collection.has('b')], [{ v: 1 }, false])
  assert.deepStrictEqual(stage.old.complaints.codes, [])
})

test('while rubbish is published without end, 2,000 writes arrive and joiners join', async () => {
  const stage = await scene()
  const { name, base, items, old, head } = stage
  const messages = [
    ...Object.values(foreign),
    ...Object.values(broken).map((payload) => forge(stage, head + 1, payload)),
  ]
  const rubbish = [...messages, ...Object.values(astray).map((make) => make(stage, {}))].filter(
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

test('in the store, an item of 8 MB in one field: who accepts it has it, others do without, and tell (H8)', async () => {
  const stage = await scene()
  await raw.send('HSET', `${stage.base}:b`, 'big', JSON.stringify('x'.repeat(8 * 1024 * 1024)))
  const [late, generous] = [new Listener(stage.name), new Listener(stage.name, { maxItemBytes: 16 * 1024 * 1024 })]
  await Promise.all([late.collection.subscribe(), generous.collection.subscribe()])
  assert.deepStrictEqual([...late.collection.keys()].sort(), ['a', 'c'])
  assert.deepStrictEqual(differences(new Map(generous.collection), await readStore(raw, stage.name)), [])
  assert.ok(late.complaints.codes.includes('LIMIT_EXCEEDED'), String(late.complaints.codes))
  toldOnce(generous)
  await stage.items.set('b', { key: 'b' })
  await goesOn(stage)
  await untilEqual(raw, [late.collection])
})

test('in the store, fields called __proto__ and constructor: who joins has them', async () => {
  const stage = await scene()
  const fields = ['__proto__', '{"polluted":1}', 'constructor', '{"prototype":{"polluted":1}}']
  await raw.send('HSET', `${stage.base}:c`, ...fields)
  const late = new Listener(stage.name)
  await late.collection.subscribe()
  assert.deepStrictEqual(differences(new Map(late.collection), await readStore(raw, stage.name)), [])
  assert.deepStrictEqual(Object.keys(late.collection.get('c') ?? {}).sort(), ['__proto__', 'constructor', 'key'])
  toldOnce(late)
  // Who was there before heard nothing of what was done by hand.
  await stage.items.set('c', { key: 'c' })
  await goesOn(stage)
})

const zeros = '0'.repeat(40)

/** A field of meta, and what somebody wrote into it. */
const metas: Record<string, [string, string]> = {
  'a head that is none': ['head', 'rubbish'],
  'a head that is no number': ['head', 'nan'],
  'a head without end': ['head', 'inf'],
  'a head beyond all numbers': ['head', '1e308'],
  'the last head there can be': ['head', '9007199254740991'],
  'a head of fifteen digits': ['head', '100000000000000'],
  'a negative head': ['head', '-5'],
  'a head between two': ['head', '1.5'],
  'a head in hexadecimal': ['head', '0x10'],
  'a head that went back': ['head', '1'],
  'an epoch that is none': ['epoch', 'rubbish %s :'],
  'an epoch that is empty': ['epoch', ''],
  'an epoch that sorts after all': ['epoch', `fffffffffff-ffffffff 0 - ${zeros}`],
  'an epoch of letters': ['epoch', `zzzzzzzzzzz-zzzzzzzz 0 - ${zeros}`],
  'an epoch with a floor beyond the head': ['epoch', `01a21eb6bc8-2b15414c 99 - ${zeros}`],
  'an epoch with a floor beyond all numbers': ['epoch', `01a21eb6bc8-2b15414c ${'9'.repeat(20)} - ${zeros}`],
  'an epoch of a megabyte': ['epoch', 'x'.repeat(1e6)],
  'epochs that are none': ['epochs', 'rubbish %s :'],
  'epochs that run backwards': ['epochs', '01a21eb6bc8-2b15414c:9 01a21eb6bc7-2b15414c:1'],
  '200,000 epochs': ['epochs', Array.from({ length: 200_000 }, (_, i) => `e${i}:1`).join(' ')],
  'a signature that is none': ['sign', 'rubbish'],
  'a forgotten that is none': ['forgotten', 'rubbish'],
  'a forgotten from the future': ['forgotten', '1000000'],
  'a forgotten without end': ['forgotten', 'inf'],
  'a clear that is none': ['cleared', 'nan'],
  'a clear from the future': ['cleared', '1000000'],
  'cards that are none': ['cards', 'rubbish'],
  'cards that have expired': ['cards', '1 1 0 5'],
  'cards that never expire': ['cards', `9 9 0 ${'9'.repeat(29)}`],
  'cards of a megabyte': ['cards', '1'.repeat(1e6)],
  'a retention that is none': ['retention', '-1'],
  'a retention without end': ['retention', '1e300'],
  'a field that it does not know': ['__proto__', 'x'],
}

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
  'a revision that is none': (base) => ['HSET', `${base}/revs`, 'b', 'rubbish'],
  'a revision from the future': (base) => ['HSET', `${base}/revs`, 'b', 'fffffffffff-ffffffff.9'],
  'no meta': (base) => ['DEL', `${base}/meta`],
  ...Object.fromEntries(
    Object.entries(metas).map(([what, [field, value]]) => {
      return [what, (base: string) => ['HSET', `${base}/meta`, field, value]]
    }),
  ),
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
for (const part of ['log', 'ttl', 'meta', 'revs']) {
  test(`${part} is of another type: writes are refused and change nothing; once it is gone, everything goes on`, async () => {
    const stage = await scene({ auditInterval: 50 })
    const name = `${stage.base}/${part}`
    const before = await readStore(raw, stage.name)
    await raw.send('DEL', name)
    await raw.send('SET', name, 'foreign')
    // One that has not written a moment ago, and so takes nothing for granted.
    const { collection } = new Listener(stage.name)
    for (const write of [() => collection.set('b', { x: 1 }), () => collection.delete('a'), () => collection.clear()]) {
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
    await raw.send('HSET', `${stage.base}/meta`, 'layout', 3)
    const error = await clearing
    assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'unknown'])
  } finally {
    await raw.send('HSET', `${stage.base}/meta`, 'layout', 2)
  }
  const left = (await readStore(raw, stage.name)).size
  assert.ok(left > 0 && left < 30_000, `${left}`)
  await goesOn(stage)
  await untilEqual(raw, [stage.old.collection])
})

test('a collection of another layout is refused at once, to read and to write, and left as it is', async () => {
  const stage = await scene()
  await raw.send('HSET', `${stage.base}/meta`, 'layout', '3\x1b[31mRED\r\nFAKE')
  const before = await readStore(raw, stage.name)
  const late = new Listener(stage.name)
  const refused = await rejection(late.collection.subscribe())
  assert.strictEqual(refused.code, 'UNSUPPORTED_STORE')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(refused.message, /[\x00-\x1f\x7f]/)
  const error = await rejection(late.collection.set('a', { x: 1 }))
  assert.deepStrictEqual([error.code, error.stored], ['UNSUPPORTED_STORE', 'no'])
  assert.deepStrictEqual(differences(await readStore(raw, stage.name), before), [])
  // The client is whole: its other collections go on.
  const other = late.client.database('test').collection<object>('other')
  await other.subscribe()
  await other.set('a', { x: 1 })
  assert.deepStrictEqual(other.get('a'), { x: 1 })
})

for (const [what, item] of [
  ['characters of several bytes', { text: '\u20ac'.repeat(900) }],
  ['a name that has to be escaped', { ['\u0001'.repeat(300)]: 1 }],
] as const) {
  test(`H8 ${what}: replicas that were there and that join agree on what is too large`, async () => {
    const name = `limits ${count++}`
    const old = new Listener(name, { maxItemBytes: 1000 })
    await old.collection.subscribe()
    const items = writer.database('test').collection<object>(name)
    await items.set('large', item)
    await items.set('small', { n: 1 })
    await until('it is told', () => old.collection.has('small'))
    const joiner = new Listener(name, { maxItemBytes: 1000 })
    await joiner.collection.subscribe()
    assert.deepStrictEqual([...old.collection.keys()], ['small'])
    assert.deepStrictEqual([...joiner.collection.keys()], ['small'])
  })
}

test('H9 a ttl beyond all bounds is cut to the longest: a set that keeps it is written whole', async () => {
  const name = `limits ${count++}`
  const items = writer.database('test').collection<{ n: number }>(name)
  await items.set('a', { n: 1 }, 60)
  await raw.send('PEXPIREAT', `${baseOf('test', name)}:a`, '9223372036854775807')
  await items.transaction((t) => {
    t.set('first', { n: 2 })
    t.set('a', { n: 2 }, 'keep')
  })
  const joiner = new Listener(name)
  await joiner.collection.subscribe()
  assert.deepStrictEqual([...joiner.collection].sort(), [
    ['a', { n: 2 }],
    ['first', { n: 2 }],
  ])
})

test.run()
