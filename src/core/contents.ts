/**
 * The contents of one replica: items, which version of each is held, tombstones, and when items expire. Every change of an
 * item passes `put` or `drop`, which note the change to emit. `Knowledge` decides which entry counts.
 */
import { createHash } from 'node:crypto'
import type { Clock } from './clock'
import { equalItems } from './codec'
import { ExpiryTimer } from './expiry-timer'
import { compare, encodeRevision } from './history'
import type { Entry, Gone, Revision } from './transport'
import { longestTtlMs } from './ttl'
import type { DeepReadonly } from './types'
import { type TimedVersion, Tombstones, Versions } from './versions'

/**
 * Why a replica changed: its first contents (`snapshot`), a change as it happened (`live`), catching up after it was out of
 * touch (`resync`), or, while it is out of touch, its own knowledge alone (`stale`): an expiry that proves nothing.
 */
export type Cause = 'snapshot' | 'live' | 'resync' | 'stale'

/** One change of a replica. */
export interface Change<T> {
  readonly kind: 'set' | Gone
  readonly key: string
  /** The new item; or the last one, if it is gone. */
  readonly item: DeepReadonly<T>
  /** The item that `get` returned before. */
  readonly previous: DeepReadonly<T> | undefined
  /** The version that this change made or ended; opaque, the same in every replica. */
  readonly revision: string
  readonly cause: Cause
}

/** What is known of one key. */
export interface Known {
  readonly revision: Revision
  /** Place in the store's log: that of the revision, unless the entry was restored. */
  readonly place: Revision
  /** How it went, if it is gone. */
  readonly gone: Gone | undefined
}

export class Contents<T extends object> {
  /** A Map of its own, so that a `get` of memis is one of a Map. */
  readonly items = new Map<string, DeepReadonly<T>>()
  /** Changes that were made and not emitted yet. */
  readonly changes: Change<T>[] = []
  readonly tombstones: Tombstones
  readonly #versions = new Versions()
  readonly #expiry: ExpiryTimer<TimedVersion>

  /** `expired` is called when an item's time is over. */
  constructor(clock: Clock, retention: number, expired: (version: TimedVersion) => void) {
    this.tombstones = new Tombstones(clock, retention)
    this.#expiry = new ExpiryTimer(clock, expired)
  }

  /** From now on most versions are of this epoch. */
  begin(epoch: string): void {
    this.#versions.begin(epoch)
  }

  /** Compares what is known of the key with a revision, as `compare` does; undefined if nothing is known. */
  compare(key: string, revision: Revision): number | undefined {
    const relation = this.#versions.compare(key, revision)
    if (relation !== undefined) return relation
    const tombstone = this.tombstones.get(key)
    return tombstone && compare(tombstone, revision)
  }

  known(key: string): Known | undefined {
    const revision = this.#versions.get(key)
    if (revision !== undefined) {
      return { revision, place: this.#versions.restoredPlaceOf(key) ?? revision, gone: undefined }
    }
    const tombstone = this.tombstones.get(key)
    return tombstone && { revision: tombstone, place: tombstone.place ?? tombstone, gone: tombstone.cause }
  }

  /** All keys of which something is known. */
  *keys(): IterableIterator<string> {
    yield* this.items.keys()
    yield* this.tombstones.keys
  }

  /** What is known of the key, as an entry for the store. */
  entry(key: string): Entry | undefined {
    const known = this.known(key)
    if (known === undefined) return undefined
    const { epoch, n } = known.revision
    if (known.gone !== undefined) return { key, epoch, n, item: null, leftMs: null, cause: known.gone }
    return { key, epoch, n, item: this.items.get(key), leftMs: this.leftMs(key) }
  }

  /** The sum of a hash of each version that is held: the order of the items does not count. */
  digest(): string {
    let [high, low] = [0, 0]
    for (const key of this.items.keys()) {
      const revision = this.#versions.get(key)
      if (revision === undefined) continue
      const hash = createHash('sha256')
        .update(`${encodeRevision(revision)} ${key}`)
        .digest()
      high = (high + hash.readUInt32BE(0)) % 2 ** 32
      low = (low + hash.readUInt32BE(4)) % 2 ** 32
    }
    return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('')
  }

  /** Remaining time of an item (ms); null if it does not expire. */
  leftMs(key: string, round?: typeof Math.round): number | null {
    return this.#expiry.leftMs(this.#versions.timed(key), round)
  }

  /** The entry has another place in the store's log. */
  move(key: string, place: Revision | undefined): void {
    const tombstone = this.tombstones.get(key)
    if (tombstone === undefined) this.#versions.move(key, place)
    else tombstone.place = place
  }

  /** Whether any item's time may be over although its timer has not said so yet. */
  get mayBeOverdue(): boolean {
    return this.#expiry.mayBeOverdue
  }

  /** The version of an item whose time is over although its timer has not said so yet. */
  overdue(key: string): Revision | undefined {
    const timed = this.#versions.timed(key)
    return timed !== undefined && this.#expiry.isOver(timed) ? timed : undefined
  }

  put(
    key: string,
    revision: Revision,
    item: DeepReadonly<T>,
    leftMs: number | null,
    cause: Cause,
    place?: Revision,
  ): void {
    const previous = this.items.get(key)
    const isSame = equalItems(previous, item)
    if (!isSame) this.items.set(key, item)
    if (leftMs === null) {
      const timed = this.#versions.timed(key)
      if (timed !== undefined) this.#expiry.remove(timed)
      this.#versions.set(key, revision, place)
    } else this.#expiry.put(this.#versions.setTimed(key, revision, place), Math.min(leftMs, longestTtlMs))
    if (previous === undefined) this.tombstones.delete(key)
    if (!isSame) this.changes.push({ kind: 'set', key, item, previous, revision: encodeRevision(revision), cause })
  }

  drop(kind: Gone, key: string, revision: Revision, cause: Cause, place?: Revision): void {
    const item = this.items.get(key)
    const timed = this.#versions.timed(key)
    if (timed !== undefined) this.#expiry.remove(timed)
    // The expiry of a restored item has no place of its own.
    const lastPlace = kind === 'expire' && place === undefined ? this.#versions.restoredPlaceOf(key) : place
    this.tombstones.set(key, revision, kind, lastPlace)
    if (item === undefined) return
    this.items.delete(key)
    this.#versions.delete(key)
    this.changes.push({ kind, key, item, previous: item, revision: encodeRevision(revision), cause })
  }

  /** Drops an item that nobody deleted: by the store's word it is gone, but another replica may restore it. */
  forget(key: string, revision: Revision, cause: Cause): void {
    if (this.items.has(key)) this.drop('delete', key, revision, cause)
    this.tombstones.delete(key)
  }

  discard(): void {
    this.#expiry.stop()
    this.items.clear()
    this.#versions.clear()
    this.tombstones.clear()
    this.changes.length = 0
  }
}
