/** One replica as its user sees it: replays its events into a map, and checks each of them as it comes. */
import { isDeepStrictEqual } from 'node:util'
import type { Collection } from '../../src'
import type { ChangeInfo } from '../../src/core/replica'
import type { FreshnessState, ReadyInfo } from '../../src/core/subscription'
import { revisionOf } from '../support/revisions'
import { type Item, isGenuine, isSteady, ownerOf } from './item'

/** What the store may do in this run. `kept`: it loses nothing; `lost`: it does, and replicas put it back; `accept`: they do not. */
export type Mode = 'kept' | 'lost' | 'accept'

export type Fail = (invariant: string, detail: string) => void

/** By so many ms, an expiry may seem early: the store's clock and ours are cut to whole ms each. */
const clockSlack = 3

export class Follower {
  readonly collection: Collection<Item>
  /** The items that were ever visible, as `writer n`. */
  readonly seen = new Set<string>()
  expected: FreshnessState = 'idle'
  events = 0
  readies = 0
  /** What all the `ready` told together. */
  lost = 0
  restored = 0
  /** The events, replayed. */
  readonly #shadow = new Map<string, Readonly<Item>>()
  readonly #newest = new Map<string, { epoch: string; n: number }>()
  /** The number of the last item that was seen of a key that one alone writes. */
  readonly #last = new Map<string, number>()
  /** The last few events of each key, for whoever looks for the reason. */
  readonly #history = new Map<string, string[]>()
  readonly #name: string
  readonly #mode: Mode
  readonly #fail: Fail
  readonly #mayRepeat: boolean
  #first = true

  /** `mayRepeat`: the store knows a write that is given again only as long as what it wrote is there. */
  constructor(collection: Collection<Item>, mode: Mode, name: string, mayRepeat: boolean, fail: Fail) {
    this.collection = collection
    this.#mayRepeat = mayRepeat
    this.#mode = mode
    this.#name = name
    this.#fail = fail
    collection.on('set', (key, item, info) => this.#set(key, item, info))
    collection.on('expire', (key, last, info) => this.#gone('expire', key, last, info))
    collection.on('delete', (key, last, info) => this.#gone('delete', key, last, info))
    collection.on('ready', (info) => this.#ready(info))
    collection.on('stale', () => this.#stale())
  }

  subscribe(): Promise<void> {
    this.expected = 'syncing'
    this.#first = true
    return this.collection.subscribe()
  }

  unsubscribe(): void {
    this.collection.unsubscribe()
    this.ended()
  }

  /** Nothing is told from now on. */
  ended(): void {
    this.expected = 'idle'
    this.#shadow.clear()
    this.#newest.clear()
    this.#last.clear()
  }

  /** What was last told of a key. */
  historyOf(key: string): string {
    return this.#history.get(key)?.join(', ') ?? 'nothing was told of it'
  }

  /** The events, replayed, must be the replica. */
  check(): void {
    const { state } = this.collection.freshness
    if (state !== this.expected) this.#wrong('K6', `freshness is ${state}, the events say ${this.expected}`)
    if (this.expected === 'idle') return
    const held = new Map(this.collection)
    if (held.size !== this.#shadow.size) this.#wrong('E2', `holds ${held.size}, by its events ${this.#shadow.size}`)
    for (const [key, item] of this.#shadow) {
      if (held.get(key) !== item) this.#wrong('E2', `${key} is ${held.get(key)?.n}, by its events ${item.n}`)
    }
  }

  #set(key: string, item: Readonly<Item>, info: ChangeInfo<Item>): void {
    this.#told('set', key, item, info)
    if (this.collection.get(key) !== item) this.#wrong('E2', `in its event, ${key} is not yet the item`)
    if (isDeepStrictEqual(item, info.previous)) this.#wrong('E3', `${key} was told, though it is as before`)
    if (!isGenuine(key, item)) this.#wrong('invented', `${key} is ${JSON.stringify(item)}, which nobody wrote`)
    const owner = ownerOf(key)
    if (owner !== undefined && owner !== item.by) this.#wrong('invented', `${key} is of ${item.by}`)
    if (owner !== undefined && this.#mode === 'kept') {
      const last = this.#last.get(key) ?? -1
      const isRepeated = this.#mayRepeat && item.n === last && item.ttl !== null && !this.#shadow.has(key)
      if (item.n <= last && !isRepeated)
        this.#wrong('K1', `${key} went from item ${last} back to ${item.n}: ${this.historyOf(key)}`)
      this.#last.set(key, item.n)
    }
    this.seen.add(`${item.by} ${item.n}`)
    this.#rises(key, info.revision, true)
    this.#shadow.set(key, item)
  }

  #gone(event: 'expire' | 'delete', key: string, last: Readonly<Item>, info: ChangeInfo<Item>): void {
    this.#told(event, key, last, info)
    if (this.collection.has(key)) this.#wrong('E2', `in its ${event} event, ${key} is still there`)
    if (!this.#shadow.has(key)) this.#wrong('E2', `${event} of ${key}, which was not there`)
    if (last !== this.#shadow.get(key)) this.#wrong('E1', `${event} of ${key}: last is not what get gave`)
    if (event === 'delete' && isSteady(key) && this.#mode !== 'accept') {
      this.#wrong('false delete', `${key}, which nobody ever deleted: ${this.historyOf(key)}`)
    }
    // Else it is of a later item that this replica never had, and that has expired by now.
    if (event === 'expire' && this.#numberOf(key) === info.revision) {
      const left = last.ttl === null ? Infinity : last.at + last.ttl - Date.now()
      if (left > clockSlack) this.#wrong('X1', `${key} expired ${left} ms too early: ${this.historyOf(key)}`)
    }
    this.#rises(key, info.revision, false)
    this.#shadow.delete(key)
  }

  #told(event: string, key: string, item: Readonly<Item>, info: ChangeInfo<Item>): void {
    this.events++
    const history = this.#history.get(key) ?? []
    this.#history.set(key, history)
    history.push(`${Date.now() % 100_000} ${event} ${item.by} ${item.n} ${info.revision} ${info.cause}`)
    if (history.length > 6) history.shift()
    if (this.expected === 'idle') this.#wrong('R3', `${event} of ${key} after it was unsubscribed`)
    if (info.previous !== this.#shadow.get(key)) this.#wrong('E1', `${event} of ${key}: previous is another`)
    const cause = this.expected === 'syncing' ? 'resync' : 'snapshot'
    if (event === 'set' && info.cause === cause) this.#wrong('E4', `${key}: ${cause} while ${this.expected}`)
  }

  /** Numbers of a key rise within an epoch; of what is gone, it may be the item's own. */
  #rises(key: string, revision: string, strictly: boolean): void {
    const { epoch, n } = revisionOf(revision)
    // What is in doubt after a loss has no number until the store has it again.
    if (n === 0) return void this.#newest.delete(key)
    const newest = this.#newest.get(key)
    if (newest?.epoch === epoch && (n < newest.n || (strictly && n === newest.n))) {
      this.#wrong('K1', `${key} went from ${newest.n} back to ${n}: ${this.historyOf(key)}`)
    }
    this.#newest.set(key, { epoch, n })
  }

  #numberOf(key: string): string | undefined {
    const newest = this.#newest.get(key)
    return newest && `${newest.epoch}.${newest.n}`
  }

  #ready({ cause, size, lost, restored }: ReadyInfo): void {
    this.readies++
    this.lost += lost
    this.restored += restored
    if (this.expected !== 'syncing' && this.expected !== 'stale') this.#wrong('E4', `ready while ${this.expected}`)
    if (size !== this.#shadow.size) this.#wrong('E4', `ready says ${size}, not ${this.#shadow.size}`)
    if (cause !== (this.#first ? 'snapshot' : 'resync')) this.#wrong('E4', `ready says ${cause}`)
    if (restored > lost) this.#wrong('K7', `ready says ${restored} of ${lost} are restored`)
    if (lost > 0 && this.#mode === 'kept') this.#wrong('K7', `ready says ${lost} were lost, though nothing was`)
    this.#first = false
    this.expected = 'live'
    if (this.collection.freshness.state !== 'live') this.#wrong('K6', 'is not live when it is ready')
  }

  #stale(): void {
    if (this.expected !== 'live') this.#wrong('K3', `stale while ${this.expected}`)
    this.expected = 'stale'
    if (this.collection.freshness.state !== 'stale') this.#wrong('K6', 'is not stale when it says so')
  }

  #wrong(invariant: string, detail: string): void {
    this.#fail(invariant, `${this.#name}: ${detail}`)
  }
}
