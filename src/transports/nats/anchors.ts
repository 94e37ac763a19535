/**
 * A few items that a replica holds, and where they lie. If the stream begins after one whose time is not over, its message vanished without a
 * tombstone: somebody has purged the bucket.
 */
import type { Clock } from '../../core/clock'
import type { Entry } from '../../core/transport'
import type { Bucket } from './bucket'

const mostAnchors = 4

interface Anchor {
  readonly n: number
  /** When its item expires (the clock's time). */
  readonly until: number
}

export class Anchors {
  readonly #clock: Clock
  /** By subject. */
  readonly #anchors = new Map<string, Anchor>()
  /** Those that were missing at the last audit. */
  #missing: readonly Anchor[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  told(subject: string, { item, leftMs }: Entry, n: number): void {
    const anchors = this.#anchors
    if (anchors.size === mostAnchors && !anchors.has(subject)) return
    if (item === null) anchors.delete(subject)
    else anchors.set(subject, { n, until: leftMs === null ? Infinity : this.#clock.now() + leftMs })
  }

  /** Whether an anchor is gone, at two audits in a row: a newer message of its key may be on its way. */
  areGone(first: number): boolean {
    const before = this.#missing
    this.#missing = this.#before(first).map(([, anchor]) => anchor)
    return this.#missing.some((anchor) => before.includes(anchor))
  }

  /** Whether they were purged while nobody was told anything. A delete would have left a tombstone. */
  async werePurged(bucket: Bucket, first: number): Promise<boolean> {
    this.#missing = []
    for (const [subject] of this.#before(first)) {
      if ((await bucket.read({ last_by_subj: subject })) === undefined) return true
    }
    return false
  }

  /** Anchors that the stream begins after. Those that have expired are forgotten. */
  #before(first: number): [string, Anchor][] {
    if (this.#anchors.size === 0) return []
    const now = this.#clock.now()
    for (const [subject, { until }] of this.#anchors) if (until <= now) this.#anchors.delete(subject)
    return [...this.#anchors].filter(([, { n }]) => n < first)
  }
}
