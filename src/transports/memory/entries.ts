/** The items and tombstones of a collection in a hub, in the order of their places, until they expire. No I/O. */

import { type Due, ExpiryQueue } from '../../core/expiry'
import type { Clock, Gone, Revision } from '../../transport-kit'

/** What is stored under a key. `lost`: there should be an item, but it vanished (evicted). */
export type Content =
  | { readonly kind: 'item'; readonly json: string }
  | { readonly kind: 'tombstone'; readonly cause: Gone }
  | { readonly kind: 'lost' }

export interface Stored extends Due {
  readonly key: string
  readonly place: number
  /** Set if the entry was merged: the revision that it keeps. */
  merged: Revision | undefined
  content: Content
  /** When an item expires; when a tombstone will be forgotten. */
  deadline: number
}

export type StoredItem = Stored & { content: { kind: 'item' } }

export class Entries {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Stored>()
  readonly #due = new ExpiryQueue<Stored>()
  /** How long tombstones are kept (ms): for the most patient client. */
  retention = 0
  /** Tombstones at this place or before may be missing. */
  forgotten: number

  constructor(clock: Clock, stored: readonly Readonly<Stored>[], forgotten: number) {
    this.#clock = clock
    this.forgotten = forgotten
    for (const each of stored) this.#add({ ...each, slot: -1 })
  }

  get(key: string): Stored | undefined {
    return this.#byKey.get(key)
  }

  item(key: string): StoredItem | undefined {
    const stored = this.#byKey.get(key)
    return stored?.content.kind === 'item' ? (stored as StoredItem) : undefined
  }

  values(): Iterable<Stored> {
    return this.#byKey.values()
  }

  /** Puts an entry in place of the one that is there. The deadline of a tombstone is the retention's. */
  put(key: string, place: number, content: Content, deadline: number, merged?: Revision): Stored {
    const before = this.#byKey.get(key)
    if (before !== undefined) {
      this.#due.remove(before)
      this.#byKey.delete(key)
    }
    const until = content.kind === 'tombstone' ? this.#clock.now() + this.retention : deadline
    return this.#add({ key, place, merged, content, deadline: until, slot: -1 })
  }

  /** Makes tombstones of items that are due, and forgets the tombstones that are. */
  expire(): void {
    const now = this.#clock.now()
    for (let due = this.#due.take(now); due !== undefined; due = this.#due.take(now)) {
      if (due.content.kind === 'tombstone') {
        this.#byKey.delete(due.key)
        this.forgotten = Math.max(this.forgotten, due.place)
      } else {
        due.content = { kind: 'tombstone', cause: 'expire' }
        this.#due.put(due, due.deadline + this.retention, now)
      }
    }
  }

  #add(stored: Stored): Stored {
    this.#byKey.set(stored.key, stored)
    if (stored.deadline < Infinity) this.#due.put(stored, stored.deadline, this.#clock.now())
    return stored
  }
}
