/** One timer for all items of a replica that expire. */
import type { Clock } from './clock'
import { type Due, ExpiryQueue } from './expiry'

/** After this many ms of expiring, the event loop gets its turn. */
const sliceMs = 10
/** Timers of Node.js fire at once when they are set for longer than 2^31-1 ms. */
const longestTimer = 2 ** 30
/** A timer that is later than this (ms) was held up by a blocked event loop: news may be waiting in the sockets. */
const blockedMs = 50

type State =
  | { readonly kind: 'off' }
  | { readonly kind: 'armed'; readonly at: number; readonly timer: unknown }
  | { readonly kind: 'reading' }

const off: State = { kind: 'off' }

export class ExpiryTimer<E extends Due> {
  readonly #clock: Clock
  readonly #expire: (entry: E) => void
  readonly #queue = new ExpiryQueue<E>()
  #state = off

  constructor(clock: Clock, expire: (entry: E) => void) {
    this.#clock = clock
    this.#expire = expire
  }

  /** Adds the entry, or moves it to another deadline. It may be over: then the entry was under way for long, and newer may follow. */
  put(entry: E, leftMs: number): void {
    const now = this.#clock.now()
    this.#queue.put(entry, now + leftMs, now)
    if (leftMs <= 0 && this.#clock.afterInput !== undefined) this.#runAfterInput()
    else this.#arm(now)
  }

  remove(entry: E): void {
    this.#queue.remove(entry)
  }

  /** Remaining time (whole ms, at least 1); null if there is no entry. */
  leftMs(entry: E | undefined, round = Math.round): number | null {
    return entry === undefined ? null : Math.max(1, round(entry.deadline - this.#clock.now()))
  }

  /** False if no entry's time is over: cheaper than to ask for each. */
  get mayBeOverdue(): boolean {
    const { next } = this.#queue
    return next !== undefined && next <= this.#clock.now()
  }

  /**
   * Whether the entry's time is over although the timer has not said so yet. While the process catches up after its event loop was
   * blocked, nothing is: a renewal may be waiting in a socket.
   */
  isOver(entry: E): boolean {
    const now = this.#clock.now()
    if (entry.deadline > now) return false
    const state = this.#state
    if (this.#clock.afterInput === undefined || state.kind === 'off') return true
    return state.kind === 'armed' && now - state.at <= blockedMs
  }

  stop(): void {
    if (this.#state.kind === 'armed') this.#clock.clearTimeout(this.#state.timer)
    this.#state = off
  }

  #arm(now: number): void {
    const { next } = this.#queue
    const state = this.#state
    if (next === undefined || state.kind === 'reading' || (state.kind === 'armed' && state.at <= next)) return
    if (state.kind === 'armed') this.#clock.clearTimeout(state.timer)
    const wait = Math.min(Math.max(0, Math.ceil(next - now)), longestTimer)
    const timer = this.#clock.setTimeout(() => this.#fire(), wait)
    this.#state = { kind: 'armed', at: now + wait, timer }
  }

  #fire(): void {
    const state = this.#state
    if (state.kind !== 'armed') return
    if (this.#clock.now() - state.at <= blockedMs) this.#run()
    else this.#runAfterInput()
  }

  #runAfterInput(): void {
    if (this.#state.kind === 'reading') return
    this.stop()
    if (this.#clock.afterInput === undefined) return this.#run()
    const reading: State = { kind: 'reading' }
    this.#state = reading
    this.#clock.afterInput(() => {
      if (this.#state === reading) this.#run()
    })
  }

  /** Expires what is due, in slices, and sets the timer for what comes next. */
  #run(): void {
    const running: State = { kind: 'reading' }
    this.#state = running
    const started = this.#clock.now()
    let now = started
    while (this.#state === running && now - started < sliceMs) {
      const due = this.#queue.take(now)
      if (due === undefined) break
      this.#expire(due)
      now = this.#clock.now()
    }
    if (this.#state !== running) return // stopped by a listener
    this.#state = off
    this.#arm(now)
  }
}
