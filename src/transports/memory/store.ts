/** What a {@link MemoryHub} keeps of one collection: bytes and numbers, by the rules of the real stores. No I/O. */
import type { Clock } from '../../core/clock'
import { currentEpoch, type Epoch, precedes, resume } from '../../core/epochs'
import { MemisError } from '../../core/errors'
import { type Due, ExpiryQueue } from '../../core/expiry'
import type { Batch, Change, Gone, Outcome, Position, Restores, Revision, Write, Written } from '../../core/transport'

/** A writer that was silent for so long is forgotten: nothing of it can still be under way (ms). */
const writerMemory = 3_600_000

/** What became of a key last: an item, or, with `json` null, that it is gone. */
interface Stored extends Due {
  readonly key: string
  readonly n: number
  json: string | null
  gone: Gone
  /** When an item expires; when what is gone will be forgotten. */
  deadline: number
  /** Where it was put back after a loss: the revision that it first had. */
  readonly origin: Revision | undefined
}

/** What was made of a batch. */
interface Done {
  readonly sequence: number
  readonly written: Written
  readonly at: number
  /** The one before it, that was under way with it. */
  readonly former?: Done | undefined
}

/** A batch as its watchers are told of it: numbers `first` to `last`, changes as JSON. */
export interface News {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly changes: string
}

/** What a reader is told: each key that changed after a number, or, `whole`, each item there is. */
export interface Contents {
  readonly epoch: string
  readonly head: number
  readonly whole: boolean
  readonly common: number
  readonly changes: string
}

/** All that a collection is. */
export interface State {
  readonly epochs: readonly Epoch[]
  readonly head: number
  readonly forgotten: number
  readonly stored: readonly Readonly<Stored>[]
}

export class StoredCollection {
  readonly #clock: Clock
  #begun = 0
  #epochs: Epoch[] = [{ id: this.#newEpoch(), floor: 0 }]
  #head = 0
  /** The highest number of a gone key that is no longer remembered. */
  #forgotten = 0
  /** The number of the last clear: what was lost before it is not put back after it. */
  #cleared = 0
  /** In the order of their numbers: who is set again goes to the end. */
  #stored = new Map<string, Stored>()
  #due = new ExpiryQueue<Stored>()
  /** The last batch of each writer, to know a repeated one and refuse an older one; in the order of time. */
  readonly #writers = new Map<string, Done>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get at(): Revision {
    return { epoch: currentEpoch(this.#epochs).id, n: this.#head }
  }

  /** Takes a batch. The news are undefined where nothing changed. */
  write({ writer, sequence, writes, follows }: Batch, retention: number): { written: Written; news?: News } {
    const last = this.#writers.get(writer)
    const done = [last, last?.former].find((each) => each?.sequence === sequence)
    if (done !== undefined) return { written: repeated(done.written, writes, this.#clock.now() - done.at) }
    if (last !== undefined && last.sequence > sequence) {
      throw new MemisError('STORE_REFUSED', 'a newer batch of this writer was taken before', { stored: 'no' })
    }
    if (follows !== undefined && last?.sequence !== follows)
      throw new MemisError('DISCONNECTED', 'the batch before this one was not taken', { stored: 'no' })
    this.#expire(retention)
    const { epoch, n } = this.at
    const changes: Change[] = []
    const outcomes = writes.map((write) => this.#take(write, changes, retention))
    const written = { epoch, outcomes }
    const now = this.#clock.now()
    this.#writers.delete(writer)
    const former = follows === undefined || last === undefined ? undefined : { ...last, former: undefined }
    this.#writers.set(writer, { sequence, written, at: now, former })
    for (const [oldest, { at }] of this.#writers) {
      if (at > now - writerMemory) break
      this.#writers.delete(oldest)
    }
    if (this.#head === n) return { written }
    return { written, news: { epoch, first: n + 1, last: this.#head, changes: JSON.stringify(changes) } }
  }

  read(from: Position | null, retention: number): Contents {
    this.#expire(retention)
    const now = this.#clock.now()
    const { after, common } = resume(from, { epochs: this.#epochs, head: this.#head, forgotten: this.#forgotten })
    const changes: Change[] = []
    for (const { key, n, json, gone, deadline, origin } of this.#stored.values()) {
      if (n <= (after ?? 0)) continue
      const leftMs = deadline === Infinity ? null : deadline - now
      if (json !== null) changes.push({ kind: 'set', key, n, item: JSON.parse(json), leftMs, origin })
      else if (from !== null && n > (after ?? common)) changes.push({ kind: gone, key, n, origin })
    }
    const { epoch, n: head } = this.at
    return { epoch, head, whole: after === null, common, changes: JSON.stringify(changes) }
  }

  get state(): State {
    const stored = [...this.#stored.values()].map((each) => ({ ...each }))
    return { epochs: [...this.#epochs], head: this.#head, forgotten: this.#forgotten, stored }
  }

  /** Takes on an older state, as after a failover, or none: what was written since is lost, and another epoch begins. */
  revert(state?: State): void {
    const { epochs, head, forgotten, stored } = state ?? { epochs: [], head: 0, forgotten: 0, stored: [] }
    this.#epochs = [...epochs, { id: this.#newEpoch(), floor: head }]
    this.#head = head
    this.#forgotten = forgotten
    this.#cleared = Math.min(this.#cleared, head)
    this.#writers.clear()
    this.#stored = new Map()
    this.#due = new ExpiryQueue()
    for (const each of stored) this.#keep({ ...each, slot: -1 })
  }

  #take(write: Write, changes: Change[], retention: number): Outcome {
    const now = this.#clock.now()
    const remove = (key: string, origin?: Revision) => {
      const n = this.#put(key, null, now + retention, origin)
      changes.push({ kind: 'delete', key, n, origin })
      return n
    }
    if (write.kind === 'clear') {
      const upTo = this.#head
      this.#cleared = ++this.#head
      for (const { key, json } of [...this.#stored.values()]) if (json !== null) remove(key)
      return { n: upTo + 1, existed: false }
    }
    const { key, restores } = write
    const before = this.#stored.get(key)
    if (restores !== undefined && (restores.epoch !== this.at.epoch || this.#cleared > restores.floor))
      return { refused: true, asOf: this.#head }
    // Where nothing is known of the key, the mark of a newer delete may have been forgotten.
    if (restores !== undefined && !(before === undefined ? this.#remembers(restores) : isOlder(before, restores)))
      return { refused: true, asOf: this.#head }
    const existed = before !== undefined && before.json !== null
    if (write.kind === 'delete') {
      // What this epoch knows to be gone stays as it is. Else a mark is left, even where nothing was found: after a loss,
      // a replica may be about to put the item back, also over a mark that was put back itself.
      const known = before !== undefined && before.n > currentEpoch(this.#epochs).floor && before.origin === undefined
      if (known && !existed && restores === undefined) return { n: this.#head, existed, gone: before.gone }
      return { n: remove(key, restores?.origin), existed }
    }
    const { item, ttlMs } = write
    const n = this.#put(key, item.json, ttlMs === null ? Infinity : now + ttlMs, restores?.origin)
    changes.push({ kind: 'set', key, n, item: item.item, leftMs: ttlMs, origin: restores?.origin })
    return { n, existed }
  }

  /** Whether all deletes of this epoch that came after the floor are still remembered. */
  #remembers({ floor }: Restores): boolean {
    return this.#forgotten <= Math.max(floor, currentEpoch(this.#epochs).floor)
  }

  /** In the order of their names, as in real stores that of time. */
  #newEpoch(): string {
    return `${String(++this.#begun).padStart(6, '0')}-${crypto.randomUUID().slice(0, 8)}`
  }

  #put(key: string, json: string | null, deadline: number, origin?: Revision): number {
    const before = this.#stored.get(key)
    if (before !== undefined) {
      this.#due.remove(before)
      this.#stored.delete(key)
    }
    this.#keep({ key, n: ++this.#head, json, gone: 'delete', deadline, slot: -1, origin })
    return this.#head
  }

  #keep(stored: Stored): void {
    this.#stored.set(stored.key, stored)
    if (stored.deadline < Infinity) this.#due.put(stored, stored.deadline, this.#clock.now())
  }

  /** Removes what is due, leaving a mark, and forgets the marks that are due. */
  #expire(retention: number): void {
    const now = this.#clock.now()
    for (let due = this.#due.take(now); due !== undefined; due = this.#due.take(now)) {
      if (due.json === null) {
        this.#stored.delete(due.key)
        this.#forgotten = Math.max(this.#forgotten, due.n)
      } else {
        due.json = null
        due.gone = 'expire'
        this.#due.put(due, due.deadline + retention, now)
      }
    }
  }
}

/** Whether what the store has is older than what is put back. */
function isOlder({ n, origin }: Stored, restores: Restores): boolean {
  return n <= restores.floor || (origin !== undefined && precedes(origin, restores.origin))
}

/** The answer to a batch that was taken some ms ago: a ttl counts from then. */
function repeated({ epoch, outcomes }: Written, writes: readonly Write[], age: number): Written {
  return {
    epoch,
    outcomes: outcomes.map((outcome, i) => {
      const write = writes[i]
      const isTimed = write?.kind === 'set' && write.ttlMs !== null && 'n' in outcome
      return isTimed ? { ...outcome, leftMs: (write.ttlMs as number) - age } : outcome
    }),
  }
}
