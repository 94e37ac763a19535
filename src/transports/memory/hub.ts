/**
 * A store in memory, shared by the clients that are given it: the test double, and a laboratory for faults. It behaves as
 * the real stores do: it keeps bytes and no objects, orders writes, remembers deletes, expires by itself, and delivers
 * asynchronously.
 */

import type { Client } from '../../core/client'
import { turn } from '../../core/turn'
import { type Clock, type CollectionId, followingClock, MemisError, quote, type Transport } from '../../transport-kit'
import { MovableClock, milliseconds } from './clock'
import { type News, type State, StoredCollection } from './store'

/** What is on its way between a client and the hub. */
export type Message = 'write' | 'written' | 'read' | 'contents' | 'news'

/** Carries a message, at once or later or never or twice. */
export type Carry = (message: Message, deliver: () => void) => void

/** A client's way to the hub. */
export interface Link {
  /** What happens to the notifications on their way to this client. */
  readonly faults: Faults
  cut(): void
  heal(): void
  /** Sends the news of a collection, by way of the faults. */
  notify(stored: StoredCollection, news: News): void
  /** Ends the sessions of that collection: it began another epoch. */
  fork(stored: StoredCollection): void
  /** Compares with the hub when the client's next audit is due. */
  auditLater(): void
}

/** What happens to the next notifications that a client is sent. */
export interface Faults {
  drop: number
  duplicate: number
  reorder: number
  delayMs: number
}

/** The state of a hub at some moment, to be given back to `rollBack`. */
export type HubSnapshot = ReadonlyMap<StoredCollection, State>

export interface LoseOptions {
  /**
   * The clock of the hub that lost everything is behind by so many ms, or a time such as `'1 h'`: its new epochs sort
   * before those that began meanwhile.
   */
  clockBehind?: number | string
}

/**
 * Clients that are given the same hub share their data, as processes that use the same Redis do. Everything happens in
 * promise jobs, and time is read from `performance` and `setTimeout` at each use: fake timers move it, and so does `advance`.
 *
 * A method that takes a client affects all clients if it is given none.
 */
export class MemoryHub {
  readonly #clock: MovableClock
  readonly #carry: Carry
  readonly #collections = new Map<string, StoredCollection>()
  readonly #links = new Map<Transport, Link>()
  readonly #snapshots = new WeakSet<HubSnapshot>()
  #refusal: MemisError | null = null
  #isDown = false

  constructor()
  /** @internal for simulations: another time, and another way for what is sent */
  constructor(clock: Clock, carry: Carry)
  constructor(clock: Clock = followingClock, carry: Carry = inPromiseJob) {
    this.#clock = new MovableClock(clock)
    this.#carry = carry
  }

  /** Resolves when every write made so far is stored and every replica was notified of it, unless that is delayed. */
  idle(): Promise<void> {
    // Everything is done in promise jobs, and those are all done before the next turn of the event loop.
    return turn()
  }

  /**
   * Moves the time of the hub and its clients ahead: by ms (and up to 2 more), or by a time such as `'90 s'`, `'10 min'`,
   * `'1 d'`; a ttl of as much is over then. Resolves when everything that fell due has happened.
   */
  advance(time: number | string): Promise<void> {
    return this.#clock.advance(milliseconds(time))
  }

  /**
   * Cuts clients off: writes wait, replicas are `stale`. A write that is in flight is stored, but its answer is lost. Without
   * a client, those that are made meanwhile are cut off, too.
   */
  cut(client?: Client): void {
    this.#isDown ||= client === undefined
    for (const link of this.#linksOf(client)) link.cut()
  }

  /** Connects clients that were cut off. */
  heal(client?: Client): void {
    this.#isDown &&= client !== undefined
    for (const link of this.#linksOf(client)) link.heal()
  }

  /** Loses the next so many notifications: there is one for all changes of a batch. The audit finds that out. */
  drop(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.drop = checkCount(count)
  }

  /** Delivers the next so many notifications twice. */
  duplicate(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.duplicate = checkCount(count)
  }

  /** Delivers each of the next so many notifications after the one that follows it. */
  reorder(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.reorder = checkCount(count)
  }

  /** Delivers notifications later by ms, or by a time such as `'2 s'`, until called with 0. */
  delay(time: number | string, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.delayMs = milliseconds(time)
  }

  /** Refuses all writes with `STORE_REFUSED`, as a store that is out of memory does, until called with false. */
  refuseWrites(refuse = true): void {
    if (typeof refuse !== 'boolean') throw invalid(`refuseWrites takes true or false, not ${quote(refuse)}`)
    this.#refusal = refuse ? new MemisError('STORE_REFUSED', 'the hub refuses writes', { stored: 'no' }) : null
  }

  /** Loses the item of this key in each collection, without a tombstone, as a store does that evicts. The audit finds that out. */
  evict(key: string): void {
    for (const stored of this.#collections.values()) stored.evict(key)
    for (const link of this.links) link.auditLater()
  }

  /** Loses everything, as a server that restarts without persistence. */
  lose({ clockBehind = 0 }: LoseOptions = {}): void {
    const behind = milliseconds(clockBehind)
    this.#revert(() => undefined, behind)
  }

  /** What the hub holds now. */
  snapshot(): HubSnapshot {
    const snapshot = new Map([...this.#collections.values()].map((stored) => [stored, stored.state]))
    this.#snapshots.add(snapshot)
    return snapshot
  }

  /** Goes back to an older state, as after a failover to a copy that was behind. */
  rollBack(snapshot: HubSnapshot): void {
    if (!this.#snapshots.has(snapshot)) throw invalid('rollBack takes what snapshot() of the same hub returned')
    this.#revert((stored) => snapshot.get(stored), 0)
  }

  /** @internal */
  get clock(): Clock {
    return this.#clock
  }

  /** @internal A way over the network: resolves when what was sent has arrived. */
  carry<R>(message: Message, arrive: () => R): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#carry(message, () => {
        try {
          resolve(arrive())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** @internal */
  collection({ prefix, database, collection }: CollectionId): StoredCollection {
    const name = JSON.stringify([prefix, database, collection])
    let stored = this.#collections.get(name)
    if (stored === undefined) {
      stored = new StoredCollection(this.#clock)
      this.#collections.set(name, stored)
    }
    return stored
  }

  /** @internal @throws MemisError while writes are refused */
  admitWrite(): void {
    if (this.#refusal !== null) throw this.#refusal
  }

  /** @internal */
  get isDown(): boolean {
    return this.#isDown
  }

  /** @internal */
  get links(): Iterable<Link> {
    return this.#links.values()
  }

  /** @internal */
  attach(transport: Transport, link: Link): void {
    this.#links.set(transport, link)
  }

  /** @internal */
  detach(transport: Transport): void {
    this.#links.delete(transport)
  }

  #revert(stateOf: (stored: StoredCollection) => State | undefined, clockBehind: number): void {
    for (const stored of this.#collections.values()) {
      stored.revert(stateOf(stored), clockBehind)
      for (const link of this.links) link.fork(stored)
    }
  }

  #linksOf(client: Client | undefined): Link[] {
    return [...this.#links].filter(([of]) => client === undefined || client.transport === of).map(([, link]) => link)
  }
}

function inPromiseJob(_: Message, deliver: () => void): void {
  Promise.resolve().then(deliver)
}

function checkCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count
  throw invalid(`a number of notifications is a whole number of at least 0, not ${quote(count)}`)
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
