/**
 * The writes of a client on their way to the store. Each collection with writes has a lane, with one batch in flight: that
 * keeps the order of the calls of each key. A lone write leaves in the next promise job; writes made in the same turn, or while a batch
 * is in flight, leave together. A batch whose outcome is unknown goes again as it was, before anything newer. CONTRIBUTING.md
 * lists the states of a lane.
 */
import { backoff } from './backoff'
import { MemisError, withStored } from './errors'
import { type Refusals, refusalsOf, refuseAll, settle } from './outcomes'
import type { Accepted, Batch, CollectionId, Outcome, Transport, Write } from './transport'
import { type Caller, type Pending, PendingLimits, type Transaction, WaitingWrites } from './waiting-writes'

export interface WriteQueueOptions {
  /** How long a write may take (ms). */
  readonly writeTimeout: number
  /** How many writes may wait, and how many bytes of them. */
  readonly maxPending: number
  readonly maxPendingBytes: number
}

/** A collection, as the target of writes. */
export interface WriteTarget {
  readonly id: CollectionId
  /** Told of accepted writes before their callers: of one, or of all of a transaction. */
  accepted(writes: readonly Write[], accepted: readonly Accepted[]): void
}

/** A batch that was handed over. `isUncertain`: an attempt may have been accepted although no answer came. */
interface Flight {
  batch: Batch
  pendings: readonly Pending[]
  isUncertain: boolean
  failures: number
}

type LaneState =
  | { readonly kind: 'idle' | 'scheduled' }
  | { readonly kind: 'inFlight'; readonly flight: Flight }
  | { readonly kind: 'waitingToRetry'; readonly flight: Flight; readonly timer: unknown }

interface Lane {
  readonly target: WriteTarget
  state: LaneState
  readonly waiting: WaitingWrites
}

/** `close()` waits this long at most for what is still to be sent (ms). */
const closeTimeout = 5000
/** The first backoff of a batch that goes again while the link is up (ms). */
const firstBackoff = 50

export class WriteQueue {
  readonly #transport: Transport
  readonly #writeTimeout: number
  readonly #limits: PendingLimits
  readonly #writer = crypto.randomUUID()
  readonly #lanes = new Map<WriteTarget, Lane>()
  /** Grows across all lanes, so that a lane that ends leaves nothing behind. */
  #sequence = 0
  #isUp = false
  #isClosed = false
  /** Why new writes are refused: a fault that does not pass, or `close()`. */
  #refusal: MemisError | null = null
  #timer: unknown
  #drained: (() => void) | null = null

  constructor(transport: Transport, options: WriteQueueOptions) {
    this.#transport = transport
    this.#writeTimeout = options.writeTimeout
    this.#limits = new PendingLimits(options.maxPending, options.maxPendingBytes)
  }

  /** Queues a write of so many bytes; the caller is told what became of it. */
  push(target: WriteTarget, write: Write | Transaction, bytes: number, caller: Caller): void {
    if (this.#refusal !== null) return caller.refused(withStored(this.#refusal, 'no'))
    const lane = this.#lanes.get(target) ?? this.#open(target)
    caller.deadline = this.#transport.clock.now() + this.#writeTimeout
    if (this.#timer === undefined) this.#armDeadlines(this.#writeTimeout)
    try {
      lane.waiting.add({ write, bytes, callers: [caller] })
    } catch (error) {
      caller.refused(error as MemisError)
      return this.#endIfIdle(lane)
    }
    if (lane.state.kind !== 'idle' || !this.#isUp) return
    lane.state = { kind: 'scheduled' }
    // A promise job, not queueMicrotask: fake timers replace that one.
    Promise.resolve().then(() => {
      if (lane.state.kind !== 'scheduled') return
      lane.state = { kind: 'idle' }
      this.#proceed(lane)
    })
  }

  linkUp(): void {
    this.#isUp = true
    if (!this.#isClosed) this.#refusal = null
    for (const lane of [...this.#lanes.values()]) {
      lane.waiting.linkUp()
      this.#proceed(lane)
    }
  }

  /** From now on a newer write of a key replaces its waiting set. Deletes, conditional writes and transactions stay. */
  linkDown(): void {
    this.#isUp = false
    for (const { waiting } of this.#lanes.values()) waiting.linkDown()
  }

  /** Refuses what waits and what comes, until the link is up. */
  refuse(error: MemisError): void {
    this.#refusal = error
    const refusals = refusalsOf(error)
    for (const lane of [...this.#lanes.values()]) this.#abandon(lane, refusals)
  }

  /** Sends what waits, for a bounded time, then refuses the rest and all that comes. */
  async close(): Promise<void> {
    const closed = new MemisError('CLOSED', 'the client is closed')
    this.#isClosed = true
    this.#refusal = closed
    const { clock } = this.#transport
    if (this.#lanes.size > 0) {
      let timer: unknown
      await new Promise<void>((resolve) => {
        this.#drained = resolve
        timer = clock.setTimeout(resolve, Math.min(closeTimeout, this.#writeTimeout))
      })
      clock.clearTimeout(timer)
    }
    this.refuse(closed)
  }

  #open(target: WriteTarget): Lane {
    const lane: Lane = { target, state: { kind: 'idle' }, waiting: new WaitingWrites(this.#limits, this.#isUp) }
    this.#lanes.set(target, lane)
    return lane
  }

  #endIfIdle(lane: Lane): void {
    if (lane.state.kind !== 'idle' || lane.waiting.length > 0 || !this.#lanes.delete(lane.target)) return
    if (this.#lanes.size > 0) return
    if (this.#timer !== undefined) this.#transport.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#drained?.()
  }

  /** Sends what is to be sent next, if the link is up. */
  #proceed(lane: Lane): void {
    const { state } = lane
    if (!this.#isUp || state.kind === 'inFlight') return
    if (state.kind === 'waitingToRetry') {
      this.#transport.clock.clearTimeout(state.timer)
      return this.#send(lane, state.flight)
    }
    if (lane.waiting.length === 0) return this.#endIfIdle(lane)
    const pendings = lane.waiting.take()
    this.#send(lane, { batch: this.#makeBatch(pendings), pendings, isUncertain: false, failures: 0 })
  }

  #makeBatch(pendings: readonly Pending[]): Batch {
    const from = { writer: this.#writer, sequence: ++this.#sequence }
    const first = (pendings[0] as Pending).write
    if (first.kind === 'transaction') return { ...from, writes: first.writes, isAtomic: true }
    return { ...from, writes: pendings.map(({ write }) => write as Write) }
  }

  #send(lane: Lane, flight: Flight): void {
    lane.state = { kind: 'inFlight', flight }
    const isCurrent = () => lane.state.kind === 'inFlight' && lane.state.flight === flight
    this.#write(lane, flight).then(
      (outcomes) => {
        if (isCurrent()) this.#settle(lane, flight, outcomes)
      },
      (error: unknown) => {
        if (isCurrent()) this.#fail(lane, flight, error)
      },
    )
  }

  /** Whatever a transport throws at once is a rejection like any other. */
  async #write(lane: Lane, { batch }: Flight): Promise<readonly Outcome[]> {
    const outcomes = await this.#transport.write(lane.target.id, batch)
    if (Array.isArray(outcomes)) return outcomes
    throw new MemisError('STORE_REFUSED', 'the transport gave no outcomes')
  }

  #settle(lane: Lane, flight: Flight, outcomes: readonly Outcome[]): void {
    lane.state = { kind: 'idle' }
    // First what waits: the store is not idle while the outcomes are told here.
    this.#proceed(lane)
    const { batch, pendings, isUncertain } = flight
    const [first] = pendings
    if (batch.isAtomic && first !== undefined) return settle(lane.target, first, batch.writes, outcomes, isUncertain)
    pendings.forEach((pending, i) => {
      settle(lane.target, pending, batch.writes.slice(i, i + 1), outcomes.slice(i, i + 1), isUncertain)
    })
  }

  #fail(lane: Lane, flight: Flight, error: unknown): void {
    if (error instanceof MemisError && error.code === 'DISCONNECTED') {
      flight.isUncertain ||= error.stored !== 'no'
      const timer = this.#transport.clock.setTimeout(
        () => this.#proceed(lane),
        backoff(firstBackoff, flight.failures++),
      )
      lane.state = { kind: 'waitingToRetry', flight, timer }
      return
    }
    lane.state = { kind: 'idle' }
    this.#proceed(lane)
    refuseAll(flight.pendings, error, flight.isUncertain)
  }

  #abandon(lane: Lane, refusals: Refusals): void {
    const { state } = lane
    const waiting = lane.waiting.takeAll()
    if (state.kind === 'waitingToRetry') this.#transport.clock.clearTimeout(state.timer)
    lane.state = { kind: 'idle' }
    this.#endIfIdle(lane)
    if ('flight' in state) {
      const isUncertain = state.kind === 'inFlight' || state.flight.isUncertain
      refuseAll(state.flight.pendings, isUncertain ? refusals.unknown : refusals.no, isUncertain)
    }
    refuseAll(waiting, refusals.no, false)
  }

  #armDeadlines(ms: number): void {
    const { clock } = this.#transport
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined
      const now = clock.now()
      const message = `the write was not confirmed within writeTimeout, ${this.#writeTimeout} ms`
      const refusals = refusalsOf(new MemisError('WRITE_TIMEOUT', message))
      let earliest = Infinity
      for (const lane of [...this.#lanes.values()]) earliest = Math.min(earliest, this.#expire(lane, now, refusals))
      // Not more often than it matters: each round walks through all that waits.
      if (earliest < Infinity && this.#timer === undefined) {
        this.#armDeadlines(Math.max(earliest - now, this.#writeTimeout / 20))
      }
    }, ms)
  }

  /** Refuses the callers whose time is over, and returns the next deadline. */
  #expire(lane: Lane, now: number, refusals: Refusals): number {
    let earliest = Infinity
    const isOver = (pending: Pending, stored: 'no' | 'unknown'): boolean => {
      const late = pending.callers.filter((caller) => caller.deadline <= now)
      if (late.length > 0) pending.callers = pending.callers.filter((caller) => caller.deadline > now)
      for (const caller of late) caller.refused(refusals[stored])
      for (const caller of pending.callers) earliest = Math.min(earliest, caller.deadline)
      return pending.callers.length === 0
    }
    const { state } = lane
    if ('flight' in state) {
      const { flight } = state
      const isUncertain = state.kind === 'inFlight' || flight.isUncertain
      const left = flight.pendings.filter((pending) => !isOver(pending, isUncertain ? 'unknown' : 'no'))
      if (left.length === 0) {
        // Nobody waits for it any more. Newer batches have a higher sequence: the store refuses this one if it comes late.
        if (state.kind === 'waitingToRetry') this.#transport.clock.clearTimeout(state.timer)
        if (lane.state === state) lane.state = { kind: 'idle' }
      } else if (!isUncertain && left.length < flight.pendings.length) {
        // Nothing of it is stored: what was refused does not go again with the others.
        flight.pendings = left
        flight.batch = this.#makeBatch(left)
      }
    }
    lane.waiting.removeIf((pending) => isOver(pending, 'no'))
    if (lane.state.kind === 'idle') this.#proceed(lane)
    this.#endIfIdle(lane)
    return earliest
  }
}
