/** What comes from a stream, as changes. Nothing here trusts what it is given. */
import type { Msg } from 'nats'
import { decodeRevision } from '../../core/epochs'
import type { Change } from '../../core/transport'

/** Names of headers. Those of memis disturb no other client. */
export const header = {
  id: 'Nats-Msg-Id',
  expected: 'Nats-Expected-Last-Subject-Sequence',
  ttl: 'Nats-TTL',
  marker: 'Nats-Marker-Reason',
  operation: 'KV-Operation',
  /** The exact time of a ttl (ms), of which the server takes whole seconds alone. */
  exactTtl: 'Memis-TTL',
  /** On a mark of memis's: `expire` for what expired, `nothing` where there was nothing to delete. */
  gone: 'Memis-Gone',
  /** `<epoch> <number>` that it first had, on what was put back after a loss. */
  origin: 'Memis-Origin',
} as const

/** As much of the client's headers as is read here. */
export interface Headers {
  get(name: string): string
}

const statusLine = 'NATS/1.0'
const idLine = `${statusLine}\r\n${header.id}:`
const lineOf = new Map<string, string>(Object.values(header).map((name) => [name, `\r\n${name}:`]))

/** Headers as they lie in a stream: `NATS/1.0`, then a line each. Searched, since most messages have one, which nobody asks for. */
class HeaderText implements Headers {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  get(name: string): string {
    const line = lineOf.get(name) as string
    const at = this.#text.indexOf(line)
    return at === -1 ? '' : this.#text.slice(at + line.length, this.#text.indexOf('\r\n', at + 2)).trim()
  }
}

export const decodeHeaders = (base64: string | undefined): Headers =>
  new HeaderText(Buffer.from(base64 ?? '', 'base64').toString('latin1'))

/** What came in one piece from the socket, and holds many messages. */
let piece: Buffer = Buffer.alloc(0)

function pieceOf({ buffer }: Uint8Array): Buffer {
  if (piece.buffer !== buffer) piece = Buffer.from(buffer as ArrayBuffer)
  return piece
}

/**
 * The headers of a message that a consumer delivers, if they say anything; out of the bytes before its data: the client's own decoding copies and checks them one by one, with
 * which the first contents of a collection take a tenth longer. Where they do not stand there, it is the client's word that counts.
 */
export function headersOf(message: Msg & { size?(): number }): Headers | undefined {
  const { subject, reply, data } = message
  // Of all the message, which the client counts but its types do not say. Of names that are not ASCII, what is found is no headers.
  const size = message.size?.() ?? 0
  const length = size - subject.length - (reply?.length ?? 0) - data.length
  if (length === 0) return undefined
  const end = data.byteOffset
  const text = length < 0 || end < length ? '' : pieceOf(data).toString('latin1', end - length, end)
  // Of most messages it is the id alone, which nobody asks for: the rest of the way is shorter without headers.
  if (text.startsWith(idLine) && text.indexOf('\r\n', idLine.length) === text.length - 4) return undefined
  return text.startsWith(statusLine) ? new HeaderText(text) : message.headers
}

/** As the client's own decoding, without the mark of byte order that some begin a text with. */
export function textOf({ data }: Msg): string {
  const text = pieceOf(data).toString('utf8', data.byteOffset, data.byteOffset + data.byteLength)
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Where a message stands in its stream. */
export interface Stamp {
  readonly n: number
  /** Of this consumer's messages, counted from 1. */
  readonly count: number
  /** When the stream took it: ms since 1970, by its server's clock. */
  readonly time: number
}

const dots: number[] = new Array(11).fill(0)

/** Reads the reply subject of a message that a consumer delivers; undefined where it is none. */
export function decodeStamp(reply: string): Stamp | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  let count = 0
  for (let at = reply.indexOf('.'); at !== -1 && count < dots.length; at = reply.indexOf('.', at + 1))
    dots[count++] = at
  // In its longer form, with two more tokens in front and perhaps one behind.
  const first = count === 8 ? 4 : count >= 10 ? 6 : Number.NaN
  const token = (i: number) => Number(reply.slice((dots[first + i] as number) + 1, dots[first + i + 1]))
  const [n, number, time] = [token(0), token(1), token(2) / 1e6]
  return n > 0 && number > 0 && time > 0 && Number.isSafeInteger(n) && Number.isSafeInteger(number)
    ? { n, count: number, time }
    : undefined
}

export interface Message {
  readonly key: string
  readonly n: number
  /** How long the stream has had it (ms). */
  readonly age: number
  /** After how many ms the stream drops everything. */
  readonly maxAge: number
  readonly headers: Headers | undefined
  text(): string
}

/** What a message of an item's subject tells. */
export function decodeMessage({ key, n, age, maxAge, headers, text }: Message): Exclude<Change, { kind: 'lost' }> {
  const origin = headers === undefined ? undefined : decodeRevision(headers.get(header.origin))
  const reason = headers?.get(header.marker)
  if (reason) return { kind: reason === 'MaxAge' ? 'expire' : 'delete', key, n, origin }
  if (headers?.get(header.operation)) {
    return { kind: headers.get(header.gone) === 'expire' ? 'expire' : 'delete', key, n, origin }
  }
  const leftMs = Math.min(headers === undefined ? Infinity : ttlOf(headers), maxAge) - age
  if (leftMs <= 0) return { kind: 'expire', key, n, origin }
  return { kind: 'set', key, n, origin, item: decodeItemText(text()), leftMs: leftMs === Infinity ? null : leftMs }
}

/** The time that an item was given (ms), by memis or by another client. */
export function ttlOf(headers: Headers): number {
  const exact = headers.get(header.exactTtl)
  if (/^\d{1,15}$/.test(exact)) return Number(exact)
  return decodeDuration(headers.get(header.ttl))
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** A number of seconds, or a duration as Go writes it, in ms; Infinity where it is neither. */
function decodeDuration(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return Infinity
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g))
    sum += Number(amount) * (units[unit as string] as number)
  return sum
}

function decodeItemText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
