/** Many writes in one call. */
import { equalItems } from './codec'
import { MemisError, quote, readable } from './errors'
import { decodeRevision } from './history'
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

/** The most writes and checks in a transaction. */
const longestTransaction = 500

/** The writes of a transaction. Nothing is sent before the function that was given to `transaction` has returned. */
export interface TransactionWrites<T> {
  /** The transaction is refused unless the item has this revision; null: unless there is no item. */
  check(key: string, revision: string | null): void
  set(key: string, item: T | DeepReadonly<T>, ttl?: Seconds | 'keep'): void
  delete(key: string): void
}

export function pairsOf<T>(method: string, entries: Entries<T>): [string, T | DeepReadonly<T>][] {
  if (typeof entries !== 'object' || entries === null) {
    throw new MemisError('INVALID_ITEM', `${method}() takes [key, item] pairs or an object; this is ${quote(entries)}`)
  }
  const pairs: [string, T | DeepReadonly<T>][] = []
  for (const pair of Symbol.iterator in entries ? entries : Object.entries(entries)) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new MemisError('INVALID_ITEM', `${method}() takes [key, item] pairs; this is ${quote(pair)}`)
    }
    pairs.push(pair as [string, T | DeepReadonly<T>])
  }
  return pairs
}

/** The keys to set and to delete so that `held` becomes `wanted`. */
export function differences(
  held: ReadonlyMap<string, unknown>,
  wanted: ReadonlyMap<string, unknown>,
): { readonly set: string[]; readonly deleted: string[] } {
  const set = [...wanted].flatMap(([key, item]) => (equalItems(held.get(key), item) ? [] : [key]))
  return { set, deleted: [...held.keys()].filter((key) => !wanted.has(key)) }
}

/** A revision as users have it. @throws MemisError `INVALID_OPTION` */
export function parseRevision(what: string, revision: unknown): Revision {
  const parsed = decodeRevision(revision)
  if (parsed !== undefined) return parsed
  const sources = 'a revision is a string from entry(), from an event, or from the `current` of a conflict'
  throw new MemisError('INVALID_OPTION', `${what}: ${sources}; this is ${quote(revision)}`)
}

/** Collects the writes of a transaction, of which each key has one. */
export class TransactionBuilder {
  readonly #checks = new Map<string, Condition>()
  readonly #writes = new Map<string, KeyWrite>()

  check(key: string, condition: Condition): void {
    if (this.#checks.has(key)) throw twice(key, 'checked')
    this.#checks.set(key, condition)
    this.#bound()
  }

  add(write: KeyWrite): void {
    if (this.#writes.has(write.key)) throw twice(write.key, 'written')
    this.#writes.set(write.key, write)
    this.#bound()
  }

  /** A check of a key that is also written becomes the condition of that write. */
  get writes(): KeyWrite[] {
    const writes = [...this.#writes.values()].map((write): KeyWrite => {
      const condition = this.#checks.get(write.key)
      return condition === undefined ? write : { ...write, if: condition }
    })
    for (const [key, condition] of this.#checks) {
      if (!this.#writes.has(key)) writes.push({ kind: 'check', key, if: condition })
    }
    return writes
  }

  #bound(): void {
    if (this.#checks.size + this.#writes.size <= longestTransaction) return
    throw new MemisError('INVALID_OPTION', `a transaction has at most ${longestTransaction} writes and checks`)
  }
}

const twice = (key: string, what: string) =>
  new MemisError('INVALID_OPTION', `${readable(key)} is ${what} twice in one transaction`, { key })
