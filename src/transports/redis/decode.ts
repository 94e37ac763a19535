/** Reads the answers of the scripts. No I/O. Items and keys are not trusted: the core checks them. */
import { MemisError } from '../../core/errors'
import { decodeRevision, epochAt, precedes } from '../../core/history'
import type { Batch, Entry, Epoch, Merged, Outcome, Revision } from '../../core/transport'
import { highestPlace } from './scripts/common'
import type { Point } from './store-record'

/** An item is larger than the reader accepts. */
export type Oversized = (key: string) => void

/** An entry as the scripts tell it, in a store with this history. */
export function decodeEntry(told: unknown, history: readonly Epoch[], oversized: Oversized): Entry {
  const [key, number, text, left, fields] = told as [string, string, string, string | number, readonly string[]]
  const n = Number(number)
  const place = { epoch: epochAt(history, n), n }
  const revision = text === '' ? undefined : mergedRevision(text, place)
  const entry = { key, ...(revision ?? place), ...(revision && { place }) }
  switch (left) {
    case 'd':
      return { ...entry, item: null, leftMs: null, cause: 'delete' }
    case 'e':
      return { ...entry, item: null, leftMs: null, cause: 'expire' }
    case 'l':
      return { ...entry, item: undefined, leftMs: null, isLost: true }
    case 'o':
      oversized(key)
      return { ...entry, item: undefined, leftMs: null }
    case 'b':
      return { ...entry, item: undefined, leftMs: null }
  }
  return { ...entry, item: decodeFields(fields), leftMs: Number(left) < 0 ? null : Number(left) }
}

/** The revision of an entry that was merged at this place. One that is not older than the place is a lie, which nothing newer could replace. */
export function mergedRevision(text: unknown, place: Revision): Revision | undefined {
  const revision = decodeRevision(text)
  const isKnown = revision !== undefined && revision.n >= 1 && revision.n <= highestPlace && precedes(revision, place)
  return isKnown ? revision : undefined
}

/** Each value by itself: what is no JSON text does not become one by what stands beside it. The first field is memis's own. */
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

/** A part of a collection. */
export interface Page {
  readonly layout: string
  /** `epoch` of meta, '' if it is malformed; and `epochs`, on the first part. */
  readonly current: string
  readonly epochs: string
  readonly head: number
  readonly sign: string
  /** Up to which place tombstones may be missing. */
  readonly forgotten: number
  /** Up to which place this part reaches. */
  readonly reached: number
  /** The store is another one than that of the last write, or lost a part: an epoch is due. */
  readonly isDue: boolean
  /** The store lacks what it had told. */
  readonly lacksTold: boolean
  /** To be called once: they are decoded when they are needed, while the next part is on its way. */
  entries(history: readonly Epoch[], oversized: Oversized): readonly Entry[]
}

export function decodePage(reply: unknown): Page {
  const [layout, current, epochs, head, sign, forgotten, reached, isDue, entries] = reply as string[] as [
    ...[string, string, string, string, string, string],
    ...[string, string, string],
  ]
  return {
    ...{ layout, current, epochs, sign },
    head: Number(head),
    forgotten: Number(forgotten),
    reached: Number(reached),
    isDue: isDue !== '0',
    lacksTold: isDue === '2',
    entries: (history, oversized) =>
      (JSON.parse(entries) as unknown[]).map((each) => decodeEntry(each, history, oversized)),
  }
}

/** The answer to a batch. */
export interface Answer {
  readonly epoch: string
  readonly first: number
  readonly step: number
  /** One character for each write. */
  readonly codes: string
  /** The remaining time of each set that kept its ttl. */
  readonly kept: readonly (number | null)[]
  /** The place after the batch, and its signature. */
  readonly head: Point
  /** How long ago the batch was accepted; 0 if just now. */
  readonly age: number
}

export function decodeAnswer(text: string, age: string): Answer {
  const [epoch = '', first, step, codes = '', kept = '-', sign = '-', head] = text.split(' ')
  return {
    ...{ epoch, first: Number(first), step: Number(step), codes },
    kept: kept === '-' ? [] : kept.split(',').map((ms) => (Number(ms) < 0 ? null : Number(ms))),
    head: { epoch, n: Number(head), sign },
    age: age === '-' ? 0 : Number(age),
  }
}

/** `conflicts`: the entries of the store under the conditions that failed, in the order of their writes. */
export function decodeOutcomes(answer: Answer, { writes }: Batch, conflicts: readonly (Entry | null)[]): Outcome[] {
  const { epoch, first, step, codes, kept, age } = answer
  let nextConflict = 0
  let nextKept = 0
  return Array.from(codes, (code, i): Outcome => {
    if (code === 'c') return { conflict: conflicts[nextConflict++] ?? null }
    if (code === 'a') return { aborted: true }
    if (code === 'o') return { error: outOfMemory() }
    const accepted = { epoch, n: first + i * step, existed: code === '1' }
    if (code === 'x') return { ...accepted, cause: 'expire' }
    const write = writes[i]
    if (write?.kind !== 'set') return accepted
    const ms = write.ttlMs === 'keep' ? (kept[nextKept++] ?? null) : write.ttlMs
    if (ms === null) return write.ttlMs === 'keep' ? { ...accepted, leftMs: null } : accepted
    return age === 0 && write.ttlMs !== 'keep' ? accepted : { ...accepted, leftMs: ms - age }
  })
}

const outOfMemory = () =>
  new MemisError('STORE_REFUSED', 'Redis is out of memory: only deletes are accepted', { stored: 'no' })

/** Reads what became of merged entries: undefined for one that was refused and whose current entry did not fit into the answer. */
export function decodeMerged(
  reply: unknown,
  history: readonly Epoch[],
  oversized: Oversized,
): { merged: (Merged | undefined)[]; head: Point } {
  const [epoch, before, codes, told, head, sign] = reply as [string, string, string, string, string, string]
  const known = JSON.parse(told) as unknown[]
  let next = 0
  const placeOf = (n: number): Revision => ({ epoch: epochAt(history, n), n })
  const merged = Array.from(codes, (code, i): Merged | undefined => {
    if (code === 'p') return { place: placeOf(Number(before) + i + 1) }
    if (code === 'l') return undefined
    const each = known[next++]
    if (code === 's') return { place: placeOf(Number(each)) }
    return { current: Array.isArray(each) ? decodeEntry(each, history, oversized) : null }
  })
  return { merged, head: { epoch, n: Number(head), sign } }
}
