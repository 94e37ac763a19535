/**
 * Whatever is published to the subject on which a replica hears its consumer, or lies in the key that is the bucket's own (H1):
 * nothing crashes, no prototype changes, and replicas old and new agree with the store in the end.
 */
import assert from 'node:assert'
import { headers as newHeaders } from '@nats-io/transport-node'
import type { Collection } from '../../src'
import { Complaints, harmOf, natsSite, Replay, suite, untilEqual } from './support'

const test = suite('hostile, NATS')

const assertUnharmed = harmOf(test)

interface Junk {
  readonly reply?: string
  readonly text?: string | Uint8Array
  /** Of a status line. */
  readonly code?: number
  readonly headers?: Record<string, string>
  /** The server does not pass it on, or it means nothing. Otherwise it is reported as untrusted. */
  readonly isHarmless?: true
}

const stamp = (...tokens: unknown[]) => `$JS.ACK.KV_memis-test.consumer.1.${tokens.join('.')}`
const junk: Record<string, Junk> = {
  nothing: {},
  text: { text: 'hello' },
  'bytes that are no text': { text: Uint8Array.from([0xff, 0xfe, 0, 0x80]) },
  '900 KB': { text: 'x'.repeat(900_000) },
  'a reply subject of somebody else': { reply: 'somewhere.else', text: '{}' },
  // Of JetStream's own reply subjects, the server passes on none that a client makes up.
  'a reply subject with too few tokens': { reply: '$JS.ACK.KV_memis-test', text: '{}', isHarmless: true },
  'a reply subject with too many': { reply: stamp(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), text: '{}', isHarmless: true },
  'numbers that are none': { reply: stamp('one', 'two', 'three', 'four'), text: '{"lie":1}', isHarmless: true },
  'numbers that are negative': { reply: stamp(-1, -1, -1, 0), text: '{"lie":1}', isHarmless: true },
  'numbers beyond all': { reply: stamp('9'.repeat(40), '9'.repeat(40), 1, 0), text: '{"lie":1}', isHarmless: true },
  'numbers of the future': {
    reply: stamp(1_000_000, 1_000_000, '1700000000000000000', 0),
    text: '{"lie":1}',
    isHarmless: true,
  },
  'numbers of the past': { reply: stamp(1, 1, '1700000000000000000', 0), text: '{"lie":1}', isHarmless: true },
  'a heartbeat that knows nothing': { code: 100, isHarmless: true },
  'a heartbeat of the future': {
    code: 100,
    headers: { 'Nats-Last-Consumer': '999999', 'Nats-Last-Stream': '999999' },
    isHarmless: true,
  },
  'a heartbeat of rubbish': {
    code: 100,
    headers: { 'Nats-Last-Consumer': 'x', 'Nats-Last-Stream': '-1' },
    isHarmless: true,
  },
  'a question of the flow control that would purge the stream': {
    code: 100,
    reply: '$JS.API.STREAM.PURGE.KV_memis-test',
  },
  'a question of the flow control that would write': { code: 100, reply: '$KV.memis-test.items.a' },
  'a question of the flow control of another consumer': { code: 100, reply: '$JS.FC.KV_memis-test.other.abc' },
  'a stalled consumer, to be answered elsewhere': {
    code: 100,
    headers: { 'Nats-Consumer-Stalled': '$KV.memis-test.items.a' },
  },
  'a consumer that is gone': { code: 409 },
  'nobody there': { code: 503 },
  'a status that is none': { code: 999 },
}

for (const [what, { reply, text = '', code = 0, headers = {}, isHarmless = false }] of Object.entries(junk)) {
  test(`on the replica's own subject, ${what}: it goes on`, async () => {
    await using site = await natsSite()
    const { raw } = site
    await using client = site.client({ livenessTimeout: 2000, auditInterval: 100 })
    const complaints = new Complaints(client)
    const items = client.database('test').collection<object>('items')
    const replay = new Replay(items)
    const stales: string[] = []
    items.on('stale', (error) => void stales.push(error.code))
    await items.subscribe()
    for (const key of ['a', 'b', 'c']) await items.set(key, { key })
    const [consumer] = (await raw.consumers()) as unknown as { config: { deliver_subject: string } }[]
    const list = newHeaders(code, code === 0 ? '' : 'status')
    for (const [name, value] of Object.entries(headers)) list.set(name, value)
    const options = {
      ...(reply === undefined ? {} : { reply }),
      ...(code === 0 ? {} : { headers: list }),
    }
    for (let i = 0; i < 3; i++) raw.connection.publish(consumer?.config.deliver_subject ?? '', text, options)
    await raw.connection.flush()
    await agree(site, items)
    replay.check()
    assert.deepStrictEqual(complaints.codes, isHarmless ? [] : ['UNTRUSTED'])
    // Nothing that anybody can send ends a session (H6).
    assert.deepStrictEqual(stales, [])
  })
}

test('in the key that is the bucket’s own, rubbish: told, and passed over', async () => {
  await using site = await natsSite()
  await using client = site.client()
  const complaints = new Complaints(client)
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  await items.set('a', { n: 1 })
  for (const text of [
    'rubbish',
    '{"__proto__":{"polluted":1}}',
    '[1]',
    '[null]',
    '[{"id":"a b","floor":1}]',
    '[{"id":"a","floor":-0.5}]',
  ]) {
    await site.raw.publish('$KV.memis-test.=', text)
    assert.deepStrictEqual(await agree(site, items), ['UNDECODABLE'], text)
  }
  assert.deepStrictEqual(complaints.codes, [])
})

/** The next good writes are heard of, and all agree with the store and with who joins now. Returns what that one was told. */
async function agree(site: Awaited<ReturnType<typeof natsSite>>, items: Collection<object>): Promise<string[]> {
  await items.set('good', { good: true })
  await items.set('a', { again: true })
  await untilEqual(site.raw, [items])
  assert.deepStrictEqual(items.get('good'), { good: true })
  await using other = site.client()
  const complaints = new Complaints(other)
  const late = other.database('test').collection<object>('items')
  await late.subscribe()
  await untilEqual(site.raw, [items, late])
  assertUnharmed()
  return complaints.codes
}

test.run()
