import type { Clock } from '../../core/clock'
import type { MemisError } from '../../core/errors'

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.setTimeout(resolve, ms))

/** Settles like the promise; rejects if that takes longer than so many ms, with what `late` returns. */
export function within<R>(clock: Clock, ms: number, promise: Promise<R>, late: () => MemisError): Promise<R> {
  let timer: unknown
  const isLate = new Promise<never>((_, reject) => {
    timer = clock.setTimeout(() => reject(late()), ms)
  })
  return Promise.race([promise, isLate]).finally(() => clock.clearTimeout(timer))
}
