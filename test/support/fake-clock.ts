/** Time that stands still until a test moves it. */
import type { Clock } from '../../src/core/clock'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now: number

  constructor(now = 1000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  /** As Node.js does it: whole milliseconds, at least one; and what is too long for a timer fires at once. */
  setTimeout(callback: () => void, ms: number): unknown {
    const wait = ms >= 1 && ms < 2 ** 31 ? Math.trunc(ms) : 1
    const timer = { at: this.#now + wait, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer)
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** How long until the first timer fires, or undefined. */
  get wait(): number | undefined {
    const first = this.#first()
    return first && first.at - this.#now
  }

  /** Lets time go by; timers fire when they are due. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let timer = this.#first(); timer !== undefined && timer.at <= end; timer = this.#first()) {
      this.#now = Math.max(this.#now, timer.at)
      this.#timers.delete(timer)
      timer.callback()
    }
    this.#now = Math.max(this.#now, end)
  }

  /** Fires the first timer alone, at its time; false if there is none. */
  step(): boolean {
    const timer = this.#first()
    if (timer === undefined) return false
    this.#now = Math.max(this.#now, timer.at)
    this.#timers.delete(timer)
    timer.callback()
    return true
  }

  /** Lets time go by while the event loop is blocked: no timer fires. */
  pass(ms: number): void {
    this.#now += ms
  }

  #first(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) if (first === undefined || timer.at < first.at) first = timer
    return first
  }
}

/** The clock of a process with sockets: a test says when what waits in them has been read. */
export class SocketClock extends FakeClock {
  #waiting: (() => void)[] = []

  afterInput(callback: () => void): void {
    this.#waiting.push(callback)
  }

  /** How many wait for the sockets to be read. */
  get reading(): number {
    return this.#waiting.length
  }

  inputRead(): void {
    for (const callback of this.#waiting.splice(0)) callback()
  }
}
