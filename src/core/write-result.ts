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
    let result: WriteResult<R> | undefined
    let failed = false
    result = new WriteResult<R>((resolve, reject) => {
      run(resolve, (error) => {
        if (!failed && result !== undefined) result.#listen(unheard)
        failed = true
        reject(error)
      })
    })
    // It failed while it was made.
    if (failed) result.#listen(unheard)
    return result
  }

  /** Only for a write that fails: most do not, and need no handler. */
  #listen(unheard: (error: Error) => void): void {
    // Whoever awaits has had time to say so when the next turn comes.
    super.then(undefined, (error) => setImmediate(() => this.#observed || unheard(error)))
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  override then<A = R, B = never>(
    onFulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#observed = true
    return super.then(onFulfilled, onRejected)
  }
}
