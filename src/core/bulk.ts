/** Many writes in one call. */
import { equalItems } from './codec'
import { MemisError, quote, readable } from './errors'
import { decodeRevision } from './history'
import { kindOf } from './text'
import type { Condition, KeyWrite, Revision } from './transport'
import type { DeepReadonly, Seconds } from './types'

/** Items by key: `[key, item]` pairs, such as a Map, or a plain object. */
export type Entries<T> =
  | Iterable<readonly [string, T | DeepReadonly<T>]>
  | Readonly<Record<string, T | DeepReadonly<T>>>

/** What `replaceAll` did, or would do: numbers of items. */
export interface Replacement {
  readonly set: number
  readonly deleted: number
  readonly unchanged: number
}

/** The most keys that a transaction writes and checks. */
const longestTransaction = 500

/** The writes of a transaction. Nothing is sent before the function that was given to `transaction` has returned. */
export interface TransactionWrites<T> {
  /** The transaction is refused unless the item has this revision; null: unless there is no item. */
  check(key: string, revision: string | null): void
  set(key: string, item: T | DeepReadonly<T>, ttl?: Seconds | 'keep'): void
  delete(key: string): void
}

export function pairsOf<T>(method: string, entries: Entries<T>): [string, T | DeepReadonly<T>][] {
  const isIterable = typeof entries === 'object' && entries !== null && Symbol.iterator in entries
  // Anything else would be taken for an object without items, and replaceAll(promise) would delete everything.
  if (!isIterable && kindOf(entries) !== 'an object') {
    throw new MemisError('INVALID_ITEM', `${method}() takes [key, item] pairs or an object; this is ${kindOf(entries)}`)
  }
  const pairs: [string, T | DeepReadonly<T>][] = []
  for (const pair of isIterable ? entries : Object.entries(entries)) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new MemisError('INVALID_ITEM', `${method}() takes [key, item] pairs; this is ${quote(pair)}`)
    }
    pairs.push(pair as [string, T | DeepReadonly<T>])
  }
  return pairs
}

/** The keys to set and to delete so that `held` becomes `wanted`. */
export function differences(
  held: ReadonlyMap<string, { readonly item: unknown }>,
  wanted: ReadonlyMap<string, unknown>,
): { readonly set: ReadonlySet<string>; readonly deleted: readonly string[] } {
  const set = [...wanted].flatMap(([key, item]) => (equalItems(held.get(key)?.item, item) ? [] : [key]))
  return { set: new Set(set), deleted: [...held.keys()].filter((key) => !wanted.has(key)) }
}

/** A revision as users have it. @throws MemisError `INVALID_OPTION` */
export function parseRevision(what: string, revision: unknown): Revision {
  const parsed = decodeRevision(revision)
  if (parsed !== undefined) return parsed
  const sources = 'a revision is a string from entry(), from an event, or from the `current` of a conflict'
  throw new MemisError('INVALID_OPTION', `${what}: ${sources}; this is ${quote(revision)}`)
}

/** The part of a transaction that concerns one key. */
interface Part {
  write?: KeyWrite
  condition?: Condition
}

/** Collects the writes of a transaction: each key is written once at most, and checked once. */
export class TransactionBuilder {
  readonly #parts = new Map<string, Part>()
  #isEnded = false

  check(key: string, condition: Condition): void {
    const part = this.#part(key)
    if (part.condition !== undefined) throw twice(key, 'checked')
    part.condition = condition
  }

  add(write: KeyWrite): void {
    const part = this.#part(write.key)
    if (part.write !== undefined) throw twice(write.key, 'written')
    part.write = write
  }

  /** Nothing can be added any more. `result` is what the function returned that added all. */
  end(result: unknown): KeyWrite[] {
    this.#isEnded = true
    if (result instanceof Promise) {
      result.catch(() => {}) // this refusal is what its caller has to know
      throw new MemisError('INVALID_OPTION', 'the function of a transaction must not be async', { stored: 'no' })
    }
    return [...this.#parts].map(([key, { write, condition }]): KeyWrite => {
      if (write === undefined) return { kind: 'check', key, if: condition as Condition }
      return condition === undefined ? write : { ...write, if: condition }
    })
  }

  #part(key: string): Part {
    if (this.#isEnded) throw new MemisError('INVALID_OPTION', 'the function of the transaction has returned', { key })
    const part = this.#parts.get(key)
    if (part !== undefined) return part
    if (this.#parts.size === longestTransaction) {
      throw new MemisError('INVALID_OPTION', `a transaction writes and checks at most ${longestTransaction} keys`)
    }
    const added: Part = {}
    this.#parts.set(key, added)
    return added
  }
}

const twice = (key: string, what: string) =>
  new MemisError('INVALID_OPTION', `${readable(key)} is ${what} twice in one transaction`, { key })
