/**
 * A store that is simple enough to be seen through: the interface of a transport in the fewest lines. It can lose its end, or
 * everything, with a clock that is right or behind.
 */
import type { Clock } from '../../src/core/clock'
import { compare, contains, currentEpoch, precedes } from '../../src/core/history'
import type { Accepted, Cursor, Entry, Epoch, Gone, Merged, Revision, Write } from '../../src/core/transport'

interface Stored {
  readonly revision: Revision
  readonly place: Revision
  /** Null if it is gone. */
  readonly item: object | null
  readonly cause: Gone
  readonly deadline: number
}

type Placed = readonly [key: string, item: object | null, cause: Gone, deadline: number]

interface State {
  readonly history: readonly Epoch[]
  readonly head: number
  readonly stored: ReadonlyMap<string, Stored>
  readonly cleared: Revision | null
  /** Tombstones placed up to here are forgotten. */
  readonly forgotten: number
}

export interface Reading {
  readonly mode: 'snapshot' | 'delta'
  readonly history: readonly Epoch[]
  readonly entries: readonly Entry[]
  readonly cursor: Cursor
}

export class ReferenceStore {
  readonly #clock: Clock
  /** Called with each change. */
  readonly #changed: (entry: Entry) => void
  #epochs = 1
  #state: State = { history: [{ id: 'e0001', floor: 0 }], head: 0, stored: new Map(), cleared: null, forgotten: 0 }
  /** Every state that it was in since it was last empty. */
  #states: State[] = [this.#state]

  constructor(clock: Clock, changed: (entry: Entry) => void) {
    this.#clock = clock
    this.#changed = changed
  }

  get history(): readonly Epoch[] {
    return this.#state.history
  }

  write(write: Write): Accepted {
    this.#expire()
    if (write.kind === 'check') throw new Error('not in a transaction')
    if (write.kind === 'clear') {
      const keys = [...this.#state.stored].filter(([, { item }]) => item !== null).map(([key]) => key)
      const taken = keys.map((key): Placed => [key, null, 'delete', Infinity])
      const place = this.#place(taken, { isClear: true })
      return { ...place, existed: keys.length > 0 }
    }
    const { key } = write
    const before = this.#state.stored.get(key)
    const existed = before !== undefined && before.item !== null
    if (write.kind === 'set') {
      const deadline = typeof write.ttlMs === 'number' ? this.#clock.now() + write.ttlMs : Infinity
      return { ...this.#place([[key, write.item.item, 'delete', deadline]]), existed }
    }
    const isKnownToBeGone = before !== undefined && !existed && before.place.epoch === currentEpoch(this.history).id
    if (isKnownToBeGone && compare(before.place, before.revision) === 0) {
      return { ...before.revision, existed, cause: before.cause }
    }
    return { ...this.#place([[key, null, 'delete', Infinity]]), existed, cause: existed ? undefined : before?.cause }
  }

  merge(base: Revision, entries: readonly Entry[]): Merged[] {
    this.#expire()
    return entries.map((entry) => {
      const { key, epoch, n, item, leftMs, cause = 'delete' } = entry
      const { stored, cleared, forgotten } = this.#state
      const known = stored.get(key)
      if (known !== undefined && !precedes(known.revision, entry)) return { current: this.#entry(key, known) }
      const isCleared = cleared !== null && precedes(entry, cleared)
      const mayBeGone = known === undefined && (contains(this.history, base) ? base.n : 0) < forgotten
      if (isCleared || mayBeGone) return { current: known === undefined ? null : this.#entry(key, known) }
      const deadline = leftMs === null ? Infinity : this.#clock.now() + leftMs
      return { place: this.#place([[key, item as object | null, cause, deadline]], { name: { epoch, n } }) }
    })
  }

  /** What a session begins with. */
  read(from: Cursor | null, prefersSnapshot: boolean): Reading {
    this.#expire()
    const { history, head, stored, forgotten } = this.#state
    const isDelta = from !== null && !prefersSnapshot && contains(history, from) && from.n >= forgotten
    const told = [...stored].filter(([, { item, place }]) => (isDelta ? place.n > from.n : item !== null))
    const entries = told.map(([key, each]) => this.#entry(key, each))
    return {
      mode: isDelta ? 'delta' : 'snapshot',
      history,
      entries,
      cursor: { epoch: currentEpoch(history).id, n: head },
    }
  }

  /** Goes back to an older state, in another epoch. */
  loseEnd(share: number): void {
    const state = this.#states[Math.floor(share * this.#states.length)] as State
    this.#begin({ ...state, history: [...state.history, { id: this.#nextId('e'), floor: state.head }] })
  }

  /** Begins anew with nothing; `isBehind`: the id of its epoch sorts before those that there were. */
  loseAll(isBehind: boolean): void {
    const history = [{ id: this.#nextId(isBehind ? 'd' : 'e'), floor: 0 }]
    this.#begin({ history, head: 0, stored: new Map(), cleared: null, forgotten: 0 })
  }

  /** Renames the current epoch, so that it sorts after this one. */
  beginEpoch(after: string): void {
    const { id: former, floor } = currentEpoch(this.history)
    if (former > after || this.history.some(({ id }) => id === after)) return
    const id = `${after}~${this.#epochs++}`
    const renamed = (revision: Revision) => (revision.epoch === former ? { ...revision, epoch: id } : revision)
    const stored = [...this.#state.stored].map(([key, each]): [string, Stored] => [
      key,
      { ...each, revision: renamed(each.revision), place: renamed(each.place) },
    ])
    const { cleared } = this.#state
    const history = [...this.history.slice(0, -1), { id, floor }]
    this.#begin({ ...this.#state, history, stored: new Map(stored), cleared: cleared && renamed(cleared) })
  }

  /** Forgets all tombstones. */
  forget(): void {
    this.#expire()
    const stored = new Map([...this.#state.stored].filter(([, { item }]) => item !== null))
    this.#state = { ...this.#state, stored, forgotten: this.#state.head }
  }

  /** The items; or those alone that do not expire. */
  contents(expire = true): Record<string, object> {
    this.#expire()
    const there = [...this.#state.stored].filter(
      ([, { item, deadline }]) => item !== null && (expire || deadline === Infinity),
    )
    return Object.fromEntries(there.map(([key, { item }]) => [key, item as object]))
  }

  /** Whether the store knows this version of the key, or something newer. */
  knows(key: string, revision: Revision): boolean {
    const { stored, cleared } = this.#state
    const known = stored.get(key)
    if (known !== undefined && !precedes(known.revision, revision)) return true
    return cleared !== null && !precedes(cleared, revision)
  }

  /** Gives all of these the next place, which names their versions, unless they have a name. */
  #place(list: readonly Placed[], { name, isClear = false }: { name?: Revision; isClear?: boolean } = {}): Revision {
    const place = { epoch: currentEpoch(this.history).id, n: this.#state.head + 1 }
    const stored = new Map(this.#state.stored)
    for (const [key, item, cause, deadline] of list) {
      stored.set(key, { revision: name ?? place, place, item, cause, deadline })
    }
    this.#state = { ...this.#state, head: place.n, stored, ...(isClear && { cleared: place }) }
    this.#states.push(this.#state)
    for (const [key] of list) this.#changed(this.#entry(key, stored.get(key) as Stored))
    return place
  }

  /** Everything told is a copy. */
  #entry(key: string, { revision, place, item, cause, deadline }: Stored): Entry {
    const leftMs = item === null || deadline === Infinity ? null : deadline - this.#clock.now()
    const merged = compare(revision, place) === 0 ? {} : { place }
    return { key, ...revision, item: structuredClone(item), leftMs, ...(item === null && { cause }), ...merged }
  }

  #begin(state: State): void {
    this.#state = state
    this.#states = [state]
  }

  #nextId(prefix: string): string {
    return `${prefix}${String(++this.#epochs).padStart(4, '0')}`
  }

  #expire(): void {
    const now = this.#clock.now()
    const stored = new Map(this.#state.stored)
    for (const [key, each] of stored) {
      if (each.item !== null && each.deadline <= now) stored.set(key, { ...each, item: null, cause: 'expire' })
    }
    this.#state = { ...this.#state, stored }
  }
}
