/**
 * One collection's copy in one process: applies what sessions, own writes and merges tell, and emits what changes. `Knowledge`
 * has the rule that decides: an entry counts if its revision is newer than what is known of its key. No I/O.
 */
import type { Clock } from './clock'
import type { Cause, Change, Contents } from './contents'
import { isEntry } from './entries'
import { MemisError } from './errors'
import { precedes } from './history'
import { Knowledge } from './knowledge'
import type { Lost } from './lost'
import type { HistoryChange } from './timeline'
import type { Accepted, Cursor, Entry, Epoch, KeyWrite, Merged, Revision, Write } from './transport'
import type { DeepReadonly } from './types'

export interface ReplicaListener<T> {
  changed(change: Change<T>): void
  report(error: MemisError): void
}

/** The contents of a session are being told. */
interface Filling {
  readonly kind: 'filling'
  readonly cause: 'snapshot' | 'resync'
  /** For a snapshot: the keys that are held and were not told yet. */
  readonly untold: Set<string> | null
  /** The value of `hasForgotten` before the snapshot: it counts again if the snapshot breaks off. */
  readonly hadForgotten: boolean
  readonly lostEnd: HistoryChange['lostEnd']
}

type Phase = Filling | { readonly kind: 'empty' | 'live' | 'stale' | 'discarded' }

export class Replica<T extends object> {
  readonly #listener: ReplicaListener<T>
  readonly #knowledge: Knowledge<T>
  readonly #contents: Contents<T>
  /** Faults to report once the replica has changed: who hears of one may read. */
  readonly #reports: MemisError[] = []
  #phase: Phase = { kind: 'empty' }

  constructor(clock: Clock, retention: number, listener: ReplicaListener<T>) {
    this.#listener = listener
    this.#knowledge = new Knowledge(
      clock,
      retention,
      (version) => {
        this.#contents.drop('expire', version.key, version, this.#ownCause)
        this.#emit()
      },
      (error) => this.#reports.push(error),
    )
    this.#contents = this.#knowledge.contents
  }

  get items(): ReadonlyMap<string, DeepReadonly<T>> {
    return this.#contents.items
  }

  /** Keys of which something is known that the store lost. */
  get lost(): Lost {
    return this.#knowledge.lost
  }

  /** Everything up to here is known; null before the first contents. */
  get cursor(): Cursor | null {
    return this.#knowledge.timeline.cursor
  }

  /** What a merge is based on: see {@link Timeline.base}. */
  get base(): Revision {
    return this.#knowledge.timeline.base
  }

  /** See {@link Timeline.laterEpoch}. */
  laterEpoch(history: readonly Epoch[]): string | null {
    return this.#knowledge.timeline.laterEpoch(history)
  }

  /** The revision and the remaining time (ms) of an item that is held. */
  describe(key: string): { readonly revision: Revision; readonly leftMs: number | null } | undefined {
    const known = this.#contents.known(key)
    if (known === undefined) return undefined
    const { epoch, n } = known.revision // a copy: the version that is held changes
    // A deadline is rounded up: nobody is told of more time than was given.
    return { revision: { epoch, n }, leftMs: this.#contents.leftMs(key, Math.floor) }
  }

  digest(): string {
    return this.#contents.digest()
  }

  /**
   * A session begins: see `Sink.begin`. `restores`: keep and restore what the store lost. Returns false if only a snapshot
   * can tell what the store has instead of what was lost or forgotten.
   */
  begin(
    mode: 'snapshot' | 'delta',
    history: readonly Epoch[],
    restores: boolean,
    isFirst = this.cursor === null,
  ): boolean {
    const { timeline, lost } = this.#knowledge
    const { isOther, former, lostEnd } = timeline.begin(history, lost.size === 0)
    this.#knowledge.restores = restores
    this.#contents.begin(timeline.epoch)
    const hadForgotten = this.#knowledge.hasForgotten
    this.#phase = {
      kind: 'filling',
      cause: isFirst ? 'snapshot' : 'resync',
      untold: mode === 'snapshot' ? new Set(this.items.keys()) : null,
      hadForgotten,
      lostEnd: restores ? lostEnd : null,
    }
    if (isOther) this.#knowledge.findLost(former)
    const isDeltaEnough = (restores || lost.size === 0) && !(isOther && hadForgotten)
    if (mode === 'snapshot') this.#knowledge.hasForgotten = false
    if (!restores) this.#knowledge.forgetLostTombstones()
    return mode === 'snapshot' || isDeltaEnough
  }

  /** Entries that the store tells. `isAtomic`: nobody sees a part of them. */
  entries(list: readonly Entry[], isAtomic = false): void {
    const mayBeOverdue = this.#contents.mayBeOverdue
    if (isAtomic && mayBeOverdue) for (const entry of list) this.#expireOverdue(entry?.key)
    for (const entry of list) {
      if (!isEntry(entry)) {
        this.#reports.push(new MemisError('UNDECODABLE', 'an entry without proper key, revision and remaining time'))
        continue
      }
      if (!isAtomic && mayBeOverdue) this.#expireOverdue(entry.key)
      const phase = this.#phase
      if (phase.kind === 'discarded') return // by a listener
      if (phase.kind === 'filling') {
        phase.untold?.delete(entry.key)
        this.#knowledge.receive(entry, phase.cause, phase.lostEnd)
      } else this.#knowledge.receive(entry, 'live', null)
      if (!isAtomic) this.#emit()
    }
    this.#emit()
  }

  /** Everything up to the cursor has been told. Returns whether that ended the catching up. */
  live(cursor: Cursor): boolean {
    const phase = this.#phase
    const caughtUp = phase.kind === 'filling'
    if (caughtUp && phase.untold !== null) this.#dropUntold(phase.untold, cursor, phase.cause)
    if (this.#phase.kind === 'discarded') return caughtUp
    // An item that was lost may have expired since the session began.
    if (caughtUp && !this.#knowledge.restores) this.#knowledge.forgetLostTombstones()
    this.#phase = { kind: 'live' }
    this.#knowledge.timeline.reach(cursor, this.lost.size === 0)
    this.#contents.tombstones.forget(cursor, (key) => this.lost.has(key))
    return caughtUp
  }

  /** The session is over: from now on changes are told without proof. */
  outOfTouch(): void {
    if (this.#phase.kind === 'filling') this.#knowledge.hasForgotten ||= this.#phase.hadForgotten
    if (this.#phase.kind !== 'discarded') this.#phase = { kind: 'stale' }
  }

  /**
   * Own writes were accepted: one, or all of a transaction. Their events come before their promise settles (W3). Returns true if
   * they were answered out of an epoch that the session does not know: only another session can tell which of the two is over.
   */
  written(writes: readonly Write[], accepted: readonly Accepted[]): boolean {
    const { timeline } = this.#knowledge
    const isAhead = timeline.epoch !== '' && accepted.some((each) => timeline.isAhead(each))
    if (this.#contents.mayBeOverdue) {
      for (const write of writes) if (write.kind !== 'clear') this.#expireOverdue(write.key)
    }
    writes.forEach((write, i) => {
      if (this.#phase.kind !== 'discarded') this.#apply(write, accepted[i] as Accepted)
    })
    this.#emit()
    return isAhead
  }

  /** A lost entry as the store should have it; undefined if it is not lost any more. */
  restorable(key: string): Entry | undefined {
    if (this.lost.has(key)) this.#expireOverdue(key)
    return this.#knowledge.restorable(key)
  }

  /** The store's answer to a merge of that entry. */
  merged(entry: Entry, answer: Merged, cause: 'snapshot' | 'resync' = 'resync'): void {
    this.#knowledge.merged(entry, answer, cause)
    this.#emit()
  }

  /** Empties the replica without events; it is not used again. */
  discard(): void {
    this.#phase = { kind: 'discarded' }
    this.#contents.discard()
    this.lost.clear()
    this.#reports.length = 0
  }

  get #ownCause(): Cause {
    const phase = this.#phase
    return phase.kind === 'stale' || (phase.kind === 'filling' && phase.cause === 'resync') ? 'stale' : 'live'
  }

  /** Applies an own write. */
  #apply(write: Write, accepted: Accepted): void {
    if (write.kind === 'check') return
    const { timeline, lost, restores } = this.#knowledge
    const isAhead = timeline.isAhead(accepted)
    const isLost = !isAhead && !timeline.contains(accepted)
    if (isLost && !restores) return
    timeline.saw(accepted.epoch)
    if (write.kind === 'clear') return this.#clear(accepted, isLost)
    const { key } = write
    const { cursor } = this
    const wasTold = !isAhead && !isLost && cursor !== null && timeline.contains(cursor) && accepted.n <= cursor.n
    if (!this.#isNews(write, accepted, wasTold)) return
    if (isLost) lost.add(key)
    else if (!wasTold || write.kind === 'delete') lost.resolve(key, false)
    if (write.kind === 'delete') {
      return this.#contents.drop(accepted.cause ?? 'delete', key, accepted, this.#ownCause)
    }
    if (this.#phase.kind === 'filling') this.#phase.untold?.add(key)
    const ttlMs = write.ttlMs === 'keep' ? null : write.ttlMs
    const leftMs = accepted.leftMs === undefined ? ttlMs : accepted.leftMs
    this.#contents.put(key, accepted, write.item.item as DeepReadonly<T>, leftMs, this.#ownCause)
  }

  /** Whether an own write is newer than what is known of its key. `wasTold`: the session has passed its place. */
  #isNews({ key, kind }: KeyWrite, accepted: Accepted, wasTold: boolean): boolean {
    const relation = this.#contents.compare(key, accepted)
    // A delete that found nothing may name the place of the item itself.
    if (relation !== undefined && kind === 'delete') return relation <= 0
    if (relation !== undefined && relation >= 0) return false
    const { cleared } = this.#knowledge
    if (cleared !== null && precedes(accepted, cleared)) return false
    // A write that was told is gone since, unless the store should have it and does not.
    return !wasTold || this.lost.has(key)
  }

  /** Everything older is gone. `isLost`: the store has lost the clear, and its tombstones with it. */
  #clear(cleared: Revision, isLost: boolean): void {
    this.#knowledge.cleared = cleared
    for (const key of [...this.lost.keys, ...this.items.keys()]) {
      this.#expireOverdue(key)
      if ((this.#contents.compare(key, cleared) ?? 1) > 0) continue
      if (isLost) this.lost.add(key)
      else this.lost.resolve(key, false)
      if (!this.items.has(key)) continue
      this.#contents.drop('delete', key, cleared, this.#ownCause)
      this.#emit()
    }
  }

  /** The whole contents were told: an item that was not, and is not newer, is gone. */
  #dropUntold(untold: ReadonlySet<string>, cursor: Revision, cause: Cause): void {
    for (const key of untold) {
      this.#expireOverdue(key)
      const known = this.#contents.known(key)
      if (known === undefined || known.gone !== undefined) continue
      const isLost = this.lost.has(key)
      if (isLost ? this.#knowledge.restores : precedes(cursor, known.place)) continue
      this.lost.resolve(key, false)
      if (isLost) this.#contents.forget(key, known.revision, cause)
      else this.#contents.drop('delete', key, cursor, cause)
      this.#emit()
    }
  }

  /** The timer may be late: an entry that arrives after a deadline finds the item expired all the same. */
  #expireOverdue(key: string): void {
    const version = this.#contents.overdue(key)
    if (version === undefined) return
    this.#contents.drop('expire', key, version, this.#ownCause)
    this.#emit()
  }

  /** Emits what has changed. A listener may unsubscribe, which ends it. */
  #emit(): void {
    const { changes } = this.#contents
    for (let next = changes.shift(); next !== undefined; next = changes.shift()) this.#listener.changed(next)
    for (let next = this.#reports.shift(); next !== undefined; next = this.#reports.shift()) this.#listener.report(next)
  }
}
