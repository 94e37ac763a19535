/** The time that the core and the transports count by. Injected, so that a test double can move it by hand. */
export interface Clock {
  /** Milliseconds since some fixed moment; monotonic, so that a jump of the wall clock changes nothing. */
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** Calls back once what waits in the sockets of the process has been read. Absent if there are none. */
  afterInput?(callback: () => void): void
}

const { setTimeout, clearTimeout } = globalThis
const now = performance.now.bind(performance)
const eventLoopUtilization = performance.eventLoopUtilization.bind(performance)

/** The event loop is watched for so long (ms). A socket of Node.js gives 64 KiB a turn: what waits may take many turns. */
const turnsMs = 20
/** After so long (ms), the process is busy with something else. */
const longestInput = 1000

/** Calls back once the event loop was idle for half of a short time: no socket had more to read. */
function afterInput(callback: () => void): void {
  const started = now()
  const watch = (before: number) =>
    setTimeout(() => {
      const { idle } = eventLoopUtilization()
      if (idle - before >= turnsMs / 2 || now() - started >= longestInput) callback()
      else watch(idle)
    }, turnsMs)
  watch(eventLoopUtilization().idle)
}

/** Real time. Its functions are taken when memis is loaded: fake timers do not reach a real store. */
export const systemClock: Clock = {
  now,
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  afterInput,
}

/** Looks its functions up at every call, and so follows the fake timers of Jest and vitest. */
export const followingClock: Clock = {
  now: () => globalThis.performance.now(),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as NodeJS.Timeout),
}
