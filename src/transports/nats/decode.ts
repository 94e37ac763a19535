/** What comes from a stream, as entries. Nothing here trusts what it is given. No I/O. */
import { decodeRevision, epochAt, precedes } from '../../core/history'
import type { Entry, Epoch, Gone, Revision } from '../../core/transport'
import { longestTtlMs } from '../../core/ttl'
import { headersOf, type Message, mostHeaderBytes } from './client'
import { beganAt, youth } from './epochs'
import type { StoredMessage } from './wire'

/** Names of headers. Those of memis do not disturb other clients. */
export const header = {
  id: 'Nats-Msg-Id',
  expected: 'Nats-Expected-Last-Subject-Sequence',
  expectedSubject: 'Nats-Expected-Last-Subject-Sequence-Subject',
  ttl: 'Nats-TTL',
  marker: 'Nats-Marker-Reason',
  operation: 'KV-Operation',
  rollup: 'Nats-Rollup',
  batchId: 'Nats-Batch-Id',
  batchSequence: 'Nats-Batch-Sequence',
  batchCommit: 'Nats-Batch-Commit',
  /** The exact ttl (ms): the server takes whole seconds. */
  exactTtl: 'Memis-TTL',
  /** Of a tombstone: `expire` if the item expired, `nothing` if a delete found no item. */
  gone: 'Memis-Gone',
  /** Of a merged entry: the revision that it keeps. */
  revision: 'Memis-Revision',
  /** Of each message of an atomic batch: how many it has. */
  batchSize: 'Memis-Batch',
} as const

/** What the headers of a message say. */
export interface Facts {
  readonly id: string
  /** Otherwise nobody can say what the message means: it counts as no item. */
  readonly areReadable: boolean
  readonly gone: Gone | undefined
  /** The server has left it, for whatever version has expired. */
  readonly isMarker: boolean
  /** The delete found an item. */
  readonly found: boolean
  readonly ttlMs: number
  readonly revision: Revision | undefined
  /** The position in an atomic batch, from 1, and its size. */
  readonly position: number
  readonly size: number
}

/** Of a message without headers that mean anything. */
const plain: Facts = {
  id: '',
  areReadable: true,
  gone: undefined,
  isMarker: false,
  found: true,
  ttlMs: Infinity,
  revision: undefined,
  position: 0,
  size: 0,
}

const unreadable: Facts = { ...plain, areReadable: false }

/** Reads the headers of a message that was delivered. */
export const factsOf = (message: Message): Facts => readHeaders(headersOf(message))

/** The most frequent message has one header, the id. */
export function readHeaders(headers: Iterable<[name: string, values: string[]]> | undefined | null): Facts {
  if (headers === undefined) return plain
  if (headers === null) return unreadable
  let facts: { -readonly [P in keyof Facts]: Facts[P] } = plain
  let exactTtl: number | undefined
  let isExpired = false
  for (const [name, [value = '']] of headers) {
    if (facts === plain) facts = { ...plain }
    if (name === header.id) facts.id = value
    else if (name === header.operation) facts.gone ??= 'delete'
    else if (name === header.marker) {
      facts.isMarker = value === 'MaxAge'
      facts.gone = facts.isMarker ? 'expire' : 'delete'
    } else if (name === header.gone) {
      facts.found = value !== 'nothing'
      isExpired = value === 'expire'
    } else if (name === header.exactTtl) exactTtl = decodeInteger(value)
    else if (name === header.ttl) facts.ttlMs = decodeDuration(value)
    else if (name === header.revision) facts.revision = decodeRevision(value)
    else if (name === header.batchSequence) facts.position = decodeInteger(value) ?? 0
    else if (name === header.batchSize) facts.size = decodeInteger(value) ?? 0
  }
  if (exactTtl !== undefined) facts.ttlMs = Math.min(exactTtl, longestTtlMs)
  if (isExpired && facts.gone !== undefined) facts.gone = 'expire'
  return facts
}

/**
 * Headers as a stream stores them: `NATS/1.0`, then a line each. What is unreadable for the client is so here, and of a name that comes
 * more than once, the first one counts.
 */
export function decodeHeaders(base64 = ''): Facts {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length > mostHeaderBytes) return unreadable
  const headers = new Map<string, string[]>()
  for (const line of bytes.toString().split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
    if (!/^[!-~]*$/.test(name) || /[\r\n]/.test(value)) return unreadable
    if (!headers.has(name)) headers.set(name, [value])
  }
  return readHeaders(headers)
}

/** Where a delivered message stands. */
export interface Delivery {
  readonly n: number
  /** Counts the consumer's messages, from 1. */
  readonly count: number
  /** When the stream accepted it: ms since 1970, by its server's clock. */
  readonly time: number
  /** How many messages the consumer knew to follow. */
  readonly pending: number
}

const ackLength = '$JS.ACK'.length

/**
 * Reads the reply subject of a message that a consumer delivers: `$JS.ACK.`, in a longer form a domain and an account, then stream,
 * consumer, and numbers. Undefined if it is malformed, or names another stream or consumer. `names`: `.<stream>.<consumer>.1.`
 */
export function decodeDelivery(reply: string, names: string): Delivery | undefined {
  const at = reply.indexOf(names)
  if (at !== ackLength && !/^\.[^.]+\.[^.]+$/.test(reply.slice(ackLength, at))) return undefined
  if (!reply.startsWith('$JS.ACK')) return undefined
  let from = at + names.length
  const next = (): number => {
    const to = reply.indexOf('.', from)
    const number = Number(reply.slice(from, to === -1 ? undefined : to))
    from = to === -1 ? reply.length : to + 1
    return number
  }
  const [n, count, time, pending] = [next(), next(), next(), next()]
  return n > 0 && count > 0 && time > 0 && Number.isSafeInteger(n) && Number.isSafeInteger(count)
    ? { n, count, time: time / 1e6, pending }
    : undefined
}

/** The last message of a subject. */
export interface Stored {
  readonly n: number
  /** When the stream accepted it: ms since 1970, by its server's clock. */
  readonly time: number
  readonly facts: Facts
  text(): string
}

export const decodeStored = ({ seq, time, hdrs, data = '' }: StoredMessage): Stored => ({
  n: seq,
  time: Date.parse(time),
  facts: decodeHeaders(hdrs),
  text: () => Buffer.from(data, 'base64').toString(),
})

/**
 * The word of a stream on a key at a time (ms since 1970, by its server's clock). `maxAge`: after how many ms it drops everything.
 * `isLive`: the stream delivered it as soon as it could, and the key may have been written again meanwhile; its time may be over.
 */
export function entryOf(
  key: string,
  stored: Stored,
  { history, maxAge }: { readonly history: readonly Epoch[]; readonly maxAge: number },
  now: number,
  isLive = false,
): Entry {
  const { n, time, facts } = stored
  const place = { epoch: epochAt(history, n), n }
  const revision = revisionOf(facts, time, place, history)
  const leftMs = Math.min(facts.ttlMs, maxAge) - Math.max(0, now - time)
  const gone = facts.gone ?? (leftMs <= 0 && !isLive ? 'expire' : undefined)
  return {
    key,
    epoch: revision.epoch,
    n: revision.n,
    item: gone !== undefined ? null : facts.areReadable ? decodeText(stored.text()) : undefined,
    leftMs: gone !== undefined || leftMs === Infinity ? null : leftMs,
    cause: gone,
    place: revision === place ? undefined : place,
  }
}

function revisionOf({ revision, isMarker }: Facts, time: number, place: Revision, history: readonly Epoch[]): Revision {
  // A merged entry is older than its place: whatever else the header says is a lie.
  if (revision !== undefined && precedes(revision, place)) return revision
  const epoch = history.findIndex(({ id }) => id === place.epoch)
  if (!isMarker || epoch < 1 || time >= beganAt(place.epoch) + youth) return place
  // The version that expired was there when the epoch began.
  return { epoch: (history[epoch - 1] as Epoch).id, n: Math.max(1, (history[epoch] as Epoch).floor) }
}

const decodeInteger = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** A number of seconds, or a duration as Go writes it, in ms; Infinity if it is neither. */
function decodeDuration(text: string): number {
  const seconds = decodeInteger(text)
  if (seconds !== undefined) return seconds * 1000
  if (text.length > 100 || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return Infinity
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g))
    sum += Number(amount) * (units[unit as string] as number)
  return sum
}

function decodeText(text: string): unknown {
  try {
    // Null would tell that there is no item.
    return JSON.parse(text) ?? undefined
  } catch {
    return undefined
  }
}
