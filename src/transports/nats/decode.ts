/** What comes from a stream, as changes. Nothing here trusts what it is given. */
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

/** Headers as they lie in a stream: `NATS/1.0`, then a line each. */
export function decodeHeaders(base64: string | undefined): Headers {
  const found = new Map<string, string>()
  for (const line of Buffer.from(base64 ?? '', 'base64')
    .toString()
    .split('\r\n')
    .slice(1)) {
    const end = line.indexOf(':')
    if (end > 0) found.set(line.slice(0, end), line.slice(end + 1).trim())
  }
  return { get: (name) => found.get(name) ?? '' }
}

/** Where a message stands in its stream. */
export interface Stamp {
  readonly n: number
  /** Of this consumer's messages, counted from 1. */
  readonly count: number
  /** When the stream took it: ms since 1970, by its server's clock. */
  readonly time: number
}

/** Reads the reply subject of a message that a consumer delivers; undefined where it is none. */
export function decodeStamp(reply: string): Stamp | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  // In its longer form, with two more tokens in front and perhaps one behind.
  const at = tokens.length === 9 ? 5 : tokens.length >= 11 ? 7 : Number.NaN
  const [n, count, time] = [Number(tokens[at]), Number(tokens[at + 1]), Number(tokens[at + 2]) / 1e6]
  return n > 0 && count > 0 && time > 0 && Number.isSafeInteger(n) && Number.isSafeInteger(count)
    ? { n, count, time }
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
