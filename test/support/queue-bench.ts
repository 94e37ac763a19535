/** A write queue on a transport that a test answers, and what its callers are told. */
import assert from 'node:assert/strict'
import type { MemisError } from '../../src/core/errors'
import type { Accepted, Entry, KeyWrite, Outcome, Write } from '../../src/core/transport'
import type { Caller, Transaction } from '../../src/core/waiting-writes'
import { WriteQueue, type WriteQueueOptions, type WriteTarget } from '../../src/core/write-queue'
import { deleteOf, FakeTransport, setOf, things, type WriteCall } from './fake-transport'
import { type At, at } from './revisions'

const standard: WriteQueueOptions = { writeTimeout: 10_000, maxPending: 1000, maxPendingBytes: 1024 * 1024 }

/** What became of a call. */
export class CallLog implements Caller {
  deadline = 0
  /** `waiting`, `accepted`, `accepted, existed`, `conflict a`, or a code and whether it may be stored: `CLOSED no`. */
  outcome = 'waiting'
  error: MemisError | undefined
  current: Entry | null | undefined
  /** How many accepted writes the collection had been told of by then. */
  told = 0

  constructor(
    readonly target: TargetLog,
    private readonly settled: (call: CallLog) => void = () => {},
  ) {}

  accepted({ existed }: Accepted): void {
    this.#settle(existed ? 'accepted, existed' : 'accepted')
  }

  conflicted(current: Entry | null, key?: string): void {
    this.current = current
    this.#settle(`conflict ${key}`)
  }

  refused(error: MemisError): void {
    this.error = error
    this.#settle(`${error.code} ${error.stored}`)
  }

  #settle(outcome: string): void {
    assert.equal(this.outcome, 'waiting', 'a call settles once')
    this.outcome = outcome
    this.told = this.target.told.length
    this.settled(this)
  }
}

/** A collection, as the queue sees it. */
export class TargetLog implements WriteTarget {
  /** Each write or transaction that was accepted: `set a e1.1`. */
  readonly told: string[] = []
  /** Called in the midst of `accepted`. */
  onAccepted: () => void = () => {}
  readonly id

  constructor(collection: string) {
    this.id = { ...things, collection }
  }

  accepted(writes: readonly Write[], accepted: readonly Accepted[]): void {
    const words = writes.map((write, i) => {
      const { epoch, n } = accepted[i] as Accepted
      return `${write.kind === 'clear' ? 'clear' : `${write.kind} ${write.key}`} ${epoch}.${n}`
    })
    this.told.push(words.join(', '))
    this.onAccepted()
  }
}

/** A collection, and the calls that write to it. */
export class Writing {
  readonly target: TargetLog

  constructor(
    readonly queue: WriteQueue,
    collection: string,
  ) {
    this.target = new TargetLog(collection)
  }

  push(write: Write | Transaction, bytes = 10, settled?: (call: CallLog) => void): CallLog {
    const call = new CallLog(this.target, settled)
    this.queue.push(this.target, write, bytes, call)
    return call
  }

  set(key: string, v: unknown = 0, bytes = 10): CallLog {
    return this.push(setOf(key, { v }), bytes)
  }

  delete(key: string): CallLog {
    return this.push(deleteOf(key))
  }

  clear(): CallLog {
    return this.push({ kind: 'clear' }, 0)
  }

  setIf(key: string, v: unknown, condition: At | null): CallLog {
    return this.push({ ...setOf(key, { v }), if: condition === null ? null : at(condition) })
  }

  deleteIf(key: string, condition: At): CallLog {
    return this.push({ ...deleteOf(key), if: at(condition) })
  }

  transaction(...writes: KeyWrite[]): CallLog {
    return this.push({ kind: 'transaction', writes })
  }
}

export class QueueBench extends Writing {
  readonly transport: FakeTransport

  constructor({ up = true, ...options }: Partial<WriteQueueOptions> & { up?: boolean } = {}) {
    const transport = new FakeTransport()
    super(new WriteQueue(transport, { ...standard, ...options }), things.collection)
    this.transport = transport
    if (up) this.queue.linkUp()
  }

  collection(name: string): Writing {
    return new Writing(this.queue, name)
  }

  get clock() {
    return this.transport.clock
  }

  /** The last batch that was handed over. */
  get call(): WriteCall {
    return this.transport.call
  }

  /** The keys of each batch that was handed over: `a b`, `*` for a clear. */
  get sent(): string[] {
    return this.transport.writes.map(({ keys }) => keys.join(' '))
  }

  /** The store accepts the last batch, and what waits after it, as long as something is sent. */
  async acceptAll(): Promise<void> {
    for (let answered = -1; answered !== this.transport.writes.length; ) {
      answered = this.transport.writes.length
      await this.call.accept()
    }
  }
}

export const outcomes = (calls: readonly CallLog[]): string[] => calls.map(({ outcome }) => outcome)

export const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `key ${i}`)

export const accepted = (revision: At, existed = false): Outcome => ({ ...at(revision), existed })
