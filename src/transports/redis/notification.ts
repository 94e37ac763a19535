/** Notifications: what travels on a collection's channel. No I/O. */
import { batchBytesLimit, type Entry } from '../../core/transport'
import { mergedRevision } from './decode'
import { quietBytes, sha1 } from './encode'
import type { Current, Point } from './store-record'

/** Nothing that memis sends is longer (characters): a batch has so many bytes and overhead, a lone item is sent without its contents beyond this. */
export const longestMessage = Math.max(batchBytesLimit, quietBytes) + 3 * 1024 * 1024
const longestHeader = 64 * 1024

/** A notification that the store signed. */
export interface Notification {
  readonly first: number
  readonly last: number
  readonly sign: string
  /** The beginning of the signature of the notification before it. */
  readonly before: string
  /** All of one transaction. */
  readonly isAtomic: boolean
  /** The contents are too large to be sent: they are to be read. */
  readonly isQuiet: boolean
  readonly void: readonly number[]
  readonly kept: readonly number[]
  /** The whole message, and where its second line begins. */
  readonly text: string
  readonly begins: number
}

/** `foreign`: not a notification of memis. `strange`: of another epoch, which may be true. `unsigned`: not signed by the store. */
export type Rejected = 'foreign' | 'strange' | 'unsigned'

const form =
  /^memis2 ([0-9a-f]{40}) (([0-9a-f]{1,16}) ([0-9a-f]{11}-[0-9a-f]{8}) (\d{1,16}) (\d{1,16})((?: [a-z]+=\S*)*))$/

/** Reads a message, and believes it only if the store signed it in this epoch. */
export function readNotification(text: string, { id, secret }: Current): Notification | Rejected {
  if (text.length > longestMessage) return 'foreign'
  const end = text.slice(0, longestHeader).indexOf('\n')
  const match = form.exec(text.slice(0, Math.max(0, end)))
  if (match === null) return 'foreign'
  const [, sign = '', body = '', before = '', epoch, first, last, extras = ''] = match
  if (epoch !== id) return 'strange'
  const payload = digestOf(text, end + 1)
  if (signatureOf(secret, body, payload) !== sign) return 'unsigned'
  // From here on it is the store's word. Names that are not known are passed over.
  const extra = (name: string) => new RegExp(` ${name}=(\\S*)`).exec(extras)?.[1] ?? ''
  const list = (name: string) => extra(name).split(',').filter(Boolean).map(Number)
  return {
    // A part of a string keeps the whole of it in memory, and signatures are remembered.
    sign: Buffer.from(sign, 'latin1').toString('latin1'),
    ...{ first: Number(first), last: Number(last), before, text, begins: end + 1 },
    ...(extras === ''
      ? { isAtomic: false, isQuiet: false, void: [], kept: [] }
      : { isAtomic: extra('a') === '1', isQuiet: extra('x') === '1', void: list('v'), kept: list('k') }),
  }
}

/** `digest`: the SHA-1 of the payload. */
const signatureOf = (secret: string, body: string, digest: string): string =>
  sha1(secret + sha1(`${secret}${body}\n${digest}`))

/** The notification of a single place, if it is the one after `last`; `begins`: where the payload begins in it. */
export function notificationAfter(last: Point, { id, secret }: Current, payload: string) {
  const place = String(last.n + 1)
  const digest = sha1(payload)
  const body = `${last.sign.slice(0, 16)} ${id} ${place} ${place}`
  const sign = signatureOf(secret, body, digest)
  const line = `memis2 ${sign} ${body}\n`
  return { place, sign, digest, message: line + payload, begins: line.length }
}

interface Decoded {
  readonly digest: string
  entries?: readonly Entry[] | undefined
}

/**
 * The last notifications, by their text, up to so many characters: each client of a process receives all of them, and reading one is the greater
 * part of what it costs. Entries are only read, and items never change.
 */
const recent = new Map<string, Decoded>()
const mostRecent = 1024 * 1024
let recentLength = 0

function remember(text: string, decoded: Decoded): void {
  if (text.length > mostRecent) return
  recent.set(text, decoded)
  recentLength += text.length
  for (const oldest of recent.keys()) {
    if (recentLength <= mostRecent) break
    recent.delete(oldest)
    recentLength -= oldest.length
  }
}

function digestOf(text: string, begins: number): string {
  const known = recent.get(text)
  if (known !== undefined) return known.digest
  const digest = sha1(text.slice(begins))
  remember(text, { digest })
  return digest
}

/** The entries of a signed notification; undefined if it is not in the form that memis writes. */
export function readEntries(
  notification: Notification,
  epoch: string,
  maxItemBytes: number,
): readonly Entry[] | undefined {
  const { text } = notification
  const known = recent.get(text)
  // An item that one client accepts may be too large for another.
  const mayBeLarge = text.length > maxItemBytes / 3 && Buffer.byteLength(text) > maxItemBytes
  if (known?.entries !== undefined && !mayBeLarge) return known.entries
  const entries = decode(notification, epoch, mayBeLarge ? maxItemBytes : Infinity)
  if (known !== undefined && !mayBeLarge) known.entries = entries
  return entries
}

/** `[key, ttl in ms, item, extras]` for a set (ttl 0: none, -1: kept), `[key, extras]` for a delete, null for a clear. */
function decode(
  { text, begins, first, last, void: none, kept }: Notification,
  epoch: string,
  most: number,
): Entry[] | undefined {
  let list: unknown
  try {
    list = JSON.parse(text.slice(begins))
  } catch {
    return undefined
  }
  if (!Array.isArray(list) || list.length !== last - first + 1) return undefined
  const entries: Entry[] = []
  const isVoid = none.length > 0 ? new Set(none) : undefined
  let nextKept = 0
  for (const [i, told] of list.entries()) {
    if (isVoid?.has(i)) continue
    if (!Array.isArray(told)) return undefined
    const isSet = told.length > 2
    const extras: unknown = told[isSet ? 3 : 1] ?? {}
    if (typeof extras !== 'object') return undefined
    const { r, c } = extras as { r?: unknown; c?: unknown }
    const place = { epoch, n: first + i }
    // Most were not merged.
    const merged = r === undefined ? undefined : mergedRevision(r, place)
    const at = merged === undefined ? place : { ...merged, place }
    if (isSet) {
      const ttl: unknown = told[1] === -1 ? Math.max(0, kept[nextKept++] ?? 0) : told[1]
      if (typeof ttl !== 'number' || !(ttl >= 0 && ttl < Infinity)) return undefined
      const item: unknown = told[2] ?? undefined
      const isTooLarge = most < Infinity && Buffer.byteLength(JSON.stringify(item) ?? '') > most
      entries.push({ key: told[0], ...at, item: isTooLarge ? undefined : item, leftMs: ttl === 0 ? null : ttl })
    } else {
      const cause = c === 'expire' ? 'expire' : 'delete'
      entries.push({ key: told[0], ...at, item: null, leftMs: null, cause })
    }
  }
  return entries
}
