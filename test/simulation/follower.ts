/** One replica as its user sees it: its subscription, how fresh it says it is, and whether it is what the store holds. */
import type { Collection } from '../../src/core/collection'
import type { FreshnessState } from '../../src/core/freshness'
import { decodeRevision, encodeRevision } from '../../src/core/history'
import type { ReadyInfo } from '../../src/core/subscription'
import type { CollectionId, Revision } from '../../src/core/transport'
import type { Actor } from './actor'
import { Caller } from './caller'
import { Changer } from './changer'
import type { Ledger } from './ledger'
import { Observer } from './observer'
import type { Item } from './operations'
import { Replay } from './replay'
import type { World } from './world'

export class Follower {
  readonly name: string
  readonly actor: Actor
  readonly id: CollectionId
  readonly collection: Collection<Item>
  readonly ledger: Ledger
  readonly caller: Caller
  readonly changer: Changer
  readonly observer: Observer
  expected: FreshnessState = 'idle'
  /** Counts subscriptions. */
  generation = 0
  /** What a listener does beside listening. */
  mischief: (() => unknown) | null = null
  /** Hears of each change after it was checked. */
  heard: ((event: 'set' | 'expire' | 'delete', key: string) => void) | null = null
  readonly #world: World
  readonly #replay: Replay
  #first = true

  constructor(actor: Actor, name: string) {
    const { client, world } = actor
    this.name = `${actor.name}/${name}`
    this.actor = actor
    this.#world = world
    this.id = { prefix: 'memis', database: 'db', collection: name }
    this.ledger = world.judgeOf(this.id).ledger
    this.collection = client.database('db').collection<Item>(name)
    this.caller = new Caller(world, this)
    this.changer = new Changer(world, this)
    this.#replay = new Replay(world, this)
    this.collection.on('set', (key, item, change) => {
      this.#replay.set(key, item, change)
      this.heard?.('set', key)
    })
    for (const kind of ['expire', 'delete'] as const) {
      this.collection.on(kind, (key, last, change) => {
        this.#replay.gone(kind, key, last, change)
        this.heard?.(kind, key)
      })
    }
    this.collection.on('ready', (info) => this.#ready(info))
    this.collection.on('stale', () => this.#stale())
    this.observer = new Observer(world, this)
    this.collection.multi('set expire delete ready stale', () => this.mischief?.())
  }

  subscribe(): void {
    const { collection, ledger } = this
    this.expected = 'syncing'
    this.#first = true
    const generation = ++this.generation
    const { order } = ledger
    collection.subscribe().then(
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
    this.#joinAndLeave()
  }

  /** Another call joins the subscription; its signal is aborted, which ends that call alone. */
  #joinAndLeave(): void {
    const { generation, collection } = this
    const abort = new AbortController()
    collection.subscribe({ signal: abort.signal }).then(
      () => {
        // It was faster than the signal.
      },
      (error) => {
        if (this.generation === generation && error.code !== 'ABORTED') this.fail('R2', `refused: ${error.message}`)
      },
    )
    abort.abort()
  }

  unsubscribe(): void {
    this.collection.unsubscribe()
    this.ended()
  }

  /** The last revision of the key that the store gave; null if it gave none. */
  lastRevision(key: string): string | null {
    const revision = this.ledger.model.get(key)?.revision
    return revision === undefined ? null : encodeRevision(revision)
  }

  /** The events, replayed. */
  get shadow(): ReadonlyMap<string, Readonly<Item>> {
    return this.#replay.items
  }

  /** A clear of this user was accepted. */
  clearedBy(revision: Revision): void {
    this.#replay.clearedBy(revision)
  }

  /** Nothing is told from now on. */
  ended(): void {
    this.generation++
    this.expected = 'idle'
    this.#replay.clear()
    this.observer.ended()
  }

  /** The events, replayed, must be the replica. */
  check(): void {
    const { collection, expected } = this
    const { state } = collection.freshness
    if (state !== expected) this.fail('freshness', `is ${state}, its events say ${expected}`)
    this.observer.check()
    if (expected === 'idle') return
    this.#replay.check()
  }

  /** Why it is not what the store holds, or null. What has just run out may be told a little later. */
  difference(patience: number): string | null {
    const { ledger, shadow, expected, collection } = this
    if (expected !== 'live') return `${this.name} is ${expected}`
    const { now } = this.#world.time
    for (const key of this.#world.settings.keys) {
      const taken = ledger.item(key)
      const v = shadow.get(key)?.v
      if (v === taken?.v) {
        const held = collection.entry(key)?.revision
        const stored = taken && encodeRevision(taken.revision)
        if (this.#key(held) === this.#key(stored)) continue
        return `${this.name}: ${key}=${v} is of ${held}, in the store of ${stored}`
      }
      const last = ledger.model.get(key)
      const justExpired = last !== undefined && last.v === v && taken === undefined && last.deadline > now - patience
      if (!justExpired) return `${this.name}: ${key} is ${v}, in the store ${taken?.v}`
    }
    const { unreached } = this.observer
    return unreached === undefined ? null : `${this.name} has not ${unreached}`
  }

  #key(revision: string | undefined): string | undefined {
    const decoded = decodeRevision(revision)
    return decoded && this.ledger.lineage.key(decoded)
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
