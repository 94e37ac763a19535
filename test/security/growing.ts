/** Input of any size, of the kinds that make careless decoders slow. */
import { decodeItem, encodeItem, equalItems } from '../../src/core/codec'
import { decodeRevision } from '../../src/core/history'
import { quote } from '../../src/core/text'
import { headersOf, type Message } from '../../src/transports/nats/client'
import { decodeDelivery, decodeHeaders, decodeStored, entryOf } from '../../src/transports/nats/decode'
import { decodeEpochs } from '../../src/transports/nats/epochs'
import { keyOf, namesOf } from '../../src/transports/nats/names'
import { decodePage } from '../../src/transports/redis/decode'
import { sha1 } from '../../src/transports/redis/encode'
import { readEntries, readNotification } from '../../src/transports/redis/notification'
import { parseCurrent, parseEpochs } from '../../src/transports/redis/store-record'

export interface Growing {
  /** Four times as much, the second time. */
  readonly sizes: readonly [number, number]
  make(size: number): unknown
  decode(input: unknown): unknown
}

function of<I>(sizes: readonly [number, number], make: (size: number) => I, decode: (input: I) => unknown): Growing {
  return { sizes, make, decode: (input) => decode(input as I) }
}

const id = '0199abcdef0-12345678'
const secret = 's3cret'
const current = { text: '', id, floor: 0, secret }
const history = [{ id, floor: 0 }]

/** Each is another one, so that no cache knows it. */
let count = 0
function signed(payload: string, last = 7, extras = ''): string {
  const body = `${(++count).toString(16)} ${id} 7 ${last}${extras}`
  return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
}
function readAll(text: string): unknown {
  const found = readNotification(text, current)
  return typeof found === 'string' ? found : readEntries(found, id, 1024 * 1024)
}
const kb = 1024
const bytes = [512 * kb, 2048 * kb] as const
const head = ['6', `${id} 6 s ${'a'.repeat(40)}`, '', '9', 'sign', '2', '9', '0']
const names = namesOf({ prefix: '', database: 'd', collection: 'c' })
const repeat = (text: string) => (size: number) => text.repeat(Math.ceil(size / text.length)).slice(0, size)

/** A message with so many bytes of headers, which must not be looked into. */
function message(size: number): Message {
  return {
    ...{ subject: 's', data: Buffer.alloc(0), size: () => 1 + size },
    get headers(): never {
      throw new Error('they were looked into')
    },
  }
}

export const growing: Readonly<Record<string, Growing>> = {
  'redis, a foreign message': of(bytes, repeat('memis2 '), readAll),
  'redis, a header of spaces': of(
    [16 * kb, 64 * kb],
    (n) => `memis2 ${'0'.repeat(40)} 0 ${id} 7 7${' a='.repeat(n / 3)}!\n[]`,
    readAll,
  ),
  'redis, a header of digits': of(
    [16 * kb, 64 * kb],
    (n) => `memis2 ${'0'.repeat(40)} 0 ${id} ${'7'.repeat(n)} 7\n[]`,
    readAll,
  ),
  'redis, an unsigned message': of(
    bytes,
    (n) => signed(`[["a",0,{"v":"${'x'.repeat(n)}"}]]`).replace(/memis2 ./, 'memis2 x'.replace('x', '0')),
    readAll,
  ),
  'redis, signed, one large item': of(
    [1536 * kb, 6144 * kb],
    (n) => signed(`[["a",0,{"v":[${'{},'.repeat(n / 3)}0]}]]`),
    readAll,
  ),
  'redis, signed, many items': of(
    [10_000, 40_000],
    (n) => signed(`[${Array.from({ length: n }, (_, i) => `["k${i}",0,{}]`)}]`, 6 + n),
    readAll,
  ),
  'redis, signed, much that changed nothing': of(
    [2000, 8000],
    (n) => signed(`[${Array(n).fill('["a"]')}]`, 6 + n, ` v=${Array.from({ length: n }, (_, i) => i)}`),
    readAll,
  ),
  'redis, a page of many fields': of(
    [50_000, 200_000],
    (n) => [
      ...head,
      JSON.stringify([
        ['k', '7', '', -1, ['\ufffd', '7', ...Array.from({ length: 2 * n }, (_, i) => (i % 2 ? '1' : `f${i}`))]],
      ]),
    ],
    (page) => decodePage(page).entries(history, () => {}),
  ),
  'redis, a page of revisions': of(
    [10_000, 40_000],
    (n) => [...head, JSON.stringify(Array.from({ length: n }, (_, i) => [`k${i}`, '7', `${id}.${i}`, 'd']))],
    (page) => decodePage(page).entries(history, () => {}),
  ),
  'redis, epochs': of([6 * kb, 24 * kb], repeat(`${id}:6 `), (text) => parseEpochs(text, { id: 'f', floor: 9 })),
  'redis, an epoch of digits': of(bytes, (n) => `${id} ${'1'.repeat(n)} s ${'a'.repeat(40)}`, parseCurrent),
  'nats, headers that nobody should look into': of(bytes, message, headersOf),
  'nats, stored headers': of(
    bytes,
    (n) => Buffer.from(`NATS/1.0\r\n${'a:\r\n'.repeat(n / 4)}\r\n`).toString('base64'),
    decodeHeaders,
  ),
  'nats, stored headers within the limit': of(
    [2 * kb, 8 * kb - 20],
    (n) =>
      Buffer.from(`NATS/1.0\r\n${Array.from({ length: n / 8 }, (_, i) => `${i}:`).join('\r\n')}\r\n\r\n`).toString(
        'base64',
      ),
    decodeHeaders,
  ),
  'nats, a subject of escapes': of(
    bytes,
    (n) => names.start + '=41'.repeat(n / 3),
    (subject) => keyOf(names, subject),
  ),
  'nats, a subject of dots': of(
    bytes,
    (n) => names.start + '.'.repeat(n),
    (subject) => keyOf(names, subject),
  ),
  'nats, a reply of dots': of(
    bytes,
    (n) => `$JS.ACK${'.a'.repeat(n / 2)}.KV_d.name.1.7.3.1.2`,
    (reply) => decodeDelivery(reply, '.KV_d.name.1.'),
  ),
  'nats, a list of epochs': of(
    bytes,
    (n) => `[${'{"id":"a","floor":1},'.repeat(n / 21)}0]`,
    (text) => decodeEpochs(text, Date.now()),
  ),
  'nats, an item of brackets': of(
    bytes,
    (n) => `{"a":${'['.repeat(n)}`,
    (text) =>
      entryOf(
        'k',
        decodeStored({ seq: 7, time: '2026-01-02T03:04:05Z', data: Buffer.from(text).toString('base64') }),
        { history, maxAge: Infinity },
        0,
      ),
  ),
  'an item to decode': of(
    bytes,
    (n) => `{"v":[${'{"a":1},'.repeat(n / 8)}0]}`,
    (text) => decodeItem(JSON.parse(text)),
  ),
  'an item of names to encode': of(
    [25_000, 100_000],
    (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, i])),
    (item) => encodeItem('k', item, Infinity),
  ),
  'items to compare': of(
    [25_000, 100_000],
    (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, [i]])),
    (item) => equalItems(item, structuredClone(item)),
  ),
  'a revision': of(bytes, (n) => `${'a.'.repeat(n / 2)}1`, decodeRevision),
  'text for a message': of(bytes, repeat('\u001b\u202e'), quote),
}
