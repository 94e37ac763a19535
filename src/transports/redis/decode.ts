/** What comes from Redis, as changes. Nothing here trusts what it is given. */
import { decodeRevision, type Epoch, type History } from '../../core/epochs'
import type { Batch, Change, Outcome, Written } from '../../core/transport'

/** The first line of a notification. */
export interface Header {
  readonly epoch: string
  /** Numbers of the first and the last write. */
  readonly first: number
  readonly last: number
  /** Which writes changed nothing, counted from 0. */
  readonly void: readonly number[]
  /** All of the notification, and where its second line begins. */
  readonly text: string
  readonly begins: number
}

/** Reads a notification's first line, or gives undefined where it is not one of memis. */
export function decodeHeader(message: string): Header | undefined {
  const end = message.indexOf('\n')
  const match = /^memis1 (\S+) (\d{1,16}) (\d{1,16}) ([\d,]*)$/.exec(message.slice(0, end === -1 ? 0 : end))
  if (match === null) return undefined
  const [, epoch = '', first, last, none = ''] = match
  return {
    epoch,
    first: Number(first),
    last: Number(last),
    void: none === '' ? [] : none.split(',').map(Number),
    text: message,
    begins: end + 1,
  }
}

/**
 * The changes of the notifications that came last, by their text, up to so many characters: each client of a process hears all of
 * them, and to read one is the greater part of what it costs. Changes are only read, and items never change.
 */
const recent = new Map<string, readonly Change[]>()
const mostRecent = 1024 * 1024
let recentLength = 0

/** Reads a notification's changes; undefined where it is not one of memis. */
export function decodePayload(header: Header): readonly Change[] | undefined {
  const { text } = header
  const known = recent.get(text)
  if (known !== undefined) return known
  const changes = readPayload(header)
  if (changes === undefined || text.length > mostRecent) return changes
  recent.set(text, changes)
  recentLength += text.length
  for (const oldest of recent.keys()) {
    if (recentLength <= mostRecent) break
    recent.delete(oldest)
    recentLength -= oldest.length
  }
  return changes
}

/** JSON, a list of `[key, ttl in ms or 0, item]` or `[key]` for each write, and its origin. */
function readPayload(header: Header): Change[] | undefined {
  let list: unknown
  try {
    list = JSON.parse(header.text.slice(header.begins))
  } catch {
    return undefined
  }
  if (!Array.isArray(list) || list.length !== header.last - header.first + 1) return undefined
  const changes: Change[] = []
  const none = header.void.length > 0 ? new Set(header.void) : undefined
  for (let i = 0; i < list.length; i++) {
    if (none?.has(i)) continue
    const entry: unknown = list[i]
    if (!Array.isArray(entry)) return undefined
    const isSet = entry.length > 2
    const from: unknown = entry[isSet ? 3 : 1]
    // Most were not put back after a loss.
    const origin = from === undefined ? undefined : decodeRevision(from)
    const [key, n] = [entry[0], header.first + i]
    if (isSet) changes.push({ kind: 'set', key, n, item: entry[2], leftMs: entry[1] === 0 ? null : entry[1], origin })
    else if (entry.length === 2 && origin === undefined) return undefined
    else changes.push({ kind: 'delete', key, n, origin })
  }
  return changes
}

/** A part of a collection. */
export interface Page extends History {
  readonly layout: string
  /** Up to which number this part reaches. */
  readonly reached: number
  /** The server is not that of the last write, or has lost a part: what is missing is not known before another epoch begins. */
  readonly moved: boolean
  /** To be called once: they are decoded when they are needed, while the next part is on its way. */
  changes(): readonly Change[]
}

/** Reads the reply of the read script. */
export function decodePage(reply: unknown): Page {
  const [layout, epochs, head, forgotten, reached, moved, entries] = reply as [
    ...[string, string, string, string, string, string],
    string,
  ]
  return {
    layout,
    epochs: epochs.split(' ').filter(Boolean).map(decodeEpoch),
    head: Number(head),
    forgotten: Number(forgotten),
    reached: Number(reached),
    moved: moved === '1',
    changes: () => (JSON.parse(entries) as readonly (readonly unknown[])[]).map(decodeEntry),
  }
}

function decodeEpoch(text: string): Epoch {
  const [id = '', floor] = text.split(':')
  return { id, floor: Number(floor) }
}

const gone: Readonly<Record<string, 'delete' | 'expire' | 'lost'>> = { d: 'delete', e: 'expire', l: 'lost' }

function decodeEntry([name, number, from, left, fields]: readonly unknown[]): Change {
  const key = name as string
  const n = Number(number)
  const origin = decodeRevision(from)
  const kind = gone[left as string]
  if (kind !== undefined) return { kind, key, n, origin }
  if (left === 'b') return { kind: 'set', key, n, origin, item: undefined, leftMs: null }
  const leftMs = Number(left)
  return {
    kind: 'set',
    key,
    n,
    origin,
    item: decodeFields(fields as readonly string[]),
    leftMs: leftMs < 0 ? null : leftMs,
  }
}

/** Each value by itself: what is no JSON text is not made one by what stands beside it. The first field is memis's own. */
function decodeFields(fields: readonly string[]): unknown {
  const item: Record<string, unknown> = {}
  try {
    for (let i = 2; i < fields.length; i += 2) {
      const name = fields[i] as string
      const value: unknown = JSON.parse(fields[i + 1] as string)
      // Assigning to `__proto__` would set the prototype.
      if (name === '__proto__') Object.defineProperty(item, name, { value, enumerable: true })
      else item[name] = value
    }
  } catch {
    return undefined
  }
  return item
}

/** Reads the reply of the script that writes. `last`: the number of the last write that was given one. */
export function decodeWritten(reply: unknown, { writes }: Batch): Written & { readonly last: number } {
  const [epoch = '', first, codes = '', age] = String(reply).split(' ')
  // Where all was refused, no number was given.
  const isNone = /^r*$/.test(codes)
  const before = Number(first) - 1
  const outcomes = Array.from(codes, (code, i): Outcome => {
    const n = Number(first) + i
    if (code === 'r') return { refused: true, asOf: isNone ? before : n }
    if (code === 'x') return { n, existed: false, gone: 'expire' }
    const write = writes[i]
    if (age === undefined || write?.kind !== 'set' || write.ttlMs === null) return { n, existed: code === '1' }
    return { n, existed: code === '1', leftMs: write.ttlMs - Number(age) }
  })
  return { epoch, outcomes, last: isNone ? before : before + codes.length }
}
