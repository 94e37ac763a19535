/**
 * Read, change, write on the condition that nobody else did: `update` and what is built on it. No code per transport: the
 * store checks one condition, and on a conflict answers with its entry.
 */
import type { Clock } from './clock'
import { decodeItem, type EncodedItem } from './codec'
import { MemisError } from './errors'
import { onAbort } from './signals'
import type { Accepted, Entry, KeyWrite, Revision } from './transport'
import type { DeepReadonly } from './types'
import type { Caller, Transaction } from './waiting-writes'

/** The part of a collection that conditional writes are made of. */
export interface Store<T> {
  /** The item as the replica knows it; undefined if there is no replica that could tell. */
  known(key: string): Version<T> | undefined
  push(write: KeyWrite | Transaction, bytes: number, caller: Caller): void
  encode(key: string, item: unknown): EncodedItem
  delay(ms: number, signal: AbortSignal | undefined): Promise<void>
}

/** An item and the revision of it; `revision` is null if there is no item. */
export interface Version<T> {
  readonly item: DeepReadonly<T> | undefined
  readonly revision: Revision | null
}

/** Returns the next item, the same object for no change, or undefined to delete it. */
export type Updater<T> = (current: DeepReadonly<T> | undefined) => T | DeepReadonly<T> | undefined

/** The part of a client that a delay is made with. */
interface Delaying {
  readonly transport: { readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'> }
  readonly closed: unknown
  readonly delays: Set<() => void>
}

/** The longest of the random delays after a conflict (ms). */
const longestDelay = 200

export class Conditional<T extends object> {
  readonly #store: Store<T>
  /** Updates of a key by this process run one after another: they would conflict with each other. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(store: Store<T>) {
    this.#store = store
  }

  /** Resolves to what is stored in the end. `ttlMs`: null for no expiry, or `'keep'`. */
  update(
    key: string,
    updater: Updater<T>,
    ttlMs: number | null | 'keep',
    signal?: AbortSignal,
  ): Promise<DeepReadonly<T> | undefined> {
    return this.#inTurn(key, async () => {
      let version = this.#store.known(key) ?? (await this.#read(key))
      for (let conflicts = 0; ; conflicts++) {
        if (signal?.aborted) throw aborted(signal)
        const next = updater(version.item)
        if (next === version.item) return version.item
        const stored = await this.#write(key, next, version.revision, ttlMs)
        if ('item' in stored) return stored.item
        version = versionOf<T>(stored.conflict)
        await this.#store.delay(Math.random() * Math.min(longestDelay, 2 ** conflicts), signal)
      }
    })
  }

  /** Gives the item another ttl; resolves to whether there is one. */
  touch(key: string, ttlMs: number): Promise<boolean> {
    return this.#inTurn(key, async () => {
      let { item, revision } = this.#store.known(key) ?? (await this.#read(key))
      for (;;) {
        if (item === undefined || revision === null) return false
        const stored = await this.#write(key, item, revision, ttlMs)
        if ('item' in stored) return true
        ;({ item, revision } = versionOf<T>(stored.conflict))
      }
    })
  }

  async #write(
    key: string,
    next: T | DeepReadonly<T> | undefined,
    revision: Revision | null,
    ttlMs: number | null | 'keep',
  ): Promise<{ readonly item: DeepReadonly<T> | undefined } | { readonly conflict: Entry | null }> {
    if (next === undefined) {
      const answer = await this.#attempt({ kind: 'delete', key, if: revision }, key.length)
      return 'conflict' in answer ? answer : { item: undefined }
    }
    const item = this.#store.encode(key, next)
    const write: KeyWrite = { kind: 'set', key, item, ttlMs, if: revision }
    const answer = await this.#attempt(write, item.bytes + key.length)
    return 'conflict' in answer ? answer : { item: item.item as DeepReadonly<T> }
  }

  /** Asks the store: a check that nothing is there is answered with what is. */
  async #read(key: string): Promise<Version<T>> {
    const check: Transaction = { kind: 'transaction', writes: [{ kind: 'check', key, if: null }] }
    const answer = await this.#attempt(check, key.length)
    return 'conflict' in answer ? versionOf<T>(answer.conflict) : nothing
  }

  #attempt(write: KeyWrite | Transaction, bytes: number): Promise<Accepted | { readonly conflict: Entry | null }> {
    return new Promise((resolve, reject) => {
      const conflicted = (conflict: Entry | null) => resolve({ conflict })
      this.#store.push(write, bytes, { deadline: 0, accepted: resolve, conflicted, refused: reject })
    })
  }

  async #inTurn<R>(key: string, run: () => Promise<R>): Promise<R> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(run, run)
    this.#turns.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }
}

const nothing = { item: undefined, revision: null }

function versionOf<T>(entry: Entry | null): Version<T> {
  if (entry === null || entry.item === null || entry.isLost) return nothing
  const { epoch, n } = entry
  return { item: decodeItem(entry.item) as DeepReadonly<T> | undefined, revision: { epoch, n } }
}

/** Resolves after a time, or when the client is closed: the next attempt is refused then. Rejects with `ABORTED` if the signal is aborted before. */
export function delay(client: Delaying, ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { clock } = client.transport
  return new Promise((resolve, reject) => {
    if (client.closed !== null) return resolve()
    const end = () => {
      clock.clearTimeout(timer)
      client.delays.delete(end)
      release()
      resolve()
    }
    const timer = clock.setTimeout(end, ms)
    client.delays.add(end)
    const release =
      signal === undefined
        ? () => {}
        : onAbort(signal, () => {
            clock.clearTimeout(timer)
            client.delays.delete(end)
            reject(aborted(signal))
          })
  })
}

const aborted = (signal: AbortSignal) => new MemisError('ABORTED', 'the call was aborted', { cause: signal.reason })
