/** A replica, what a store tells it, and everything that it emits. */
import type { Change } from '../../src/core/contents'
import type { MemisError } from '../../src/core/errors'
import { encodeRevision } from '../../src/core/history'
import { Replica } from '../../src/core/replica'
import type { Accepted, Entry, KeyWrite, Merged, Write } from '../../src/core/transport'
import { FakeClock } from './fake-clock'
import { deleteOf, entry, setOf } from './fake-transport'
import { type At, at, type Floors, historyOf } from './revisions'

export interface Item {
  v?: unknown
}

interface AckDetails {
  readonly ttlMs?: number | null | 'keep'
  readonly leftMs?: number | null
}

export class ReplicaBench {
  readonly clock: FakeClock
  readonly replica: Replica<Item>
  readonly reports: MemisError[] = []
  /** Called with each change, as a listener is; and with each report. */
  changed: (change: Change<Item>) => void = () => {}
  reported: (error: MemisError) => void = () => {}
  readonly #emitted: Change<Item>[] = []

  constructor({ retention = 600_000, clock = new FakeClock() }: { retention?: number; clock?: FakeClock } = {}) {
    this.clock = clock
    this.replica = new Replica<Item>(clock, retention, {
      changed: (change) => {
        this.#emitted.push(change)
        this.changed(change)
      },
      report: (error) => {
        this.reports.push(error)
        this.reported(error)
      },
    })
  }

  // The store

  /** A session begins. The replica restores what the store lost, unless said otherwise. */
  begin(mode: 'snapshot' | 'delta', floors: Floors = { e1: 0 }, { restores = true } = {}): boolean {
    return this.replica.begin(mode, historyOf(floors), restores)
  }

  tell(...list: Entry[]): void {
    this.replica.entries(list)
  }

  /** One transaction. */
  tellAtOnce(...list: Entry[]): void {
    this.replica.entries(list, true)
  }

  live(upTo: At): boolean {
    return this.replica.live(at(upTo))
  }

  // Own writes

  acceptSet(key: string, v: unknown, revision: At, { ttlMs = null, ...details }: AckDetails = {}): boolean {
    return this.#written(setOf(key, { v }, ttlMs), { ...at(revision), existed: false, ...details })
  }

  acceptDelete(key: string, revision: At, details: Partial<Accepted> = {}): boolean {
    return this.#written(deleteOf(key), { ...at(revision), existed: true, ...details })
  }

  acceptClear(revision: At): boolean {
    return this.#written({ kind: 'clear' }, { ...at(revision), existed: false })
  }

  /** The writes of a transaction, each with its revision. */
  acceptAtOnce(...accepted: readonly (readonly [KeyWrite, At])[]): boolean {
    const revisions = accepted.map(([, revision]) => ({ ...at(revision), existed: false }))
    return this.replica.written(
      accepted.map(([write]) => write),
      revisions,
    )
  }

  #written(write: Write, accepted: Accepted): boolean {
    return this.replica.written([write], [accepted])
  }

  // Merging

  /** The store answers to a merge of what is lost of this key. */
  merge(key: string, answer: Merged): void {
    const lost = this.replica.restorable(key)
    if (lost === undefined) throw new Error(`${key} is not lost`)
    this.replica.merged(lost, answer)
  }

  /** What is lost of a key, in short: `item e1.5` or `delete e1.6`. */
  lost(key: string): string | undefined {
    const lost = this.replica.restorable(key)
    return lost && `${lost.item === null ? lost.cause : 'item'} ${lost.epoch}.${lost.n}`
  }

  get lostKeys(): string[] {
    return [...this.replica.lost.keys].sort()
  }

  // What came of it

  /** What was emitted since it was last asked for. */
  emitted(): Change<Item>[] {
    return this.#emitted.splice(0)
  }

  /** The same in short: `set a`. */
  events(): string[] {
    return this.emitted().map(({ kind, key }) => `${kind} ${key}`)
  }

  /** The same with the cause: `set a live`. */
  causes(): string[] {
    return this.emitted().map(({ kind, key, cause }) => `${kind} ${key} ${cause}`)
  }

  /** The same with the revision: `set a e1.7`. */
  revisions(): string[] {
    return this.emitted().map(({ kind, key, revision }) => `${kind} ${key} ${revision}`)
  }

  /** The version of an item that is held. */
  revision(key: string): string | undefined {
    const described = this.replica.describe(key)
    return described && encodeRevision(described.revision)
  }

  get(key: string) {
    return this.replica.items.get(key)
  }

  get contents(): Record<string, unknown> {
    return Object.fromEntries(this.replica.items)
  }
}

/** A replica that is live in the epoch `e1`, with these items, which were placed at 1, 2 and so on. */
export function liveWith(items: Record<string, Item>, options: ConstructorParameters<typeof ReplicaBench>[0] = {}) {
  const bench = new ReplicaBench(options)
  const list = Object.entries(items).map(([key, item], i) => entry(key, i + 1, item))
  bench.begin('snapshot')
  bench.tell(...list)
  bench.live(list.length)
  bench.emitted()
  return bench
}
