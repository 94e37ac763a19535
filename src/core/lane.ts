/** The writes of one collection on their way to the store, in the order of the calls. */
import { MemisError, withStored } from './errors'
import type { Batch, Place, Taken, Write, Written } from './transport'
import type { Writer } from './writer'

/** Hears of each write that was taken, before its promise settles. */
export type WrittenListener = (write: Write, epoch: string, outcome: Taken) => void

/** No batch has more bytes, unless it is of one write. */
const batchBytes = 1024 * 1024

/** Somebody's call of `set`, `delete` or `clear`. */
export interface Caller {
  /** Set when it is pushed. */
  deadline: number
  taken(existed: boolean): void
  refused(error: MemisError): void
}

/** A write, and who waits for it: more than one where it took the place of older ones that were never sent. */
interface Pending {
  write: Write
  bytes: number
  callers: Caller[]
}

interface Flight {
  readonly batch: Batch
  readonly pendings: readonly Pending[]
  /** False while it waits to be sent again. */
  sent: boolean
  /** It was sent before, and had no answer, or one that passes. */
  failed: boolean
  /** An attempt may have been taken without an answer: whatever refuses the next one, it is not known. */
  uncertain: boolean
}

export class Lane {
  readonly #writer: Writer
  readonly #place: Place
  readonly #written: WrittenListener
  #queue: Pending[] = []
  /** What is under way, in the order of the calls. Of two, the second was sent while the first was, and waits where that has failed. */
  #flights: Flight[] = []
  #sequence = 0
  #scheduled = false
  #retry: unknown
  /** While the link is down: what waits, by key, for a newer write to take its place. */
  #latest: Map<string, Pending> | null = new Map()

  /** @internal by `Writer.lane` */
  constructor(writer: Writer, place: Place, written: WrittenListener) {
    this.#writer = writer
    this.#place = place
    this.#written = written
    if (writer.isUp) this.#latest = null
  }

  get busy(): boolean {
    return this.#flights.length > 0 || this.#queue.length > 0
  }

  /** Queues a write, of so many bytes; the caller hears what came of it. */
  push(write: Write, bytes: number, caller: Caller): void {
    const writer = this.#writer
    if (writer.refusal !== null) return caller.refused(withStored(writer.refusal, 'no'))
    caller.deadline = writer.deadline()
    try {
      this.#add({ write, bytes, callers: [caller] })
    } catch (error) {
      caller.refused(error as MemisError)
      if (!this.busy) writer.idle()
      return
    }
    if (this.#scheduled || !this.#mayLeave) return
    this.#scheduled = true
    // A promise job, not queueMicrotask: fake timers replace that one.
    Promise.resolve().then(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  /** The link is up. */
  resume(): void {
    this.#latest = null
    this.#proceed()
  }

  /** The link is down: from now on only the newest write of each key waits. */
  supersede(): void {
    if (this.#latest !== null) return
    this.#latest = new Map()
    const queue = this.#takeAll()
    for (const pending of queue) this.#add(pending)
  }

  /** Refuses all that waits. */
  abandon(error: MemisError): void {
    const flights = this.#flights
    this.#flights = []
    this.#stopRetry()
    const queue = this.#takeAll()
    this.#latest?.clear()
    for (const { pendings } of flights) rejectAll(pendings, withStored(error, 'unknown'))
    rejectAll(queue, withStored(error, 'no'))
    this.#writer.idle()
  }

  /** Refuses the calls whose time is over, and returns the deadline that comes next. */
  expire(now: number, writeTimeout: number): number {
    let earliest = Infinity
    const overdue = (pending: Pending, stored: 'no' | 'unknown') => {
      if (pending.callers.some((caller) => caller.deadline <= now)) {
        const message = `the write was not confirmed within writeTimeout, ${writeTimeout} ms`
        const late = pending.callers.filter((caller) => caller.deadline <= now)
        pending.callers = pending.callers.filter((caller) => caller.deadline > now)
        for (const caller of late) caller.refused(new MemisError('WRITE_TIMEOUT', message, { stored }))
      }
      for (const caller of pending.callers) earliest = Math.min(earliest, caller.deadline)
      return pending.callers.length === 0
    }
    for (const flight of this.#flights) {
      let given = true
      for (const pending of flight.pendings) given = overdue(pending, 'unknown') && given
      // Nobody waits for it any more. Newer writes have a higher sequence: the store refuses this one if it comes late.
      if (given) this.#end(flight)
    }
    const kept: Pending[] = []
    for (const pending of this.#queue) {
      if (!overdue(pending, 'no')) kept.push(pending)
      else {
        this.#writer.admit(-1, -pending.bytes)
        const { write } = pending
        if (write.kind !== 'clear' && this.#latest?.get(write.key) === pending) this.#latest.delete(write.key)
      }
    }
    this.#queue = kept
    if (this.busy) this.#proceed()
    else this.#writer.idle()
    return earliest
  }

  #add(pending: Pending): void {
    const latest = this.#latest
    const { write, bytes, callers } = pending
    if (latest === null) this.#writer.admit(1, bytes)
    else if (write.kind === 'clear') {
      // Deletes stay in front of it: whether they find something is theirs to tell.
      const isDelete = (each: Pending) => each.write.kind === 'delete'
      const older = this.#queue.filter((each) => !isDelete(each))
      const room = older.reduce((sum, each) => sum + each.bytes, 0)
      this.#writer.admit(1 - older.length, bytes - room)
      this.#queue = this.#queue.filter(isDelete)
      latest.clear()
      pending.callers = older.flatMap((each) => each.callers).concat(callers)
    } else {
      const older = latest.get(write.key)
      if (older !== undefined) {
        this.#writer.admit(0, bytes - older.bytes)
        older.write = write
        older.bytes = bytes
        older.callers.push(...callers)
        return
      }
      this.#writer.admit(1, bytes)
      latest.set(write.key, pending)
    }
    this.#queue.push(pending)
  }

  #takeAll(): Pending[] {
    const queue = this.#queue
    this.#queue = []
    for (const pending of queue) this.#writer.admit(-1, -pending.bytes)
    return queue
  }

  /** Whether what waits may leave now, if it is enough: behind one that is under way, a full batch. */
  get #mayLeave(): boolean {
    const [first] = this.#flights
    if (first === undefined) return true
    // Nothing overtakes what is sent again, or takes more than one call; and what follows, follows the newest.
    const isNewest = first.batch.sequence === this.#sequence
    return this.#writer.pipelines && isNewest && !first.failed && first.pendings[0]?.write.kind !== 'clear'
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#writer.isUp && this.#mayLeave) {
      const isSecond = this.#flights.length > 0
      if (isSecond && (this.#queue.length < this.#writer.batchWrites || this.#queue[0]?.write.kind === 'clear')) return
      const pendings = this.#queue.splice(0, this.#batchLength())
      for (const pending of pendings) this.#writer.admit(-1, -pending.bytes)
      const batch = this.#writer.batch(
        ++this.#sequence,
        pendings.map((pending) => pending.write),
      )
      const flight = { batch, pendings, sent: false, failed: false, uncertain: false }
      this.#flights.push(flight)
      this.#send(flight)
    }
  }

  /** Sends what is to be sent: what has failed, before what waits. */
  #proceed(): void {
    const [first] = this.#flights
    if (first === undefined || first.sent) this.#flush()
    else if (this.#writer.isUp && this.#retry === undefined) this.#send(first)
  }

  #batchLength(): number {
    let count = 0
    let bytes = 0
    const { batchWrites } = this.#writer
    for (const pending of this.#queue) {
      if (pending.write.kind === 'clear') return count === 0 ? 1 : count
      bytes += pending.bytes
      if (count > 0 && (count === batchWrites || bytes > batchBytes)) return count
      count++
    }
    return count
  }

  #send(flight: Flight): void {
    const [first = flight] = this.#flights
    const { batch } = flight
    flight.sent = true
    this.#writer.send(this.#place, first === flight ? batch : { ...batch, follows: first.batch.sequence }).then(
      (written) => {
        if (this.#flights.includes(flight)) this.#settle(flight, written)
      },
      (error: MemisError) => {
        if (this.#flights.includes(flight)) this.#fail(flight, error)
      },
    )
  }

  #settle(flight: Flight, written: Written): void {
    if (!Array.isArray(written?.outcomes))
      return this.#fail(flight, new MemisError('STORE_REFUSED', 'the transport gave no answer'))
    const { epoch, outcomes } = written
    this.#end(flight)
    // First what waits: where its client sends at once, the store is not idle while its answer is told here.
    this.#proceed()
    flight.pendings.forEach((pending, i) => {
      const outcome: Partial<Taken & { error: MemisError }> | undefined = outcomes[i]
      if (typeof outcome?.n !== 'number') {
        const error = outcome?.error ?? new MemisError('STORE_REFUSED', 'the transport gave no outcome')
        rejectAll([pending], withStored(error, certainty(flight, error)))
        return
      }
      this.#written(pending.write, epoch, outcome as Taken)
      for (const caller of pending.callers) caller.taken(outcome.existed === true)
    })
    if (!this.busy) this.#writer.idle()
  }

  #fail(flight: Flight, error: MemisError): void {
    if (error.code === 'DISCONNECTED') {
      flight.sent = false
      flight.failed = true
      flight.uncertain ||= error.stored !== 'no'
      // The second goes again when the first has settled.
      if (!this.#writer.isUp || this.#flights[0] !== flight) return
      this.#stopRetry()
      this.#retry = this.#writer.later(() => {
        this.#retry = undefined
        this.#proceed()
      })
      return
    }
    this.#end(flight)
    rejectAll(flight.pendings, withStored(error, certainty(flight, error)))
    this.#proceed()
    if (!this.busy) this.#writer.idle()
  }

  /** It is under way no more; whoever is first now waits for no second try of another. */
  #end(flight: Flight): void {
    if (this.#flights[0] === flight) this.#stopRetry()
    this.#flights = this.#flights.filter((each) => each !== flight)
  }

  #stopRetry(): void {
    this.#writer.stopTimer(this.#retry)
    this.#retry = undefined
  }
}

function rejectAll(pendings: readonly Pending[], error: MemisError): void {
  for (const pending of pendings) for (const caller of pending.callers) caller.refused(error)
}

const certainty = (flight: Flight, error: MemisError) => (flight.uncertain ? 'unknown' : (error.stored ?? 'unknown'))
