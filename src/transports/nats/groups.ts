/** Keeps together what an atomic batch wrote: no reader may see a part of it. No I/O. */
import type { Entry } from '../../core/transport'
import type { Facts } from './decode'

/** Entries that are told as one. */
interface Group {
  readonly entries: Entry[]
  /** The place that comes next, and the last one of the batch. */
  next: number
  end: number
  /**
   * A message of the batch has been replaced already: what has replaced it belongs to the group, too. It is among so many
   * messages that were known to follow.
   */
  torn: number
}

export class Groups {
  readonly #tell: (entries: readonly Entry[]) => void
  #group: Group | null = null
  constructor(tell: (entries: readonly Entry[]) => void) {
    this.#tell = tell
  }

  get isEmpty(): boolean {
    return this.#group === null
  }

  /** Returns false if the message belongs to no group. `pending`: how many messages follow. `facts`: null to begin no group. */
  add(entry: Entry | null, n: number, pending: number, facts: Facts | null): boolean {
    const { position = 0, size = 0 } = facts ?? {}
    if (position > 0 && position <= size) this.#expect(n - position + 1, n - position + size, pending)
    const group = this.#group
    if (group === null) return false
    const isTorn = group.next <= group.end && n !== group.next
    group.torn = isTorn ? pending : group.torn - 1
    group.next = n + 1
    if (entry !== null) group.entries.push(entry)
    if (n >= group.end && group.torn <= 0) this.release()
    return true
  }

  /** A message of a batch has come that takes these places. */
  #expect(begin: number, end: number, pending: number): void {
    const group = this.#group
    if (group === null) this.#group = { entries: [], next: begin, end, torn: 0 }
    else if (group.end !== end) {
      // Another batch, while replacements of parts of the last one are still to come.
      if (group.next <= group.end) group.torn = pending + 1
      group.next = begin
      group.end = end
    }
  }

  /** Everything that the stream has was delivered. */
  release(): void {
    const group = this.#group
    this.#group = null
    if (group === null) return
    // A message that replaced a part of the batch has the same key.
    this.#tell([...new Map(group.entries.map((entry) => [entry.key, entry])).values()])
  }
}
