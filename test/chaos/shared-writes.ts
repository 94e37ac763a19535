/** The conditional writes and transactions of a member: see shared.ts. */
import type { Collection, MemisError } from '../../src'
import type { Random } from '../simulation/random'
import type { Calls } from './calls'
import type { FollowerOptions } from './follower'
import type { Entry, Kind } from './journal'
import { counted, counters, halvesOf, onceKey, pairs, type Shared, tallies } from './shared'

export class SharedWrites {
  readonly #collection: Collection<Shared>
  readonly #calls: Calls
  readonly #random: Random
  readonly #options: FollowerOptions
  #n = 0

  constructor(collection: Collection<Shared>, calls: Calls, random: Random, options: FollowerOptions) {
    this.#collection = collection
    this.#calls = calls
    this.#random = random
    this.#options = options
  }

  async makeCounters(): Promise<void> {
    for (const counter of counters) await this.#makeCounter(counter)
  }

  /** One write, chosen at random. */
  act(): Promise<unknown> {
    const random = this.#random
    const kind = random.weighted([
      [30, 'increment'],
      [20, 'update'],
      [20, 'once'],
      [30, 'pair'],
    ] as const)
    switch (kind) {
      case 'increment':
        return this.#increment(random.pick(counters))
      case 'update':
        return this.#update(random.pick(tallies))
      case 'once':
        return this.#setOnce(onceKey(Date.now()))
      case 'pair':
        return this.#setPair(random.pick(pairs))
    }
  }

  async #increment(key: string): Promise<void> {
    // A store that lost everything has no counters.
    const codes = this.#options.mode === 'kept' ? [] : (['NOT_FOUND'] as const)
    const increment = () => this.#collection.increment(key, 'count')
    const error = await this.#calls.make(this.#entry('increment', key), increment, codes)
    if (error?.code === 'NOT_FOUND') await this.#makeCounter(key)
  }

  async #makeCounter(key: string): Promise<void> {
    const make = () => this.#collection.set(key, { count: 0 }, { ifAbsent: true })
    await this.#calls.make(this.#entry('set', key), make, ['CONFLICT'])
  }

  async #update(key: string): Promise<void> {
    const { name } = this.#options
    const update = () => this.#collection.update(key, (tally) => counted(tally, name))
    await this.#calls.make(this.#entry('update', key), update)
  }

  async #setPair(pair: string): Promise<void> {
    const entry = this.#entry('pair', pair)
    const item = { writer: this.#options.name, n: entry.n }
    const write = () =>
      this.#collection.transaction((t) => {
        for (const half of halvesOf(pair)) t.set(half, item)
      })
    await this.#calls.make(entry, write)
  }

  async #setOnce(key: string): Promise<void> {
    const entry = this.#entry('once', key)
    const item = { writer: this.#options.name, n: entry.n }
    const set = () => this.#collection.set(key, item, { ifAbsent: true })
    const error = await this.#calls.make(entry, set, ['CONFLICT'])
    if (error?.code === 'CONFLICT') this.#checkConflict(entry, error)
  }

  #checkConflict({ key, n }: Entry, { stored, current }: MemisError): void {
    const { name, mode, fail } = this.#options
    const item = current?.item as Shared | undefined
    if (stored !== 'no') fail('C2', `${name}: ${key} conflicts, and stored is ${stored}`)
    if (item === undefined) return fail('C2', `${name}: ${key} was not absent, and the error has no current item`)
    // After a loss, replicas may have restored it before its call was repeated.
    if (item.writer === name && item.n === n && mode === 'kept') fail('C2', `${name}: ${key} conflicts with itself`)
  }

  #entry(kind: Kind, key: string): Entry {
    return { collection: this.#collection.name, key, kind, n: ++this.#n, ttl: null, at: Date.now() }
  }
}
