/** How the epochs of a store came one out of the other. */
import type { Epoch } from '../../src/core/epochs'
import { revisionOf } from '../support/revisions'

export class Lineage {
  /** Which epoch an epoch came out of, and after which number. */
  readonly #parents = new Map<string, { readonly parent: string | null; readonly floor: number }>()

  /** Takes a store's list of epochs, the last of which goes on. */
  learn(epochs: readonly Epoch[]): void {
    const { id, floor } = epochs.at(-1) as Epoch
    this.#parents.set(id, { parent: epochs.at(-2)?.id ?? null, floor })
  }

  /** A revision in the epoch in which its number was given. */
  origin(revision: string): string {
    const { epoch: named, n } = revisionOf(revision)
    let epoch = named
    for (;;) {
      const from = this.#parents.get(epoch)
      if (from === undefined || from.parent === null || n > from.floor) return `${epoch}.${n}`
      epoch = from.parent
    }
  }

  /** Whether a number of one epoch is part of the history that another epoch goes on from. */
  contains(epoch: string, of: string, n: number): boolean {
    let least = Infinity
    for (let each: string | null = epoch; each !== null; each = this.#parents.get(each)?.parent ?? null) {
      if (each === of) return n <= least
      least = Math.min(least, this.#parents.get(each)?.floor ?? 0)
    }
    return false
  }
}
