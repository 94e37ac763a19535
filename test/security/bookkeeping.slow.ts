/**
 * Somebody who may write to the keys of a collection in Redis, and spoils what memis keeps beside the items (H9): the items stay, replicas are
 * right, joiners get in; while nobody writes and while others do.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { baseOf, Raw, redisSite } from '../redis/support'
import type { Site } from '../scenarios/site'
import { type Disposable, harmOf, suite, until } from '../support/testing'
import { type Ground, groundOf, Siege } from './siege'

const test = suite('security: bookkeeping in Redis', 60_000)
const assertUnharmed = harmOf(test)

let ground: Disposable<Ground<Site>>
let raw: Raw
let count = 0

test.before(async () => {
  ground = await groundOf(await redisSite())
  raw = await Raw.connect(ground.site.server.url)
})
test.after.each(async () => assertUnharmed())
test.after(async () => {
  await raw[Symbol.asyncDispose]()
  await ground[Symbol.asyncDispose]()
})

/** `epoch` of meta, taken apart, and the head. */
interface Meta {
  readonly id: string
  readonly floor: string
  readonly server: string
  readonly secret: string
  readonly sign: string
  readonly head: number
}

async function metaOf(base: string): Promise<Meta> {
  const [epoch, head, sign] = await raw.send('HMGET', `${base}/meta`, 'epoch', 'head', 'sign')
  const [id, floor, server, secret] = epoch.split(' ')
  return { id, floor, server, secret, sign, head: Number(head) }
}

const idAt = (ms: number, end = 'ffffffff') => `${ms.toString(16).padStart(11, '0')}-${end}`
const day = 86_400_000

type Command = readonly (string | number)[]
type Harm = (base: string, meta: Meta) => readonly Command[]

const meta =
  (field: string, value: (meta: Meta) => string): Harm =>
  (base, known) => [['HSET', `${base}/meta`, field, value(known)]]
const revision =
  (value: (meta: Meta) => string): Harm =>
  (base, known) =>
    ['key 1', 'key 2', 'absent'].map((key) => ['HSET', `${base}/revs`, key, value(known)])
/** Begins another epoch by itself: what came before counts to the list. */
const former =
  (value: (meta: Meta) => string): Harm =>
  (base, known) => [
    ['HSET', `${base}/meta`, 'epoch', `${idAt(Date.now())} ${known.head} ${known.server} ${known.secret}`],
    ['HSET', `${base}/meta`, 'epochs', value(known)],
  ]

const harms: Record<string, Harm> = {
  'a revision beyond all places of the epoch': revision(({ id }) => `${id}.9007199254740991`),
  'a revision of the place after the last': revision(({ id, head }) => `${id}.${head + 1}`),
  'a revision of an epoch that is still to come': revision(() => `${idAt(Date.now() + day / 2)}.1`),
  'a revision of letters': revision(() => 'zzz.1'),
  'a revision of a former epoch, beyond all places': revision(() => `${idAt(1)}.9007199254740991`),
  'a revision of a megabyte': revision(() => `${'9'.repeat(1e6)}.1`),
  'a former epoch of letters': former(() => 'zzz:0'),
  'a former epoch that is still to come': former(() => `${idAt(Date.now() + day / 2)}:0`),
  'a former epoch beyond all time': former(() => 'fffffffffff-ffffffff:0'),
  'a former epoch with a higher floor': former(({ head }) => `${idAt(1)}:${head + 100}`),
  'former epochs between tabs': former(() => `${idAt(1)}:0\t${idAt(2)}:1`),
  'former epochs that run backwards': former(() => `${idAt(2)}:5 ${idAt(1)}:7`),
  'a former epoch with a third part': former(() => `${idAt(1)}:0:zzz`),
  'an epoch of a server with odd characters': meta('epoch', (m) => `${m.id} ${m.floor} \u00a0 ${m.secret}`),
  'an epoch of a server with a long name': meta('epoch', (m) => `${m.id} ${m.floor} ${'x'.repeat(70)} ${m.secret}`),
  'an epoch of this server a day ahead': meta(
    'epoch',
    (m) => `${idAt(Date.now() + day - 100)} 0 ${m.server} ${m.secret}`,
  ),
  'an epoch with another secret': meta('epoch', (m) => `${m.id} ${m.floor} ${m.server} ${'a'.repeat(40)}`),
  'an epoch with its floor at the end': meta('epoch', (m) => `${m.id} ${m.head} ${m.server} ${m.secret}`),
  'the signature of somebody else': meta('sign', () => 'a'.repeat(40)),
  'a head just below the limit': meta('head', () => '9007199252643839'),
  'a clear at the end': meta('cleared', ({ head }) => String(head)),
  'tombstones that were all forgotten': meta('forgotten', ({ head }) => String(head)),
  'a retention without end': meta('retention', () => '9007199252643840'),
  'places beyond all numbers, and no epoch': (base) => [
    [
      'ZADD',
      `${base}/log`,
      '9007199254740991',
      'phantom',
      '9007199252643840',
      'phantom 2',
      '4503599627370496',
      'phantom 3',
    ],
    ['HDEL', `${base}/meta`, 'epoch'],
  ],
  'places without end in both directions': (base) => [['ZADD', `${base}/log`, '+inf', 'phantom', '-inf', 'phantom 2']],
  'times without end in both directions': (base) => [['ZADD', `${base}/ttl`, '+inf', 'key 1', '-inf', 'absent']],
  'a key of 20 MB': (base) => [['ZADD', `${base}/log`, '1', 'k'.repeat(20e6)]],
  'a megabyte in each field': (base) =>
    ['epoch', 'epochs', 'sign', 'cards', 'forgotten', 'cleared', 'retention'].map((field) => {
      return ['HSET', `${base}/meta`, field, `${idAt(1)} `.repeat(50_000)]
    }),
}

for (const [what, harm] of Object.entries(harms)) {
  test(`${what}: nothing is lost, nobody is wrong (H9)`, async () => {
    const name = `harm ${++count}`
    const base = baseOf('test', name)
    await using siege = await Siege.begin(ground, name, { isWriter: true })
    let big = 0
    const { bytes } = await siege.endure(async () => {
      for (let i = 0; i < 3; i++) {
        const commands = harm(base, await metaOf(base).catch(() => assert.fail('meta is gone')))
        big = Math.max(big, ...commands.flat().map((word) => String(word).length))
        for (const command of commands) await raw.send(...command)
        await siege.write('key 3')
      }
    })
    // Twelve items: each replica may have to read them again a few times, but nothing that was put there.
    assert.ok(bytes < 3_000_000, `${bytes} bytes`)
  })
}

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/** As a client of the collection can sign it. */
function signed(
  { id, sign, secret }: Meta,
  first: number,
  last: number | string,
  payload: string,
  extras = '',
): string {
  const body = `${sign.slice(0, 16)} ${id} ${first} ${last}${extras}`
  return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
}

/** Lies that are signed. Replicas may take them for true and restore them, since only clients of the collection can sign. */
const lies: Record<string, (meta: Meta) => string> = {
  'a set whose revision nothing can replace': (m) =>
    signed(m, m.head + 1, m.head + 1, `[["key 1",0,{"lie":1},{"r":"${m.id}.9007199254740991"}]]`),
  'a delete whose revision nothing can replace': (m) =>
    signed(m, m.head + 1, m.head + 1, `[["key 1",{"r":"${m.id}.9007199254740991"}]]`),
  'a set of an epoch that is still to come': (m) =>
    signed(m, m.head + 1, m.head + 1, `[["key 1",0,{"lie":1},{"r":"${idAt(Date.now() + day / 2)}.1"}]]`),
  'all places there are': (m) => signed(m, m.head + 1, '9999999999999999', '[["key 1"]]'),
  'contents to be read, at all places there are': (m) => signed(m, m.head + 1, '9999999999999999', '', ' x=1'),
  'a gap without end': (m) => signed(m, 9_007_199_254_740_000, 9_007_199_254_740_000, '[["key 1"]]'),
  'an item nested 50,000 deep': (m) =>
    signed(m, m.head + 1, m.head + 1, `[["key 1",0,{"a":${'['.repeat(5e4)}${']'.repeat(5e4)}}]]`),
  'a million numbers in the header': (m) => signed(m, m.head + 1, m.head + 1, '[["key 1"]]', ` v=${'0,'.repeat(1e6)}0`),
  'a ttl without end': (m) => signed(m, m.head + 1, m.head + 1, '[["key 1",1e308,{"lie":1}]]'),
  'a key that is no text': (m) => signed(m, m.head + 1, m.head + 1, '[[{"length":1},0,{"lie":1}]]'),
  'nothing at all': (m) => signed(m, m.head + 1, m.head, '[]'),
  'a clear': (m) => signed(m, m.head + 1, m.head + 1, '[null]'),
}
for (const [what, make] of Object.entries(lies)) {
  test(`${what}, signed, which the store does not have: replicas come to hold what the store holds (H1)`, async () => {
    const name = `signed ${++count}`
    const base = baseOf('test', name)
    await using siege = await Siege.begin(ground, name, { isWriter: true })
    for (let i = 0; i < 3; i++) {
      await raw.send('PUBLISH', base, make(await metaOf(base)))
      await siege.write('key 4')
      await siege.settles()
    }
    // Whatever was said of a key, the next true write of it counts.
    for (const key of ['key 1', 'key 2']) await siege.write(key)
    await siege.settles()
    for (const replica of siege.replicas) {
      for (const key of ['key 1', 'key 2', 'key 4']) assert.deepStrictEqual(replica.get(key), siege.truth.get(key))
      await until('it is live', () => replica.freshness.state === 'live', 5000)
    }
  })
}

test.run()
