import type { Client } from './client'
import { encodeItem } from './codec'
import { MemisError, quote, readable } from './errors'
import { Emitter, emit } from './events'
import type { Lane } from './lane'
import { checkName } from './names'
import type { ChangeInfo } from './replica'
import { type Freshness, type ReadyInfo, Subscription } from './subscription'
import type { Place } from './transport'
import { Call, type CallOwner } from './write-result'

/** Listeners may give anything back; of a promise, its rejection is heard. */
type Result = unknown

/** A collection's events. `key` is of the item that changed. */
export type CollectionEvents<T> = {
  /** An item is new, or its contents changed. `get(key)` gives `item` by now. */
  set: (key: string, item: Readonly<T>, change: ChangeInfo<T>) => Result
  /** An item's ttl ran out. `last` is what `get` gave before. */
  expire: (key: string, last: Readonly<T>, change: ChangeInfo<T>) => Result
  /** An item was deleted. `last` is what `get` gave before. */
  delete: (key: string, last: Readonly<T>, change: ChangeInfo<T>) => Result
  /** The replica has caught up: once after `subscribe()`, and again after each `stale`. */
  ready: (info: ReadyInfo) => Result
  /** The replica may have missed changes. It goes on serving what it has, and catches up by itself. */
  stale: (error: MemisError) => Result
}

const eventNames = ['set', 'expire', 'delete', 'ready', 'stale'] as const
const longestTtl = 100 * 365.25 * 24 * 3600

/**
 * A small collection of items that many processes share. Subscribed, it is a `ReadonlyMap`: a full replica in this
 * process, and all reading is local, synchronous and free of copies (items are frozen and shared). Writing needs no
 * subscription.
 */
export class Collection<T extends object>
  extends Emitter<CollectionEvents<T>>
  implements ReadonlyMap<string, Readonly<T>>
{
  readonly name: string
  readonly #client: Client
  readonly #lane: Lane
  readonly #place: Place
  readonly #where: string
  readonly #owner: CallOwner
  #subscription: Subscription<T> | null = null
  /** The subscription's items at hand: `get` is what is called most, and each step on the way to them is felt. */
  #held: ReadonlyMap<string, Readonly<T>> | null = null
  #subscribed: Promise<void> | null = null
  #refuse: ((error: MemisError) => void) | null = null
  #idleSince = Date.now()

  /** @internal by `Database.collection` */
  constructor(client: Client, place: Place) {
    const where = `${readable(place.database)}/${readable(place.collection)}`
    super(eventNames, (event, error) => client.listenerFailed(`${where}: a listener of ${quote(event)}`, error))
    this.name = place.collection
    this.#client = client
    this.#place = place
    this.#where = where
    this.#owner = {
      named: (error, key) => this.#error(error, key),
      unheard: (error) => client.report(error as MemisError),
    }
    this.#lane = client.writer.lane(place, (write, epoch, outcome) => {
      this.#subscription?.written(write, epoch, outcome)
    })
  }

  /**
   * Fills this process's replica and keeps it up to date. Resolves when the replica holds everything that was in the
   * store at the time of the call; waits for as long as the store cannot be reached. Called again, it gives the
   * same promise, until `unsubscribe()`.
   *
   * Rejects with `UNSUBSCRIBED`, `CLOSED`, `ABORTED` (by `signal`, which ends the subscription while it waits), or
   * with a fault that will not pass by itself (`UNAUTHORIZED`, `UNSUPPORTED_STORE`, `MISSING_PACKAGE`).
   */
  subscribe(options: { signal?: AbortSignal } = {}): Promise<void> {
    let signal: AbortSignal | undefined
    try {
      signal = signalOf(options)
    } catch (error) {
      return handled(Promise.reject(this.#error(error as MemisError)))
    }
    if (this.#subscribed === null) {
      const refusal = this.#client.refusal
      if (refusal !== null) return handled(Promise.reject(this.#error(refusal)))
      this.#subscribed = handled(this.#start())
    }
    const subscribed = this.#subscribed
    if (signal !== undefined) this.#heed(signal)
    // Last, since a transport may refuse or tell everything in this very call.
    if (this.#client.isUp) this.#subscription?.linkUp()
    return subscribed
  }

  /** Ends the subscription at once: no more updates or timers, and the replica is emptied without events. */
  unsubscribe(): void {
    this.#stop(new MemisError('UNSUBSCRIBED', 'unsubscribe() was called'))
  }

  /** How fresh the replica is. What a readiness probe asks. */
  get freshness(): Freshness {
    return this.#subscription?.freshness ?? { state: 'idle', since: this.#idleSince, age: null }
  }

  /**
   * Stores an item, in place of the whole item that was there. `ttl` is in seconds, fractions allowed, counted from
   * when the store takes it; without one the item does not expire, even if the one before would have.
   *
   * Resolves when the store has taken it; where the collection is subscribed, `get` gives it by then. Rejects with
   * `INVALID_NAME`, `INVALID_ITEM`, `INVALID_TTL`, `ITEM_TOO_LARGE`, `TOO_MANY_PENDING`, `WRITE_TIMEOUT`,
   * `STORE_REFUSED`, `UNAUTHORIZED` or `CLOSED`. Not awaited, a failure is told by the client's `error` event.
   */
  set(key: string, item: T, ttl?: number): Promise<void> {
    const call = new Call<void>(this.#owner, key, false)
    try {
      checkName('key', key)
      const ttlMs = checkTtl(key, ttl)
      const encoded = encodeItem(key, item, this.#client.maxItemBytes)
      this.#lane.push({ kind: 'set', key, item: encoded, ttlMs }, encoded.bytes + key.length, call)
    } catch (error) {
      call.fail(this.#error(error as MemisError))
    }
    return call.result
  }

  /** Deletes an item. Resolves, once the store has done so, to whether it was there. Rejects as `set` does. */
  delete(key: string): Promise<boolean> {
    const call = new Call<boolean>(this.#owner, key, true)
    try {
      this.#lane.push({ kind: 'delete', key: checkName('key', key) }, key.length, call)
    } catch (error) {
      call.fail(this.#error(error as MemisError))
    }
    return call.result
  }

  /** Deletes all items, each of which is told as a delete. Resolves once the store has done so. Rejects as `set` does. */
  clear(): Promise<void> {
    const call = new Call<void>(this.#owner, undefined, false)
    this.#lane.push({ kind: 'clear' }, 0, call)
    return call.result
  }

  /** The item of that key, or undefined. The very same frozen object at each call, until the item changes. */
  get(key: string): Readonly<T> | undefined {
    return this.#items.get(key)
  }

  has(key: string): boolean {
    return this.#items.has(key)
  }

  get size(): number {
    return this.#items.size
  }

  keys(): MapIterator<string> {
    return this.#items.keys()
  }

  values(): MapIterator<Readonly<T>> {
    return this.#items.values()
  }

  entries(): MapIterator<[string, Readonly<T>]> {
    return this.#items.entries()
  }

  [Symbol.iterator](): MapIterator<[string, Readonly<T>]> {
    return this.entries()
  }

  forEach(
    callback: (item: Readonly<T>, key: string, collection: ReadonlyMap<string, Readonly<T>>) => void,
    thisArg?: unknown,
  ): void {
    for (const [key, item] of this.#items) Reflect.apply(callback, thisArg, [item, key, this])
  }

  get #items() {
    return this.#held ?? this.#refuseToRead()
  }

  #refuseToRead(): never {
    const closed = this.#client.closed
    throw this.#error(closed ?? new MemisError('NOT_SUBSCRIBED', 'not subscribed: call subscribe() before reading'))
  }

  /** @internal by the client */
  linkUp(): void {
    this.#subscription?.linkUp()
  }

  /** @internal by the client */
  linkDown(): void {
    this.#subscription?.linkDown()
  }

  /** @internal by the client: a fault that will not pass refuses who still waits for the first contents. */
  refuseWaiting(error: MemisError): void {
    if (this.#subscription?.waiting) this.#stop(error)
  }

  /** @internal by the client */
  close(error: MemisError): void {
    this.#stop(error)
  }

  #start(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#refuse = reject
      const subscription = new Subscription<T>(this.#client.transport, this.#place, this.#client.settings, {
        changed: (event, key, item, info) => emit(this, event, [key, item, info]),
        report: (error) => this.#client.report(this.#error(error)),
        ready: (info) => {
          emit(this, 'ready', [info])
          resolve()
        },
        stale: (error) => emit(this, 'stale', [this.#error(error)]),
        refused: (error) => this.#stop(error),
      })
      this.#subscription = subscription
      this.#held = subscription.replica.items
    })
  }

  #stop(error: MemisError): void {
    if (this.#subscription === null) return
    this.#subscription.stop()
    this.#subscription = null
    this.#held = null
    this.#subscribed = null
    this.#idleSince = Date.now()
    // Without effect where subscribe() has resolved.
    this.#refuse?.(this.#error(error))
    this.#refuse = null
  }

  #heed(signal: AbortSignal): void {
    const subscription = this.#subscription
    if (subscription === null) return
    const abort = () => {
      if (this.#subscription !== subscription || !subscription.waiting) return
      this.#stop(new MemisError('ABORTED', 'subscribe() was aborted', { cause: signal.reason }))
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    const done = () => signal.removeEventListener('abort', abort)
    this.#subscribed?.then(done, done)
  }

  /** The same error, with the names of the collection and the key in front. */
  #error(error: MemisError, key?: string): MemisError {
    const where = key === undefined ? this.#where : `${this.#where}: ${readable(key)}`
    const { cause, stored } = error
    return new MemisError(error.code, `${where}: ${error.message}`, {
      ...(cause === undefined ? {} : { cause }),
      ...(stored === undefined ? {} : { stored }),
    })
  }
}

function signalOf(options: { signal?: AbortSignal }): AbortSignal | undefined {
  if (typeof options !== 'object' || options === null) {
    throw new MemisError('INVALID_OPTION', `subscribe takes nothing or { signal }, this is ${quote(options)}`)
  }
  const { signal } = options
  if (signal === undefined || typeof signal?.addEventListener === 'function') return signal
  throw new MemisError('INVALID_OPTION', `signal must be an AbortSignal, this is ${quote(signal)}`)
}

function checkTtl(key: string, ttl: unknown): number | null {
  if (ttl === undefined) return null
  if (typeof ttl === 'number' && ttl > 0 && ttl <= longestTtl) return Math.max(1, Math.round(ttl * 1000))
  const allowed = 'a ttl is a number of seconds, greater than 0 and at most 100 years'
  throw new MemisError('INVALID_TTL', `${readable(key)}: ${allowed}, this is ${quote(ttl)}`)
}

/** A refusal that nobody awaits is told by the client's `error` event; it is no unhandled rejection besides. */
function handled<R>(promise: Promise<R>): Promise<R> {
  promise.catch(() => {})
  return promise
}
