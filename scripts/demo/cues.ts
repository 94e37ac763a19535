/** What the story waits for. Each wait is over at once when the demo has to end. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Complaint } from './complaint'
import type { Seat, Stage } from './stage'

/** What was not heard of after so many ms will not come. */
const patience = 20_000

export class Cues {
  readonly #stage: Stage
  readonly #signal: AbortSignal

  constructor(stage: Stage, signal: AbortSignal) {
    this.#stage = stage
    this.#signal = signal
    setMaxListeners(0, signal) // each wait listens, and a wave of writes is many waits
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

  /** Until it is so of every server that has started. */
  async until(what: string, holds: (seat: Seat) => boolean): Promise<void> {
    const lacking = () => this.#stage.present.filter((seat) => !holds(seat))
    const timer = new AbortController()
    const late = sleep(patience, undefined, { signal: timer.signal }).then(() => {
      throw new Complaint(`Server ${list(lacking())} should have ${what} within ${patience / 1000} s, and has not.`, 1)
    })
    const held = this.#stage.until(() => lacking().length === 0)
    await this.heed(Promise.race([held, late])).finally(() => timer.abort())
  }

  /** Until every server has told that event of each of these keys, from now on. */
  told(what: 'set' | 'expire' | 'delete', ...keys: string[]): Promise<void> {
    const since = performance.now()
    const has = (seat: Seat, key: string) => {
      return seat.told.some((told) => told.what === what && told.text === key && told.at >= since)
    }
    return this.until(`told "${what}" of ${keys.join(', ')}`, (seat) => keys.every((key) => has(seat, key)))
  }

  /** How long it took, in words. */
  async time(what: () => Promise<void>): Promise<string> {
    const began = performance.now()
    await what()
    const ms = performance.now() - began
    return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  }
}

/** `A, B and C` */
export function list(seats: readonly Seat[]): string {
  const names = seats.map(({ name }) => name)
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
