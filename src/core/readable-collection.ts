/** The reading half of a collection: its subscription, the replica as a `ReadonlyMap`, and ways to follow its changes. */
import { inspect } from 'node:util'
import { parseRevision } from './bulk'
import type { Client } from './client'
import { eventNames } from './collection-events'
import type { KnownItem } from './conditional'
import type { Change } from './contents'
import type { Database } from './database'
import { MemisError, quote, readable } from './errors'
import { emit } from './events'
import { Following } from './following'
import type { Freshness } from './freshness'
import { encodeRevision } from './history'
import { inspectCollection } from './inspect'
import { hold, MapView } from './map-view'
import { checkName } from './names'
import type { WatchListener } from './stream'
import { Subscription } from './subscription'
import type { Accepted, CollectionId, Revision, Write } from './transport'
import type { DeepReadonly, ItemEntry } from './types'
import { checkOptions, checkSignal, Waiters } from './waiters'

export interface SignalOptions {
  /** Aborting it ends this call alone, with `ABORTED`. */
  signal?: AbortSignal
}

export class ReadableCollection<T extends object> extends MapView<T> {
  readonly name: string
  readonly database: Database
  readonly #client: Client
  readonly #id: CollectionId
  readonly #subscribing = new Waiters(() => {
    const message = 'every call of subscribe() was aborted'
    if (this.#subscription?.isSyncing) this.#stop(new MemisError('UNSUBSCRIBED', message))
  })
  readonly #awaitingLive = new Waiters()
  readonly #following: Following<T>
  #subscription: Subscription<T> | null = null
  #idleSince = Date.now()
  #hasListeners = false

  /** @internal */
  constructor(client: Client, database: Database, name: string) {
    const where = `${readable(database.name)}/${readable(name)}`
    super(
      eventNames,
      (event, error) => client.listenerFailed(`${where}: a listener of ${quote(event)}`, error),
      (hasListeners) => {
        this.#hasListeners = hasListeners
        this.#keep()
      },
    )
    this.name = name
    this.database = database
    this.#client = client
    this.#following = new Following({
      used: () => this.#keep(),
      failed: (error) => client.listenerFailed(`${where}: a listener of watch()`, error),
      named: (error) => this.#named(error),
    })
    this.#id = { prefix: client.settings.prefix, database: database.name, collection: name }
  }

  /**
   * Fills this process's replica and keeps it up to date. Resolves when the replica holds everything that the store held at
   * the time of the call; waits for as long as the store cannot be reached. Called again, it joins the same subscription.
   *
   * Rejects with `UNSUBSCRIBED`, `CLOSED`, `ABORTED` (the subscription ends if no other call waits for it), or with a fault
   * that does not pass by itself (`UNAUTHORIZED`, `UNSUPPORTED_STORE`, `MISSING_PACKAGE`, `LIMIT_EXCEEDED`).
   */
  subscribe(options: SignalOptions = {}): Promise<void> {
    return this.#call(async () => {
      const signal = checkSignal('subscribe', options)
      const { refusal } = this.#client
      if (this.#subscription === null && refusal !== null) throw refusal
      if (signal?.aborted) return await this.#subscribing.wait(signal)
      this.#subscription ??= this.#start()
      const waiting = this.#subscription.isSyncing ? this.#subscribing.wait(signal) : undefined
      // Last, since a transport may refuse or tell everything in this very call.
      if (this.#client.isUp) this.#subscription.linkUp()
      await waiting
    })
  }

  /** Ends the subscription at once: no more updates or timers, and the replica is emptied without events. */
  unsubscribe(): void {
    this.#stop(new MemisError('UNSUBSCRIBED', 'unsubscribe() was called'))
  }

  /** How fresh the replica is. */
  get freshness(): Freshness {
    return this.#subscription?.freshness ?? { state: 'idle', since: this.#idleSince, age: null, reason: null }
  }

  /** Resolves when the replica is live. Rejects with `NOT_SUBSCRIBED`, `UNSUBSCRIBED`, `CLOSED` or `ABORTED`. */
  whenLive(options: SignalOptions = {}): Promise<void> {
    return this.#call(async () => {
      const signal = checkSignal('whenLive', options)
      this.#subscribed // or it throws
      if (signal?.aborted !== true && this.freshness.state === 'live') return
      await this.#awaitingLive.wait(signal)
    })
  }

  /** The item with the revision of this version and its remaining time, as the replica knows them; undefined if there is none. */
  entry(key: string): ItemEntry<T> | undefined {
    const item = this.get(key)
    const described = this.#subscription?.replica.describe(key)
    return item && described && itemEntry(key, item, described.revision, described.leftMs)
  }

  /**
   * 16 characters that are the same for two replicas if both hold the same versions of the same items, to compare processes. Computed
   * at each call, from all items.
   * @throws MemisError `NOT_SUBSCRIBED`, `CLOSED`
   */
  digest(): string {
    return this.#subscribed.replica.digest()
  }

  /**
   * Calls the listener at each change of a key, or of the keys with a prefix, with the item after it (undefined if it is gone).
   * Returns a function that ends this. Like an event listener, it outlasts `unsubscribe()`.
   */
  watch(target: string | { readonly prefix: string }, listener: WatchListener<T>): () => void {
    return this.#following.watch(target, listener)
  }

  /**
   * Resolves to the item once the predicate is true of it, at once if it is now. The predicate gets undefined while there is
   * no item. Rejects with `NOT_SUBSCRIBED`, `ABORTED`, `UNSUBSCRIBED`, `CLOSED`, or what the predicate throws.
   */
  waitFor<S extends DeepReadonly<T> | undefined = DeepReadonly<T> | undefined>(
    key: string,
    predicate: ((item: DeepReadonly<T> | undefined) => item is S) | ((item: DeepReadonly<T> | undefined) => boolean),
    options: SignalOptions = {},
  ): Promise<S> {
    return this.#call(async () => {
      const signal = checkSignal('waitFor', options)
      checkName('key', key)
      const subscription = this.#subscribed
      const { replica } = subscription
      // While the first contents come, an item that is not there may only be late.
      const isKnown = () => replica.items.has(key) || !subscription.isSyncing
      return (await this.#following.waitFor(replica, key, predicate, signal, isKnown)) as S
    })
  }

  /**
   * The items, then each change as it comes. A slow reader gets changes of one key merged: it costs memory per key only. Leaving
   * the loop ends the stream, and so does `unsubscribe()`; `close()` makes it throw `CLOSED`, and an aborted signal `ABORTED`.
   */
  changes(options: SignalOptions & { prefix?: string } = {}): AsyncIterableIterator<Change<T>> {
    checkOptions('changes', options, ['signal', 'prefix'])
    const { prefix = '', ...rest } = options
    const signal = checkSignal('changes', rest)
    if (typeof prefix !== 'string') {
      throw new MemisError('INVALID_OPTION', `prefix must be a string; this is ${quote(prefix)}`)
    }
    return this.#following.changes(this.#subscribed.replica, prefix, signal)
  }

  /**
   * Resolves when the replica holds the version with this revision, or a later state of the collection: a process that gets a
   * revision from another one can then read that write. Rejects with `NOT_SUBSCRIBED`, `ABORTED`, `UNSUBSCRIBED` or `CLOSED`.
   */
  reached(revision: string, options: SignalOptions = {}): Promise<void> {
    return this.#call(async () => {
      const wanted = parseRevision('reached()', revision)
      return this.#following.reached(this.#subscribed.replica, wanted, checkSignal('reached', options))
    })
  }

  [inspect.custom](): string {
    return inspectCollection(
      this.database.name,
      this.name,
      this.freshness.state,
      this.#subscription?.replica.items.size ?? 0,
    )
  }

  /** @internal by the client */
  linkUp(): void {
    this.#subscription?.linkUp()
  }

  /** @internal by the client */
  linkDown(error: MemisError): void {
    this.#subscription?.linkDown(error)
  }

  /** @internal by the client */
  checkProof(): void {
    this.#subscription?.checkProof()
  }

  /** @internal by the client: a fault that does not pass refuses those who still wait for the first contents. */
  refuseWaiting(error: MemisError): void {
    if (this.#subscription?.isSyncing) this.#stop(error)
  }

  /** @internal by the client */
  close(error: MemisError): void {
    this.#stop(error)
  }

  /** @internal by the writing half: own writes were accepted. */
  written(writes: readonly Write[], accepted: readonly Accepted[]): void {
    this.#subscription?.written(writes, accepted)
  }

  /** @internal by the writing half: what the replica knows of a key; undefined if there are no contents yet. */
  known(key: string): KnownItem<T> | undefined {
    const replica = this.#subscription?.replica
    if (!replica?.cursor) return undefined
    const item = replica.items.get(key)
    const described = item === undefined ? undefined : replica.describe(key) // it would describe a tombstone, too
    return { item, revision: described?.revision ?? null, isTimeless: described?.leftMs === null }
  }

  /** @internal */
  unreadable(): MemisError {
    const notSubscribed = new MemisError('NOT_SUBSCRIBED', 'not subscribed: call subscribe() first')
    return this.#named(this.#client.closed ?? notSubscribed)
  }

  get #subscribed(): Subscription<T> {
    if (this.#subscription === null) throw this.unreadable()
    return this.#subscription
  }

  /** Runs an asynchronous method: its errors get the collection's names, and nobody has to handle them. */
  #call<R>(run: () => Promise<R>): Promise<R> {
    const promise = run().catch((error) => Promise.reject(this.#named(error)))
    promise.catch(() => {})
    return promise
  }

  #start(): Subscription<T> {
    const subscription = new Subscription<T>(this.#client.transport, this.#id, this.#client.settings, {
      changed: (change) => this.#changed(subscription, change),
      report: (error) => this.#client.report(this.#named(error)),
      ready: (info) => {
        emit(this, 'ready', [info])
        if (this.#subscription !== subscription) return // a listener has unsubscribed
        this.#subscribing.settle()
        this.#awaitingLive.settle()
      },
      progressed: () => this.#following.progressed(),
      stale: (error) => emit(this, 'stale', [this.#named(error)]),
      refused: (error) => this.#stop(error),
    })
    hold(this, subscription.replica.items)
    this.#subscription = subscription
    this.#keep()
    return subscription
  }

  #changed(subscription: Subscription<T>, change: Change<T>): void {
    this.#following.push(change)
    emit(this, change.kind, [change.key, change.item, change])
    this.#following.tell(change, () => this.#subscription === subscription)
  }

  #stop(error: MemisError): void {
    if (this.#subscription === null) return
    this.#subscription.stop()
    this.#subscription = null
    hold(this, null)
    this.#idleSince = Date.now()
    this.#keep()
    this.#subscribing.refuse(error)
    this.#awaitingLive.refuse(error)
    this.#following.end(error)
  }

  #keep(): void {
    const isUsed = this.#subscription !== null || this.#hasListeners || this.#following.isUsed
    this.#client.keep(this, isUsed)
  }

  #named(error: MemisError): MemisError {
    if (!(error instanceof MemisError)) return error // the caller's own, or a bug
    return error.at({ database: this.#id.database, collection: this.#id.collection })
  }
}

export const itemEntry = <I>(
  key: string,
  item: DeepReadonly<I>,
  revision: Revision,
  leftMs: number | null,
): ItemEntry<I> => ({
  key,
  item,
  revision: encodeRevision(revision),
  expiresIn: leftMs === null ? null : leftMs / 1000,
})
