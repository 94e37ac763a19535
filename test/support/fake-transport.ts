/** A transport that does nothing by itself: it notes what the core asks of it, and a test answers. */
import { encodeItem } from '../../src/core/codec'
import { MemisError } from '../../src/core/errors'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Gone,
  Host,
  KeyWrite,
  Merged,
  Outcome,
  Revision,
  Sink,
  Transport,
  Watch,
} from '../../src/core/transport'
import { FakeClock } from './fake-clock'
import { type At, at, type Floors, historyOf } from './revisions'

/** A call of the transport, to be answered once. Resolves when all that follows from the answer is done. */
class Call<V> {
  readonly promise: Promise<V>
  #resolve!: (value: V) => void
  #reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  answer(value: V): Promise<void> {
    this.#resolve(value)
    return turn()
  }

  fail(error: unknown): Promise<void> {
    this.#reject(error)
    return turn()
  }
}

export class WriteCall extends Call<readonly Outcome[]> {
  constructor(
    readonly id: CollectionId,
    readonly batch: Batch,
    readonly head: () => number,
  ) {
    super()
  }

  /** The keys of the batch, in order; `*` stands for a clear. */
  get keys(): string[] {
    return this.batch.writes.map((write) => (write.kind === 'clear' ? '*' : write.key))
  }

  /** The store accepts all of it; `existed` is what it says of each write. */
  accept(existed = false, epoch = 'e1'): Promise<void> {
    return this.answer(this.batch.writes.map(() => ({ epoch, n: this.head(), existed })))
  }

  /** The store says this of each write. */
  outcomes(...outcomes: Outcome[]): Promise<void> {
    return this.answer(outcomes)
  }
}

export class MergeCall extends Call<readonly Merged[]> {
  constructor(
    readonly id: CollectionId,
    readonly base: Revision,
    readonly entries: readonly Entry[],
  ) {
    super()
  }

  get keys(): string[] {
    return this.entries.map(({ key }) => key)
  }

  /** The store accepts all of it, at this place and those after it. */
  accept(first: At): Promise<void> {
    const { epoch, n } = at(first)
    return this.answer(this.entries.map((_, i) => ({ place: { epoch, n: n + i } })))
  }

  /** The store keeps what it has. */
  refuse(current: Entry | null = null): Promise<void> {
    return this.answer(this.entries.map(() => ({ current })))
  }
}

/** A call of `beginEpoch`; the answer says whether the store may ever do so. */
export class EpochCall extends Call<boolean> {
  constructor(
    readonly id: CollectionId,
    readonly after: string,
  ) {
    super()
  }
}

/** One session of following a collection. */
export class FakeSession implements Watch {
  closed = 0

  constructor(
    readonly id: CollectionId,
    readonly from: Cursor | null,
    readonly sink: Sink,
  ) {}

  close(): void {
    this.closed++
  }

  /** Tells a snapshot, complete up to a place. The history is that of the place's epoch alone, unless said otherwise. */
  snapshot(list: readonly Entry[] = [], upTo: At = placeOfLast(list), floors: Floors = { [at(upTo).epoch]: 0 }): void {
    this.sink.begin('snapshot', historyOf(floors))
    this.sink.entries(list)
    this.sink.live(at(upTo))
  }

  /** Tells what changed, complete up to a place. */
  delta(list: readonly Entry[] = [], upTo: At = placeOfLast(list), floors: Floors = { [at(upTo).epoch]: 0 }): void {
    this.sink.begin('delta', historyOf(floors))
    this.sink.entries(list)
    this.sink.live(at(upTo))
  }

  /** Tells changes as they happen, up to the last of them. */
  changes(...list: readonly Entry[]): void {
    this.sink.entries(list)
    this.sink.live(at(placeOfLast(list)))
  }
}

const placeOfLast = (list: readonly Entry[]): At => {
  const last = list.at(-1)
  if (last === undefined) return 0
  const { epoch, n } = last.place ?? last
  return `${epoch}.${n}`
}

export class FakeTransport implements Transport {
  readonly name = 'fake'
  readonly lacks = []
  readonly clock: FakeClock
  declare isLocal?: true
  readonly writes: WriteCall[] = []
  readonly merges: MergeCall[] = []
  readonly epochs: EpochCall[] = []
  readonly sessions: FakeSession[] = []
  maxItemBytes = Infinity
  host!: Host
  /** How often it was closed. */
  closed = 0
  /** What `close` waits for. */
  closing: Promise<void> = Promise.resolve()
  /** Called with each session before `watch` returns. */
  watched: (session: FakeSession) => void = () => {}
  #head = 0

  constructor(clock = new FakeClock()) {
    this.clock = clock
  }

  open(host: Host): void {
    this.host = host
  }

  write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    const call = new WriteCall(id, batch, () => ++this.#head)
    this.writes.push(call)
    return call.promise
  }

  merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    const call = new MergeCall(id, base, entries)
    this.merges.push(call)
    return call.promise
  }

  beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    const call = new EpochCall(id, after)
    this.epochs.push(call)
    return call.promise
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    const session = new FakeSession(id, from, sink)
    this.sessions.push(session)
    this.watched(session)
    return session
  }

  close(): Promise<void> {
    this.closed++
    return this.closing
  }

  /** The last call of `write`. */
  get call(): WriteCall {
    return last(this.writes)
  }

  /** The last call of `merge`. */
  get merging(): MergeCall {
    return last(this.merges)
  }

  /** The last session. */
  get session(): FakeSession {
    return last(this.sessions)
  }
}

function last<V>(list: readonly V[]): V {
  const value = list.at(-1)
  if (value === undefined) throw new Error('the core has not asked for it')
  return value
}

/** Resolves when all promise jobs are done. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const disconnected = (stored?: 'no' | 'unknown') => new MemisError('DISCONNECTED', 'the wire is cut', { stored })

export const unauthorized = () => new MemisError('UNAUTHORIZED', 'wrong password')

export const things: CollectionId = { prefix: '', database: 'db', collection: 'things' }

/** A write of an item. */
export const setOf = (
  key: string,
  item: object,
  ttlMs: number | null | 'keep' = null,
): Extract<KeyWrite, { kind: 'set' }> => ({ kind: 'set', key, item: encodeItem(key, item, Infinity), ttlMs })

export const deleteOf = (key: string): Extract<KeyWrite, { kind: 'delete' }> => ({ kind: 'delete', key })

interface Details {
  readonly leftMs?: number | null
  /** Where it was merged. */
  readonly place?: At
}

const placed = (place: At | undefined) => (place === undefined ? {} : { place: at(place) })

/** What a store tells of an item. */
export const entry = (key: string, revision: At, item: unknown, { leftMs = null, place }: Details = {}): Entry => ({
  key,
  ...at(revision),
  item,
  leftMs,
  ...placed(place),
})

/** What a store tells of a key that is gone. */
export const tombstone = (key: string, revision: At, cause: Gone = 'delete', place?: At): Entry => ({
  key,
  ...at(revision),
  item: null,
  leftMs: null,
  cause,
  ...placed(place),
})

/** What a store tells of an item that it should hold and does not. */
export const missing = (key: string, revision: At): Entry => ({
  key,
  ...at(revision),
  item: undefined,
  leftMs: null,
  isLost: true,
})
