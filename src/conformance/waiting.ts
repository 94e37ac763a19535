/** Waiting for what must come to pass. */
import assert from './assert'

/** How often to look (ms). */
const interval = 20

/**
 * Counts down the time in which this process has its turn: a machine that is busy or stands still takes nothing from
 * anybody's patience.
 */
class Patience {
  #left: number
  #since = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor(ms: number, ended: () => void = () => {}) {
    this.#left = ms
    this.#timer = setInterval(() => {
      const now = performance.now()
      this.#left -= Math.min(now - this.#since, 3 * interval)
      this.#since = now
      if (this.isOver) ended()
    }, interval)
  }

  get isOver(): boolean {
    return this.#left < 0
  }

  end(): void {
    clearInterval(this.#timer)
  }
}

/** The promise's outcome, unless it takes longer than so many ms. */
export async function within<R>(promise: PromiseLike<R>, ms: number, what = 'the case'): Promise<R> {
  let patience: Patience | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new assert.AssertionError({ message: `${what} was not done after ${ms} ms` })
    patience = new Patience(ms, () => reject(error))
  })
  return Promise.race([promise, late]).finally(() => patience?.end())
}

/** Calls `holds` until it throws no more, for as long as patience (ms) lasts; then throws what it threw last. */
export async function eventually<R>(holds: () => R | Promise<R>, ms: number): Promise<R> {
  const patience = new Patience(ms)
  try {
    for (let wait = 1; ; wait = Math.min(interval, wait * 2)) {
      try {
        return await holds()
      } catch (error) {
        if (patience.isOver) throw withPatience(error, ms)
      }
      await pause(wait)
    }
  } finally {
    patience.end()
  }
}

function withPatience(error: unknown, ms: number): unknown {
  if (error instanceof Error) error.message = `${error.message}\n(waited ${ms} ms for it)`
  return error
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Lets the event loop come round. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
