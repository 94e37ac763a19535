/** A batch on its way: messages that are under way at once, and what came of each. */
import type { MemisError } from '../../core/errors'
import type { Outcome } from '../../core/transport'
import type { Ack, Waiter } from './publisher'

export class Flight implements Waiter {
  readonly #outcomes: (Outcome | undefined)[]
  readonly #resolve: (outcomes: readonly Outcome[]) => void
  readonly #reject: (error: MemisError) => void
  readonly #taken: (ack: Ack, index: number) => Outcome | Promise<Outcome>
  /** Who waits for one of the writes. */
  readonly #waiting = new Map<number, { resolve(): void; reject(error: MemisError): void }[]>()
  #left: number
  /** Why of some nobody knows what became of them. */
  #error: MemisError | null = null

  constructor(
    outcomes: (Outcome | undefined)[],
    resolve: (outcomes: readonly Outcome[]) => void,
    reject: (error: MemisError) => void,
    taken: (ack: Ack, index: number) => Outcome | Promise<Outcome>,
  ) {
    this.#outcomes = outcomes
    this.#left = outcomes.length
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

  /**
   * A refusal is the one write's. Where nobody knows what became of it, the whole batch is given again; but not while others of it are
   * on their way: one that comes late would lie over what is given again.
   */
  failed(error: MemisError, index: number): void {
    if (error.code !== 'DISCONNECTED') return this.settle({ error }, index)
    this.#error = error
    for (const each of this.#waiting.get(index) ?? []) each.reject(error)
    this.#end()
  }

  settle(outcome: Outcome, index: number): void {
    this.#outcomes[index] = outcome
    for (const each of this.#waiting.get(index) ?? []) each.resolve()
    this.#end()
  }

  /** Resolves once that write has settled; rejects where nobody knows what became of it. */
  after(index: number): Promise<void> {
    if (this.#outcomes[index] !== undefined) return Promise.resolve()
    if (this.#error !== null) return Promise.reject(this.#error)
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(index) ?? []
      waiting.push({ resolve, reject })
      this.#waiting.set(index, waiting)
    })
  }

  #end(): void {
    this.#left--
    if (this.#left > 0) return
    if (this.#error === null) this.#resolve(this.#outcomes as Outcome[])
    else this.#reject(this.#error)
  }
}
