/** Every decoder of what comes from outside. */
import assert from 'node:assert'
import { decodeItem, equalItems } from '../../src/core/codec'
import { isKey } from '../../src/core/names'
import { Replica } from '../../src/core/replica'
import type { Change } from '../../src/core/transport'
import { decodeHeaders, decodeMessage, decodeStamp } from '../../src/transports/nats/decode'
import { keyOf, namesOf } from '../../src/transports/nats/names'
import { decodeHeader, decodePage, decodePayload } from '../../src/transports/redis/decode'
import type { Random } from '../simulation/random'
import { FakeClock } from '../support/fake-clock'
import { assertItem, assertSame, deep, junk, mutate, type Target } from './fuzz'

const keys = ['coldplay', 'muse', '__proto__', 'a b', '{}:%', '🎉']

/** The changes of a notification, as JSON. */
function payload(random: Random, length: number): string {
  const entries = Array.from({ length }, (): unknown => {
    const key = random.pick(keys)
    const origin = random.chance(0.2) ? [`0199-${random.int(9)} ${random.int(99)}`] : []
    if (random.chance(0.3)) return [key, ...origin]
    const item = random.chance(0.5) ? { genre: 'Rock', n: random.int(9) } : junk(random)
    return [key, random.chance(0.5) ? 0 : random.int(1e6), item, ...origin]
  })
  return JSON.stringify(entries)
}

function notification(random: Random): string {
  const length = random.int(4)
  const first = 1 + random.int(1000)
  const none = random.chance(0.3) ? '0,2' : ''
  return `memis1 0199-abc ${first} ${first + length - 1} ${none}\n${payload(random, length)}`
}

const goodMessage = 'memis1 0199-abc 7 9 1\n[["coldplay",500,{"__proto__":1}],["x"],["muse","0198-a 4"]]'
const goodHeader = {
  ...{ epoch: '0199-abc', first: 7, last: 9, void: [1] },
  ...{ text: goodMessage, begins: goodMessage.indexOf('\n') + 1 },
}
const goodChanges = [
  { kind: 'set', key: 'coldplay', n: 7, item: JSON.parse('{"__proto__":1}'), leftMs: 500, origin: undefined },
  { kind: 'delete', key: 'muse', n: 9, origin: { epoch: '0198-a', n: 4 } },
]

const header: Target = {
  name: 'redis: the first line of a notification',
  make: (random) => mutate(random, notification(random)),
  decode(input) {
    const found = decodeHeader(input as string)
    if (found === undefined) return
    assert.ok(Number.isFinite(found.first) && Number.isFinite(found.last) && found.epoch !== '')
    assert.ok(found.void.every((i) => typeof i === 'number'))
  },
  good: () => assertSame(decodeHeader(goodMessage), goodHeader),
}

const changes: Target = {
  name: 'redis: the changes of a notification',
  make(random) {
    const length = random.int(4)
    const last = random.chance(0.9) ? 6 + length : random.int(12)
    const none = random.chance(0.2) ? [random.int(4), Number.NaN] : []
    const line = `memis1 e 7 ${last} ${none}\n`
    const text = line + mutate(random, payload(random, length))
    return { epoch: 'e', first: 7, last, void: none, text, begins: line.length }
  },
  decode(input) {
    const found = decodePayload(input as typeof goodHeader)
    if (found === undefined) return
    assert.ok(found.every(({ kind, n }) => (kind === 'set' || kind === 'delete') && Number.isSafeInteger(n)))
  },
  good: () => assertSame(decodePayload(goodHeader), goodChanges),
}

const head = ['1', '0198-a:0 0199-b:6', '9', '2', '9', '0']
const entries: readonly unknown[][] = [
  ['coldplay', '7', '0198-a 4', 500, ['\ufffd', '7', 'genre', '"Rock"', '__proto__', '{"polluted":1}']],
  ['muse', '8', '', 'd'],
  ['oasis', '9', '', -1, ['\ufffd', '9']],
]

/** Of the shapes that the script gives: six strings, and as JSON lists of strings, with a mark or a number in its place. What is in the rest is the store's. */
const page: Target = {
  name: 'redis: what the read script gives',
  make(random) {
    const list = entries.map((part) => {
      const entry = part.map((each, i) => {
        if (random.chance(0.7)) return each
        if (Array.isArray(each)) {
          const fields = each.map((text) => (random.chance(0.5) ? mutate(random, text) : text))
          return random.chance(0.1) ? fields.slice(0, random.int(fields.length + 1)) : fields
        }
        return i === 3 ? random.pick(['d', 'e', 'l', 'b', -1, 0, 17, 2 ** 53]) : mutate(random, each as string)
      })
      return random.chance(0.1) ? entry.slice(0, random.int(entry.length + 1)) : entry
    })
    return [...head.map((part) => (random.chance(0.2) ? mutate(random, part) : part)), JSON.stringify(list)]
  },
  decode(input) {
    for (const change of decodePage(input).changes()) {
      assert.ok(['set', 'delete', 'expire', 'lost'].includes(change.kind))
      if (change.kind === 'set' && change.item !== undefined) {
        assert.strictEqual(Object.getPrototypeOf(change.item), Object.prototype)
      }
    }
  },
  good() {
    const { changes: told, epochs } = decodePage([...head, JSON.stringify(entries)])
    const changes = told()
    const item = JSON.parse('{"genre":"Rock","__proto__":{"polluted":1}}')
    assertSame(changes[0], { kind: 'set', key: 'coldplay', n: 7, origin: { epoch: '0198-a', n: 4 }, item, leftMs: 500 })
    assertSame(changes.length, 3)
    assertSame(epochs.at(-1), { id: '0199-b', floor: 6 })
  },
}

const item: Target = {
  name: 'an item as the store has it',
  make(random) {
    if (random.chance(0.001)) return deep(random, 30_000)
    return random.chance(0.3) ? parsed(mutate(random, '{"a":{"b":[1,{"c":null}]},"d":"e"}')) : junk(random)
  },
  decode(input) {
    const found = decodeItem(input)
    if (found === undefined) return
    assertItem(found)
    assert.ok(equalItems(found, found) && equalItems(found, JSON.parse(JSON.stringify(found))))
  },
  good() {
    const item = decodeItem(JSON.parse('{"__proto__":{"x":[1]}}'))
    assertItem(item)
    assertSame(JSON.stringify(item), '{"__proto__":{"x":[1]}}')
  },
}

const natsNames = namesOf({ prefix: undefined, database: 'd', collection: 'c' })
const natsHead = 'NATS/1.0\r\nMemis-TTL: 500\r\nMemis-Origin: 2026-01 4\r\nNats-TTL: 1h2m\r\n\r\n'
const natsReply = '$JS.ACK.KV_d.name.1.7.3.1795608895093055153.2'
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64')

interface NatsInput {
  readonly subject: string
  readonly reply: string
  readonly head: string
  readonly text: string
}

function decodeNats({ subject, reply, head, text }: NatsInput) {
  const stamp = decodeStamp(reply)
  const key = keyOf(natsNames, subject)
  if (stamp === undefined || key === undefined) return undefined
  const headers = decodeHeaders(base64(head))
  return decodeMessage({ key, n: stamp.n, age: 100, maxAge: Infinity, headers, text: () => text })
}

const message: Target = {
  name: 'nats: a message of a stream',
  make: (random) => ({
    subject: natsNames.start + mutate(random, random.pick(['coldplay', 'a=20b', 'a.b', '=', '=41'])),
    reply: mutate(random, natsReply),
    head: mutate(
      random,
      random.chance(0.5) ? natsHead : `${natsHead.slice(0, -2)}KV-Operation: PURGE\r\nMemis-Gone: expire\r\n\r\n`,
    ),
    text: mutate(random, '{"a":{"b":[1]},"__proto__":{"polluted":1}}'),
  }),
  decode(input) {
    const found = decodeNats(input as NatsInput)
    if (found === undefined) return
    assert.ok(Number.isSafeInteger(found.n) && found.n > 0)
    if (found.kind === 'set') assert.ok(found.leftMs === null || (found.leftMs > 0 && Number.isFinite(found.leftMs)))
  },
  good() {
    const input = { subject: '$KV.d.c.a=20b', reply: natsReply, head: natsHead, text: '{"__proto__":1}' }
    const item = JSON.parse('{"__proto__":1}')
    assertSame(decodeNats(input), {
      kind: 'set',
      key: 'a b',
      n: 7,
      origin: { epoch: '2026-01', n: 4 },
      item,
      leftMs: 400,
    })
  },
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A change of which each part may be anything. */
function strange(random: Random): unknown {
  if (random.chance(0.05)) return junk(random)
  const part = (good: unknown) => (random.chance(0.12) ? random.pick([junk(random), undefined, Number.NaN]) : good)
  return {
    kind: part(random.pick(['set', 'set', 'set', 'delete', 'expire', 'lost'])),
    key: part(random.pick(keys)),
    n: part(1 + random.int(1e6)),
    item: part({ n: random.int(5) }),
    leftMs: part(random.pick([null, 0, -5, 1, 50, 1e12, 1e300])),
    origin: part(random.pick([undefined, { epoch: 'former', n: random.int(9) }])),
  }
}

/** A replica that is told junk; its events are replayed, and must come to what it holds. */
function replica(): Target {
  const clock = new FakeClock()
  let shadow = new Map<string, unknown>()
  let told = 0
  let sessions = 0
  const listener = {
    changed(event: string, key: string, value: unknown) {
      if (event === 'set') shadow.set(key, value)
      else assert.ok(shadow.delete(key), `${event} of ${key}, which was not there`)
    },
    report: () => void told++,
  }
  let replica = new Replica<object>(clock, 1000, listener)
  return {
    name: 'the changes that a replica is told',
    make: (random) => Array.from({ length: 1 + random.int(3) }, () => strange(random)),
    decode(input) {
      const before = told
      replica.changes(input as Change[])
      for (const each of input as { key?: unknown }[]) {
        const key = each?.key
        if (isKey(key) && shadow.has(key)) assertItem(shadow.get(key))
        if (!isKey(key)) assert.ok(told > before, 'a change without a key was not told of')
      }
      assert.strictEqual(replica.items.size, shadow.size)
      clock.advance(1)
    },
    good() {
      // Another history, so that numbers of the future are none.
      const epoch = `epoch ${++sessions}`
      if (sessions % 50 === 0) {
        replica.discard()
        shadow = new Map()
        replica = new Replica<object>(clock, 1000, listener)
      }
      replica.begin('whole', epoch, 0, sessions % 2 === 0)
      replica.changes([
        { kind: 'set', key: 'good', n: 1, item: { sessions }, leftMs: null },
        { kind: 'set', key: 'short', n: 2, item: { sessions }, leftMs: 60_000 },
      ])
      replica.live(2)
      replica.giveUp()
      assertSame([...replica.items].sort(), [
        ['good', { sessions }],
        ['short', { sessions }],
      ])
      assertSame(shadow.size, 2)
      assert.ok(clock.pending <= 1, `${clock.pending} timers`)
    },
  }
}

export const targets: readonly (() => Target)[] = [
  () => header,
  () => message,
  () => changes,
  () => page,
  () => item,
  replica,
]
