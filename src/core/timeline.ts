/** Where a replica stands in the history of its store. No I/O. */
import { contains, currentEpoch, isSameHistory, lastCommon } from './history'
import type { Cursor, Epoch, Revision } from './transport'

/** Before the first place of any history. */
const nowhere: Revision = { epoch: '', n: 0 }

/** What another history means for a replica. */
export interface HistoryChange {
  /** It is not the history that was known: some of what is known may be lost. */
  readonly isOther: boolean
  /** The history that was known before. */
  readonly former: readonly Epoch[]
  /**
   * Set if the store lost its end: everything was known until `reachedAt`, and the store has the history up to `common`. An item from
   * there that is not held was gone by `reachedAt`.
   */
  readonly lostEnd: { readonly reachedAt: Revision; readonly common: number } | null
}

export class Timeline {
  #history: readonly Epoch[] = []
  #cursor: Cursor | null = null
  /** The history in which the cursor was reached: a session may break off before its end. */
  #followed: readonly Epoch[] = []
  /** The newest epoch that any answer named. */
  #newestEpoch = ''
  #base = nowhere
  /** The epoch that was current until the store lost it. */
  #lostEpoch = ''

  /** Everything up to here is known; null before the first contents. */
  get cursor(): Cursor | null {
    return this.#cursor
  }

  /** The last place of the store's history up to which nothing was missed: what a merge is based on. */
  get base(): Revision {
    return this.#base
  }

  /** The store's epoch, as far as sessions told; '' before the first. */
  get epoch(): string {
    return this.#history.at(-1)?.id ?? ''
  }

  contains(place: Revision): boolean {
    return contains(this.#history, place)
  }

  /** Whether an answer is of an epoch that no session has told of yet. Late ones may be of the epoch that was lost last. */
  isAhead({ epoch }: Revision): boolean {
    return epoch > this.epoch && epoch !== this.#lostEpoch
  }

  /** An answer of the store named this epoch. */
  saw(epoch: string): void {
    if (epoch > this.#newestEpoch) this.#newestEpoch = epoch
  }

  /** The epoch that is known here, is not in the store's history and sorts after all of it; or null. */
  laterEpoch(history: readonly Epoch[]): string | null {
    const newest = this.#newestEpoch
    return newest > currentEpoch(history).id && !history.some(({ id }) => id === newest) ? newest : null
  }

  /** A session begins. `isWhole`: nothing is lost at the moment. */
  begin(history: readonly Epoch[], isWhole: boolean): HistoryChange {
    const cursor = this.#cursor
    const former = this.#history
    const isOther = !isSameHistory(history, former) || this.#newestEpoch > this.epoch
    const common = cursor && lastCommon(history, this.#followed, cursor.n)
    const base = common ?? nowhere
    if (isWhole || base.n < this.#base.n) this.#base = base
    if (!history.some(({ id }) => id === this.epoch)) this.#lostEpoch = this.epoch
    this.#history = history
    this.#newestEpoch = currentEpoch(history).id
    const lostItsEnd = cursor !== null && common !== null && !contains(history, cursor)
    return { isOther, former, lostEnd: lostItsEnd ? { reachedAt: cursor, common: common.n } : null }
  }

  /** Everything up to the cursor is known. */
  reach(cursor: Cursor, isWhole: boolean): void {
    this.#cursor = cursor
    this.#followed = this.#history
    if (isWhole) this.#base = cursor
  }
}
