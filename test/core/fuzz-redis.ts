/** What comes from Redis: notifications, and the answers of the scripts. */
import assert from 'node:assert'
import { decodePage } from '../../src/transports/redis/decode'
import { sha1 } from '../../src/transports/redis/encode'
import { readEntries, readNotification } from '../../src/transports/redis/notification'
import { parseCurrent, parseEpochs } from '../../src/transports/redis/store-record'
import type { Random } from '../simulation/random'
import { assertSame, junk, mutate, type Target } from './fuzz'

const id = '0199abcdef0-12345678'
const secret = 's3cret'
const current = { text: '', id, floor: 0, secret }
const keys = ['coldplay', 'muse', '__proto__', 'a b', '{}:%', '🎉']

/** The changes of a notification, as JSON. */
function payloadOf(random: Random, length: number): string {
  const entries = Array.from({ length }, (): unknown => {
    const key = random.pick(keys)
    const extras = random.chance(0.2) ? [{ r: `0198${'0'.repeat(7)}-aaaaaaaa.${random.int(99)}`, c: 'expire' }] : []
    if (random.chance(0.3)) return [key, ...extras]
    const item = random.chance(0.5) ? { genre: 'Rock', n: random.int(9) } : junk(random)
    return [key, random.chance(0.5) ? 0 : random.int(1e6), item, ...extras]
  })
  return JSON.stringify(entries)
}

/** As the store signs it. */
function signed(body: string, payload: string): string {
  return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
}

const goodPayload = '[["coldplay",500,{"__proto__":1}],["x"],["muse",{"r":"01980000000-aaaaaaaa.4"}]]'
const goodBody = `0 ${id} 7 9 v=1`

/** Whatever is told is well-formed as far as the transport vouches for it; the core checks the rest. */
function assertEntries(entries: readonly { n: number; item: unknown; leftMs: number | null }[]): void {
  for (const { n, item, leftMs } of entries) {
    assert.ok(Number.isSafeInteger(n))
    assert.ok(leftMs === null || Number.isFinite(leftMs))
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) {
      assert.strictEqual(Object.getPrototypeOf(item), Object.prototype)
    }
  }
}

const notification: Target = {
  name: 'redis: a notification of whoever may publish',
  make: (random) => mutate(random, signed(`${random.int(9)} ${id} 7 8`, payloadOf(random, 2))),
  decode(input) {
    const found = readNotification(input as string, current)
    if (typeof found === 'string') return assert.ok(['foreign', 'strange', 'unsigned'].includes(found))
    assert.ok(Number.isSafeInteger(found.first) && Number.isSafeInteger(found.last))
    const entries = readEntries(found, id, 1024)
    if (entries !== undefined) assertEntries(entries)
  },
  good() {
    const found = readNotification(signed(goodBody, goodPayload), current)
    assert.ok(typeof found === 'object')
    const revision = { epoch: '01980000000-aaaaaaaa', n: 4 }
    assertSame(readEntries(found, id, 1024), [
      { key: 'coldplay', epoch: id, n: 7, item: JSON.parse('{"__proto__":1}'), leftMs: 500 },
      { key: 'muse', ...revision, place: { epoch: id, n: 9 }, item: null, leftMs: null, cause: 'delete' },
    ])
    assertSame(readNotification(signed(goodBody, goodPayload).replace('500', '501'), current), 'unsigned')
  },
}

const changes: Target = {
  name: 'redis: the changes of a notification that is signed',
  make(random) {
    const length = random.int(4)
    const last = random.chance(0.9) ? 6 + length : random.int(12)
    const extras = random.chance(0.2) ? ` v=${random.int(4)} k=${random.int(99)},-1` : ''
    return signed(`0 ${id} 7 ${last}${extras}`, mutate(random, payloadOf(random, length)))
  },
  decode(input) {
    const found = readNotification(input as string, current)
    if (typeof found === 'string') return
    const entries = readEntries(found, id, 100)
    if (entries !== undefined) assertEntries(entries)
  },
  good: notification.good,
}

const bookkeeping: Target = {
  name: 'redis: the list of epochs',
  make: (random) => [
    mutate(random, `${id}:6:s3cret`),
    mutate(random, `01980000000-aaaaaaaa:0 ${id}:6`),
    mutate(random, `${id} 6 s3cret`),
  ],
  decode(input) {
    const [one, list, other] = input as [string, string, string]
    for (const text of [one, other]) {
      const found = parseCurrent(text)
      if (found !== null) assert.ok(Number.isSafeInteger(found.floor) && found.id !== '')
    }
    const before = { id: 'f', floor: 99 }
    for (const { id, floor } of parseEpochs(list, before)) assert.ok(id < before.id && floor >= 0 && floor <= 99)
  },
  good: () => assertSame(parseEpochs(`${id}:6`, { id: 'f', floor: 6 }), [{ id, floor: 6 }]),
}

const head = ['6', `${id} 6 s`, '', '9', 'sign', '2', '9', '0']
const entries: readonly unknown[][] = [
  ['coldplay', '7', '01980000000-aaaaaaaa.4', 500, ['\ufffd', '7', 'genre', '"Rock"', '__proto__', '{"polluted":1}']],
  ['muse', '8', '', 'd'],
  ['oasis', '9', '', -1, ['\ufffd', '9']],
]
const history = [
  { id: '01980000000-aaaaaaaa', floor: 0 },
  { id, floor: 6 },
]

/** In the shapes that the script gives: strings, and as JSON lists of strings, with a mark or a number in its place. The rest is the store's. */
const page: Target = {
  name: 'redis: what the read script answers',
  make(random) {
    const list = entries.map((part) => {
      const entry = part.map((each, i) => {
        if (random.chance(0.7)) return each
        if (Array.isArray(each)) {
          const fields = each.map((text) => (random.chance(0.5) ? mutate(random, text) : text))
          return random.chance(0.1) ? fields.slice(0, random.int(fields.length + 1)) : fields
        }
        return i === 3 ? random.pick(['d', 'e', 'l', 'b', 'o', -1, 0, 17, 2 ** 53]) : mutate(random, each as string)
      })
      return entry[3] === 'd' || random.chance(0.9) ? entry : [...entry.slice(0, 3), 'b']
    })
    return [...head.map((part) => (random.chance(0.2) ? mutate(random, part) : part)), JSON.stringify(list)]
  },
  decode(input) {
    for (const { item } of decodePage(input).entries(history, () => {})) {
      if (item !== undefined && item !== null) assert.strictEqual(Object.getPrototypeOf(item), Object.prototype)
    }
  },
  good() {
    const [coldplay, muse, oasis] = decodePage([...head, JSON.stringify(entries)]).entries(history, assert.fail)
    const revision = { epoch: '01980000000-aaaaaaaa', n: 4 }
    const item = JSON.parse('{"genre":"Rock","__proto__":{"polluted":1}}')
    assertSame(coldplay, { key: 'coldplay', ...revision, place: { epoch: id, n: 7 }, item, leftMs: 500 })
    assertSame(muse, { key: 'muse', epoch: id, n: 8, item: null, leftMs: null, cause: 'delete' })
    assertSame(oasis?.item, {})
  },
}

export const redisTargets: readonly (() => Target)[] = [
  () => notification,
  () => changes,
  () => bookkeeping,
  () => page,
]
