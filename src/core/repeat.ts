import type { Clock } from './clock'

/** Calls back each so many ms, until the function that it returns is called. */
export function repeat(clock: Clock, ms: number, callback: () => void): () => void {
  const next = () =>
    clock.setTimeout(() => {
      timer = next()
      callback()
    }, ms)
  let timer = next()
  return () => clock.clearTimeout(timer)
}
