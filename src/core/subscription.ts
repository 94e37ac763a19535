/**
 * A replica that is kept up to date: begins sessions with the transport, one after the other, and knows how fresh the
 * replica is.
 */

import { backoff } from './backoff'
import type { LossReport } from './doubts'
import { isPermanent, type MemisError, outOfTouch } from './errors'
import { Replica, type ReplicaListener } from './replica'
import type { Place, Taken, Transport, Watch, Write } from './transport'

/** `idle`: not subscribed. `syncing`: the first contents come. `stale`: what is served may be old. */
export type FreshnessState = 'idle' | 'syncing' | 'live' | 'stale'

export interface Freshness {
  readonly state: FreshnessState
  /** When that state began: ms since 1970 by the wall clock. */
  readonly since: number
  /** Age of the last proof that the replica was current, in ms; null where there was none. */
  readonly age: number | null
}

/** What `ready` tells: why there was catching up, what the replica holds now, and what the store had lost. */
export interface ReadyInfo extends LossReport {
  readonly cause: 'snapshot' | 'resync'
  readonly size: number
}

export interface SubscriptionSettings {
  readonly retention: number
  readonly dataLoss: 'restore' | 'accept'
}

interface SubscriptionListener<T> extends ReplicaListener<T> {
  ready(info: ReadyInfo): void
  stale(error: MemisError): void
  /** The first contents cannot be had: the fault will not pass by itself. */
  refused(error: MemisError): void
}

/** What the store lost is put back so many keys at a time. */
const restoreStep = 500
/** Within so many ms, at random: a hundred that began in one moment would each offer the store all that the first puts back. */
const restoreSpread = 250
/** Who may not put it back waits so many ms for those who may. */
const restoreTimeout = 2000
/** Where the store takes nothing, it is tried again after so many ms. */
const restorePause = 1000
/** When the link returns, replicas ask for what they missed spread over so many ms. */
const returnSpread = 250

export class Subscription<T extends object> {
  readonly replica: Replica<T>
  readonly #transport: Transport
  readonly #place: Place
  readonly #settings: SubscriptionSettings
  readonly #listener: SubscriptionListener<T>
  #state: FreshnessState = 'syncing'
  #since = Date.now()
  #provedAt: number | null = null
  /** The session that is under way; whatever an older one says is not heard. */
  #session: object | null = null
  #watch: Watch | null = null
  /** Whether the session has said of which epoch it is. */
  #begun = false
  /** The newest epoch out of which own writes were answered while the session was asked for; '' for none. */
  #answeredOutOf = ''
  /** Why there was catching up that `ready` has not ended yet: something is still in doubt. */
  #owed: ReadyInfo['cause'] | null = null
  /** What this replica puts back into the store is no caller's write: it has a writer of its own. */
  readonly #restorer = crypto.randomUUID()
  #restoreSequence = 0
  #restoreTimer: unknown
  /** What is in doubt is given up once everything up to this number is told. */
  #giveUpAt = Infinity
  #failures = 0
  #timer: unknown
  #up = false
  #stopped = false

  constructor(transport: Transport, place: Place, settings: SubscriptionSettings, listener: SubscriptionListener<T>) {
    this.#transport = transport
    this.#place = place
    this.#settings = settings
    this.#listener = listener
    this.replica = new Replica(transport.clock, settings.retention, listener)
  }

  get freshness(): Freshness {
    const age = this.#provedAt === null ? null : this.#transport.clock.now() - this.#provedAt
    return { state: this.#state, since: this.#since, age }
  }

  get waiting(): boolean {
    return this.#state === 'syncing' && !this.#stopped
  }

  linkUp(): void {
    if (this.#up) return
    this.#up = true
    this.#failures = 0
    if (this.replica.position === null) this.#begin()
    else this.#beginAfter(Math.random() * returnSpread)
  }

  /** An own write was taken. */
  written(write: Write, epoch: string, outcome: Taken): void {
    const strange = this.replica.written(write, epoch, outcome)
    if (!strange || this.#session === null) return
    // A session that has not begun yet may be of that epoch, too. Under steady writes, none would ever begin if each answer ended it.
    if (!this.#begun) this.#answeredOutOf = epoch > this.#answeredOutOf ? epoch : this.#answeredOutOf
    // Which of the two epochs is over, only a session that is asked for from now on can tell.
    else {
      this.#stale(outOfTouch('a write was answered out of another epoch'))
    }
  }

  linkDown(): void {
    this.#up = false
    this.#cancel()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    this.#end()
    this.replica.discard()
  }

  #beginAfter(ms: number): void {
    this.#cancel()
    this.#timer = this.#transport.clock.setTimeout(() => this.#begin(), ms)
  }

  #cancel(): void {
    if (this.#timer !== undefined) this.#transport.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #begin(): void {
    this.#timer = undefined
    if (this.#stopped || !this.#up || this.#session !== null) return
    const session = {}
    this.#session = session
    this.#begun = false
    this.#answeredOutOf = ''
    const heard = <A extends unknown[]>(tell: (...args: A) => void) => {
      return (...args: A) => {
        if (this.#session === session) tell(...args)
      }
    }
    const watch = this.#transport.watch(this.#place, this.replica.from, {
      begin: heard((how, epoch, common) => {
        if (epoch < this.#answeredOutOf) {
          return this.#stale(outOfTouch('a write was answered out of a newer epoch'))
        }
        this.#begun = true
        this.replica.begin(how, epoch, common, this.#mayRestore)
        if (this.#session === session && how === 'delta' && this.replica.from?.whole) {
          this.#stale(outOfTouch('the store lost what only this replica had heard of'))
        }
      }),
      changes: heard((list) => {
        this.replica.changes(list)
        this.#settle(session)
      }),
      live: heard((n) => this.#live(session, n)),
      stale: heard((error) => this.#stale(error)),
    })
    if (this.#session === session) this.#watch = watch
    else watch.close() // it was over before it had begun
  }

  /** Who was away for longer than deletes are remembered could bring back what was deleted meanwhile. */
  get #mayRestore(): boolean {
    const age = this.freshness.age
    return this.#settings.dataLoss === 'restore' && age !== null && age <= this.#settings.retention
  }

  #live(session: object, n: number): void {
    const first = this.replica.position === null
    const caughtUp = this.replica.live(n)
    this.#provedAt = this.#transport.clock.now()
    // A listener may have unsubscribed at one of the last changes.
    if (this.#session !== session) return
    if (caughtUp) {
      this.#failures = 0
      this.#owed = first ? 'snapshot' : 'resync'
      if (this.replica.doubts.size > 0) this.#restoreAfter(session, Math.random() * restoreSpread)
    }
    this.#settle(session)
  }

  /** Tells `ready`, once the contents are told and nothing is in doubt any more. */
  #settle(session: object): void {
    // All was tried, and what the store knows better has been told: what is still in doubt is as the store has it.
    if (this.#session === session && this.#giveUpAt <= (this.replica.position?.n ?? 0)) {
      this.#giveUpAt = Infinity
      this.replica.giveUp()
    }
    const cause = this.#owed
    if (cause === null || this.replica.doubts.size > 0 || this.#session !== session) return
    this.#owed = null
    this.#cancelRestore()
    this.#enter('live')
    this.#listener.ready({ cause, size: this.replica.items.size, ...this.replica.doubts.takeReport() })
  }

  #restoreAfter(session: object, ms: number): void {
    this.#restoreTimer = this.#transport.clock.setTimeout(() => this.#restore(session), ms)
  }

  /** Puts back what the store lost. Others do the same: in another order, so that they share the work. */
  async #restore(session: object): Promise<void> {
    const keys = shuffled(this.replica.doubts.keys)
    let refusedAsOf = 0
    while (this.#session === session) {
      const writes: Write[] = []
      while (keys.length > 0 && writes.length < restoreStep) {
        const write = this.replica.restoration(keys.pop() as string)
        if (write !== undefined) writes.push(write)
      }
      if (writes.length === 0 || this.#session !== session) break
      try {
        const batch = { writer: this.#restorer, sequence: ++this.#restoreSequence, writes }
        const { epoch, outcomes } = await this.#transport.write(this.#place, batch)
        if (this.#session !== session) return
        if (epoch !== writes[0]?.restores?.epoch) {
          return this.#stale(outOfTouch('the store began another epoch'))
        }
        let fault: MemisError | undefined
        writes.forEach((write, i) => {
          const outcome = outcomes[i]
          if (outcome === undefined) return
          if ('n' in outcome) this.written(write, epoch, outcome)
          else if ('refused' in outcome) refusedAsOf = Math.max(refusedAsOf, outcome.asOf)
          else fault ??= outcome.error
        })
        this.#settle(session)
        if (fault !== undefined) throw fault
      } catch (error) {
        if (this.#session !== session) return
        this.#listener.report(error as MemisError)
        // Who may not write leaves it to the others; all else may pass, and until then nothing is lost here.
        if ((error as MemisError).code === 'UNAUTHORIZED') return this.#giveUpLater(session)
        return this.#restoreAfter(session, restorePause)
      }
    }
    this.#giveUpAt = refusedAsOf
    this.#settle(session)
  }

  #giveUpLater(session: object): void {
    this.#restoreTimer = this.#transport.clock.setTimeout(() => {
      this.#giveUpAt = 0
      this.#settle(session)
    }, restoreTimeout)
  }

  #cancelRestore(): void {
    this.#giveUpAt = Infinity
    if (this.#restoreTimer !== undefined) this.#transport.clock.clearTimeout(this.#restoreTimer)
    this.#restoreTimer = undefined
  }

  #stale(error: MemisError): void {
    this.#end()
    const wasLive = this.#state === 'live'
    if (wasLive) this.#enter('stale')
    if (this.#up) this.#beginAfter(backoff(50, this.#failures++))
    if (wasLive) this.#listener.stale(error)
    else if (isPermanent(error) && this.waiting) this.#listener.refused(error)
    else this.#listener.report(error)
  }

  #end(): void {
    this.#cancelRestore()
    this.#owed = null
    this.#session = null
    this.#watch?.close()
    this.#watch = null
  }

  #enter(state: FreshnessState): void {
    this.#state = state
    this.#since = Date.now()
  }
}

/** In random order (Fisher and Yates). */
function shuffled<A>(list: A[]): A[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const kept = list[i] as A
    list[i] = list[j] as A
    list[j] = kept
  }
  return list
}
