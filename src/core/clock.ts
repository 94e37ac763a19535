/** The time that the core and the transports count by. Injected, so that a test double can move it by hand. */
export interface Clock {
  /** Milliseconds since some fixed moment; monotonic, so that a jump of the wall clock changes nothing. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** Calls back once what waits in the sockets of the process has been read. Absent if there are none. */
  afterInput?(callback: () => void): void
}

const { setTimeout, clearTimeout, setImmediate } = globalThis
const now = performance.now.bind(performance)

/** Real time. Its functions are taken when memis is loaded: fake timers do not reach a real store. */
export const systemClock: Clock = {
  now,
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  // Immediates run after the sockets were polled. Two rounds, since the first may begin behind the poll.
  afterInput: (callback) => setImmediate(() => setImmediate(callback)),
}

/** Looks its functions up at every call, and so follows the fake timers of Jest and vitest. */
export const followingClock: Clock = {
  now: () => globalThis.performance.now(),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as NodeJS.Timeout),
}
