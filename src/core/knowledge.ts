/**
 * What a replica knows of its store: the contents, the history that they belong to, and what the store has lost of them.
 * Decides what an entry means for its key.
 */
import type { Clock } from './clock'
import { decodeItem } from './codec'
import { type Cause, Contents } from './contents'
import { isHeld } from './entries'
import { MemisError, quote } from './errors'
import { contains, precedes } from './history'
import { Lost } from './lost'
import { type HistoryChange, Timeline } from './timeline'
import type { Entry, Epoch, Merged, Revision } from './transport'
import type { DeepReadonly } from './types'
import type { TimedVersion } from './versions'

export class Knowledge<T extends object> {
  readonly contents: Contents<T>
  readonly timeline = new Timeline()
  /** Keys of which something is known that the store lost. */
  readonly lost = new Lost()
  /** Lost entries are kept and restored; otherwise the store's word counts. */
  restores = false
  /** The store had nothing of an item that it should have (evicted): an older copy of the store may have it, at a place that was read. */
  hasForgotten = false
  /** The own clear that was accepted last: everything older is gone, whatever is told later. */
  cleared: Revision | null = null
  readonly #report: (error: MemisError) => void

  constructor(
    clock: Clock,
    retention: number,
    expired: (version: TimedVersion) => void,
    report: (error: MemisError) => void,
  ) {
    this.contents = new Contents(clock, retention, expired)
    this.#report = report
  }

  /** Applies what the store tells of a key, if it is newer than what is known. `lostEnd`: see `HistoryChange`. */
  receive(entry: Entry, cause: Cause, lostEnd: HistoryChange['lostEnd']): void {
    const { key } = entry
    if (entry.isLost) return this.#receiveMissing(entry, cause)
    const relation = this.contents.compare(key, entry)
    // An own clear is newer than the tombstones of before.
    if (relation === undefined || (relation < 0 && this.#isCleared(entry))) {
      return this.#receiveUnknown(entry, cause, lostEnd)
    }
    if (relation < 0 || (!this.restores && this.lost.has(key))) return this.accept(entry, cause)
    const known = this.contents.known(key)
    if (known === undefined) return
    if (relation === 0) {
      this.contents.move(key, entry.place)
      if (this.timeline.contains(entry.place ?? entry)) this.lost.resolve(key, true)
    } else if (entry.place !== undefined && precedes(known.place, entry.place)) {
      // Somebody restored an older version: the store does not have the one that is known here.
      if (this.restores) this.lost.add(key)
      else this.accept(entry, cause)
    }
  }

  /** Applies an entry without a question. */
  accept(entry: Entry, cause: Cause): void {
    const { key, place, leftMs } = entry
    this.lost.resolve(key, place !== undefined)
    const item = entry.item === null ? undefined : decodeItem(entry.item)
    if (item !== undefined) return this.contents.put(key, entry, item as DeepReadonly<T>, leftMs, cause, place)
    if (entry.item !== null) {
      this.#report(new MemisError('UNDECODABLE', `${quote(key)}: the store holds something that is not an item`))
    }
    // The item that is held did not expire if an older one did.
    const isOlder = (this.contents.compare(key, entry) ?? 0) > 0
    this.contents.drop(isOlder ? 'delete' : (entry.cause ?? 'delete'), key, entry, cause, place)
  }

  /** Another history than the former one: whatever was placed outside of it is lost. */
  findLost(former: readonly Epoch[]): void {
    const { contents, timeline, lost } = this
    for (const key of [...contents.keys()]) {
      const known = contents.known(key)
      if (known === undefined) continue
      if (!timeline.contains(known.place)) lost.add(key)
      // An own write was answered out of this history before a session told of it.
      else if (!contains(former, known.place)) lost.found(key)
    }
  }

  /** The store's word counts: what it does not know to be gone is not gone. */
  forgetLostTombstones(): void {
    if (this.cleared !== null && !this.timeline.contains(this.cleared)) this.cleared = null
    for (const key of this.lost.keys) {
      if (this.contents.items.has(key)) continue
      this.contents.tombstones.delete(key)
      this.lost.resolve(key, false)
    }
  }

  /** A lost entry as the store should have it; undefined if it is not lost any more. */
  restorable(key: string): Entry | undefined {
    if (!this.lost.has(key)) return undefined
    const entry = this.contents.entry(key)
    if (entry === undefined) this.lost.resolve(key, false) // its tombstone was forgotten
    return entry
  }

  /** Applies the store's answer to a merge of that entry. */
  merged(entry: Entry, answer: Merged, cause: Cause): void {
    const { key } = entry
    // Something newer came meanwhile, and decides.
    if (!this.lost.has(key) || this.contents.compare(key, entry) !== 0) return
    const current = 'place' in answer ? null : answer.current
    if ('place' in answer || isHeld(current, entry)) {
      this.contents.move(key, 'place' in answer ? answer.place : current?.place)
      return this.lost.resolve(key, true)
    }
    // The store keeps what it has, also if that is older: its word counts.
    this.lost.resolve(key, false)
    const tells = current !== null && !current.isLost && (current.item !== null || precedes(entry, current))
    if (tells) this.accept(current, cause)
    else this.#forget(key, entry, cause)
  }

  #forget(key: string, revision: Revision, cause: Cause): void {
    this.contents.forget(key, revision, cause)
    this.hasForgotten = true
  }

  /** Nothing is known of the key by itself. It may be known to be gone, by a clear or by what the store lost. */
  #receiveUnknown(entry: Entry, cause: Cause, lostEnd: HistoryChange['lostEnd']): void {
    const goneAt = this.#isCleared(entry)
      ? this.cleared
      : lostEnd !== null && (entry.place ?? entry).n <= lostEnd.common
        ? lostEnd.reachedAt
        : null
    if (goneAt === null) return this.accept(entry, cause)
    if (entry.item === null || decodeItem(entry.item) === undefined || this.timeline.contains(goneAt)) return
    this.contents.drop('delete', entry.key, goneAt, cause)
    if (this.restores) this.lost.add(entry.key)
  }

  #isCleared(entry: Entry): boolean {
    return this.cleared !== null && precedes(entry, this.cleared)
  }

  /** The store should have the item and does not: what is held of it, be it older, is the best that there is. */
  #receiveMissing(entry: Entry, cause: Cause): void {
    const { key } = entry
    if (!this.contents.items.has(key)) {
      this.hasForgotten = true
      return
    }
    const isNewer = (this.contents.compare(key, entry) ?? 1) > 0
    if (this.restores) {
      if (!isNewer) this.lost.add(key)
    } else if (!isNewer || this.lost.has(key)) {
      this.lost.resolve(key, false)
      this.#forget(key, entry, cause)
    }
  }
}
