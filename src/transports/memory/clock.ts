/** A clock that follows another one, and can be moved ahead by hand. */

import { turn } from '../../core/turn'
import { type Clock, MemisError, quote } from '../../transport-kit'

interface Timer {
  readonly at: number
  readonly callback: () => void
  underlying: unknown
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time in ms: a number of them, or a number and a unit, `'10 min'`. */
export function milliseconds(time: number | string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]+)$/.exec(String(time)) ?? []
  const ms = typeof time === 'number' ? time : Number(amount) * (units[unit] ?? Number.NaN)
  if (ms >= 0 && ms < Infinity) return ms
  throw new MemisError(
    'INVALID_OPTION',
    `a time is a number of ms, or like '10 min' (ms, s, min, h, d): ${quote(time)}`,
  )
}

export class MovableClock implements Clock {
  readonly #underlying: Clock
  readonly #timers = new Set<Timer>()
  #ahead = 0

  constructor(underlying: Clock) {
    this.#underlying = underlying
  }

  now(): number {
    return this.#underlying.now() + this.#ahead
  }

  setTimeout(callback: () => void, ms: number): unknown {
    const timer: Timer = { at: this.now() + ms, callback, underlying: undefined }
    this.#timers.add(timer)
    this.#arm(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer)
    this.#underlying.clearTimeout((timer as Timer).underlying)
  }

  /** Moves the time, from one timer to the next, with a turn for what each has set off. */
  async advance(ms: number): Promise<void> {
    await turn()
    // A deadline is a whole ms, and its timer up to one later: what was to last as long as this is over.
    const end = Math.ceil(this.now() + ms) + 1
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
      if (next === undefined) break
      this.#ahead += Math.max(0, next.at - this.now())
      this.clearTimeout(next)
      next.callback()
      await turn()
    }
    this.#ahead += Math.max(0, end - this.now())
    for (const timer of this.#timers) {
      this.#underlying.clearTimeout(timer.underlying)
      this.#arm(timer)
    }
  }

  #arm(timer: Timer): void {
    const run = () => {
      this.#timers.delete(timer)
      timer.callback()
    }
    timer.underlying = this.#underlying.setTimeout(run, Math.max(0, timer.at - this.now()))
  }
}
