/**
 * What the store of one collection did, as an independent book of it: every write that took effect, and what the
 * collection must hold. It is written beside the hub's `StoredCollection`, whose `write` and `revert` it listens to.
 */
import type { Batch, Change, Outcome, Write, Written } from '../../src/core/transport'
import type { News, State, StoredCollection } from '../../src/transports/memory/store'
import type { Call, Calls } from './calls'
import { Lineage } from './lineage'
import type { VirtualTime } from './time'

export type Fail = (invariant: string, detail: string) => void

/** An item: `v` stands for its contents, which are the same wherever `v` is. */
export interface Item {
  readonly k: string
  readonly v: number
}

/** One write that took effect. `v` is null where it deleted. */
export interface Taken {
  readonly order: number
  readonly epoch: string
  readonly n: number
  readonly key: string
  readonly v: number | null
  readonly deadline: number
  readonly restored: boolean
  readonly at: number
}

export class Ledger {
  readonly stored: StoredCollection
  /** What the store must hold, expired items included. */
  model = new Map<string, Taken>()
  /** How many writes took effect so far: a point in the order of all of them. */
  order = 0
  /** The point at which the store lost something last. */
  lostAt = -1
  /** The point at which somebody cleared it last. */
  clearedAt = -1
  readonly lineage = new Lineage()
  readonly #byKey = new Map<string, Taken[]>()
  readonly #byNumber = new Map<string, Taken>()
  #highest = 0
  /** Of each writer, the sequences of the batches that the store knows again: the last, and the one that it followed. */
  #sequences = new Map<string, readonly number[]>()
  #effective = new Map<string, number>()
  #landed = new Set<Write>()
  readonly #time: VirtualTime
  readonly #calls: Calls
  readonly #retention: number
  readonly #fail: Fail

  constructor(stored: StoredCollection, time: VirtualTime, calls: Calls, retention: number, fail: Fail) {
    this.stored = stored
    this.#time = time
    this.#calls = calls
    this.#retention = retention
    this.#fail = fail
    this.lineage.learn(stored.state.epochs)
    const write = stored.write.bind(stored)
    const revert = stored.revert.bind(stored)
    stored.write = (batch, retention) => this.#write(batch, () => write(batch, retention))
    stored.revert = (state?: State) => {
      revert(state)
      this.lineage.learn(stored.state.epochs)
    }
  }

  /** The write that a revision stands for; of a number that two epochs share, it is the older one's. */
  find(revision: string): Taken | undefined {
    return this.#byNumber.get(this.lineage.origin(revision))
  }

  /** Whether a key can look so (`v`, or null for absent) to somebody who knows at least what was taken by `order`. */
  explains(key: string, v: number | null, order: number): boolean {
    if (this.lostAt >= order) return true
    const list = this.#byKey.get(key) ?? []
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

  /** Whether an item of that key, taken at that point or later, has run out, as the store counts. */
  hasExpired(key: string, order: number): boolean {
    const limit = this.#time.now + 1
    return (this.#byKey.get(key) ?? []).some((taken) => taken.order >= order && taken.deadline <= limit)
  }

  /** What was taken for a key after that point. */
  since(key: string, point: number): Taken[] {
    return (this.#byKey.get(key) ?? []).filter(({ order }) => order > point)
  }

  /** Whether somebody wrote a key after that point, in other words than to put it back. */
  writtenSince(key: string, order: number): boolean {
    const isOwn = (taken: Taken) => taken.order > order && taken.epoch !== '' && !taken.restored
    return this.clearedAt > order || (this.#byKey.get(key) ?? []).some(isOwn)
  }

  /** The last thing that happened to a key, or undefined. */
  last(key: string): Taken | undefined {
    return this.#byKey.get(key)?.at(-1)
  }

  /** The item that the store holds under a key. */
  item(key: string): Taken | undefined {
    const taken = this.model.get(key)
    return taken !== undefined && taken.deadline > this.#time.now ? taken : undefined
  }

  /** What the hub holds must be what the book says. */
  compare(): void {
    const { stored } = this.stored.state
    let count = 0
    for (const { key, json, deadline } of stored) {
      if (json === null || deadline <= this.#time.now) continue
      count++
      const taken = this.item(key)
      if (taken === undefined || JSON.parse(json).v !== taken.v || deadline !== taken.deadline) {
        this.#fail('store', `holds ${key}: ${json} until ${deadline}, must be ${taken?.v} until ${taken?.deadline}`)
      }
    }
    const expected = [...this.model.keys()].filter((key) => this.item(key) !== undefined)
    if (expected.length !== count) this.#fail('store', `holds ${count} items, must be ${expected}`)
  }

  /** The store goes back to what the book held then, or to nothing. */
  revertTo(model: ReadonlyMap<string, Taken>): void {
    const lost = this.model
    this.model = new Map(model)
    this.lostAt = ++this.order
    for (const key of new Set([...lost.keys(), ...model.keys()])) {
      const { v = null, deadline = Infinity } = model.get(key) ?? {}
      const { order, at } = { order: this.lostAt, at: this.#time.now }
      this.#list(key).push({ order, epoch: '', n: 0, key, v, deadline, restored: false, at })
    }
    this.#sequences = new Map()
    this.#effective = new Map()
    this.#landed = new Set()
  }

  #list(key: string): Taken[] {
    let list = this.#byKey.get(key)
    if (list === undefined) {
      list = []
      this.#byKey.set(key, list)
    }
    return list
  }

  #write(batch: Batch, write: () => { written: Written; news?: News }): { written: Written; news?: News } {
    const { writer, sequence, writes, follows } = batch
    if (follows !== undefined && follows !== sequence - 1) this.#fail('fence', `batch ${sequence} follows ${follows}`)
    const known = this.#sequences.get(writer) ?? []
    const [last = 0] = known
    const before = this.stored.at.n
    this.#highest = before
    let result: { written: Written; news?: News }
    try {
      result = write()
    } catch (error) {
      const isMissed = follows !== undefined && follows !== last
      if (sequence >= last && !isMissed) this.#fail('fence', `batch ${sequence} was refused after ${last}`)
      throw error
    }
    if (follows !== undefined && sequence > last && follows !== last)
      this.#fail('fence', `batch ${sequence} was taken after ${last} without ${follows}`)
    const isRepeated = known.includes(sequence)
    if (sequence < last && !isRepeated) this.#fail('fence', `batch ${sequence} was taken after ${last}`)
    if (!isRepeated) this.#sequences.set(writer, follows === undefined ? [sequence] : [sequence, last])
    if (isRepeated) {
      if (this.stored.at.n !== before) this.#fail('once', `batch ${sequence} was taken twice`)
      return result
    }
    const changes: Change[] = result.news === undefined ? [] : JSON.parse(result.news.changes)
    writes.forEach((each, i) => {
      this.#take(each, result.written, result.written.outcomes[i] as Outcome, changes)
    })
    return result
  }

  #take(write: Write, { epoch }: Written, outcome: Outcome, changes: readonly Change[]): void {
    const call = this.#calls.of(write)
    if (call !== undefined) this.#heed(call)
    if (this.#landed.has(write)) this.#fail('once', `${call?.text} took effect twice`)
    if (!('n' in outcome)) return
    this.#landed.add(write)
    const restored = write.restores !== undefined
    const at = this.#time.now
    const note = (key: string, n: number, v: number | null, deadline: number) => {
      const taken: Taken = { order: ++this.order, epoch, n, key, v, deadline, restored, at }
      this.#list(key).push(taken)
      this.#highest = n
      if (this.#byNumber.has(`${epoch}.${n}`)) this.#fail('numbers', `${epoch}.${n} was given twice`)
      this.#byNumber.set(`${epoch}.${n}`, taken)
      if (v === null) this.model.delete(key)
      else this.model.set(key, taken)
    }
    if (write.kind === 'clear') {
      for (const key of [...this.model.keys()]) {
        const change = changes.find((each) => each.key === key)
        if (change !== undefined) note(key, change.n, null, Infinity)
        else if (this.item(key) !== undefined) this.#fail('store', `clear left ${key} there`)
      }
      this.clearedAt = ++this.order
      if (call !== undefined) this.#calls.took(call, this.order, false)
      return
    }
    const { key } = write
    const existed = this.item(key) !== undefined
    if (outcome.existed !== existed) this.#fail('store', `${key} existed: ${existed}, it says ${outcome.existed}`)
    if (restored) this.#checkRestored(key)
    if (write.kind === 'set') {
      const deadline = write.ttlMs === null ? Infinity : Math.ceil(at + write.ttlMs)
      note(key, outcome.n, (write.item.item as Item).v, deadline)
    } else if (existed || outcome.n > this.#highest) note(key, outcome.n, null, Infinity)
    if (call !== undefined) this.#calls.took(call, this.order, existed)
  }

  /** A write or a clear made since the loss wins over what is put back. */
  #checkRestored(key: string): void {
    if (this.clearedAt > this.lostAt) this.#fail('restore', `${key} was put back after a clear`)
    const last = this.last(key)
    if (last === undefined || last.order <= this.lostAt || last.restored) return
    const forgotten = (last.v === null ? last.at : last.deadline) + this.#retention
    if (this.#time.now < forgotten) this.#fail('restore', `${key} was put back over ${last.v}, written since`)
  }

  /** Writes of one client to one key take effect in the order of the calls, and never what was refused for certain. */
  #heed(call: Call): void {
    const lane = `${call.actor}/`
    const latest = Math.max(
      this.#effective.get(lane) ?? 0,
      call.key === null
        ? Math.max(0, ...[...this.#effective].filter(([name]) => name.startsWith(lane)).map(([, id]) => id))
        : (this.#effective.get(lane + call.key) ?? 0),
    )
    if (latest > call.id) this.#fail('order', `${call.text} took effect after call ${latest}`)
    this.#effective.set(lane + (call.key ?? ''), Math.max(latest, call.id))
    if (call.refused === 'no') this.#fail('refused', `${call.text} took effect, though it was refused as not stored`)
  }
}
