/** Which entries fall due, and when. No I/O, no clock. */

/** What can fall due. The queue's own to set: `deadline`, and `slot`, where the entry stands in it, -1 while it stands in none. */
export interface Due {
  deadline: number
  slot: number
}

/** Of deadlines, those within the same so many ms stand together. */
const span = 1000

interface Bucket<E> extends Due {
  readonly entries: E[]
}

/**
 * Entries that fall due soon stand in a heap; the others wait in buckets, one for each span of time, unsorted. To keep a
 * million in one heap would cost more than all else, and many are given another deadline before they ever fall due. An entry
 * that is put again (presence, say) leaves nothing behind.
 */
export class ExpiryQueue<E extends Due> {
  readonly #near = new Heap<E>()
  readonly #buckets = new Map<number, Bucket<E>>()
  /** The buckets, by when they begin. */
  readonly #far = new Heap<Bucket<E>>()
  /** Deadlines before this one are near. */
  #horizon = Number.NEGATIVE_INFINITY
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When to look again: no entry falls due before that. Undefined where there is none. */
  get next(): number | undefined {
    return this.#near.first?.deadline ?? this.#far.first?.deadline
  }

  /** Adds the entry, or moves it to another deadline. */
  put(entry: E, deadline: number, now: number): void {
    this.remove(entry)
    this.#open(now)
    this.#size++
    entry.deadline = deadline
    if (deadline < this.#horizon) return this.#near.put(entry)
    const start = startOf(deadline)
    let bucket = this.#buckets.get(start)
    if (bucket === undefined) {
      bucket = { entries: [], deadline: start, slot: -1 }
      this.#buckets.set(start, bucket)
      this.#far.put(bucket)
    }
    entry.slot = bucket.entries.push(entry) - 1
  }

  remove(entry: E): void {
    if (entry.slot === -1) return
    this.#size--
    if (entry.deadline < this.#horizon) return this.#near.remove(entry)
    const bucket = this.#buckets.get(startOf(entry.deadline)) as Bucket<E>
    const last = bucket.entries.pop() as E
    if (last !== entry) {
      last.slot = entry.slot
      bucket.entries[last.slot] = last
    }
    entry.slot = -1
    if (bucket.entries.length > 0) return
    this.#buckets.delete(bucket.deadline)
    this.#far.remove(bucket)
  }

  /** Takes the first entry out, if it is due at `now`. */
  take(now: number): E | undefined {
    this.#open(now)
    const { first } = this.#near
    if (first === undefined || first.deadline > now) return undefined
    this.remove(first)
    return first
  }

  /** What falls due within the span that now is in, and the next one, is near. */
  #open(now: number): void {
    const horizon = startOf(now) + 2 * span
    if (horizon <= this.#horizon) return
    this.#horizon = horizon
    for (let bucket = this.#far.first; bucket !== undefined && bucket.deadline < horizon; bucket = this.#far.first) {
      this.#far.remove(bucket)
      this.#buckets.delete(bucket.deadline)
      for (const entry of bucket.entries) this.#near.put(entry)
    }
  }
}

const startOf = (time: number) => Math.floor(time / span) * span

/** A binary heap by deadline. */
class Heap<E extends Due> {
  readonly #heap: E[] = []

  /** The one whose deadline comes first. */
  get first(): E | undefined {
    return this.#heap[0]
  }

  put(entry: E): void {
    entry.slot = this.#heap.push(entry) - 1
    this.#rise(entry)
  }

  remove(entry: E): void {
    const last = this.#heap.pop() as E
    if (last !== entry) {
      last.slot = entry.slot
      this.#heap[last.slot] = last
      this.#rise(last)
      this.#sink(last)
    }
    entry.slot = -1
  }

  #rise(entry: E): void {
    const heap = this.#heap
    while (entry.slot > 0) {
      const parent = heap[(entry.slot - 1) >> 1] as E
      if (parent.deadline <= entry.deadline) return
      this.#swap(entry, parent)
    }
  }

  #sink(entry: E): void {
    const heap = this.#heap
    for (;;) {
      const left = 2 * entry.slot + 1
      let child = heap[left]
      if (child === undefined) return
      const right = heap[left + 1]
      if (right !== undefined && right.deadline < child.deadline) child = right
      if (child.deadline >= entry.deadline) return
      this.#swap(child, entry)
    }
  }

  /** Moves `a` to the place of `b`, its parent or child, and back. */
  #swap(a: E, b: E): void {
    const slot = a.slot
    a.slot = b.slot
    b.slot = slot
    this.#heap[a.slot] = a
    this.#heap[b.slot] = b
  }
}
