/** What is known of a collection from one session to the next. */
import type { Position } from '../../core/transport'
import type { Bucket, BucketState } from './bucket'
import type { Stamp } from './decode'
import type { Link } from './link'
import { type Names, subjectOf } from './names'

/** So many of the messages told last are remembered, to know the stream again. */
const mostStamps = 256

export class Trail {
  readonly #link: Link
  readonly #bucket: Bucket
  readonly #names: Names
  /** The epoch of the stamps. */
  #epoch = ''
  #stamps: Stamp[] = []
  /** The own set that was confirmed last: the replica has it before it is told. */
  #own = { key: '', n: 0, until: Infinity }
  /** When the replica was current last (performance.now()). */
  #provedAt = Number.NEGATIVE_INFINITY
  /** Consumers that are given up, and not deleted yet. */
  readonly #consumers = new Set<string>()
  /** Settles when those are deleted, as far as can be. */
  ending: Promise<unknown> = Promise.resolve()

  constructor(link: Link, bucket: Bucket, names: Names) {
    this.#link = link
    this.#bucket = bucket
    this.#names = names
  }

  begin(epoch: string, whole: boolean): void {
    if (epoch !== this.#epoch || whole) this.#stamps = []
    if (epoch !== this.#epoch) this.#own.n = 0
    this.#epoch = epoch
  }

  add(stamp: Stamp): void {
    this.#stamps.push(stamp)
    if (this.#stamps.length >= 2 * mostStamps) this.#stamps.splice(0, mostStamps)
  }

  /** An own set was confirmed, of an item that lives for so many ms. */
  taken(key: string, n: number, ttlMs: number): void {
    this.#own.key = key
    this.#own.n = n
    this.#own.until = ttlMs === Infinity ? Infinity : performance.now() + ttlMs
  }

  prove(): void {
    this.#provedAt = performance.now()
  }

  /**
   * Up to which number the stream has the history that the replica knows; null where it has all of it. One that
   * lost its end, or was brought back from a backup, uses its numbers again: then there are other messages, of other times.
   */
  async broken({ epoch, n }: Position, state: BucketState): Promise<number | null> {
    const { head } = state
    const stamps = this.#epoch === epoch ? this.#stamps.filter((stamp) => stamp.n <= head) : []
    let isBroken = n > head || !(await this.#hasOwn(n, state))
    for (let i = stamps.length - 1, step = 1; i >= 0; i -= step, step *= 2) {
      const { n: number, time } = stamps[i] as Stamp
      const message = await this.#bucket.message({ seq: number })
      if (message === undefined) continue // there is a newer one of its subject
      if (Math.abs(Date.parse(message.time) - time) < 1) return isBroken ? number : null
      isBroken = true
    }
    return isBroken ? 0 : null
  }

  /** Whether marks of what is gone were kept for all the time since the replica was current. */
  keepsMarks({ retention }: BucketState): boolean {
    return performance.now() - this.#provedAt < 0.9 * retention
  }

  /** Whether the stream has the own set that is newer than all that was told, or a later message of its key. */
  async #hasOwn(told: number, state: BucketState): Promise<boolean> {
    const { key, n, until } = this.#own
    if (n <= told) return true
    const message = await this.#bucket.message({ last_by_subj: subjectOf(this.#names, key) })
    if (message !== undefined) return message.seq >= n
    // Nothing is there: also where its mark was removed, or where what expired has none yet.
    return !this.keepsMarks(state) || performance.now() >= until
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
