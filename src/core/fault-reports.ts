/** Decides which faults are told: the first of a burst, and a persistent one again each minute, with how often it occurred. */
import type { Clock } from './clock'
import { type ErrorCode, MemisError } from './errors'

/** Faults of one code with less than this between each and the next (ms) are one burst. */
const burstMs = 10_000
/** A burst that goes on is told again after this time (ms). */
const repeatMs = 60_000

interface Burst {
  toldAt: number
  lastAt: number
  /** How many were not told since the last that was. */
  untold: number
}

export class FaultReports {
  readonly #clock: Clock
  readonly #counts: Partial<Record<ErrorCode, number>> = {}
  readonly #bursts = new Map<ErrorCode, Burst>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How often each code occurred. */
  get counts(): Readonly<Partial<Record<ErrorCode, number>>> {
    return { ...this.#counts }
  }

  count(code: ErrorCode): void {
    this.#counts[code] = (this.#counts[code] ?? 0) + 1
  }

  /** Counts a fault; returns what is to be told of it, or null. */
  add(error: MemisError): MemisError | null {
    const { code } = error
    this.count(code)
    const now = this.#clock.now()
    const burst = this.#bursts.get(code)
    if (burst === undefined || now - burst.lastAt >= burstMs) {
      this.#bursts.set(code, { toldAt: now, lastAt: now, untold: 0 })
      return error
    }
    burst.lastAt = now
    burst.untold++
    if (now - burst.toldAt < repeatMs) return null
    const { untold } = burst
    const seconds = Math.round((now - burst.toldAt) / 1000)
    burst.toldAt = now
    burst.untold = 0
    return new MemisError(code, `${error.message} (${untold} times in ${seconds} s)`, { cause: error })
  }
}
