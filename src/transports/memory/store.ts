/** What a {@link MemoryHub} keeps of one collection: bytes and places, by the rules of the real stores. No I/O. */
import {
  type Batch,
  type Clock,
  compare,
  contains,
  currentEpoch,
  type Entry,
  type Epoch,
  epochAt,
  type Host,
  type KeyWrite,
  MemisError,
  type Merged,
  type Outcome,
  precedes,
  type Revision,
} from '../../transport-kit'
import { checkBatch, checkMerge } from './check-batch'
import { type Content, Entries, type Stored } from './entries'
import { EpochIds } from './epoch-ids'
import { type Answers, Writers } from './writers'

/** What the watchers are told of a batch or a merge: the places `first` to `last`, and each entry as JSON. */
export interface News {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly entries: readonly string[]
  readonly isAtomic: boolean
}

/** What a reader is told at first. */
export interface Contents {
  readonly mode: 'snapshot' | 'delta'
  readonly history: readonly Epoch[]
  readonly head: number
  readonly entries: readonly string[]
}

/** Everything that a collection is. */
export interface State {
  readonly history: readonly Epoch[]
  readonly head: number
  readonly forgotten: number
  readonly cleared: number
  readonly stored: readonly Readonly<Stored>[]
  readonly answers: Answers
}

const empty: State = { history: [], head: 0, forgotten: 0, cleared: 0, stored: [], answers: new Map() }

/** What the store obeys of a client's settings. */
type Settings = Pick<Host, 'retention' | 'writeTimeout'>

export class StoredCollection {
  readonly #clock: Clock
  readonly #epochIds: EpochIds
  #history: readonly Epoch[]
  /** The last place that was taken. */
  #head = 0
  /** The place of the last clear. */
  #cleared = 0
  #entries: Entries
  #writers = new Writers()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#entries = new Entries(clock, [], 0)
    this.#epochIds = new EpochIds(() => clock.now())
    this.#history = [{ id: this.#epochIds.next(), floor: 0 }]
  }

  /** The last place that was taken, as of the epoch that goes on. */
  get at(): Revision {
    return { epoch: currentEpoch(this.#history).id, n: this.#head }
  }

  /** The news are undefined if nothing changed. */
  write(batch: Batch, settings: Settings): { outcomes: readonly Outcome[]; news: News | undefined } {
    checkBatch(batch)
    const now = this.#clock.now()
    const repeated = this.#writers.repeated(batch, now)
    if (repeated !== undefined) return { outcomes: repeated, news: undefined }
    this.#prepare(settings)
    const before = this.#head
    const changed: Stored[] = []
    const isAtomic = batch.isAtomic === true
    const outcomes = (isAtomic ? this.#conflicts(batch) : undefined) ?? this.#takeAll(batch, changed)
    this.#writers.accepted(batch, outcomes, now, settings.writeTimeout)
    return { outcomes, news: this.#news(before, changed, isAtomic) }
  }

  /**
   * Accepts each entry that is newer than what is known of its key.
   * @throws MemisError if one sorts after all that will be written: somebody has to ask for a later epoch before
   */
  merge(base: Revision, entries: readonly Entry[], settings: Settings): { merged: Merged[]; news: News | undefined } {
    checkMerge(entries)
    if (entries.some(({ epoch }) => epoch > this.at.epoch)) throw behind
    this.#prepare(settings)
    const before = this.#head
    const followed = contains(this.#history, base) ? base.n : 0
    const changed: Stored[] = []
    const merged = entries.map((entry): Merged => {
      const known = this.#entries.get(entry.key)
      if (!this.#isNewer(entry, known, followed)) return { current: this.#entry(known) }
      changed.push(this.#mergeIn(entry))
      return { place: this.at }
    })
    return { merged, news: this.#news(before, changed, false) }
  }

  read(from: Revision | null, settings: Settings): Contents {
    this.#prepare(settings)
    const isDelta = from !== null && from.n >= this.#entries.forgotten && contains(this.#history, from)
    const texts: string[] = []
    for (const stored of this.#entries.values()) {
      const { kind } = stored.content
      // A reader that held something needs tombstones, and may hold what was evicted.
      const isTold = isDelta ? stored.place > from.n || kind === 'lost' : from !== null || kind !== 'tombstone'
      if (isTold) texts.push(this.#text(stored))
    }
    const mode = isDelta ? 'delta' : 'snapshot'
    return { mode, history: this.#history, head: this.#head, entries: texts }
  }

  /** Gives the current epoch an id that sorts after `after`, if it has to and can. */
  beginEpoch(after: string): 'begun' | 'needless' | 'impossible' {
    const { id, floor } = currentEpoch(this.#history)
    if (id > after || this.#history.some((epoch) => epoch.id === after)) return 'needless'
    if (!this.#epochIds.canFollow(after)) return 'impossible'
    const epoch = this.#epochIds.next(after)
    this.#history = [...this.#history.slice(0, -1), { id: epoch, floor }]
    for (const stored of this.#entries.values()) {
      if (stored.merged?.epoch === id) stored.merged = { epoch, n: stored.merged.n }
    }
    return 'begun'
  }

  /** Loses an item without a tombstone. Returns whether there was one. */
  evict(key: string): boolean {
    const item: Stored | undefined = this.#entries.item(key)
    if (item !== undefined) item.content = { kind: 'lost' }
    return item !== undefined
  }

  /** The items that should be there and are not, each as JSON. */
  get lost(): string[] {
    const lost = [...this.#entries.values()].filter(({ content }) => content.kind === 'lost')
    return lost.map((stored) => this.#text(stored))
  }

  get state(): State {
    const { forgotten } = this.#entries
    return {
      ...{ history: this.#history, head: this.#head, cleared: this.#cleared, forgotten },
      stored: [...this.#entries.values()].map((stored) => ({ ...stored })),
      answers: new Map(this.#writers.answers),
    }
  }

  /**
   * Goes back to an older state, as after a failover, or to none: what was written since is lost, and another epoch begins.
   * Its id is of a clock that is behind by so many ms.
   */
  revert({ history, head, forgotten, cleared, stored, answers }: State = empty, clockBehind = 0): void {
    this.#epochIds.behind = clockBehind
    this.#history = [...history, { id: this.#epochIds.next(history.at(-1)?.id), floor: head }]
    this.#head = head
    this.#cleared = cleared
    this.#entries = new Entries(this.#clock, stored, forgotten)
    this.#writers = new Writers(answers)
  }

  #prepare({ retention }: Settings): void {
    this.#entries.retention = Math.max(this.#entries.retention, retention)
    this.#entries.expire()
  }

  /** The answer to an atomic batch if one of its conditions fails. */
  #conflicts({ writes }: Batch): Outcome[] | undefined {
    const conflicts = writes.map((write) => (write.kind === 'clear' ? undefined : this.#conflict(write)))
    if (conflicts.every((conflict) => conflict === undefined)) return undefined
    return conflicts.map((conflict) => conflict ?? { aborted: true })
  }

  #conflict({ key, if: condition }: KeyWrite): Outcome | undefined {
    if (condition === undefined) return undefined
    const item = this.#entries.item(key)
    const holds = condition === null ? item === undefined : item && compare(this.#revision(item), condition) === 0
    return holds ? undefined : { conflict: this.#entry(this.#entries.get(key)) }
  }

  #takeAll({ writes }: Batch, changed: Stored[]): Outcome[] {
    return writes.map((write) => {
      if (write.kind === 'clear') return this.#clear(changed)
      return this.#conflict(write) ?? this.#take(write, changed)
    })
  }

  #clear(changed: Stored[]): Outcome {
    // A replica may hold what was evicted: it has to hear that this is gone, too.
    const known = [...this.#entries.values()].filter(({ content }) => content.kind !== 'tombstone')
    const existed = known.some(({ content }) => content.kind === 'item')
    this.#cleared = ++this.#head
    for (const { key } of known) changed.push(this.#entries.put(key, this.#head, deleted, Infinity))
    return { ...this.at, existed }
  }

  #take(write: KeyWrite, changed: Stored[]): Outcome {
    const { key } = write
    const item = this.#entries.item(key)
    const existed = item !== undefined
    if (write.kind === 'check') return { ...this.at, existed }
    if (write.kind === 'delete') {
      const known = this.#entries.get(key)
      if (known?.content.kind === 'tombstone' && this.#isOfThisEpoch(known))
        return { ...this.at, existed, cause: known.content.cause }
      // Even if nothing was found: a replica may be about to restore an item that is older than this delete.
      changed.push(this.#entries.put(key, ++this.#head, deleted, Infinity))
      return { ...this.at, existed }
    }
    const now = this.#clock.now()
    const deadline = write.ttlMs === 'keep' ? (item?.deadline ?? Infinity) : now + (write.ttlMs ?? Infinity)
    const stored = this.#entries.put(key, ++this.#head, { kind: 'item', json: write.item.json }, deadline)
    changed.push(stored)
    return { ...this.at, existed, ...(write.ttlMs === 'keep' && { leftMs: this.#leftMs(stored) }) }
  }

  /** Written in the epoch that goes on, and not merged. */
  #isOfThisEpoch({ place, merged }: Stored): boolean {
    return merged === undefined && place > currentEpoch(this.#history).floor
  }

  #isNewer(entry: Entry, known: Stored | undefined, followed: number): boolean {
    if (this.#cleared > 0 && precedes(entry, this.#revisionAt(this.#cleared))) return false
    // A forgotten tombstone may have been of this key.
    if (known === undefined) return this.#entries.forgotten <= followed
    const age = compare(this.#revision(known), entry)
    return age < 0 || (age === 0 && known.content.kind === 'lost')
  }

  #mergeIn({ key, epoch, n, item, leftMs, cause = 'delete' }: Entry): Stored {
    const content: Content = item === null ? { kind: 'tombstone', cause } : { kind: 'item', json: JSON.stringify(item) }
    const deadline = this.#clock.now() + (leftMs ?? Infinity)
    return this.#entries.put(key, ++this.#head, content, deadline, { epoch, n })
  }

  #revision({ place, merged }: Stored): Revision {
    return merged ?? this.#revisionAt(place)
  }

  #revisionAt(place: number): Revision {
    return { epoch: epochAt(this.#history, place), n: place }
  }

  #leftMs({ content, deadline }: Stored): number | null {
    if (content.kind === 'tombstone' || deadline === Infinity) return null
    // A deadline is rounded up here and in each replica: nobody is told of more time than was given.
    return Math.floor(deadline - this.#clock.now())
  }

  #entry(stored: Stored | undefined): Entry | null {
    return stored === undefined ? null : JSON.parse(this.#text(stored))
  }

  /** An entry as JSON. */
  #text(stored: Stored): string {
    const { key, content, place, merged } = stored
    const rest = JSON.stringify({
      ...{ key, ...this.#revision(stored), leftMs: this.#leftMs(stored) },
      ...(merged && { place: this.#revisionAt(place) }),
      ...(content.kind === 'tombstone' && { item: null, cause: content.cause }),
      ...(content.kind === 'lost' && { isLost: true }),
    })
    return content.kind === 'item' ? `${rest.slice(0, -1)},"item":${content.json}}` : rest
  }

  #news(before: number, changed: readonly Stored[], isAtomic: boolean): News | undefined {
    const { epoch, n } = this.at
    if (n === before) return undefined
    return { epoch, first: before + 1, last: n, entries: changed.map((stored) => this.#text(stored)), isAtomic }
  }
}

const deleted: Content = { kind: 'tombstone', cause: 'delete' }
const behind = new MemisError('DISCONNECTED', 'the epoch of the hub sorts before that of an entry', { stored: 'no' })
