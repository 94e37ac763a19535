/** Tools for tests with real servers: time limits, waiting for conditions, measurements. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite as uvuSuite } from 'uvu'
import type { MemisError } from '../../src'

/**
 * The time (ms) for which this process had its turn. A virtual machine stands still now and then, for seconds: a time limit
 * should not fail because of that.
 */
export function awake(): number {
  const now = performance.now()
  return now - stoodStill - Math.max(0, now - tickedAt - longestTurn)
}

const longestTurn = 100
let tickedAt = performance.now()
let stoodStill = 0
setInterval(() => {
  const now = performance.now()
  stoodStill += Math.max(0, now - tickedAt - longestTurn)
  tickedAt = now
}, 20).unref()

/** A suite of uvu in which a test that hangs fails after so many ms, so that the others run. */
export function suite(name: string, limit = 60_000) {
  const bare = uvuSuite(name)
  const test = (title: string, run: () => Promise<void>) => bare(title, () => within(run(), limit))
  const skip = (title: string) => bare.skip(title, async () => {})
  return Object.assign(test, { before: bare.before, after: bare.after, run: bare.run, skip })
}

/** Settles like the promise; rejects if that takes longer than so many ms. */
export async function within<R>(promise: PromiseLike<R>, ms: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const start = awake()
    const check = () => {
      const left = ms - (awake() - start)
      if (left <= 0) reject(new Error(`not done after ${ms} ms`))
      else timer = setTimeout(check, left)
    }
    timer = setTimeout(check, ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Waits until something holds; returns how many ms that took, counting those in which the process had its turn. */
export async function until(what: string, holds: () => unknown, deadline = 20_000): Promise<number> {
  const start = awake()
  while (!(await holds())) {
    if (awake() - start > deadline) throw new Error(`not so after ${deadline} ms: ${what}`)
    await sleep(2)
  }
  return awake() - start
}

/** The error that a promise was rejected with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<MemisError> {
  return promise.then(
    (value) => assert.fail(`should have been refused, gave ${JSON.stringify(value)}`),
    (error) => error,
  )
}

/** Prints a measurement. The test runner shows such lines. */
export const note = (text: string): void => console.log(`\n# ${text}`)

/** A random number generator, which returns the same numbers for the same seed: whole, from 0 to below `end`. */
export function dice(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end)
  }
}

export type Disposable<T> = T & AsyncDisposable

const prototype = Object.getOwnPropertyNames(Object.prototype).join()

/** Notes whatever would have ended the process while a suite runs. The function that is returned asserts that nothing was harmed. */
export function harmOf(test: {
  before(hook: () => Promise<void>): void
  after(hook: () => Promise<void>): void
}): () => void {
  const crashes: unknown[] = []
  const crashed = (error: unknown) => void crashes.push(error)
  test.before(async () => {
    process.on('uncaughtException', crashed)
    process.on('unhandledRejection', crashed)
  })
  test.after(async () => {
    process.off('uncaughtException', crashed)
    process.off('unhandledRejection', crashed)
  })
  return () => {
    assert.deepStrictEqual(crashes, [])
    assert.strictEqual(Object.getOwnPropertyNames(Object.prototype).join(), prototype)
    assert.strictEqual(({} as { polluted?: unknown }).polluted, undefined)
  }
}
