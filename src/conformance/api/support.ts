/** What the cases of several areas ask with. */
import type { MemisError } from '../../core/errors'
import { must } from '../assert'
import type { Replica } from './replica'
import type { Scene } from './scene'

/** The hooks of a case with an outage. */
export const outage = ['cut', 'heal'] as const

/** The state of a promise, for cases that must not wait for it. */
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

/** A task beside a case, awaited at its end: a case that fails before must not leave an unhandled rejection. */
export function aside<R>(run: () => Promise<R>): Promise<R> {
  const promise = run()
  promise.catch(() => {})
  return promise
}

/**
 * Plays what must happen within so many seconds. If it returns false, the machine stood still for longer than that: again,
 * with twice as many.
 */
export async function inTime(seconds: number, play: (seconds: number) => Promise<boolean>): Promise<void> {
  for (let more = seconds; !(await play(more)); more *= 2);
}

/**
 * Waits until a key that the writer set with a ttl has expired in all of them. Returns whether each emitted that: a replica that
 * learns of the item when its time is over has nothing to emit.
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
    for (const { items } of replicas) {
      must(items.has(fence) && !items.has(key), `awaited: ${fence}, and ${key} expired`, [...items.keys()])
    }
  })
  await writer.items.delete(fence)
  return replicas.every((replica) => replica.of(key).at(-1)?.event === 'expire')
}
