/** A collection in a client, a record of its events, and what must be true of every event of every replica. */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../../core/client'
import type { Collection } from '../../core/collection'
import type { Change } from '../../core/contents'
import type { MemisError } from '../../core/errors'
import type { ReadyInfo } from '../../core/subscription'
import { must, same, show } from '../assert'

// biome-ignore lint/suspicious/noExplicitAny: the cases put everything there is into items
export type Item = Record<string, any>

/** An event of a collection, and when it came: ms of `performance.now()`. */
export interface Told {
  readonly event: 'set' | 'expire' | 'delete'
  readonly key: string
  readonly item: Item
  readonly change: Change<Item>
  readonly at: number
}

const causes: readonly string[] = ['snapshot', 'live', 'resync', 'stale']

export const database = 'region-nl'
export const collection = 'artists'

export class Replica {
  readonly client: Client
  readonly items: Collection<Item>
  readonly events: Told[] = []
  readonly readies: ReadyInfo[] = []
  readonly stales: MemisError[] = []
  /** Transactions are made: all that they change is there before the first of their events. */
  seesTransactions = false
  /** The replica, as its events tell it. */
  readonly #replayed = new Map<string, Item>()

  /** Whatever is not true of an event goes to the client's `error`, and fails the case. */
  constructor(client: Client, name = collection) {
    this.client = client
    this.items = client.database(database).collection<Item>(name)
    for (const event of ['set', 'expire', 'delete'] as const) {
      this.items.on(event, (key: string, item: Item, change: Change<Item>) => {
        this.#record({ event, key, item, change, at: performance.now() })
        if (!this.seesTransactions) return this.#compareIfSmall(key)
        return Promise.resolve().then(() => this.#compareIfSmall(key))
      })
    }
    this.items.on('ready', (info) => {
      this.readies.push(info)
      this.#compare()
    })
    this.items.on('stale', (error) => void this.stales.push(error))
  }

  /** The events of a key, in order, without their items: `['set snapshot', 'expire live']`. */
  told(key: string): string[] {
    return this.of(key).map(({ event, change }) => `${event} ${change.cause}`)
  }

  /** The events of a key, in order. */
  of(key: string): Told[] {
    return this.events.filter((told) => told.key === key)
  }

  /** If items have a number `n` that their one writer counts up: asserts that no key went back, or was told twice. */
  assertRising(): void {
    const newest = new Map<string, number>()
    for (const { event, key, item } of this.events) {
      if (event !== 'set') continue
      const before = newest.get(key) ?? -1
      must(item.n > before, `${key} does not go back from ${before}`, item.n)
      newest.set(key, item.n)
    }
  }

  /** Unsubscribes, and forgets the events. */
  leave(): void {
    this.items.unsubscribe()
    this.events.length = 0
    this.#replayed.clear()
  }

  #record(told: Told): void {
    const { event, key, item, change } = told
    this.events.push(told)
    const before = this.#replayed.get(key)
    must(
      change.previous === before,
      `${event} ${key}: change.previous is the item that was there: ${show(before)}`,
      change.previous,
    )
    must(/./.test(change.revision), `${event} ${key}: a revision`, change.revision)
    must(causes.includes(change.cause), `${event} ${key}: its cause is one of ${causes}`, change.cause)
    must(
      change.key === key && change.item === item && change.kind === event,
      `${event} ${key}: the change says so`,
      change,
    )
    if (event === 'set') {
      must(
        this.items.get(key) === item,
        `set ${key}: in the listener, get() returns the item: ${show(item)}`,
        this.items.get(key),
      )
      must(!isDeepStrictEqual(item, before), `set ${key}: something changed`, item)
      this.#replayed.set(key, item)
    } else {
      must(item === before, `${event} ${key}: the last item is the object that get() returned: ${show(before)}`, item)
      must(
        !this.items.has(key) && !this.items.get(key),
        `${event} ${key}: in the listener it is gone`,
        this.items.get(key),
      )
      this.#replayed.delete(key)
    }
  }

  /** Large replicas are compared at every 'ready' only, or it would take a while. */
  #compareIfSmall(key: string): void {
    if (this.#replayed.size <= 100) this.#compare()
    else same(this.items.size, this.#replayed.size, `${key}: the size of the replica, and what its events give`)
  }

  #compare(): void {
    const entries = this.items.entries()
    for (const [key, item] of this.#replayed) {
      const { value } = entries.next()
      must(
        value?.[0] === key && value[1] === item,
        `the events, replayed, give the replica: ${key}, ${show(item)}`,
        value,
      )
    }
    const { done, value } = entries.next()
    must(done, 'the replica holds no more than its events gave', value)
  }
}
