import { setImmediate as real } from 'node:timers'

/** Node's own, as it was when this was loaded: fake timers replace the global one, and node:test that of the module as well. */
export const setImmediate = real

/** Resolves in the next turn of the event loop, when all promise jobs are done. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
