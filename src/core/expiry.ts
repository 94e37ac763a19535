/** Which entries fall due, and when: a binary heap by deadline. No I/O, no clock. */

/** What can fall due. `slot` is where the entry stands in its queue, -1 while it stands in none. */
export interface Due {
  deadline: number
  slot: number
}

/**
 * An entry that gets another deadline moves within the heap, so that items set again and again (presence, say) leave
 * nothing behind: the heap is never larger than the number of entries that have a deadline.
 */
export class ExpiryQueue<E extends Due> {
  readonly #heap: E[] = []

  get size(): number {
    return this.#heap.length
  }

  /** The deadline that comes first, or undefined. */
  get next(): number | undefined {
    return this.#heap[0]?.deadline
  }

  /** Adds the entry, or moves it after its deadline was changed. */
  put(entry: E): void {
    if (entry.slot === -1) {
      entry.slot = this.#heap.length
      this.#heap.push(entry)
    }
    this.#rise(entry)
    this.#sink(entry)
  }

  remove(entry: E): void {
    if (entry.slot === -1) return
    const last = this.#heap.pop() as E
    if (last !== entry) {
      last.slot = entry.slot
      this.#heap[last.slot] = last
      this.#rise(last)
      this.#sink(last)
    }
    entry.slot = -1
  }

  /** Takes the first entry out, if it is due at `now`. */
  take(now: number): E | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.deadline > now) return undefined
    this.remove(first)
    return first
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
