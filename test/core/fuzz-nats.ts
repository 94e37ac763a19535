/** What comes from NATS: messages of a stream, delivered or read. */
import assert from 'node:assert'
import { isKey } from '../../src/core/names'
import { decodeDelivery, decodeHeaders, decodeStored, entryOf } from '../../src/transports/nats/decode'
import { keyOf, namesOf, subjectOf } from '../../src/transports/nats/names'
import { assertSame, mutate, type Target } from './fuzz'

const names = namesOf({ prefix: '', database: 'd', collection: 'c' })
const consumer = '.KV_d.name.1.'
const reply = `$JS.ACK${consumer}7.3.1795608895093055153.2`
const head = 'NATS/1.0\r\nMemis-TTL: 500\r\nMemis-Revision: 2025-01.4\r\nNats-TTL: 1h2m\r\n\r\n'
const goneHead = `${head.slice(0, -2)}KV-Operation: PURGE\r\nMemis-Gone: expire\r\nNats-Marker-Reason: MaxAge\r\n\r\n`
const history = [
  { id: '2025-01', floor: 0 },
  { id: '2026-01', floor: 5 },
]

const subject: Target = {
  name: 'nats: the subject of a delivery',
  make: (random) => names.start + mutate(random, random.pick(['coldplay', 'a=20b', 'a.b', '=', '=41', '=F0=9F=8E=89'])),
  decode(input) {
    const key = keyOf(names, input as string)
    if (key === undefined) return
    assert.ok(isKey(key))
    assert.strictEqual(subjectOf(names, key), input, 'a key has exactly one encoding')
  },
  good: () => assertSame(keyOf(names, '$KV.d.c.a=20b'), 'a b'),
}

const delivery: Target = {
  name: 'nats: where a delivery stands',
  make: (random) =>
    mutate(random, random.pick([reply, `$JS.ACK.domain.account${consumer}7.3.1795608895093055153.2.x`])),
  decode(input) {
    const found = decodeDelivery(input as string, consumer)
    if (found === undefined) return
    assert.ok(Number.isSafeInteger(found.n) && found.n > 0)
    assert.ok(Number.isSafeInteger(found.count) && found.count > 0)
  },
  good() {
    const time = Number('1795608895093055153') / 1e6
    assertSame(decodeDelivery(reply, consumer), { n: 7, count: 3, time, pending: 2 })
  },
}

interface Message {
  readonly seq: number
  readonly head: string
  readonly text: string
}

const read = ({ seq, head, text }: Message) => {
  const [hdrs, data] = [Buffer.from(head, 'latin1').toString('base64'), Buffer.from(text).toString('base64')]
  const time = '2026-01-02T03:04:05Z'
  const stored = decodeStored({ seq, time, hdrs, data })
  return entryOf('k', stored, { history, maxAge: Infinity }, Date.parse(time) + 100)
}

const message: Target = {
  name: 'nats: a message of a stream',
  make: (random): Message => ({
    seq: 1 + random.int(9),
    head: mutate(random, random.pick([head, goneHead, ''])),
    text: mutate(random, '{"a":{"b":[1]},"__proto__":{"polluted":1}}'),
  }),
  decode(input) {
    const { epoch, n, item, leftMs, cause, place } = read(input as Message)
    assert.ok(Number.isSafeInteger(n) && epoch !== '')
    if (place !== undefined) assert.ok(epoch < place.epoch || (epoch === place.epoch && n < place.n))
    if (item === null) assert.ok(cause === 'delete' || cause === 'expire')
    else assert.ok(leftMs === null || (leftMs > 0 && Number.isFinite(leftMs)))
  },
  good() {
    const place = { epoch: '2026-01', n: 7 }
    const item = JSON.parse('{"__proto__":1}')
    assertSame(read({ seq: 7, head, text: '{"__proto__":1}' }), {
      ...{ key: 'k', epoch: '2025-01', n: 4, item, leftMs: 400, cause: undefined, place },
    })
    assertSame(decodeHeaders(undefined).gone, undefined)
    assertSame(read({ seq: 7, head: goneHead, text: '' }).cause, 'expire')
  },
}

export const natsTargets: readonly (() => Target)[] = [() => subject, () => delivery, () => message]
