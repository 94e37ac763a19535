/**
 * Read, change, write on the condition that nobody else did: `update` and what is built on it. No code per transport: the
 * store checks one condition, and on a conflict answers with its entry.
 */
import type { Clock } from './clock'
import { decodeItem, type EncodedItem } from './codec'
import { MemisError, withStored } from './errors'
import { precedes } from './history'
import { onAbort } from './signals'
import type { Accepted, Entry, KeyWrite, Revision } from './transport'
import type { DeepReadonly } from './types'
import type { Caller, Transaction } from './waiting-writes'

/** The part of a collection that conditional writes are made of. */
export interface ConditionalOwner<T> {
  /** The item as the replica knows it; undefined if there is no replica that could tell. */
  known(key: string): KnownItem<T> | undefined
  push(write: KeyWrite | Transaction, bytes: number, caller: Caller): void
  encode(key: string, item: unknown): EncodedItem
  delay(ms: number, signal: AbortSignal | undefined): Promise<void>
  now(): number
  readonly writeTimeout: number
}

/** An item and the revision of it; `revision` is null if there is no item. */
export interface KnownItem<T> {
  readonly item: DeepReadonly<T> | undefined
  readonly revision: Revision | null
  /** The store said so, and not a replica. */
  readonly isConfirmed?: true
  /** This version does not expire. */
  readonly isTimeless?: boolean
  /** The revision of the item or tombstone that the store told; null if it knows nothing of the key. */
  readonly at?: Revision | null
}

/** The decision on an item. */
interface Decision<T> {
  readonly next: Next<T>
  readonly isWrite: boolean
  readonly thrown?: { readonly error: unknown }
}

type Decide<T> = (item: DeepReadonly<T> | undefined) => Decision<T>

/** Returns the next item, the same object for no change, or undefined to delete it. */
export type Updater<T, R extends Next<T> = Next<T>> = (current: DeepReadonly<T> | undefined) => R

/** The values that an updater may return. */
export type Next<T> = T | DeepReadonly<T> | undefined

/** The part of a client that a delay is made with. */
interface Delaying {
  readonly transport: { readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'> }
  readonly closed: unknown
  readonly delays: Set<() => void>
}

/** The longest of the random delays after a conflict (ms). */
const longestDelay = 200

export class Conditional<T extends object> {
  readonly #owner: ConditionalOwner<T>
  /** Updates of a key by this process run one after another: they would conflict with each other. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(owner: ConditionalOwner<T>) {
    this.#owner = owner
  }

  /** Resolves to what is stored in the end. `ttlMs`: null for no expiry, or `'keep'`. */
  update(
    key: string,
    updater: Updater<T>,
    ttlMs: number | null | 'keep',
    signal?: AbortSignal,
  ): Promise<DeepReadonly<T> | undefined> {
    const decide = (item: DeepReadonly<T> | undefined) => {
      const next = updater(item)
      return { next, isWrite: next !== item }
    }
    return this.#change(key, decide, ttlMs, signal)
  }

  /** Gives the item another ttl; resolves to whether there is one. */
  async touch(key: string, ttlMs: number): Promise<boolean> {
    const item = await this.#change(key, (item) => ({ next: item, isWrite: item !== undefined }), ttlMs)
    return item !== undefined
  }

  #change(
    key: string,
    decide: Decide<T>,
    ttlMs: number | null | 'keep',
    signal?: AbortSignal,
  ): Promise<DeepReadonly<T> | undefined> {
    let stored: 'no' | 'unknown' = 'no'
    const change = this.#inTurn(key, async () => {
      let version = this.#owner.known(key) ?? (await this.#confirm(key, nothing))
      for (let conflicts = 0; ; conflicts++) {
        if (signal?.aborted) throw aborted(signal, stored)
        const decision = decided(decide, version.item)
        if (!decision.isWrite) {
          const current = version.isConfirmed ? version : await this.#confirm(key, version)
          if (current.revision === version.revision) return endedBy(decision)
          version = current
        } else {
          // The store need not look up what is known: a revision keeps its ttl for life.
          const ttl = ttlMs === 'keep' && version.isTimeless ? null : ttlMs
          stored = 'unknown'
          const answer = await this.#write(key, decision.next, version.revision, ttl)
          stored = 'no'
          if ('item' in answer) return answer.item
          version = versionOf<T>(answer.conflict)
        }
        await this.#owner.delay(Math.random() * Math.min(longestDelay, 2 ** conflicts), signal)
        version = newerOf(version, this.#owner.known(key))
      }
    })
    return signal === undefined ? change : orAborted(change, signal, () => stored)
  }

  async #write(
    key: string,
    next: Next<T>,
    revision: Revision | null,
    ttlMs: number | null | 'keep',
  ): Promise<{ readonly item: DeepReadonly<T> | undefined } | { readonly conflict: Entry | null }> {
    if (next === undefined) {
      const answer = await this.#attempt({ kind: 'delete', key, if: revision }, key.length)
      return 'conflict' in answer ? answer : { item: undefined }
    }
    const item = this.#owner.encode(key, next)
    const write: KeyWrite = { kind: 'set', key, item, ttlMs, if: revision }
    const answer = await this.#attempt(write, item.bytes + key.length)
    return 'conflict' in answer ? answer : { item: item.item as DeepReadonly<T> }
  }

  /** Asks the store whether this is what it holds, since a replica may lag; resolves to what it holds. */
  async #confirm(key: string, version: KnownItem<T>): Promise<KnownItem<T>> {
    const check: Transaction = { kind: 'transaction', writes: [{ kind: 'check', key, if: version.revision }] }
    const answer = await this.#attempt(check, key.length)
    return 'conflict' in answer ? versionOf<T>(answer.conflict) : { ...version, isConfirmed: true }
  }

  #attempt(write: KeyWrite | Transaction, bytes: number): Promise<Accepted | { readonly conflict: Entry | null }> {
    return new Promise((resolve, reject) => {
      const conflicted = (conflict: Entry | null) => resolve({ conflict })
      this.#owner.push(write, bytes, { deadline: 0, accepted: resolve, conflicted, refused: reject })
    })
  }

  async #inTurn<R>(key: string, run: () => Promise<R>): Promise<R> {
    const overdueAt = this.#owner.now() + this.#owner.writeTimeout
    // The time of those that waited for one that was not answered in time is over as well.
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(run, (error) => {
      const isOver = error instanceof MemisError && error.code === 'WRITE_TIMEOUT' && this.#owner.now() >= overdueAt
      if (isOver) throw withStored(error, 'no')
      return run()
    })
    this.#turns.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }
}

const nothing = { item: undefined, revision: null }

function versionOf<T>(entry: Entry | null): KnownItem<T> {
  if (entry === null || entry.isLost) return { ...nothing, isConfirmed: true }
  const { epoch, n, leftMs } = entry
  const at = { epoch, n }
  if (entry.item === null) return { ...nothing, isConfirmed: true, at }
  const item = decodeItem(entry.item) as DeepReadonly<T> | undefined
  return { item, revision: at, isConfirmed: true, isTimeless: leftMs === null, at }
}

/**
 * A store that tells of an older version than the replica holds has lost that one, and gets it back: to change the older one would undo
 * what others were told is stored.
 */
function newerOf<T>(told: KnownItem<T>, held: KnownItem<T> | undefined): KnownItem<T> {
  if (held?.revision == null) return told
  return told.at == null || precedes(told.at, held.revision) ? held : told
}

/** To throw is to write nothing, too: another version may not make the function throw. */
function decided<T>(decide: Decide<T>, item: DeepReadonly<T> | undefined): Decision<T> {
  try {
    return decide(item)
  } catch (error) {
    return { next: item, isWrite: false, thrown: { error } }
  }
}

function endedBy<T>({ next, thrown }: Decision<T>): DeepReadonly<T> | undefined {
  if (thrown !== undefined) throw thrown.error
  return next as DeepReadonly<T> | undefined
}

/** The same, unless the signal is aborted before. */
function orAborted<R>(promise: Promise<R>, signal: AbortSignal, stored: () => 'no' | 'unknown'): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const release = onAbort(signal, () => reject(aborted(signal, stored())))
    promise.then(resolve, reject).finally(release)
  })
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
            reject(aborted(signal, 'no'))
          })
  })
}

const aborted = (signal: AbortSignal, stored: 'no' | 'unknown') =>
  new MemisError('ABORTED', 'the call was aborted', { cause: signal.reason, stored })
