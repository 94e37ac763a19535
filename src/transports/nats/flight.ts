/** A batch on its way: messages that are under way at once, and what came of each. */
import type { MemisError } from '../../core/errors'
import type { Outcome } from '../../core/transport'
import type { Ack, Waiter } from './publisher'

export class Flight implements Waiter {
  readonly #outcomes: Outcome[]
  readonly #resolve: (outcomes: readonly Outcome[]) => void
  readonly #reject: (error: MemisError) => void
  readonly #taken: (ack: Ack, index: number) => Outcome | Promise<Outcome>
  /** Who waits for one of the writes. */
  readonly #waiting = new Map<number, () => void>()
  #left: number

  constructor(
    count: number,
    resolve: (outcomes: readonly Outcome[]) => void,
    reject: (error: MemisError) => void,
    taken: (ack: Ack, index: number) => Outcome | Promise<Outcome>,
  ) {
    this.#outcomes = new Array(count)
    this.#left = count
    this.#resolve = resolve
    this.#reject = reject
    this.#taken = taken
  }

  acked(ack: Ack, index: number): void {
    try {
      const outcome = this.#taken(ack, index)
      if (!('then' in outcome)) return this.settle(outcome, index)
      outcome.then(
        (late) => this.settle(late, index),
        (error) => this.failed(error, index),
      )
    } catch (error) {
      this.failed(error as MemisError, index)
    }
  }

  /** A refusal is the one write's. Where nobody knows what became of it, the whole batch is given again. */
  failed(error: MemisError, index: number): void {
    if (error.code === 'DISCONNECTED') this.#reject(error)
    else this.settle({ error }, index)
  }

  settle(outcome: Outcome, index: number): void {
    this.#outcomes[index] = outcome
    this.#waiting.get(index)?.()
    this.#left--
    if (this.#left === 0) this.#resolve(this.#outcomes)
  }

  /** Resolves once that write has settled. */
  after(index: number): Promise<void> {
    if (this.#outcomes[index] !== undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.set(index, resolve))
  }
}
