/** A question that is asked soon when there is a reason: one at a time, and once more if there was another reason meanwhile. */
import type { Clock } from '../../core/clock'

/** No question is sooner than this after the one before (ms). While nothing changes, the pause grows. */
const pauseMs = { first: 100, longest: 500 }

export class Inquiry<R> {
  readonly #clock: Clock
  readonly #isUrgent: () => boolean
  readonly #ask: (reason: R | undefined) => Promise<void>
  #timer: unknown
  #isPending = false
  #isWantedAgain = false
  #askedAt = -Infinity
  #pause = pauseMs.first

  /** `isUrgent`: whether to ask without a pause. */
  constructor(clock: Clock, isUrgent: () => boolean, ask: (reason: R | undefined) => Promise<void>) {
    this.#clock = clock
    this.#isUrgent = isUrgent
    this.#ask = ask
  }

  want(reason?: R): void {
    if (this.#isPending) {
      this.#isWantedAgain = true
      return
    }
    this.#isPending = true
    const wait = this.#isUrgent() ? 0 : Math.max(0, this.#askedAt + this.#pause - this.#clock.now())
    this.#timer = this.#clock.setTimeout(async () => {
      await this.#ask(reason)
      this.#isPending = false
      this.#askedAt = this.#clock.now()
      if (!this.#isWantedAgain) return
      this.#isWantedAgain = false
      this.want()
    }, wait)
  }

  /** Sets the next pause by the last answer. */
  answered(isSame: boolean): void {
    this.#pause = isSame ? Math.min(this.#pause * 1.5, pauseMs.longest) : pauseMs.first
  }

  close(): void {
    this.#isPending = true
    this.#isWantedAgain = false
    this.#clock.clearTimeout(this.#timer)
  }
}
