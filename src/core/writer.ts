/**
 * Where writes wait, and how they travel. A lone write leaves at once; writes made in the same turn, or while a call is
 * under way, travel together. Each collection has a lane with one call under way, which keeps the order of the calls, or two where
 * so much waits that the second is full; a batch whose outcome is not known goes again as it was, before anything newer.
 */
import type { Clock } from './clock'
import { MemisError } from './errors'
import { Lane, type WrittenListener } from './lane'
import type { Batch, Place, Transport, Write, Written } from './transport'

export interface WriterOptions {
  /** How long a write may take (ms). */
  readonly writeTimeout: number
  /** How many writes may wait, and how many bytes of them. */
  readonly maxPending: number
  readonly maxPendingBytes: number
}

/** `close()` waits this long at most for what is still to be sent (ms). */
const closeTimeout = 5000
/** A batch that was refused for a passing reason, while the link is up, goes again after so many ms. */
const retryDelay = 50

export class Writer {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #options: WriterOptions
  readonly #id = crypto.randomUUID()
  readonly #lanes: Lane[] = []
  /** @internal How many writes a batch may have: no store is held up for long by one. Fewer are for tests. */
  batchWrites = 1000
  #up = false
  #closed = false
  /** Why new writes are refused: a fault that will not pass, or `close()`. */
  #refusal: MemisError | null = null
  #waiting = 0
  #waitingBytes = 0
  #timer: unknown
  #drained: (() => void) | null = null

  constructor(transport: Transport, options: WriterOptions) {
    this.#transport = transport
    this.#clock = transport.clock
    this.#options = options
  }

  /** The way for the writes of one collection. */
  lane(place: Place, written: WrittenListener): Lane {
    const lane = new Lane(this, place, written)
    this.#lanes.push(lane)
    return lane
  }

  up(): void {
    this.#up = true
    if (!this.#closed) this.#refusal = null
    for (const lane of this.#lanes) lane.resume()
  }

  down(): void {
    this.#up = false
    for (const lane of this.#lanes) lane.supersede()
  }

  /** Refuses what waits and what comes, until the link is up. */
  refuse(error: MemisError): void {
    this.#refusal = error
    for (const lane of this.#lanes) lane.abandon(error)
  }

  /** Sends what waits, bounded in time, then refuses the rest and all that comes. */
  async close(): Promise<void> {
    const closed = new MemisError('CLOSED', 'the client is closed')
    this.#closed = true
    this.#refusal = closed
    if (this.#lanes.some((lane) => lane.busy)) {
      let timer: unknown
      await new Promise<void>((resolve) => {
        this.#drained = resolve
        timer = this.#clock.setTimeout(resolve, Math.min(closeTimeout, this.#options.writeTimeout))
      })
      this.#clock.clearTimeout(timer)
    }
    for (const lane of this.#lanes) lane.abandon(closed)
    this.#disarm()
  }

  /** @internal What follows is between the writer and its lanes. */
  get isUp(): boolean {
    return this.#up
  }

  /** @internal */
  get refusal(): MemisError | null {
    return this.#refusal
  }

  /** @internal Two batches of a lane may be under way. */
  get pipelines(): boolean {
    return this.#transport.pipelines === true
  }

  /** @internal */
  deadline(): number {
    if (this.#timer === undefined) this.#arm(this.#options.writeTimeout)
    return this.#clock.now() + this.#options.writeTimeout
  }

  /** @internal Counts what waits in; over the bounds it throws, and nothing is counted. */
  admit(count: number, bytes: number): void {
    const { maxPending, maxPendingBytes } = this.#options
    if (count > 0 && this.#waiting + count > maxPending) {
      throw new MemisError('TOO_MANY_PENDING', `${this.#waiting} writes wait, maxPending is ${maxPending}`, {
        stored: 'no',
      })
    }
    if (bytes > 0 && this.#waitingBytes + bytes > maxPendingBytes) {
      throw new MemisError(
        'TOO_MANY_PENDING',
        `the writes that wait have ${this.#waitingBytes} bytes, with this one they would be over maxPendingBytes, ${maxPendingBytes}`,
        { stored: 'no' },
      )
    }
    this.#waiting += count
    this.#waitingBytes += bytes
  }

  /** @internal */
  batch(sequence: number, writes: readonly Write[]): Batch {
    return { writer: this.#id, sequence, writes }
  }

  /** @internal Never throws: what a transport throws at once is a rejection like any other. */
  async send(place: Place, batch: Batch): Promise<Written> {
    return this.#transport.write(place, batch)
  }

  /** @internal */
  later(callback: () => void): unknown {
    return this.#clock.setTimeout(callback, retryDelay * (0.5 + Math.random()))
  }

  /** @internal */
  stopTimer(timer: unknown): void {
    if (timer !== undefined) this.#clock.clearTimeout(timer)
  }

  /** @internal A lane has nothing left to do. */
  idle(): void {
    if (this.#lanes.some((lane) => lane.busy)) return
    this.#disarm()
    this.#drained?.()
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      const now = this.#clock.now()
      let earliest = Infinity
      for (const lane of this.#lanes) earliest = Math.min(earliest, lane.expire(now, this.#options.writeTimeout))
      // Not more often than it matters: each round walks through all that wait.
      if (earliest < Infinity && this.#timer === undefined) {
        this.#arm(Math.max(earliest - now, this.#options.writeTimeout / 20))
      }
    }, ms)
  }

  #disarm(): void {
    this.stopTimer(this.#timer)
    this.#timer = undefined
  }
}
