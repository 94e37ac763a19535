/** What the cases of all areas ask with. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { type ErrorCode, MemisError } from '../core/errors'
import assert from './assert'
import type { Replica, Scene } from './scene'

/** Deep equality as of `assert.deepEqual`, whose report on large values takes seconds. */
export function same(actual: unknown, expected: unknown, what = ''): void {
  if (isDeepStrictEqual(actual, expected)) return
  const show = (value: unknown) =>
    inspect(value, { depth: 4, maxArrayLength: 10, maxStringLength: 200, breakLength: 100 })
  const message = `${what}${what && ': '}this is not as expected: ${show(actual)}\nexpected: ${show(expected)}`
  throw new assert.AssertionError({ message, stackStartFn: same })
}

/** Asserts that the promise rejects with a MemisError of that code, and gives the error. */
export async function refused(promise: Promise<unknown>, code: ErrorCode): Promise<MemisError> {
  const error = await promise.then(
    (value) => assert.fail(`resolved to ${inspect(value)} instead of being refused with ${code}`),
    (error: unknown) => error,
  )
  return checkError(error, code)
}

/** Asserts that the call throws a MemisError of that code, and gives the error. */
export function throws(call: () => unknown, code: ErrorCode): MemisError {
  try {
    call()
  } catch (error) {
    return checkError(error, code)
  }
  return assert.fail(`returned instead of throwing ${code}`)
}

function checkError(error: unknown, code: ErrorCode): MemisError {
  if (error instanceof assert.AssertionError) throw error
  assert(error instanceof MemisError, `this is no MemisError: ${inspect(error)}`)
  assert.equal(error.code, code, error.message)
  return error
}

/** How a promise stands, for who must not wait for it. */
export interface Observed<R> {
  state: 'pending' | 'resolved' | 'rejected'
  value?: R
  error?: MemisError
}

export function observe<R>(promise: Promise<R>): Observed<R> {
  const observed: Observed<R> = { state: 'pending' }
  promise.then(
    (value) => Object.assign(observed, { state: 'resolved', value }),
    (error) => Object.assign(observed, { state: 'rejected', error }),
  )
  return observed
}

/** The promise's outcome, unless it takes longer than so many ms. */
export async function within<R>(promise: Promise<R>, ms: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/**
 * Plays what must happen within so many seconds. Where it gives false, the machine stood still for longer than that:
 * again, with twice as many.
 */
export async function inTime(seconds: number, play: (seconds: number) => Promise<boolean>): Promise<void> {
  for (let more = seconds; !(await play(more)); more *= 2);
}

/**
 * Waits until a key that the writer set with a ttl has expired in all of them. Returns whether they all told so: who hears of it
 * when its time is over has nothing to tell.
 */
export async function expired(
  scene: Scene,
  writer: Replica,
  replicas: readonly Replica[],
  key: string,
): Promise<boolean> {
  const fence = `after ${key}`
  await writer.items.set(fence, {})
  await scene.eventually(() => {
    for (const { items } of replicas) assert(items.has(fence) && !items.has(key))
  })
  await writer.items.delete(fence)
  return replicas.every((replica) => replica.of(key).at(-1)?.event === 'expire')
}

/** Lets the event loop come round. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
