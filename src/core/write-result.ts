import type { MemisError } from './errors'
import type { Caller } from './lane'
import { setImmediate } from './turn'

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

  /** Calls `unheard` with the error, unless somebody has listened by the next turn. Only for a write that fails: most do not, and need no handler. */
  static listen(result: WriteResult<unknown>, unheard: (error: Error) => void): void {
    // Whoever awaits has had time to say so when the next turn comes.
    Promise.prototype.then.call(result, undefined, (error) =>
      setImmediate(() => result.#observed || unheard(error as Error)),
    )
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

/** Whose calls they are. */
export interface CallOwner {
  /** The same error, with the names of the collection and the key in front. */
  named(error: MemisError, key: string | undefined): MemisError
  /** Told of the error of a write that nobody awaits. */
  unheard(error: Error): void
}

/** A call of `set`, `delete` or `clear`. An object with methods, since closures for each call would be a good part of its cost. */
export class Call<R> implements Caller {
  deadline = 0
  readonly result: WriteResult<R>
  readonly #owner: CallOwner
  readonly #key: string | undefined
  readonly #answers: boolean
  #resolve!: (value: R) => void
  #reject!: (error: Error) => void

  /** `answers`: it resolves to whether the store had the key. */
  constructor(owner: CallOwner, key: string | undefined, answers: boolean) {
    this.#owner = owner
    this.#key = key
    this.#answers = answers
    this.result = new WriteResult<R>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  taken(existed: boolean): void {
    this.#resolve((this.#answers ? existed : undefined) as R)
  }

  refused(error: MemisError): void {
    this.fail(this.#owner.named(error, this.#key))
  }

  fail(error: MemisError): void {
    WriteResult.listen(this.result, this.#owner.unheard)
    this.#reject(error)
  }
}
