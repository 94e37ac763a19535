/** One replica as its user sees it: replays its events into a map, and checks each of them as it comes. */
import { isDeepStrictEqual } from 'node:util'
import type { Change, Collection, FreshnessState, ReadyInfo } from '../../src'
import { precedes } from '../../src/core/history'
import { revisionOf } from '../support/revisions'

/** What the store may do in this run. `kept`: it loses nothing. `lost`: it loses everything now and then, and replicas restore it. `accept`: they do not. */
export type Mode = 'kept' | 'lost' | 'accept'

export type Fail = (invariant: string, detail: string) => void

export interface FollowerOptions {
  readonly name: string
  readonly mode: Mode
  readonly fail: Fail
}

export class Follower<T extends object> {
  readonly collection: Collection<T>
  expected: FreshnessState = 'idle'
  events = 0
  /** Sums over all `ready` events. */
  lost = 0
  restored = 0
  protected readonly mode: Mode
  /** The events, replayed. */
  protected readonly shadow = new Map<string, unknown>()
  /** The revision of the last event of each key. */
  readonly #newest = new Map<string, string>()
  /** The last few events of each key, for reports. */
  readonly #history = new Map<string, string[]>()
  readonly #name: string
  readonly #fail: Fail
  #isFirst = true

  constructor(collection: Collection<T>, { name, mode, fail }: FollowerOptions) {
    this.collection = collection
    this.mode = mode
    this.#name = `${name}/${collection.name}`
    this.#fail = fail
    collection.on('set', (_, __, change) => this.#set(change))
    collection.on('expire', (_, last, change) => this.#gone(last, change))
    collection.on('delete', (_, last, change) => this.#gone(last, change))
    collection.on('ready', (info) => this.#ready(info))
    collection.on('stale', () => this.#stale())
  }

  subscribe(): Promise<void> {
    this.expected = 'syncing'
    this.#isFirst = true
    return this.collection.subscribe()
  }

  unsubscribe(): void {
    this.collection.unsubscribe()
    this.ended()
  }

  /** From now on no event may come. */
  ended(): void {
    this.expected = 'idle'
    this.shadow.clear()
    this.#newest.clear()
  }

  /** The last events of a key. */
  historyOf(key: string): string {
    return this.#history.get(key)?.join(', ') ?? 'there was no event of it'
  }

  /** Whether the last item of a key was told, and then an `expire` of another version. */
  wasErased(key: string): boolean {
    const [told = '', ended = ''] = this.#history.get(key)?.slice(-2) ?? []
    const [, set, one] = told.split(' ')
    const [, expire, other] = ended.split(' ')
    return set === 'set' && expire === 'expire' && one !== other
  }

  /** The replayed events must be the replica. */
  check(): void {
    const { state } = this.collection.freshness
    if (state !== this.expected) this.wrong('K6', `freshness is ${state}, the events say ${this.expected}`)
    if (this.expected === 'idle') return
    if (this.collection.size !== this.shadow.size) {
      this.wrong('E2', `holds ${this.collection.size} items, by its events ${this.shadow.size}`)
    }
    for (const [key, item] of this.shadow) {
      if (this.collection.get(key) !== item) this.wrong('E2', `${key} is another item than its events say`)
    }
  }

  /** Called for each set event that has passed the general checks, before the shadow changes. */
  protected onSet(_change: Change<T>): void {}

  /** Called for each expire or delete event, as above. `isOfVersion`: it ends the very version that the last event named. */
  protected onGone(_change: Change<T>, _isOfVersion: boolean): void {}

  protected wrong(invariant: string, detail: string): void {
    this.#fail(invariant, `${this.#name}: ${detail}`)
  }

  #set(change: Change<T>): void {
    const { key, item, previous, cause } = change
    this.#note(change)
    if (this.collection.get(key) !== item) this.wrong('E2', `in its event, ${key} is not yet the item`)
    if (isDeepStrictEqual(item, previous)) this.wrong('E3', `${key} was emitted, though it is as before`)
    if (cause === (this.expected === 'syncing' ? 'resync' : 'snapshot')) {
      this.wrong('E4', `the cause of ${key} is ${cause} while ${this.expected}`)
    }
    this.#rises(change)
    this.onSet(change)
    this.shadow.set(key, item)
  }

  #gone(last: unknown, change: Change<T>): void {
    const { key, kind, revision } = change
    this.#note(change)
    if (this.collection.has(key)) this.wrong('E2', `in its ${kind} event, ${key} is still there`)
    if (!this.shadow.has(key)) this.wrong('E2', `${kind} of ${key}, which was not there`)
    if (last !== this.shadow.get(key)) this.wrong('E1', `${kind} of ${key}: last is not what get returned`)
    const isOfVersion = this.#newest.get(key) === revision
    this.#rises(change)
    this.onGone(change, isOfVersion)
    this.shadow.delete(key)
  }

  #note({ kind, key, previous, revision, cause }: Change<T>): void {
    this.events++
    const history = this.#history.get(key) ?? []
    this.#history.set(key, history)
    history.push(`${Date.now() % 100_000} ${kind} ${revision} ${cause}`)
    if (history.length > 6) history.shift()
    if (this.expected === 'idle') this.wrong('R3', `${kind} of ${key} after it was unsubscribed`)
    if (previous !== this.shadow.get(key)) this.wrong('E1', `${kind} of ${key}: previous is another item`)
    if (cause === 'stale' && this.expected === 'live') this.wrong('E7', `${kind} of ${key}: stale while live`)
  }

  /** Revisions of a key rise. What is gone may name the version that has ended. */
  #rises({ kind, key, revision, cause }: Change<T>): void {
    const before = this.#newest.get(key)
    if (before !== undefined) {
      const [older, newer] = [revisionOf(before), revisionOf(revision)]
      const isBack = precedes(newer, older) || (kind === 'set' && before === revision)
      if (isBack) this.wrong('K1', `${key} went from ${before} back to ${revision}: ${this.historyOf(key)}`)
    }
    // A store that lost an item says nothing newer of it by not having it: another replica may restore it.
    const isByDefault = kind === 'delete' && cause === 'resync' && this.mode !== 'kept'
    if (isByDefault) this.#newest.delete(key)
    else this.#newest.set(key, revision)
  }

  #ready({ cause, size, lost, restored }: ReadyInfo): void {
    this.lost += lost
    this.restored += restored
    if (this.expected !== 'syncing' && this.expected !== 'stale') this.wrong('E4', `ready while ${this.expected}`)
    if (size !== this.shadow.size) this.wrong('E4', `ready says ${size} items, there are ${this.shadow.size}`)
    if (cause !== (this.#isFirst ? 'snapshot' : 'resync')) this.wrong('E4', `the cause of ready is ${cause}`)
    if (restored > lost) this.wrong('K7', `ready says that ${restored} of ${lost} are restored`)
    if (lost > 0 && this.mode === 'kept') this.wrong('K7', `ready says that ${lost} were lost, though nothing was`)
    this.#isFirst = false
    this.expected = 'live'
    if (this.collection.freshness.state !== 'live') this.wrong('K6', 'is not live in its ready event')
  }

  #stale(): void {
    if (this.expected !== 'live') this.wrong('K3', `stale while ${this.expected}`)
    this.expected = 'stale'
    if (this.collection.freshness.state !== 'stale') this.wrong('K6', 'is not stale in its stale event')
  }
}
