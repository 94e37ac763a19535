/** Encodes writes and merges for the scripts. No I/O. */
import * as crypto from 'node:crypto'
import { encodeRevision } from '../../core/history'
import type { Batch, Condition, Entry, Write } from '../../core/transport'
import { addLengths, type Form, formOf, indexOfForm, valuesOf } from './fields'

/** A notification with more than so many bytes would get slow subscribers disconnected: readers are told to read instead. */
export const quietBytes = 4 * 1024 * 1024
/** A larger set, or one with more fields, takes the full script: it sends each value only once. */
const loneSet = { bytes: 4096, fields: 100 }

/** The SHA-1 of a text, in hexadecimal digits. */
export const sha1: (text: string) => string =
  'hash' in crypto
    ? (text) => (crypto.hash as (algorithm: string, text: string) => string)('sha1', text)
    : (text) => (crypto as typeof import('node:crypto')).createHash('sha1').update(text).digest('hex')

export const conditionOf = (condition: Condition): string | 1 => (condition === null ? 1 : encodeRevision(condition))

/** Redis counts in whole ms. */
export const wholeMs = (ms: number): number => Math.max(1, Math.ceil(ms))

/** Builds the JSON list that a notification carries, and tells where in it each item lies. */
class Payload {
  readonly shapes: number[] = []
  readonly #texts: string[] = []
  readonly #forms: Form[] = []
  #bytes = 0

  /** An item between two pieces of text. */
  item(before: string, item: { item: object; json: string; bytes: number }, after: string): void {
    const start = this.#bytes + this.#push(before)
    const form = indexOfForm(item.item, this.#forms)
    this.shapes.push(start + 1, form + 1)
    addLengths(item.json, item.bytes, this.#forms[form] as Form, this.shapes)
    this.#texts.push(item.json)
    this.#bytes += item.bytes
    this.#push(after)
  }

  /** Text without an item. */
  text(text: string): void {
    this.#push(text)
  }

  get separator(): string {
    return this.#bytes === 0 ? '[' : ','
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Joined once: adding up would leave a tree of small strings to be collected, which costs more than everything else here. */
  get payload(): string {
    return this.#texts.length === 0 ? '[]' : `${this.#texts.join('')}]`
  }

  get forms(): string {
    return JSON.stringify(this.#forms.map(({ names, bytes }) => names.flatMap((name, i) => [name, bytes[i]])))
  }

  #push(text: string): number {
    const bytes = Buffer.byteLength(text)
    this.#texts.push(text)
    this.#bytes += bytes
    return bytes
  }
}

/** The keys of the items of a batch, and the arguments from the payload on. `setsNothing`: the sets are passed over, with the code o. */
export function encodeBatch(
  prefix: string,
  { writes, isAtomic }: Batch,
  setsNothing = false,
): { items: string[]; args: string[] } {
  const items: string[] = []
  const kinds: number[] = []
  const conditions: (string | 0 | 1)[] = []
  const payload = new Payload()
  let hasConditions = false
  for (const write of writes) {
    if (write.kind === 'clear') continue // always alone in its batch
    items.push(prefix + write.key)
    hasConditions ||= write.if !== undefined
    conditions.push(write.if === undefined ? 0 : conditionOf(write.if))
    const start = `${payload.separator}[${JSON.stringify(write.key)}`
    if (write.kind === 'set' && !setsNothing) {
      const ttl = write.ttlMs === null ? 0 : write.ttlMs === 'keep' ? -1 : wholeMs(write.ttlMs)
      kinds.push(write.ttlMs === 'keep' ? -2 : ttl)
      payload.item(`${start},${ttl},`, write.item, ']')
    } else {
      kinds.push(write.kind === 'delete' ? -1 : write.kind === 'check' ? -3 : -4)
      payload.text(`${start}]`)
    }
  }
  const text = payload.payload
  return {
    items,
    args: [
      ...[text, sha1(text), JSON.stringify(kinds), JSON.stringify(payload.shapes), payload.forms],
      ...[hasConditions ? JSON.stringify(conditions) : '', isAtomic ? '1' : '', payload.bytes > quietBytes ? '1' : ''],
    ],
  }
}

export type LoneSet = Extract<Write, { kind: 'set' }> & { readonly ttlMs: number | null }

/** The only write of a batch, if it is a set that the shortened script can make. */
export function loneSetOf({ writes, isAtomic }: Batch): LoneSet | undefined {
  const [write] = writes
  if (writes.length !== 1 || write?.kind !== 'set' || write.if !== undefined || write.ttlMs === 'keep' || isAtomic) {
    return undefined
  }
  return write.item.bytes <= loneSet.bytes ? (write as LoneSet) : undefined
}

/** The forms of the sets before, most of which are alike. */
const recentForms: Form[] = []

/** The item's fields, and the notification's payload; undefined if there are too many fields. */
export function encodeLoneSet({ key, item, ttlMs }: LoneSet): { payload: string; fields: string[] } | undefined {
  if (recentForms.length > 64) recentForms.splice(0, 56)
  const form = recentForms[indexOfForm(item.item, recentForms)] ?? formOf(item.item)
  if (form.names.length > loneSet.fields) return undefined
  const fields: string[] = []
  const values = valuesOf(item.json, form)
  for (const [i, name] of form.names.entries()) fields.push(name, values[i] as string)
  return { payload: `[[${JSON.stringify(key)},${ttlMs === null ? 0 : wholeMs(ttlMs)},${item.json}]]`, fields }
}

/** The keys of the items of a merge, and the arguments from the payload on. */
export function encodeMerge(prefix: string, entries: readonly Entry[]): { items: string[]; args: string[] } {
  const payload = new Payload()
  const ttls = entries.map(({ key, item, leftMs, cause, epoch, n }) => {
    const start = `${payload.separator}[${JSON.stringify(key)}`
    const extras: { r: string; c?: string } = { r: encodeRevision({ epoch, n }) }
    if (typeof item === 'object' && item !== null) {
      const json = JSON.stringify(item)
      const ttl = leftMs === null ? 0 : wholeMs(leftMs)
      payload.item(`${start},${ttl},`, { item, json, bytes: Buffer.byteLength(json) }, `,${JSON.stringify(extras)}]`)
      return ttl
    }
    if (cause === 'expire') extras.c = cause
    payload.text(`${start},${JSON.stringify(extras)}]`)
    return cause === 'expire' ? -2 : -1
  })
  const text = payload.payload
  return {
    items: entries.map(({ key }) => prefix + key),
    args: [
      ...[text, sha1(text), JSON.stringify(ttls), JSON.stringify(payload.shapes), payload.forms],
      JSON.stringify(entries.map(encodeRevision)),
    ],
  }
}
