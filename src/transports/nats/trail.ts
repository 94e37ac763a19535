/** What is known of a collection from one session to the next. */
import type { Position } from '../../core/transport'
import type { Bucket } from './bucket'
import type { Stamp } from './decode'
import type { Link } from './link'

/** So many of the messages told last are remembered, to know the stream again. */
const mostStamps = 256

export class Trail {
  readonly #link: Link
  readonly #bucket: Bucket
  /** The epoch of the stamps. */
  #epoch = ''
  #stamps: Stamp[] = []
  /** When the replica was current last (performance.now()). */
  #provedAt = Number.NEGATIVE_INFINITY
  /** Consumers that are given up, and not deleted yet. */
  readonly #consumers = new Set<string>()
  /** Settles when those are deleted, as far as can be. */
  ending: Promise<unknown> = Promise.resolve()

  constructor(link: Link, bucket: Bucket) {
    this.#link = link
    this.#bucket = bucket
  }

  /** For how long the replica may have missed something (ms). */
  get away(): number {
    return performance.now() - this.#provedAt
  }

  begin(epoch: string, whole: boolean): void {
    if (epoch !== this.#epoch || whole) this.#stamps = []
    this.#epoch = epoch
  }

  add(stamp: Stamp): void {
    this.#stamps.push(stamp)
    if (this.#stamps.length >= 2 * mostStamps) this.#stamps.splice(0, mostStamps)
  }

  prove(): void {
    this.#provedAt = performance.now()
  }

  /**
   * Up to which number the stream, whose last is `head`, has the history that the replica knows. One that lost its end, or was
   * brought back from a backup, uses its numbers again: then there are other messages, of other times.
   */
  async unbroken({ epoch, n }: Position, head: number): Promise<number> {
    const stamps = this.#epoch === epoch ? this.#stamps.filter((stamp) => stamp.n <= head) : []
    let isBroken = n > head
    for (let i = stamps.length - 1, step = 1; i >= 0; i -= step, step *= 2) {
      const { n: number, time } = stamps[i] as Stamp
      const message = await this.#bucket.message({ seq: number })
      if (message === undefined) continue // there is a newer one of its subject
      if (Math.abs(Date.parse(message.time) - time) < 1) return isBroken ? number : n
      isBroken = true
    }
    return isBroken ? 0 : n
  }

  /** A consumer is not needed any more. Where it cannot be deleted now, the next session does it, or the server. */
  leave(consumer: string): void {
    this.#consumers.add(consumer)
    this.ending = this.deleteConsumers().catch(() => {})
  }

  async deleteConsumers(): Promise<void> {
    const remove = async (name: string) => {
      await this.#link.ask(`CONSUMER.DELETE.${this.#bucket.stream}.${name}`, undefined, this.#link.consumerPatience)
      this.#consumers.delete(name)
    }
    await Promise.all([...this.#consumers].map(remove))
  }
}
