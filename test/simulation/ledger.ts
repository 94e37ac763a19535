/** What happened in the store of one collection: every change of a key that took effect, in order, and what the collection must hold. */
import type { Revision } from '../../src/core/transport'
import { Lineage } from './lineage'
import type { VirtualTime } from './time'

/** Something that changed a key in the store. */
export interface Taken {
  /** The point in the order of everything that happened. */
  readonly order: number
  readonly how: 'write' | 'merge' | 'loss' | 'eviction'
  /** The version: of a merge, an older one than its place. */
  readonly revision: Revision
  readonly place: number
  readonly key: string
  /** Stands for the contents; null if the key was deleted, or the item lost. */
  readonly v: number | null
  readonly t: number
  readonly deadline: number
  readonly at: number
  /** Everything that the same atomic batch changed. */
  readonly group: readonly Taken[]
}

export type NewlyTaken = Omit<Taken, 'order' | 'at'>

export const noGroup: readonly Taken[] = []

/** What is noted of a key that is gone. */
export const gone = { v: null, t: 0, deadline: Infinity } as const

/** The ledger at some moment. */
export interface Page {
  readonly model: ReadonlyMap<string, Taken>
  readonly cleared: Revision | null
}

export class Ledger {
  /** What the store must know: items, expired ones included, and tombstones, forgotten ones included. */
  model = new Map<string, Taken>()
  /** How much happened so far: a point in the order of it. */
  order = 0
  /** The point at which the store lost something last. */
  lostAt = -1
  /** The point at which somebody cleared it last. */
  clearedAt = -1
  /** The revision of the last clear that the store knows of. */
  cleared: Revision | null = null
  readonly lineage = new Lineage()
  /** Revisions of all clears. */
  readonly #clears: Revision[] = []
  readonly #byKey = new Map<string, Taken[]>()
  readonly #byRevision = new Map<string, Taken>()
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  /** Notes a change. Returns null if a write took a revision that another one had. */
  note(what: NewlyTaken): Taken | null {
    const taken: Taken = { ...what, order: ++this.order, at: this.#time.now }
    this.#list(taken.key).push(taken)
    if (taken.how !== 'loss') this.model.set(taken.key, taken)
    if (taken.how !== 'write') return taken
    const name = `${this.lineage.key(taken.revision)} ${taken.key}`
    if (this.#byRevision.has(name)) return null
    this.#byRevision.set(name, taken)
    return taken
  }

  noteClear(revision: Revision): void {
    this.clearedAt = ++this.order
    this.#clears.push(revision)
    this.cleared = revision
  }

  /** The write that made this version. */
  find(revision: Revision, key: string): Taken | undefined {
    return this.#byRevision.get(`${this.lineage.key(revision)} ${key}`)
  }

  /** The item that the store holds under a key. */
  item(key: string): Taken | undefined {
    const taken = this.model.get(key)
    return taken !== undefined && taken.v !== null && taken.deadline > this.#time.now ? taken : undefined
  }

  /** Whether a key can look so (`v`, or null for absent) to somebody who knows at least what happened by `order`. */
  explains(key: string, v: number | null, order: number): boolean {
    if (this.lostAt >= order) return true
    const list = this.#list(key)
    let base: Taken | undefined
    for (let i = list.length - 1; i >= 0; i--) {
      const taken = list[i] as Taken
      if (taken.v === v || (v === null && taken.deadline <= this.#time.now + 1)) return true
      if (taken.order > order) continue
      base = taken
      break
    }
    return base === undefined && v === null
  }

  /** Whether a key that looks so is of that version or a later one, whatever the store lost since. */
  isAtLeast(key: string, v: number | null, revision: Revision): boolean {
    const isLater = (each: Revision) => this.lineage.compare(each, revision) >= 0
    if (v !== null) return this.#list(key).some((taken) => taken.v === v && isLater(taken.revision))
    const own = this.find(revision, key)
    return own === undefined || own.v === null || this.wasDeletedAfter(key, revision) || this.hasExpired(key, own.order)
  }

  /** Whether somebody deleted the key, or cleared everything, by a later revision than this one, whatever the store lost since. */
  wasDeletedAfter(key: string, revision: Revision): boolean {
    const isLater = (each: Revision) => this.lineage.compare(each, revision) > 0
    return this.#clears.some(isLater) || this.#list(key).some(({ v, revision: each }) => v === null && isLater(each))
  }

  /** Whether the key may have been gone as of this revision. */
  wasGone(key: string, revision: Revision): boolean {
    const isUntil = (each: Revision) => this.lineage.compare(each, revision) <= 0
    const until = this.#list(key).filter((taken) => taken.how !== 'loss' && isUntil(taken.revision))
    if (until.every(({ v }) => v === null) || this.#clears.some(isUntil)) return true
    return until.some(({ v, deadline }) => v === null || deadline <= this.#time.now + 1)
  }

  /** Whether the store once evicted this version. */
  wasEvicted(key: string, revision: Revision): boolean {
    return this.#list(key).some(
      (taken) => taken.how === 'eviction' && this.lineage.key(taken.revision) === this.lineage.key(revision),
    )
  }

  /** Whether an item of that key, taken at that point or later, has run out, as the store counts. */
  hasExpired(key: string, order: number): boolean {
    const limit = this.#time.now + 1
    return this.#list(key).some((taken) => taken.order >= order && taken.deadline <= limit)
  }

  /** What happened to a key after that point. */
  since(key: string, point: number): Taken[] {
    return this.#list(key).filter(({ order }) => order > point)
  }

  /** Whether somebody wrote a key after that point. */
  writtenSince(key: string, order: number): boolean {
    return this.clearedAt > order || this.since(key, order).some(({ how }) => how === 'write')
  }

  get page(): Page {
    return { model: new Map(this.model), cleared: this.cleared }
  }

  /** The store goes back to what it held then, or to nothing. */
  revertTo({ model, cleared }: Page = { model: new Map(), cleared: null }): void {
    const lost = this.model
    this.lostAt = ++this.order
    for (const key of new Set([...lost.keys(), ...model.keys()])) {
      const { revision = nowhere, place = 0, v = null, t = 0, deadline = Infinity } = model.get(key) ?? {}
      this.note({ how: 'loss', revision, place, key, v, t, deadline, group: noGroup })
    }
    this.model = new Map(model)
    this.cleared = cleared
  }

  #list(key: string): Taken[] {
    let list = this.#byKey.get(key)
    if (list === undefined) {
      list = []
      this.#byKey.set(key, list)
    }
    return list
  }
}

const nowhere: Revision = { epoch: '', n: 0 }
