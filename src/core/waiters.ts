/** Calls that wait for something, each with a signal of its own. */
import { MemisError, quote } from './errors'
import { onAbort } from './signals'
import { kindOf } from './text'

/** Begins to wait; returns what ends that. It may settle at once. */
export type Begin<R> = (settle: (value: R) => void, fail: (error: Error) => void) => () => void

interface Waiter {
  /** Without a value: for calls that wait for `settle` alone. */
  settle(value?: never): void
  fail(error: Error): void
}

export class Waiters {
  readonly #waiting = new Set<Waiter>()
  /** Called when a signal was aborted and nobody waits any more. */
  readonly #abandoned: (error: MemisError) => void

  constructor(abandoned: (error: MemisError) => void = () => {}) {
    this.#abandoned = abandoned
  }

  /** Settles as `begin` says, or when `settle` or `refuse` is called; rejects with `ABORTED`. */
  wait<R = void>(signal: AbortSignal | undefined, begin: Begin<R> = () => () => {}): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal))
      const ends: (() => void)[] = []
      const end = () => {
        if (!this.#waiting.delete(waiter)) return false
        for (const each of ends) each()
        return true
      }
      const settle = (value: R) => {
        if (end()) resolve(value)
      }
      const fail = (error: Error) => {
        if (end()) reject(error)
      }
      const waiter = { settle: settle as Waiter['settle'], fail }
      this.#waiting.add(waiter)
      const ended = begin(settle, fail)
      if (!this.#waiting.has(waiter)) return ended()
      ends.push(ended)
      if (signal === undefined) return
      const release = onAbort(signal, () => {
        const error = aborted(signal)
        fail(error)
        if (this.#waiting.size === 0) this.#abandoned(error)
      })
      ends.push(release)
    })
  }

  settle(): void {
    for (const waiter of [...this.#waiting]) waiter.settle()
  }

  refuse(error: MemisError): void {
    for (const waiter of [...this.#waiting]) waiter.fail(error)
  }
}

const aborted = (signal: AbortSignal) => new MemisError('ABORTED', 'the call was aborted', { cause: signal.reason })

/** The signal of an options object. @throws MemisError `INVALID_OPTION` */
export function checkSignal(method: string, options: { signal?: AbortSignal | undefined }): AbortSignal | undefined {
  checkOptions(method, options, ['signal'])
  const { signal } = options
  if (signal === undefined || typeof signal?.addEventListener === 'function') return signal
  throw new MemisError('INVALID_OPTION', `signal must be an AbortSignal; this is ${kindOf(signal)}`)
}

/** Refuses options that are no plain object, or have a name that the method does not know. */
export function checkOptions(method: string, options: object, names: readonly string[]): void {
  const kind = kindOf(options)
  if (kind !== 'an object') {
    throw new MemisError('INVALID_OPTION', `${method}() takes { ${names.join(', ')} }; this is ${kind}`)
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown === undefined) return
  throw new MemisError('INVALID_OPTION', `${method}() has no option ${quote(unknown)}; there are ${names.join(', ')}`)
}
