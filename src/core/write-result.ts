import { setImmediate } from 'node:timers'

/**
 * The promise of a write. A write that nobody awaits and that fails must be no unhandled rejection, and must not
 * be lost either: this promise knows whether somebody listens.
 */
export class WriteResult<R> extends Promise<R> {
  #observed = false

  /** What `then` makes is an ordinary promise. */
  static override get [Symbol.species]() {
    return Promise
  }

  /** `run` may settle at once; `unheard` is called with the error of a write that nobody awaits. */
  static of<R>(
    run: (resolve: (value: R) => void, reject: (error: Error) => void) => void,
    unheard: (error: Error) => void,
  ): WriteResult<R> {
    const result = new WriteResult<R>(run)
    // Whoever awaits has had time to say so when the next turn comes.
    result.#then(undefined, (error) => setImmediate(() => result.#observed || unheard(error)))
    return result
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  override then<A = R, B = never>(
    onFulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#observed = true
    return super.then(onFulfilled, onRejected)
  }

  #then(onFulfilled: undefined, onRejected: (error: Error) => void): void {
    super.then(onFulfilled, onRejected)
  }
}
