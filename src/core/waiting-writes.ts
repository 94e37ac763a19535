/** The writes of one collection that wait to be sent, in the order of the calls. */
import { MemisError } from './errors'
import { type Accepted, batchBytesLimit, batchLimit, type Entry, type KeyWrite, type Write } from './transport'

/** Somebody's call of a writing method. */
export interface Caller {
  /** Set by the queue. */
  deadline: number
  accepted(accepted: Accepted): void
  conflicted(current: Entry | null, key?: string): void
  refused(error: MemisError): void
}

/** Writes that are accepted together or not at all: an atomic batch of their own. */
export interface Transaction {
  readonly kind: 'transaction'
  readonly writes: readonly KeyWrite[]
}

/** A write, and who waits for it: several callers if it replaced older writes that were never sent. */
export interface Pending {
  write: Write | Transaction
  bytes: number
  callers: Caller[]
}

/** Bounds what waits in all collections of a client. */
export class PendingLimits {
  readonly #maxPending: number
  readonly #maxPendingBytes: number
  #count = 0
  #bytes = 0

  constructor(maxPending: number, maxPendingBytes: number) {
    this.#maxPending = maxPending
    this.#maxPendingBytes = maxPendingBytes
  }

  /** Counts what is added or, negative, removed. Over a limit it throws `TOO_MANY_PENDING`, and nothing is counted. */
  admit(count: number, bytes: number): void {
    if (count > 0 && this.#count + count > this.#maxPending) {
      throw tooMany(`${this.#count} writes wait, and maxPending is ${this.#maxPending}`)
    }
    if (bytes > 0 && this.#bytes + bytes > this.#maxPendingBytes) {
      throw tooMany(`${this.#bytes} bytes of writes wait, and maxPendingBytes is ${this.#maxPendingBytes}`)
    }
    this.#count += count
    this.#bytes += bytes
  }
}

export class WaitingWrites {
  readonly #limits: PendingLimits
  #queue: Pending[] = []
  /** While the link is down: the waiting set of each key that a newer write of the key replaces. */
  #replaceable: Map<string, Pending> | null

  constructor(limits: PendingLimits, isLinkUp: boolean) {
    this.#limits = limits
    this.#replaceable = isLinkUp ? null : new Map()
  }

  get length(): number {
    return this.#queue.length
  }

  /** Queues a write, or lets it replace one that was never sent: its callers then settle with the newer write. */
  add(pending: Pending): void {
    const { write, bytes } = pending
    const replaceable = this.#replaceable
    if (replaceable === null) this.#limits.admit(1, bytes)
    else if (write.kind === 'clear') this.#replaceAll(pending, replaceable)
    else if (write.kind === 'transaction') {
      this.#limits.admit(1, bytes)
      for (const { key } of write.writes) replaceable.delete(key)
    } else if (this.#replaceOne(pending, write, replaceable)) return
    this.#queue.push(pending)
  }

  /** The link is down: from now on only the newest set of each key waits. */
  linkDown(): void {
    if (this.#replaceable !== null) return
    this.#replaceable = new Map()
    for (const pending of this.takeAll()) this.add(pending)
  }

  linkUp(): void {
    this.#replaceable = null
  }

  /** Takes what goes into the next batch. */
  take(): Pending[] {
    let count = 0
    let bytes = 0
    for (const pending of this.#queue) {
      const isAlone = pending.write.kind === 'clear' || pending.write.kind === 'transaction'
      bytes += pending.bytes
      if (count > 0 && (isAlone || count === batchLimit || bytes > batchBytesLimit)) break
      count++
      if (isAlone) break
    }
    return this.#taken(this.#queue.splice(0, count))
  }

  takeAll(): Pending[] {
    const queue = this.#queue
    this.#queue = []
    this.#replaceable?.clear()
    return this.#taken(queue)
  }

  /** Removes those for which nobody waits any more. */
  removeIf(isOver: (pending: Pending) => boolean): void {
    const over = new Set(this.#queue.filter(isOver))
    if (over.size === 0) return
    this.#queue = this.#queue.filter((pending) => !over.has(pending))
    this.#taken([...over])
    for (const [key, pending] of this.#replaceable ?? []) if (over.has(pending)) this.#replaceable?.delete(key)
  }

  /** Returns whether the write took the place of an older one of its key. */
  #replaceOne(pending: Pending, write: KeyWrite, replaceable: Map<string, Pending>): boolean {
    const isPlain = !('if' in write)
    // A set that keeps the ttl depends on the set before it.
    const isWhole = isPlain && !(write.kind === 'set' && write.ttlMs === 'keep')
    const older = isWhole ? replaceable.get(write.key) : undefined
    if (older === undefined) this.#limits.admit(1, pending.bytes)
    else this.#limits.admit(0, pending.bytes - older.bytes)
    // A delete tells whether it found something, and a condition whether it held: nothing replaces these, nor passes them.
    if (write.kind !== 'set' || !isPlain) replaceable.delete(write.key)
    else if (older === undefined) replaceable.set(write.key, pending)
    if (older === undefined) return false
    older.write = write
    older.bytes = pending.bytes
    older.callers.push(...pending.callers)
    return true
  }

  /** A clear replaces all waiting sets. Deletes and conditional writes stay before it. */
  #replaceAll(clear: Pending, replaceable: Map<string, Pending>): void {
    const replaced = new Set(replaceable.values())
    let bytes = 0
    for (const each of replaced) bytes += each.bytes
    this.#limits.admit(1 - replaced.size, clear.bytes - bytes)
    replaceable.clear()
    this.#queue = this.#queue.filter((each) => !replaced.has(each))
    clear.callers = [...replaced].flatMap((each) => each.callers).concat(clear.callers)
  }

  #taken(pendings: Pending[]): Pending[] {
    for (const { bytes } of pendings) this.#limits.admit(-1, -bytes)
    return pendings
  }
}

const tooMany = (message: string) => new MemisError('TOO_MANY_PENDING', message, { stored: 'no' })
