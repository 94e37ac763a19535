/**
 * A few items that a replica holds and that do not expire, and where they lie. If the stream begins after one, its message vanished
 * without a tombstone: somebody has purged the bucket.
 */
import type { Entry } from '../../core/transport'
import type { Bucket } from './bucket'

const mostAnchors = 4

export class Anchors {
  /** Places by subject. */
  readonly #places = new Map<string, number>()
  #wasAdrift = false

  told(subject: string, { item, leftMs }: Entry, n: number): void {
    if (this.#places.size === mostAnchors && !this.#places.has(subject)) return
    if (item !== null && leftMs === null) this.#places.set(subject, n)
    else this.#places.delete(subject)
  }

  /** Whether an anchor is gone, at two audits in a row: a newer message of its key may be on its way. */
  areGone(first: number): boolean {
    const isAdrift = [...this.#places.values()].some((n) => n < first)
    const areGone = isAdrift && this.#wasAdrift
    this.#wasAdrift = isAdrift
    return areGone
  }

  /** Whether they were purged while nobody was told anything. A delete would have left a tombstone. */
  async werePurged(bucket: Bucket, first: number): Promise<boolean> {
    this.#wasAdrift = false
    for (const [subject, n] of this.#places) {
      if (n < first && (await bucket.read({ last_by_subj: subject })) === undefined) return true
    }
    return false
  }
}
