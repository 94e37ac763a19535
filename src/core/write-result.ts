import { MemisError } from './errors'
import type { Accepted, Entry } from './transport'
import { setImmediate } from './turn'
import type { ItemEntry } from './types'
import type { Caller } from './waiting-writes'

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

  /** A write that takes several steps. */
  static of<R>(steps: Promise<R>, unheard: (error: Error) => void): WriteResult<R> {
    const result = new WriteResult<R>((resolve, reject) => steps.then(resolve, reject))
    WriteResult.listen(result, unheard)
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
}

/** The collection that a call is made on. */
export interface CallOwner {
  /** The same error, with the names of the collection and the key in front. */
  named(error: MemisError, key: string | undefined): MemisError
  /** The store's entry, as users see it. */
  entry(current: Entry): ItemEntry<unknown>
  /** Told of the error of a write that nobody awaits. */
  unheard(error: Error): void
}

/** A call of a writing method. An object with methods, since closures for each call would be a good part of its cost. */
export class Call<R> implements Caller {
  deadline = 0
  readonly result: WriteResult<R>
  readonly #owner: CallOwner
  readonly #key: string | undefined
  readonly #answer: (accepted: Accepted) => R
  #resolve!: (value: R) => void
  #reject!: (error: Error) => void

  /** `answer` makes the result of what the store answered. */
  constructor(owner: CallOwner, key: string | undefined, answer: (accepted: Accepted) => R) {
    this.#owner = owner
    this.#key = key
    this.#answer = answer
    this.result = new WriteResult<R>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  accepted(accepted: Accepted): void {
    this.#resolve(this.#answer(accepted))
  }

  conflicted(current: Entry | null, key = this.#key): void {
    const isThere = current !== null && current.item !== null && !current.isLost
    const entry = isThere ? this.#owner.entry(current) : undefined
    const held = isThere ? 'another item, which is `current`' : 'no item'
    const message = `the condition failed: the store holds ${held}`
    this.refused(new MemisError('CONFLICT', message, { stored: 'no', current: entry, key }))
  }

  refused(error: MemisError): void {
    WriteResult.listen(this.result, this.#owner.unheard)
    this.#reject(this.#owner.named(error, this.#key))
  }
}
