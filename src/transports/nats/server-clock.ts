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
  #learning: Promise<void> | null = null

  constructor(stream: string, link: Link) {
    this.#stream = stream
    this.#link = link
  }

  /** For how long (ms) the stream has had a message of that time; rather less than more. */
  ageOf(time: number): number {
    return this.#ahead === null ? 0 : Math.max(0, performance.now() + this.#ahead - time)
  }

  /** Newer servers tell their time with an answer; older ones when they made something, which was a moment ago. */
  set({ ts, created }: Answer): void {
    this.#ahead = Date.parse(ts ?? created) - performance.now()
  }

  /** For who has no consumer, on an older server: makes one to learn when that was. */
  async learn(): Promise<void> {
    if (this.#ahead !== null) return
    this.#learning ??= this.#ask().finally(() => {
      this.#learning = null
    })
    await this.#learning
  }

  async #ask(): Promise<void> {
    const config = { deliver_policy: 'new', ack_policy: 'explicit', inactive_threshold: 1000 * nsPerMs }
    const made = await this.#link.ask(`CONSUMER.CREATE.${this.#stream}`, { stream_name: this.#stream, config })
    if (made.error !== undefined) throw translate(made.error)
    this.set(made)
    // Where that fails, the server does it.
    this.#link.ask(`CONSUMER.DELETE.${this.#stream}.${made.name}`).catch(() => {})
  }
}
