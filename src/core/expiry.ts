/** Which entries fall due, and when. No I/O, no clock. */

/** An entry of the queue. Only the queue sets `deadline` (whole ms) and `slot` (its index; -1 outside of the queue). */
export interface Due {
  deadline: number
  slot: number
}

/** How many ms the buckets of what falls due later span. */
const farSpan = 1000

/**
 * Entries wait in buckets, unsorted: those that fall due soon in one for each millisecond, the others in one for each second. To keep a
 * million sorted would cost more than all else, and many are given another deadline before they ever fall due. An entry that is put
 * again (presence, say) leaves nothing behind.
 */
export class ExpiryQueue<E extends Due> {
  readonly #near = new Buckets<E>(1)
  readonly #far = new Buckets<E>(farSpan)
  /** Later deadlines are far. */
  #horizon = Number.NEGATIVE_INFINITY
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When to look again: no entry falls due before that. Undefined if there are no entries. */
  get next(): number | undefined {
    const { first } = this.#near
    if (first !== undefined) return first.deadline
    const far = this.#far.first
    return far === undefined ? undefined : far.deadline - farSpan + 1
  }

  /** Adds the entry, or moves it to another deadline. Rounded up to whole ms: never early, and a small integer in the engine. */
  put(entry: E, deadline: number, now: number): void {
    this.remove(entry)
    this.#open(now)
    this.#size++
    entry.deadline = Math.ceil(deadline)
    this.#of(entry).put(entry)
  }

  remove(entry: E): void {
    if (entry.slot === -1) return
    this.#size--
    this.#of(entry).remove(entry)
  }

  /** Takes the first entry out, if it is due at `now`. */
  take(now: number): E | undefined {
    this.#open(now)
    const { first } = this.#near
    if (first === undefined || first.deadline > now) return undefined
    const entry = first.entries[0] as E
    this.remove(entry)
    return entry
  }

  #of({ deadline }: E): Buckets<E> {
    return deadline <= this.#horizon ? this.#near : this.#far
  }

  /** What falls due within the second that now is in, and the next one, is near. */
  #open(now: number): void {
    const horizon = (Math.floor(now / farSpan) + 2) * farSpan
    if (horizon <= this.#horizon) return
    this.#horizon = horizon
    for (let bucket = this.#far.first; bucket !== undefined && bucket.deadline <= horizon; bucket = this.#far.first) {
      this.#far.drop(bucket)
      for (const entry of bucket.entries) this.#near.put(entry)
    }
  }
}

/** Holds the entries that fall due within one span; its deadline is the end of the span. */
interface Bucket<E> extends Due {
  readonly entries: E[]
}

class Buckets<E extends Due> {
  readonly #span: number
  readonly #byDeadline = new Map<number, Bucket<E>>()
  readonly #heap = new Heap<Bucket<E>>()

  constructor(span: number) {
    this.#span = span
  }

  get first(): Bucket<E> | undefined {
    return this.#heap.first
  }

  put(entry: E): void {
    const deadline = this.#endOf(entry)
    let bucket = this.#byDeadline.get(deadline)
    if (bucket === undefined) {
      bucket = { entries: [], deadline, slot: -1 }
      this.#byDeadline.set(deadline, bucket)
      this.#heap.put(bucket)
    }
    entry.slot = bucket.entries.push(entry) - 1
  }

  remove(entry: E): void {
    const bucket = this.#byDeadline.get(this.#endOf(entry)) as Bucket<E>
    const last = bucket.entries.pop() as E
    if (last !== entry) {
      last.slot = entry.slot
      bucket.entries[last.slot] = last
    }
    entry.slot = -1
    if (bucket.entries.length === 0) this.drop(bucket)
  }

  drop(bucket: Bucket<E>): void {
    this.#byDeadline.delete(bucket.deadline)
    this.#heap.remove(bucket)
  }

  #endOf({ deadline }: E): number {
    return Math.ceil(deadline / this.#span) * this.#span
  }
}

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
