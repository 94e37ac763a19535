/**
 * Judges the store of one collection: each answer must be the one that follows from what the ledger says, recomputed here, and is
 * noted there. It listens to the hub's `StoredCollection`.
 */
import type { Accepted, Batch, Entry, Merged, Outcome, Write } from '../../src/core/transport'
import type { News, State, StoredCollection } from '../../src/transports/memory/store'
import { Effects } from './effects'
import { gone, type Ledger, noGroup, type Page, type Taken } from './ledger'
import { judgeMerge, type MergeResult } from './merges'
import type { Item } from './operations'
import type { World } from './world'

/** The last batch of a writer, and how it was answered. */
interface Answered {
  readonly sequence: number
  readonly outcomes: readonly Outcome[]
}

interface Written {
  readonly outcomes: readonly Outcome[]
  readonly news: News | undefined
}

/** What is known of the store at some moment. */
export interface Backup {
  readonly page: Page
  readonly answered: ReadonlyMap<string, Answered>
}

export class Judge {
  readonly stored: StoredCollection
  readonly ledger: Ledger
  readonly #world: World
  readonly #effects = new Effects()
  #answered = new Map<string, Answered>()
  /** The last place before the batch that is judged, and then the last one that was noted. */
  #highest = 0

  constructor(world: World, stored: StoredCollection, ledger: Ledger) {
    this.#world = world
    this.stored = stored
    this.ledger = ledger
    const { lineage } = ledger
    lineage.learn(stored.state.history)
    const write = stored.write.bind(stored)
    const merge = stored.merge.bind(stored)
    const revert = stored.revert.bind(stored)
    const beginEpoch = stored.beginEpoch.bind(stored)
    const evict = stored.evict.bind(stored)
    stored.write = (batch, settings) => this.#write(batch, () => write(batch, settings))
    stored.merge = (base, entries, settings) => this.#merge(entries, () => merge(base, entries, settings))
    stored.revert = (state?: State, clockBehind?: number) => {
      revert(state, clockBehind)
      lineage.learn(stored.state.history)
    }
    stored.beginEpoch = (after) => this.#beginEpoch(after, () => beginEpoch(after))
    stored.evict = (key) => {
      const taken = ledger.item(key)
      const evicted = evict(key)
      if (evicted && taken !== undefined) ledger.note({ ...taken, ...gone, how: 'eviction', group: noGroup })
      return evicted
    }
  }

  backUp(): Backup {
    return { page: this.ledger.page, answered: new Map(this.#answered) }
  }

  /** The store goes back to what it was then, or to nothing. */
  revertTo(backup: Backup | undefined): void {
    this.ledger.revertTo(backup?.page)
    this.#answered = new Map(backup?.answered)
    this.#effects.forget()
  }

  /** What the hub holds must be what the ledger says. */
  compare(): void {
    const { ledger } = this
    const { now } = this.#world.time
    let count = 0
    for (const { key, content, deadline } of this.stored.state.stored) {
      if (content.kind !== 'item' || deadline <= now) continue
      count++
      const taken = ledger.item(key)
      if (taken === undefined || JSON.parse(content.json).v !== taken.v || deadline !== taken.deadline) {
        const held = `${key}: ${content.json} until ${deadline}`
        this.#fail('store', `holds ${held}, must be ${taken?.v} until ${taken?.deadline}`)
      }
    }
    const expected = [...ledger.model.keys()].filter((key) => ledger.item(key) !== undefined)
    if (expected.length !== count) this.#fail('store', `holds ${count} items, must be ${expected}`)
  }

  #write(batch: Batch, write: () => Written): Written {
    const { writer, sequence, writes, isAtomic = false } = batch
    const last = this.#answered.get(writer)
    const before = this.stored.at.n
    let result: Written
    try {
      result = write()
    } catch (error) {
      if (/malformed/.test((error as Error).message)) this.#fail('batch', (error as Error).message)
      if (last === undefined || sequence >= last.sequence)
        this.#fail('fence', `batch ${sequence} was refused after ${last?.sequence}: ${error}`)
      throw error
    }
    const { outcomes } = result
    if (last !== undefined && sequence < last.sequence)
      this.#fail('fence', `batch ${sequence} was taken after ${last.sequence}`)
    if (sequence === last?.sequence) {
      if (this.stored.at.n !== before) this.#fail('once', `batch ${sequence} was taken twice`)
      if (!last.outcomes.every((outcome, i) => isSame(outcome, outcomes[i])))
        this.#fail('once', `batch ${sequence} was answered ${show(last.outcomes)}, then ${show(outcomes)}`)
      return result
    }
    this.#answered.set(writer, { sequence, outcomes })
    this.#highest = before
    const isRefused = isAtomic && !writes.every((each, i) => this.#holds(each, outcomes[i] as Outcome))
    const group: Taken[] = []
    this.#world.trace(() => `judge ${show(batch)} -> ${show(outcomes)}`)
    writes.forEach((each, i) => {
      const outcome = outcomes[i] as Outcome
      const isAccepted = 'n' in outcome
      if (isAccepted !== (!isRefused && this.#holds(each, outcome)))
        this.#fail(isAtomic ? 'C7' : 'C2', `${show(each)} was answered ${show(outcome)}`)
      if (isAccepted) this.#take(each, outcome, isAtomic ? group : noGroup)
    })
    return result
  }

  /** Whether the condition of a write holds. Where an epoch has several names, the store knows by which of them its items go. */
  #holds(write: Write, outcome: Outcome): boolean {
    if (write.kind === 'clear' || write.if === undefined) return true
    const { lineage } = this.ledger
    const item = this.ledger.item(write.key)
    if (write.if === null || item === undefined) return write.if === null && item === undefined
    if (lineage.key(item.revision) !== lineage.key(write.if)) return false
    return lineage.wasRenamed(write.if.epoch) ? !('conflict' in outcome) : true
  }

  #take(write: Write, { epoch, n, existed: told }: Accepted, group: readonly Taken[]): void {
    const { ledger } = this
    const { calls, operations, time } = this.#world
    const call = calls.of(write)
    const problem = this.#effects.note(write, call)
    if (problem !== null) this.#fail(...problem)
    const revision = { epoch, n }
    const took = (existed: boolean) => {
      if (call === undefined) return
      call.order = ledger.order
      call.existed = existed
      if ('key' in write && !existed) call.absent.add(write.key)
      if (write.kind !== 'check') call.revisions.set(write.kind === 'clear' ? '' : write.key, revision)
    }
    if (write.kind === 'check') return took(false)
    const note = (key: string, state: Pick<Taken, 'v' | 't' | 'deadline'>) => {
      const taken = ledger.note({ how: 'write', revision, place: n, key, ...state, group })
      if (taken === null) this.#fail('revisions', `${ledger.lineage.key(revision)} of ${key} was given twice`)
      else if (group !== noGroup) (group as Taken[]).push(taken)
      this.#highest = n
    }
    if (write.kind === 'clear') {
      for (const key of [...ledger.model.keys()]) if (ledger.item(key) !== undefined) note(key, gone)
      ledger.noteClear(revision)
      return took(false)
    }
    const { key } = write
    const before = ledger.item(key)
    const existed = before !== undefined
    if (told !== existed) this.#fail('store', `${key} existed: ${existed}, it says ${told}`)
    if (write.kind === 'set') {
      const { ttlMs } = write
      const { v, t } = write.item.item as Item
      const deadline = ttlMs === 'keep' ? before?.deadline : Math.ceil(time.now + (ttlMs ?? Infinity))
      note(key, { v, t, deadline: deadline ?? Infinity })
      if (call?.isAttempt) {
        const { order, lostAt } = ledger
        const made = before && { v: before.v as number, t: before.t }
        const step = { after: { v, t }, before: made, keepsTtl: ttlMs === 'keep', order, lostAt }
        const wrong = operations.took(step)
        if (wrong !== null) this.#fail('C5', `${call.text}: ${wrong}`)
      }
    } else if (existed || n > this.#highest) note(key, gone)
    took(existed)
  }

  #merge(entries: readonly Entry[], merge: () => MergeResult): MergeResult {
    const { ledger } = this
    this.#world.trace(() => `merge ${entries.map(({ key, epoch, n }) => `${key} ${epoch}.${n}`).join(', ')}`)
    const { at } = this.stored
    const known = entries.map(({ key }) => ledger.model.get(key))
    const result = merge()
    entries.forEach((entry, i) => {
      const answer = result.merged[i] as Merged
      if (entry.epoch > at.epoch && 'place' in answer)
        this.#fail('epoch', `${entry.key} of ${entry.epoch} was put back in ${at.epoch}`)
      const problem = judgeMerge(ledger, this.#world, entry, answer, known[i])
      if (problem !== null) this.#fail(...problem)
    })
    return result
  }

  #beginEpoch<R>(after: string, beginEpoch: () => R): R {
    const { lineage } = this.ledger
    const before = this.stored.at.epoch
    const isListed = this.stored.state.history.some(({ id }) => id === after)
    const became = beginEpoch()
    const { epoch } = this.stored.at
    const begun = epoch !== before
    this.#world.trace(() => `${before} was asked to be after ${after}: ${became}, ${epoch}`)
    if (begun) lineage.rename(before, epoch)
    lineage.learn(this.stored.state.history)
    const mayHaveTo = before < after && became !== 'impossible' && !isListed
    if (begun ? before > after : mayHaveTo) this.#fail('epoch', `${before}, asked to be after ${after}, is ${epoch}`)
    if (begun && epoch <= after) this.#fail('epoch', `${epoch} does not sort after ${after}`)
    return became
  }

  #fail(invariant: string, detail: string): void {
    this.#world.fail(invariant, detail)
  }
}

const show = (value: unknown) => JSON.stringify(value)

function isSame(one: Outcome, other: Outcome | undefined): boolean {
  if (other === undefined) return false
  if ('n' in one) return 'n' in other && one.n === other.n && one.epoch === other.epoch && one.existed === other.existed
  if ('conflict' in one) return 'conflict' in other && one.conflict?.n === other.conflict?.n
  return 'aborted' in one === 'aborted' in other
}
