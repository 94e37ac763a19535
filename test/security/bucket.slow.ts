/**
 * Somebody who may write to a bucket of NATS, and writes what memis would not (H1, H9): the other items stay, replicas are right, joiners get in;
 * while nobody writes and while others do.
 */
import assert from 'node:assert'
import { connect, type NatsConnection, headers as newHeaders } from '@nats-io/transport-node'
import { natsSite } from '../nats/support'
import { type Disposable, harmOf, suite } from '../support/testing'
import { type NatsSite, publishByHand, unreadable } from './nats-users'
import { type Ground, groundOf, Siege } from './siege'

const test = suite('security: a bucket of NATS', 60_000)
const assertUnharmed = harmOf(test)

let ground: Disposable<Ground<NatsSite>>
let writer: NatsConnection
let count = 0

test.before(async () => {
  ground = await groundOf<NatsSite>(await natsSite())
  writer = await connect({ servers: ground.site.server.url })
})
test.after.each(async () => assertUnharmed())
test.after(async () => {
  await writer.close()
  await ground[Symbol.asyncDispose]()
})

interface Message {
  /** Behind the collection's name and a dot. */
  readonly key: string
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function put(
  connection: NatsConnection,
  subject: string,
  { text = '{"lie":1}', headers = {} }: Message,
): Promise<void> {
  const list = newHeaders()
  for (const [name, value] of Object.entries(headers)) list.set(name, value)
  await connection.request(subject, text, { headers: list, timeout: 10_000 })
}

const tomorrow = () => new Date(Date.now() + 43_200_000).toISOString().replace('Z', '000000Z')

/** Messages of the key `own`, which is the attacker's, unless another one is named; that one is no key of memis. */
const messages: Record<string, () => readonly Message[]> = {
  'revisions of the future': () =>
    [`${tomorrow()}.1`, `${tomorrow()}.9007199254740991`, 'zzz.1', `${'z'.repeat(100)}.1`].map((revision) => {
      return { key: 'own', headers: { 'Memis-Revision': revision } }
    }),
  'revisions that are none': () =>
    ['', '.', '1', '.1', 'a.', '0.0', 'a.-1', 'a.1.5', 'x'.repeat(3000), '0.9007199254740992'].map((revision) => {
      return { key: 'own', headers: { 'Memis-Revision': revision } }
    }),
  'ttls of all kinds': () =>
    ['0', '-1', '9'.repeat(15), '9'.repeat(99), '1.5', 'NaN', '1e9', ''].map((ttl) => {
      return { key: 'own', headers: { 'Memis-TTL': ttl } }
    }),
  'tombstones with a body': () =>
    ['KV-Operation', 'Nats-Marker-Reason', 'Memis-Gone'].map((name) => ({ key: 'own', headers: { [name]: 'DEL' } })),
  'batches that never end': () =>
    ['1', '7', '999999'].map((position) => {
      return { key: 'own', headers: { 'Nats-Batch-Sequence': position, 'Memis-Batch': '900000000000000' } }
    }),
  'marks of a clear that never ends': () => [{ key: '=', text: '' }],
  'marks of a clear with a revision': () =>
    [`${tomorrow()}.1`, 'zzz.1', 'a.9007199254740991'].map((revision) => {
      return { key: '=', text: '', headers: { 'Memis-Revision': revision } }
    }),
  'keys in another form': () =>
    ['key=2020', '=6Bey', 'a=2', 'a=zz', '=C3=28', 'a=3D=', '=2E=2E'].map((key) => ({ key })),
  'bodies that are no items': () =>
    [
      '',
      'x',
      '[1]',
      'null',
      '1',
      '{"a":1e999}',
      `{"a":${'['.repeat(200_000)}`,
      `{"a":${'{"b":'.repeat(2000)}1${'}'.repeat(2001)}`,
    ].map((text) => ({ key: 'own', text })),
  'an item with __proto__': () => [{ key: 'own', text: '{"__proto__":{"polluted":1},"constructor":{"prototype":1}}' }],
  'an item of 900 KB': () => [{ key: 'own', text: `{"a":"${'x'.repeat(900_000)}"}` }],
  'five hundred keys': () => Array.from({ length: 500 }, (_, i) => ({ key: `own.${i}` })),
}

/** Removes what the attacker has put under keys of its own, so that the truth is comparable. */
async function tidy(siege: Siege): Promise<void> {
  const start = `$KV.memis-test.${siege.name}.`
  for (const { subject } of await ground.site.raw.messages('test', start)) {
    const key = subject.slice(start.length)
    if (!/^(key=20\d+|fence|the=20next)/.test(key) || key === 'key=2020')
      await put(writer, subject, { key, text: '', headers: { 'KV-Operation': 'PURGE' } })
  }
}

for (const [what, make] of Object.entries(messages)) {
  test(`${what}: the others’ items are untouched, and everybody goes on (H1)`, async () => {
    const name = `bucket${++count}`
    await using siege = await Siege.begin(ground, name, { isWriter: true })
    await siege.endure(async () => {
      await Promise.all(make().map((each) => put(writer, `$KV.memis-test.${name}.${each.key}`, each)))
      await siege.fence()
      await tidy(siege)
    })
    assert.deepStrictEqual(siege.stales, [])
  })
}

for (const [what, head] of Object.entries(unreadable)) {
  test(`a message with ${what}: absent, told as UNDECODABLE, and nobody stops at it (H1, H7)`, async () => {
    const name = `bucket${++count}`
    await using siege = await Siege.begin(ground, name, { isWriter: true })
    const subject = `$KV.memis-test.${name}.key=201`
    const { blockMs } = await siege.endure(async () => {
      for (let i = 0; i < 10; i++)
        await publishByHand(ground.site.server.port, 'all', [{ subject, head, text: '{"lie":1}' }])
      // It replaces the item of that key, for replicas and for whoever joins.
      for (const replica of siege.replicas) await siege.untilAbsent(replica, 'key 1')
      await siege.write('key 1')
    })
    assert.deepStrictEqual(siege.stales, [])
    assert.ok(blockMs < 2000, `the event loop stood still for ${blockMs} ms`)
    for (const { codes } of siege.complaints.slice(1)) assert.deepStrictEqual([...new Set(codes)], ['UNDECODABLE'])
  })
}

test('the ids of the next writes, used up by somebody who has seen the last ones: each write is stored all the same (H9)', async () => {
  const name = `bucket${++count}`
  await using siege = await Siege.begin(ground, name, { isWriter: true })
  await siege.endure(async () => {
    const last = await ground.site.raw.last('test', `$KV.memis-test.${name}.key=201`)
    const id = last?.headers.get('Nats-Msg-Id') ?? ''
    const parts = id.split('.')
    const next = Array.from({ length: 40 }, (_, i) =>
      parts.map((part, p) => {
        const number = Number.parseInt(part, 36)
        return p > 0 && /^[0-9a-z]{1,6}$/.test(part) ? (number + (p === parts.length - 1 ? 0 : i)).toString(36) : part
      }),
    )
    for (const each of [id, ...next.map((each) => each.join('.'))]) {
      await put(writer, '$KV.memis-test.elsewhere.x', { key: '', headers: { 'Nats-Msg-Id': each } })
    }
    await siege.write('key 1')
    await siege.items.delete('key 2')
    siege.truth.delete('key 2')
    await siege.write('key 2')
  })
})

/** Lists of epochs, in a bucket of its own each. */
const lists: Record<string, (created: string) => string> = {
  'an epoch of letters': () => '[{"id":"May-01-2000-00:00:0.000000000Z","floor":0}]',
  'an epoch of other letters': (created) =>
    `[{"id":"${created}","floor":0},{"id":"T.TT.zGnzJnTMTeUnbM.000000000Z","floor":3}]`,
  'an epoch of tomorrow': (created) => `[{"id":"${created}","floor":0},{"id":"${tomorrow()}","floor":3}]`,
  'an epoch of next year': (created) =>
    `[{"id":"${created}","floor":0},{"id":"2999-01-01T00:00:00.000000000Z","floor":3}]`,
  'a floor beyond all places': (created) =>
    `[{"id":"${created}","floor":0},{"id":"${tomorrow()}","floor":9007199254740991}]`,
  'a floor that is none': (created) => `[{"id":"${created}","floor":-1},{"id":"${tomorrow()}","floor":1.5}]`,
  'the same epoch twice': (created) => `[{"id":"${created}","floor":0},{"id":"${created}","floor":3}]`,
  'epochs that run backwards': (created) => `[{"id":"${tomorrow()}","floor":0},{"id":"${created}","floor":3}]`,
  'twenty thousand epochs': (created) => `[${Array(20_000).fill(`{"id":"${created}","floor":0}`).join()}]`,
  'no list': () => '{"__proto__":{"polluted":1}}',
}
for (const [what, make] of Object.entries(lists)) {
  test(`a list with ${what}: nothing is lost, nobody is wrong (H9)`, async () => {
    await using own = await groundOf<NatsSite>(await natsSite())
    await using siege = await Siege.begin(own, 'items', { isWriter: true })
    const { created } = await own.site.raw.ask('STREAM.INFO.KV_memis-test')
    const [, seconds, fraction = ''] = /^(.{19})\.?(\d*)Z$/.exec(created) ?? []
    const id = `${seconds}.${fraction.padEnd(9, '0')}Z`
    await siege.endure(async () => {
      await put(own.site.raw.connection, '$KV.memis-test.=', { key: '=', text: make(id) })
      await siege.write('key 3')
    })
  })
}

test('a rollup that removes everything, of items that expire, is noticed (K2)', async () => {
  await using own = await groundOf<NatsSite>(await natsSite())
  const client = own.site.client({ auditInterval: 100 })
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  for (const key of ['a', 'b']) await items.set(key, { key }, 600)
  await put(own.site.raw.connection, '$KV.memis-test.other.x', { key: '', headers: { 'Nats-Rollup': 'all' } })
  const emptied = await Promise.race([
    new Promise<string>((resolve) => items.on('delete', () => items.size === 0 && resolve('emptied'))),
    new Promise<string>((resolve) => setTimeout(() => resolve('not noticed'), 5000).unref()),
  ])
  assert.strictEqual(emptied, 'emptied')
  await client.close()
})

test.run()
