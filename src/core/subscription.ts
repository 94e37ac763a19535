/**
 * Keeps a replica up to date: begins sessions with the transport, one after the other, and knows how fresh the replica is.
 * CONTRIBUTING.md lists its states, and what leads from one to another.
 */
import { backoff } from './backoff'
import { isPermanent, MemisError, outOfTouch } from './errors'
import { type Freshness, FreshnessRecord } from './freshness'
import type { LossReport } from './lost'
import { Replica, type ReplicaListener } from './replica'
import { mayNotWrite, patience, Restorer } from './restorer'
import type { Accepted, CollectionId, Cursor, Epoch, Transport, Watch, Write } from './transport'

/** Tells why there was catching up, how many items the replica holds now, and what the store had lost. */
export interface ReadyInfo extends LossReport {
  readonly cause: 'snapshot' | 'resync'
  readonly size: number
}

export interface SubscriptionSettings {
  /** ms */
  readonly retention: number
  /** ms */
  readonly livenessTimeout: number
  readonly dataLoss: 'restore' | 'accept'
  /** A collection with more items is not followed any further. */
  readonly maxItems: number
}

export interface SubscriptionListener<T> extends ReplicaListener<T> {
  ready(info: ReadyInfo): void
  /** Something was told or restored: the replica may be at a later state of the store. */
  progressed(): void
  stale(error: MemisError): void
  /** The first contents cannot be had: the fault does not pass by itself. */
  refused(error: MemisError): void
}

/** When the link returns, replicas ask for what they missed spread over this time (ms). */
const returnSpread = 250
/** The first backoff after a session that failed (ms). */
const firstBackoff = 50

/** One session with the transport. Whatever an older one tells is ignored. */
interface Session {
  watch: Watch | null
  readonly restorer: Restorer
}

type State =
  | { readonly kind: 'connecting' | 'stopped' }
  | { readonly kind: 'waiting'; readonly timer: unknown }
  /** The store is told to begin a later epoch. */
  | { readonly kind: 'beginningEpoch' }
  | { readonly kind: 'opening' | 'filling'; readonly session: Session }
  | { readonly kind: 'reconciling'; readonly session: Session; readonly cause: ReadyInfo['cause'] }
  | { readonly kind: 'live'; readonly session: Session }

export class Subscription<T extends object> {
  readonly replica: Replica<T>
  readonly #transport: Transport
  readonly #id: CollectionId
  readonly #settings: SubscriptionSettings
  readonly #listener: SubscriptionListener<T>
  readonly #freshness: FreshnessRecord
  #state: State = { kind: 'connecting' }
  /** Sessions in a row that failed before one was proved current. */
  #failures = 0
  /** The next session takes the store's word for everything: nobody can restore what it lost. */
  #acceptsLoss = false
  /** The next session reads everything: a delta does not tell enough. */
  #readsWhole = false
  /** This client may not have the store begin a later epoch. */
  #isEpochRefused = false

  constructor(
    transport: Transport,
    id: CollectionId,
    settings: SubscriptionSettings,
    listener: SubscriptionListener<T>,
  ) {
    this.#transport = transport
    this.#id = id
    this.#settings = settings
    this.#listener = listener
    this.#freshness = new FreshnessRecord(transport)
    this.replica = new Replica(transport.clock, settings.retention, listener)
  }

  get freshness(): Freshness {
    return this.#freshness.shown
  }

  /** The first contents have not come yet. */
  get isSyncing(): boolean {
    return this.#freshness.state === 'syncing' && this.#state.kind !== 'stopped'
  }

  linkUp(): void {
    if (this.#state.kind !== 'connecting') return
    if (this.replica.cursor === null) this.#begin()
    else this.#beginAfter(Math.random() * returnSpread)
  }

  linkDown(error: MemisError): void {
    const state = this.#state
    if ('session' in state) this.#stale(state.session, error)
    this.#cancelTimer()
    // A listener may have unsubscribed.
    if (this.#state.kind !== 'stopped') this.#state = { kind: 'connecting' }
    this.#freshness.failed(error)
  }

  /** Own writes were accepted: one, or all of a transaction. */
  written(writes: readonly Write[], accepted: readonly Accepted[]): void {
    const isFromElsewhere = this.replica.written(writes, accepted)
    const state = this.#state
    if (!('session' in state)) return
    // A session that has not begun may be of that epoch. If each answer ended it, none would begin under steady writes.
    if (isFromElsewhere && state.kind !== 'opening') {
      return this.#stale(state.session, outOfTouch('a write was answered out of another epoch'))
    }
    this.#progressed(state.session)
  }

  /** Called from time to time: a replica is live as long as that was proved within `livenessTimeout`. */
  checkProof(): void {
    const state = this.#state
    if (state.kind !== 'live' && state.kind !== 'reconciling') return
    if ((this.#freshness.age ?? 0) <= this.#settings.livenessTimeout) return
    this.#stale(state.session, outOfTouch('the store did not prove within livenessTimeout that the replica is current'))
  }

  stop(): void {
    const state = this.#state
    this.#cancelTimer()
    this.#state = { kind: 'stopped' }
    if ('session' in state) end(state.session)
    this.replica.discard()
  }

  #cancelTimer(): void {
    if (this.#state.kind === 'waiting') this.#transport.clock.clearTimeout(this.#state.timer)
  }

  /**
   * A replica that was away for longer than tombstones are kept could bring back what was deleted meanwhile: it does not restore.
   */
  get #restores(): boolean {
    if (this.#settings.dataLoss === 'accept' || this.#acceptsLoss) return false
    return this.replica.cursor === null || (this.#freshness.age ?? 0) <= this.#settings.retention
  }

  #beginAfter(ms: number): void {
    const timer = this.#transport.clock.setTimeout(() => this.#begin(), ms)
    this.#state = { kind: 'waiting', timer }
  }

  #begin(): void {
    const session: Session = { watch: null, restorer: this.#makeRestorer() }
    this.#state = { kind: 'opening', session }
    const heard =
      <A extends unknown[]>(tell: (...args: A) => void) =>
      (...args: A) => {
        if (this.#isCurrent(session)) tell(...args)
      }
    const from = this.#acceptsLoss || this.#readsWhole ? null : this.replica.cursor
    const watch = this.#transport.watch(this.#id, from, {
      begin: heard((mode, history) => this.#begun(session, mode, history)),
      entries: heard((list, isAtomic) => {
        this.replica.entries(list, isAtomic)
        if (this.replica.items.size <= this.#settings.maxItems) this.#progressed(session)
        else if (this.#isCurrent(session)) this.#stale(session, tooMany(this.#settings.maxItems))
      }),
      live: heard((cursor) => this.#live(session, cursor)),
      stale: heard((error) => this.#stale(session, error)),
    })
    if (this.#isCurrent(session)) session.watch = watch
    else watch.close() // over before it began
  }

  #makeRestorer(): Restorer {
    return new Restorer(this.#transport, this.#id, this.replica, {
      cause: () => (this.isSyncing ? 'snapshot' : 'resync'),
      progressed: () => {
        if ('session' in this.#state) this.#progressed(this.#state.session)
      },
      gaveUp: () => this.#acceptLoss(),
      report: (error) => this.#report(error),
    })
  }

  #isCurrent(session: Session): boolean {
    return 'session' in this.#state && this.#state.session === session
  }

  #begun(session: Session, mode: 'snapshot' | 'delta', history: readonly Epoch[]): void {
    const later = this.#restores ? this.replica.laterEpoch(history) : null
    if (later !== null) return this.#beginLaterEpoch(session, later)
    this.#state = { kind: 'filling', session }
    const isEnough = this.replica.begin(mode, history, this.#restores, this.isSyncing)
    if (isEnough || !this.#isCurrent(session)) return
    this.#readsWhole = true
    this.#stale(session, outOfTouch('only a snapshot tells what the store has instead of what it lost'))
  }

  /** The store's epoch sorts before one that it lost: its clock is behind. */
  #beginLaterEpoch(session: Session, epoch: string): void {
    const beginning: State = { kind: 'beginningEpoch' }
    this.#state = beginning
    end(session)
    this.#transport
      .beginEpoch(this.#id, epoch)
      .then(
        (isPossible) => {
          if (this.#state === beginning && !isPossible) this.#acceptsLoss = true
          return 0
        },
        (error: MemisError) => {
          if (this.#state !== beginning) return 0
          this.#report(error)
          if (!mayNotWrite(error)) return 0
          // Others may: the store's word counts if nobody has done so in time.
          this.#acceptsLoss = this.#isEpochRefused
          this.#isEpochRefused = true
          return patience
        },
      )
      .then((ms) => {
        if (this.#state === beginning) this.#beginAfter(ms + backoff(firstBackoff, this.#failures++))
      })
  }

  /** A client that was made to read only need not be told that it restores nothing. */
  #report(error: MemisError): void {
    if (error.code !== 'READ_ONLY') this.#listener.report(error)
  }

  #live(session: Session, cursor: Cursor): void {
    const caughtUp = this.replica.live(cursor)
    this.#freshness.proved()
    // A listener may have unsubscribed at one of the last changes.
    if (!this.#isCurrent(session)) return
    if (caughtUp) {
      this.#failures = 0
      this.#acceptsLoss = false
      this.#readsWhole = false
      this.#isEpochRefused = false
      this.#state = { kind: 'reconciling', session, cause: this.isSyncing ? 'snapshot' : 'resync' }
    }
    this.#progressed(session)
  }

  /** Ends the catching up once nothing is lost any more; until then the restorer works. */
  #progressed(session: Session): void {
    const state = this.#state
    if (!('session' in state) || state.session !== session) return
    if (state.kind === 'reconciling' && this.replica.lost.size === 0) {
      this.#state = { kind: 'live', session }
      this.#freshness.become('live')
      this.#listener.ready({ cause: state.cause, size: this.replica.items.size, ...this.replica.lost.takeReport() })
    } else if (state.kind === 'reconciling' || state.kind === 'live') session.restorer.start()
    if (this.#isCurrent(session)) this.#listener.progressed()
  }

  /** Takes the store's word: a snapshot tells what it has instead. */
  #acceptLoss(): void {
    const state = this.#state
    if (!('session' in state)) return
    this.#acceptsLoss = true
    this.#stale(state.session, outOfTouch('this client may not restore what the store lost'))
  }

  #stale(session: Session, error: MemisError): void {
    end(session)
    const wasLive = this.#state.kind === 'live'
    const isTooMuch = error.code === 'LIMIT_EXCEEDED'
    this.#beginAfter(isTooMuch ? this.#settings.livenessTimeout : backoff(firstBackoff, this.#failures++))
    this.replica.outOfTouch()
    this.#freshness.failed(error)
    if (wasLive) {
      this.#freshness.become('stale')
      this.#listener.stale(error)
    } else if ((isTooMuch || isPermanent(error)) && this.isSyncing) this.#listener.refused(error)
    else this.#listener.report(error)
  }
}

const tooMany = (maxItems: number) =>
  new MemisError('LIMIT_EXCEEDED', `the collection has more than maxItems, ${maxItems}: raise it, or delete items`)

function end(session: Session): void {
  session.restorer.stop()
  session.watch?.close()
  session.watch = null
}
