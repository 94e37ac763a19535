/** The epochs of one store, learned from its histories: which came later, and what the store lost between them. */
import { compare } from '../../src/core/history'
import type { Epoch, Revision } from '../../src/core/transport'

export class Lineage {
  /** Epochs that were renamed (`beginEpoch`): the next id of each former one, and the first id of each later one. */
  readonly #next = new Map<string, string>()
  readonly #first = new Map<string, string>()
  /** The last place of each epoch that no history has dropped so far. */
  readonly #ends = new Map<string, number>()

  /** Takes a history of the store. */
  learn(history: readonly Epoch[]): void {
    for (const { id } of history) {
      if (!this.#ends.has(id)) this.#ends.set(id, Infinity)
      // A copy from before the epoch was renamed goes by its former id, and sorts by that.
      this.#next.delete(id)
    }
    for (const [id, end] of this.#ends) {
      const index = history.findIndex((epoch) => epoch.id === id)
      this.#ends.set(id, Math.min(end, index === -1 ? -1 : (history[index + 1]?.floor ?? Infinity)))
    }
  }

  /** The epoch goes by another id from now on. */
  rename(before: string, after: string): void {
    this.#next.set(before, after)
    this.#first.set(after, this.#first.get(before) ?? before)
  }

  /** Whether the epoch has another id as well. */
  wasRenamed(epoch: string): boolean {
    return this.#next.has(epoch) || this.#first.has(epoch)
  }

  /** The same text for the same revision, by whatever id of its epoch. */
  key({ epoch, n }: Revision): string {
    return `${this.#first.get(epoch) ?? epoch}.${n}`
  }

  /** Negative if the first is older: epochs that were renamed sort by their last ids. */
  compare(one: Revision, other: Revision): number {
    return compare(this.#latest(one), this.#latest(other))
  }

  /** Whether the epoch began after one that sorts after it: the store's clock was behind. */
  isBehind(epoch: string): boolean {
    for (const earlier of this.#ends.keys()) {
      if (earlier === epoch) return false
      if (earlier > epoch) return true
    }
    return false
  }

  /** Whether some history of the store did not contain this place, after it was taken. */
  wasLost({ epoch, n }: Revision): boolean {
    return n > (this.#ends.get(epoch) ?? -1)
  }

  #latest({ epoch, n }: Revision): Revision {
    let id = epoch
    for (let next = this.#next.get(id); next !== undefined; next = this.#next.get(id)) id = next
    return { epoch: id, n }
  }
}
