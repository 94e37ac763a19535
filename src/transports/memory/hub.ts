/**
 * A store in memory, shared by the clients that are given it: the test double, and a laboratory for faults. It behaves as
 * the real stores do: it keeps bytes and no objects, numbers writes, remembers deletes, expires by itself, and delivers
 * asynchronously.
 */
import type { Client } from '../../core/client'
import { type Clock, followingClock } from '../../core/clock'
import { MemisError } from '../../core/errors'
import type { Place, Transport } from '../../core/transport'
import { turn } from '../../core/turn'
import { MovableClock, milliseconds } from './clock'
import { type News, type State, StoredCollection } from './store'

/** What is on its way between a client and the hub. */
export type Message = 'write' | 'written' | 'read' | 'contents' | 'news'

/** Carries a message, at once or later or never or twice. */
export type Carry = (message: Message, deliver: () => void) => void

/** A client's way to the hub. */
export interface Link {
  /** What happens to the news on their way to this client. */
  readonly faults: Faults
  cut(): void
  heal(): void
  /** Sends the news of a collection, by way of the faults. */
  tell(collection: StoredCollection, news: News): void
  /** Ends what follows that collection: the store is not what it was. */
  parted(collection: StoredCollection): void
}

/** What happens to the next news that a client is sent. */
export interface Faults {
  drop: number
  duplicate: number
  reorder: number
  delayMs: number
}

/** The state of a hub at some moment, to be given back to `rollBack`. */
export type HubSnapshot = ReadonlyMap<StoredCollection, State>

/**
 * Clients that are given the same hub share their data, as processes that use the same Redis do. Everything happens in
 * promise jobs, and time is asked of `performance` and `setTimeout` at each use: fake timers move it, and so does `advance`.
 *
 * Where a method takes a client, without one it means all of them.
 */
export class MemoryHub {
  readonly #clock: MovableClock
  readonly #carry: Carry
  readonly #collections = new Map<string, StoredCollection>()
  readonly #links = new Map<Transport, Link>()
  #refusal: MemisError | null = null

  constructor()
  /** @internal for simulations: another time, and another way for what is sent */
  constructor(clock: Clock, carry: Carry)
  constructor(clock: Clock = followingClock, carry: Carry = inPromiseJob) {
    this.#clock = new MovableClock(clock)
    this.#carry = carry
  }

  /** Resolves when every write made so far is stored and every replica has heard of it, but for what is delayed. */
  idle(): Promise<void> {
    // All is done in promise jobs, and those are all done before the next turn of the event loop.
    return turn()
  }

  /**
   * Moves the time of the hub and its clients ahead: by ms (and up to 2 more), or by a time such as `'90 s'`, `'10 min'`,
   * `'1 d'`; a ttl of as much is over then. Resolves when all that fell due has happened.
   */
  advance(time: number | string): Promise<void> {
    return this.#clock.advance(milliseconds(time))
  }

  /** Cuts off: writes wait, replicas are `stale`. A write that is under way is stored, but its answer is lost. */
  cut(client?: Client): void {
    for (const link of this.#linksOf(client)) link.cut()
  }

  /** Connects what was cut off. */
  heal(client?: Client): void {
    for (const link of this.#linksOf(client)) link.heal()
  }

  /** Loses the next so many notifications: one stands for all changes of one batch. The audit finds that out. */
  drop(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.drop = count
  }

  /** Delivers the next so many notifications twice. */
  duplicate(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.duplicate = count
  }

  /** Delivers each of the next so many notifications after the one that follows it. */
  reorder(count = 1, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.reorder = count
  }

  /** Delivers notifications later by ms, or by a time such as `'2 s'`, until called with 0. */
  delay(time: number | string, client?: Client): void {
    for (const { faults } of this.#linksOf(client)) faults.delayMs = milliseconds(time)
  }

  /** Refuses all writes with `STORE_REFUSED`, as a store that is out of memory does, until called with false. */
  refuseWrites(refuse = true): void {
    this.#refusal = refuse ? new MemisError('STORE_REFUSED', 'the hub refuses writes', { stored: 'no' }) : null
  }

  /** Forgets everything, as a server that restarts without persistence. */
  lose(): void {
    this.rollBack(new Map())
  }

  /** What the hub holds now. */
  snapshot(): HubSnapshot {
    return new Map([...this.#collections.values()].map((collection) => [collection, collection.state]))
  }

  /** Takes on an older state, as after a failover to a copy that was behind. */
  rollBack(snapshot: HubSnapshot): void {
    for (const collection of this.#collections.values()) {
      collection.revert(snapshot.get(collection))
      for (const link of this.#links.values()) link.parted(collection)
    }
  }

  /** @internal */
  get clock(): Clock {
    return this.#clock
  }

  /** @internal What stands for a way over the network: resolves when what was sent has arrived. */
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
  collection({ prefix = '', database, collection }: Place): StoredCollection {
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

  #linksOf(client: Client | undefined): Link[] {
    return [...this.#links].filter(([of]) => client === undefined || client.transport === of).map(([, link]) => link)
  }
}

function inPromiseJob(_: Message, deliver: () => void): void {
  Promise.resolve().then(deliver)
}
