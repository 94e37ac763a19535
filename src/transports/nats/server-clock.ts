/** The time of the server that has a stream, by which the ages of messages are counted. */
import { translate } from './errors'
import type { Answer, Link } from './link'

/** Durations of JetStream are in ns. */
export const nsPerMs = 1e6

export class ServerClock {
  readonly #stream: string
  readonly #link: Link
  /** By so much (ms) it is ahead of performance.now(), or a little more; null while not known. */
  #ahead: number | null = null
  /** How little (ms): as long as the answer took. */
  #within = 0
  #learning: Promise<void> | null = null

  constructor(stream: string, link: Link) {
    this.#stream = stream
    this.#link = link
  }

  /** For how long (ms) the stream has had a message of that time; rather less than more. */
  ageOf(time: number): number {
    return this.#ahead === null ? 0 : Math.max(0, performance.now() + this.#ahead - time)
  }

  /** The latest that it can have been there (whole ms) at that time of performance.now(). Asks anew: clocks are set, and drift. */
  async latestAt(time: number): Promise<number> {
    await this.#learn()
    return Math.ceil(time + (this.#ahead ?? Infinity) + this.#within) + 1 // of its answers, what is less than a ms is cut off
  }

  /**
   * Newer servers tell their time with an answer; older ones when they made something, which was a moment ago. `asked`: when that
   * was, by performance.now().
   */
  set({ ts, created }: Answer, asked: number): void {
    const now = performance.now()
    this.#ahead = Date.parse(ts ?? created) - now
    this.#within = now - asked
  }

  /** For who has no consumer, on an older server. */
  async learn(): Promise<void> {
    if (this.#ahead === null) await this.#learn()
  }

  /** Makes a consumer to learn when that was. */
  async #learn(): Promise<void> {
    this.#learning ??= this.#ask().finally(() => {
      this.#learning = null
    })
    await this.#learning
  }

  async #ask(): Promise<void> {
    const config = { deliver_policy: 'new', ack_policy: 'explicit', inactive_threshold: 1000 * nsPerMs }
    const asked = performance.now()
    const made = await this.#link.ask(`CONSUMER.CREATE.${this.#stream}`, { stream_name: this.#stream, config })
    if (made.error !== undefined) throw translate(made.error)
    this.set(made, asked)
    // Where that fails, the server does it.
    this.#link.ask(`CONSUMER.DELETE.${this.#stream}.${made.name}`).catch(() => {})
  }
}
