/** A transport that does nothing by itself: it notes what the core asks of it, and a test answers. */
import { encodeItem } from '../../src/core/codec'
import type { Fate } from '../../src/core/doubts'
import { MemisError } from '../../src/core/errors'
import type {
  Batch,
  Change,
  Gone,
  Host,
  Outcome,
  Place,
  Revision,
  Sink,
  Transport,
  Watch,
  Write,
  Written,
} from '../../src/core/transport'
import { FakeClock } from './fake-clock'

/** One call of `write`, to be answered once. */
export class WriteCall {
  readonly place: Place
  readonly batch: Batch
  readonly #resolve: (written: Written) => void
  readonly #reject: (error: Error) => void
  readonly #number: () => number

  constructor(
    place: Place,
    batch: Batch,
    resolve: (written: Written) => void,
    reject: (error: Error) => void,
    number: () => number,
  ) {
    this.place = place
    this.batch = batch
    this.#resolve = resolve
    this.#reject = reject
    this.#number = number
  }

  /** The keys of the batch, in order; of a clear, `*`. */
  get keys(): string[] {
    return this.batch.writes.map((write) => (write.kind === 'clear' ? '*' : write.key))
  }

  /** The store takes all of it; `existed` is what it says of each. */
  take(existed = false, epoch = 'e1'): Promise<void> {
    return this.answer({ epoch, outcomes: this.batch.writes.map(() => ({ n: this.#number(), existed })) })
  }

  /** The store says so of each write. */
  outcomes(...outcomes: Outcome[]): Promise<void> {
    return this.answer({ epoch: 'e1', outcomes })
  }

  answer(written: Written): Promise<void> {
    this.#resolve(written)
    return turn()
  }

  fail(error: Error): Promise<void> {
    this.#reject(error)
    return turn()
  }
}

/** One session of following a collection. */
export class FakeSession implements Watch {
  readonly place: Place
  readonly from: Revision | null
  readonly sink: Sink
  closed = 0

  constructor(place: Place, from: Revision | null, sink: Sink) {
    this.place = place
    this.from = from
    this.sink = sink
  }

  close(): void {
    this.closed++
  }

  /** Tells whole contents, up to `n`. */
  whole(changes: readonly Change[] = [], n = 0, epoch = 'e1'): void {
    this.sink.begin('whole', epoch, this.from?.epoch === epoch ? Infinity : 0)
    this.sink.changes(changes)
    this.sink.live(n)
  }

  /** Tells what is new, up to the last of it. */
  news(...changes: readonly Change[]): void {
    this.sink.changes(changes)
    this.sink.live(changes.at(-1)?.n ?? 0)
  }
}

export class FakeTransport implements Transport {
  readonly name = 'fake'
  readonly lacks = []
  readonly clock: FakeClock
  readonly writes: WriteCall[] = []
  readonly sessions: FakeSession[] = []
  maxItemBytes = Infinity
  pipelines = false
  host!: Host
  /** How often it was closed. */
  closed = 0
  /** What `close` waits for. */
  closing: Promise<void> = Promise.resolve()
  /** Hears of each session in the midst of the call of `watch`. */
  watched: (session: FakeSession) => void = () => {}
  #head = 0

  constructor(clock = new FakeClock()) {
    this.clock = clock
  }

  open(host: Host): void {
    this.host = host
  }

  write(place: Place, batch: Batch): Promise<Written> {
    return new Promise((resolve, reject) => {
      this.writes.push(new WriteCall(place, batch, resolve, reject, () => ++this.#head))
    })
  }

  watch(place: Place, from: Revision | null, sink: Sink): Watch {
    const session = new FakeSession(place, from, sink)
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

/** What a test wants of a link that is gone. */
export const disconnected = () => new MemisError('DISCONNECTED', 'the wire is cut')

export const unauthorized = () => new MemisError('UNAUTHORIZED', 'wrong password')

export const place: Place = { prefix: undefined, database: 'db', collection: 'things' }

/** A write of an item. */
export const setOf = (key: string, item: object, ttlMs: number | null = null): Extract<Write, { kind: 'set' }> => ({
  kind: 'set',
  key,
  item: encodeItem(key, item, Infinity),
  ttlMs,
})

/** A change that tells an item. */
export const told = (key: string, n: number, item: unknown, leftMs: number | null = null, origin?: Revision): Fate => ({
  kind: 'set',
  key,
  n,
  item,
  leftMs,
  origin,
})

/** A change that tells that a key is gone. */
export const gone = (key: string, n: number, kind: Gone = 'delete', origin?: Revision): Fate => ({
  kind,
  key,
  n,
  origin,
})
