/** What the story waits for. Every wait ends at once if the demo has to end. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Complaint } from './complaint'
import type { Seat, Stage } from './stage'

/** What has not happened after so many ms will not happen. */
const patience = 20_000

export class Cues {
  readonly #stage: Stage
  readonly #signal: AbortSignal

  constructor(stage: Stage, signal: AbortSignal) {
    this.#stage = stage
    this.#signal = signal
    setMaxListeners(0, signal) // each wait listens, and many writes wait at once
  }

  heed<R>(promise: Promise<R>): Promise<R> {
    const signal = this.#signal
    return new Promise<R>((resolve, reject) => {
      const abort = () => reject(signal.reason)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      const done = () => signal.removeEventListener('abort', abort)
      promise.then(resolve, reject).then(done)
    })
  }

  async pause(ms: number): Promise<void> {
    if (ms <= 0) return
    const timer = new AbortController()
    await this.heed(sleep(ms, undefined, { signal: timer.signal })).finally(() => timer.abort())
  }

  /** Resolves once it holds for each of these servers. */
  async until(seats: readonly Seat[], what: string, holds: (seat: Seat) => boolean): Promise<void> {
    const lacking = () => seats.filter((seat) => !holds(seat))
    const timer = new AbortController()
    const late = sleep(patience, undefined, { signal: timer.signal }).then(() => {
      throw new Complaint(`Server ${list(lacking())} should ${what} within ${patience / 1000} s, and did not.`, 1)
    })
    const held = this.#stage.until(() => lacking().length === 0)
    await this.heed(Promise.race([held, late])).finally(() => timer.abort())
  }

  /** Resolves to the time of the last of these events, counted from `since`: one of each key in each server. */
  async told(
    seats: readonly Seat[],
    what: 'set' | 'expire' | 'delete',
    keys: readonly string[],
    since: number,
  ): Promise<number> {
    const of = (seat: Seat, key: string) => {
      return seat.told.find((told) => told.what === what && told.text === key && told.at >= since)
    }
    await this.until(seats, `emit "${what}" of ${keys.join(', ')}`, (seat) =>
      keys.every((key) => of(seat, key) !== undefined),
    )
    return Math.max(...seats.flatMap((seat) => keys.map((key) => of(seat, key)?.at ?? 0)))
  }
}

/** A duration in words. */
export function inWords(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`
  return `${ms < 10 ? Math.max(0.1, ms).toFixed(1) : Math.round(ms)} ms`
}

/** `A, B and C` */
export function list(seats: readonly Seat[]): string {
  const names = seats.map(({ name }) => name)
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
