/** What the core knows of time. Injected by the transport, so that a test double can move it by hand. */
export interface Clock {
  /** Milliseconds since some fixed moment; monotonic, so that a jump of the wall clock changes nothing. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

const { setTimeout, clearTimeout } = globalThis
const now = performance.now.bind(performance)

/** Real time. Its functions are taken when memis is loaded: fake timers do not reach a real store. */
export const systemClock: Clock = {
  now,
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
}

/** Looks its functions up at every call, and so follows the fake timers of Jest and vitest. */
export const followingClock: Clock = {
  now: () => globalThis.performance.now(),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as NodeJS.Timeout),
}
