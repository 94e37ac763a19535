/** One replica as its user sees it: replays its events into a map, and checks each of them as it comes. */
import type { Collection } from '../../src'
import type { ChangeInfo } from '../../src/core/replica'
import type { FreshnessState, ReadyInfo } from '../../src/core/subscription'
import { revisionOf } from '../support/revisions'
import type { Actor } from './actor'
import { Caller } from './caller'
import type { Item, Ledger } from './ledger'
import type { World } from './world'

export class Follower {
  readonly name: string
  readonly actor: Actor
  readonly collection: Collection<Item>
  readonly ledger: Ledger
  /** The events, replayed. */
  readonly shadow = new Map<string, Readonly<Item>>()
  /** Writes. */
  readonly caller: Caller
  expected: FreshnessState = 'idle'
  /** Counts subscriptions. */
  generation = 0
  /** What a listener does beside listening. */
  mischief: (() => unknown) | null = null
  /** Hears of each change after it was checked. */
  heard: ((event: 'set' | 'expire' | 'delete', key: string) => void) | null = null
  readonly #world: World
  readonly #newest = new Map<string, { epoch: string; n: number }>()
  #first = true

  constructor(actor: Actor, name: string) {
    const { client, world } = actor
    this.name = `${actor.name}/${name}`
    this.actor = actor
    this.#world = world
    this.ledger = world.ledgerOf({ prefix: undefined, database: 'db', collection: name })
    this.collection = client.database('db').collection<Item>(name)
    this.caller = new Caller(world, this)
    this.collection.on('set', (key, item, info) => this.#set(key, item, info))
    this.collection.on('expire', (key, last, info) => this.#gone('expire', key, last, info))
    this.collection.on('delete', (key, last, info) => this.#gone('delete', key, last, info))
    this.collection.on('ready', (info) => this.#ready(info))
    this.collection.on('stale', () => this.#stale())
    this.collection.multi('set expire delete ready stale', () => this.mischief?.())
  }

  subscribe(): void {
    const { collection, ledger } = this
    this.expected = 'syncing'
    this.#first = true
    const generation = ++this.generation
    const { order } = ledger
    const again = collection.subscribe()
    again.then(
      () => {
        if (this.generation !== generation) return
        // R2: what was in the store at the call, or what came of it since.
        for (const key of this.#world.settings.keys) {
          const v = collection.get(key)?.v ?? null
          if (!ledger.explains(key, v, order)) this.fail('R2', `subscribed, ${key} is ${v}`)
        }
      },
      (error) => {
        if (this.generation === generation) this.fail('subscribe', `refused: ${error.message}`)
      },
    )
    if (collection.subscribe() !== again) this.fail('R2', 'subscribe() gives another promise')
  }

  unsubscribe(): void {
    this.collection.unsubscribe()
    this.ended()
  }

  /** Nothing is told from now on. */
  ended(): void {
    this.generation++
    this.expected = 'idle'
    this.shadow.clear()
    this.#newest.clear()
  }

  /** The events, replayed, must be the replica. */
  check(): void {
    const { collection, shadow, expected } = this
    const { state } = collection.freshness
    if (state !== expected) this.fail('freshness', `is ${state}, its events say ${expected}`)
    if (expected === 'idle') return
    if (collection.size !== shadow.size)
      this.fail('replay', `holds ${[...collection.keys()]}, not ${[...shadow.keys()]}`)
    for (const [key, item] of shadow) {
      if (collection.get(key) !== item) this.fail('replay', `${key} is ${collection.get(key)?.v}, not ${item.v}`)
    }
  }

  /** Why it is not what the store holds, or null. What has just run out may be told a little later. */
  difference(patience: number): string | null {
    const { ledger, shadow, expected } = this
    if (expected !== 'live') return `${this.name} is ${expected}`
    const { now } = this.#world.time
    for (const key of this.#world.settings.keys) {
      const taken = ledger.item(key)
      const v = shadow.get(key)?.v
      if (v === taken?.v) continue
      const justExpired =
        taken === undefined && v !== undefined && (ledger.model.get(key)?.deadline ?? 0) > now - patience
      if (!justExpired) return `${this.name}: ${key} is ${v}, in the store ${taken?.v}`
    }
    return null
  }

  #set(key: string, item: Readonly<Item>, info: ChangeInfo<Item>): void {
    const { shadow, ledger, collection } = this
    this.#told('set', key, item, info)
    if (collection.get(key) !== item) this.fail('E2', `in its event, ${key} is not yet the item`)
    if (shadow.get(key)?.v === item.v) this.fail('E3', `${key} was told, though it is as before`)
    const taken = ledger.find(info.revision)
    if (taken === undefined || taken.key !== key || taken.v !== item.v || item.k !== key) {
      this.fail('invented', `${key} is ${item.v}, but ${info.revision} was ${taken?.key}=${taken?.v}`)
    }
    this.#rises(key, info.revision, true)
    shadow.set(key, item)
    this.heard?.('set', key)
  }

  #gone(event: 'expire' | 'delete', key: string, last: Readonly<Item>, info: ChangeInfo<Item>): void {
    const { shadow, ledger, collection } = this
    this.#told(event, key, last, info)
    if (collection.has(key)) this.fail('E2', `in its ${event} event, ${key} is still there`)
    if (!shadow.has(key)) this.fail('E2', `${event} of ${key}, which was not there`)
    if (last !== shadow.get(key)) this.fail('E1', `${event} of ${key}: last is not what get gave`)
    if (event === 'expire') this.#checkExpiry(key, last.v, info.revision)
    else if (!ledger.explains(key, null, this.#orderOf(key))) this.fail('false delete', `${key}=${last.v}`)
    this.#rises(key, info.revision, false)
    shadow.delete(key)
    this.heard?.(event, key)
  }

  #told(event: string, key: string, item: Readonly<Item>, info: ChangeInfo<Item>): void {
    this.#world.trace(() => `${this.name} ${event} ${key}=${item.v} ${info.revision} ${info.cause}`)
    if (this.expected === 'idle') this.fail('R3', `${event} of ${key} after it was unsubscribed`)
    if (info.previous !== this.shadow.get(key)) this.fail('E1', `${event} of ${key}: previous is ${info.previous?.v}`)
    const cause = this.expected === 'syncing' ? 'resync' : 'snapshot'
    if (event === 'set' && info.cause === cause)
      this.fail('E4', `${event} of ${key}: cause is ${info.cause} while ${this.expected}`)
  }

  /** Never early against the deadline of the very write that the revision names. */
  #checkExpiry(key: string, v: number, revision: string): void {
    const taken = this.ledger.find(revision)
    const { now } = this.#world.time
    const named = taken?.key === key && taken.v !== null
    const early = named ? taken.deadline > now + 1 : !this.ledger.hasExpired(key, this.#orderOf(key))
    if (early) this.fail('X1', `${key}=${v} expired ${(taken?.deadline ?? Infinity) - now} ms too early`)
  }

  /** Numbers of a key rise within one history of the store; of what is gone, it may be the item's own. */
  #rises(key: string, revision: string, strictly: boolean): void {
    const { epoch, n } = revisionOf(revision)
    // What is in doubt after a loss has no number until the store has it again.
    if (n === 0) return void this.#newest.delete(key)
    const newest = this.#newest.get(key)
    if (newest !== undefined && this.ledger.lineage.contains(epoch, newest.epoch, newest.n)) {
      const may = n > newest.n || (n === newest.n && !strictly)
      if (!may) this.fail('K1', `${key} went from ${newest.n} back to ${n}`)
    }
    this.#newest.set(key, { epoch, n })
  }

  #orderOf(key: string): number {
    const newest = this.#newest.get(key)
    return (newest && this.ledger.find(`${newest.epoch}.${newest.n}`)?.order) ?? 0
  }

  #ready(info: ReadyInfo): void {
    this.#world.trace(() => `${this.name} ready ${JSON.stringify(info)}`)
    if (this.expected !== 'syncing' && this.expected !== 'stale') this.fail('E4', `ready while ${this.expected}`)
    if (info.size !== this.shadow.size) this.fail('E4', `ready says ${info.size}, not ${this.shadow.size}`)
    if (info.cause !== (this.#first ? 'snapshot' : 'resync')) this.fail('E4', `ready says ${info.cause}`)
    if (info.restored > info.lost) this.fail('K7', `ready says ${info.restored} of ${info.lost} are restored`)
    this.#first = false
    this.expected = 'live'
    if (this.collection.freshness.state !== 'live') this.fail('K6', 'is not live when it is ready')
  }

  #stale(): void {
    this.#world.trace(() => `${this.name} stale`)
    if (this.expected !== 'live') this.fail('K3', `stale while ${this.expected}`)
    this.expected = 'stale'
    if (this.collection.freshness.state !== 'stale') this.fail('K6', 'is not stale when it says so')
  }

  fail(invariant: string, detail: string): void {
    this.#world.fail(invariant, `${this.name}: ${detail}`)
  }
}
