/** Abort signals. */

/** A signal given to a thousand calls gets one listener: Node warns of more than ten. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `aborted` once the signal is aborted, at once if it is already. Returns a function that ends this; when the last
 * one has ended, nothing is left on the signal.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  if (signal.aborted) {
    aborted()
    return () => {}
  }
  // The same function may be given twice.
  const call = () => aborted()
  const calls = waiting.get(signal) ?? listen(signal)
  calls.add(call)
  return () => {
    if (calls.delete(call) && calls.size === 0) forget(signal)
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>()
  waiting.set(signal, calls)
  signal.addEventListener('abort', callAll, { once: true })
  return calls
}

function forget(signal: AbortSignal): void {
  waiting.delete(signal)
  signal.removeEventListener('abort', callAll)
}

function callAll(this: AbortSignal): void {
  const calls = waiting.get(this)
  waiting.delete(this)
  for (const call of calls ?? []) call()
}
