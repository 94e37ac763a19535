/** The last batch of each writer: what became of it by whatever attempt, and which sequences are too low. No I/O. */
import { createHash } from 'node:crypto'
import { MemisError } from '../../core/errors'
import { contains } from '../../core/history'
import type { Batch, Epoch, Outcome, Revision } from '../../core/transport'

export class Attempt {
  readonly batch: Batch
  /** The beginning of the ids of its messages. */
  readonly id: string
  /** Ids of messages of former batches, which nobody waits for and which may still be on their way. */
  abandoned: readonly string[]
  /** What became of each write; undefined if nobody knows. */
  readonly outcomes: (Outcome | undefined)[]
  /** Writes on condition that may have been accepted: whether an item was there. */
  readonly tried = new Map<number, boolean>()
  /** The place of the mark of a clear. */
  cleared: Revision | undefined
  /** When the first message was sent; null if none was. */
  sentAt: number | null = null
  /** Of accepted items that expire: when (the clock's time). */
  readonly #deadlines = new Map<number, number>()

  constructor(writer: string, batch: Batch, before?: Attempt) {
    this.batch = batch
    this.id = messageId(writer, batch.sequence)
    this.outcomes = new Array(batch.writes.length)
    this.abandoned = before === undefined ? [] : [...before.abandoned, ...before.#open]
  }

  /** Ids of messages that were sent, as far as nobody knows what became of them. */
  get #open(): string[] {
    if (this.sentAt === null) return []
    return [...this.outcomes].flatMap((outcome, i) => (outcome === undefined ? [idOf(this, i)] : []))
  }

  get isSettled(): boolean {
    return !this.outcomes.includes(undefined)
  }

  get isPartlyStored(): boolean {
    return this.cleared !== undefined || this.outcomes.some((outcome) => outcome !== undefined && 'n' in outcome)
  }

  /**
   * What was accepted by a history that the store has lost is to be written again. But not if another write of the batch follows on
   * that key: it may have been accepted since, and must stay the last.
   */
  begin(history: readonly Epoch[]): void {
    const lastOf = new Map(this.batch.writes.map((write, i) => ['key' in write ? write.key : '', i]))
    for (const i of lastOf.values()) {
      const outcome = this.outcomes[i]
      if (outcome !== undefined && 'n' in outcome && !contains(history, outcome)) this.outcomes[i] = undefined
    }
    if (this.cleared !== undefined && !contains(history, this.cleared)) this.cleared = undefined
  }

  expires(i: number, deadline: number): void {
    this.#deadlines.set(i, deadline)
  }

  /** The outcomes of a settled batch; items that expire with the time that is left by now. */
  result(now: number): readonly Outcome[] {
    const outcomes = this.outcomes as Outcome[]
    if (this.#deadlines.size === 0) return outcomes
    return outcomes.map((outcome, i) => {
      const deadline = this.#deadlines.get(i)
      return deadline === undefined || !('n' in outcome) ? outcome : { ...outcome, leftMs: deadline - now }
    })
  }
}

/** The id of the message that makes a write of the batch. */
export const idOf = ({ id }: Attempt, i: number): string => `${id}.${i}`

/**
 * Short, since the stream stores it with each message. Everybody who reads can see the ids of former batches, and must not be able to use up
 * the next one: the stream would take the write for a duplicate.
 */
const messageId = (writer: string, sequence: number): string =>
  createHash('sha256').update(`${writer} ${sequence}`).digest('base64url').slice(0, 16)

export class Attempts {
  /** Writers that are silent for long are forgotten, in two generations. */
  #young = new Map<string, Attempt>()
  #old = new Map<string, Attempt>()
  #rotatedAt: number
  /** How long a batch may be repeated (ms). */
  readonly memory: number

  constructor(memory: number, now: number) {
    this.memory = memory
    this.#rotatedAt = now
  }

  /** @throws MemisError `STORE_REFUSED` if the writer has sent a later batch */
  begin(writer: string, batch: Batch): Attempt {
    const last = this.#last(writer)
    if (last !== undefined && last.batch.sequence > batch.sequence) {
      throw new MemisError('STORE_REFUSED', 'a later batch of this writer was sent', { stored: 'no' })
    }
    const attempt = last?.batch.sequence === batch.sequence ? last : new Attempt(writer, batch, last)
    this.#young.set(writer, attempt)
    return attempt
  }

  /** Whether a later batch of the writer is in flight: then this one was abandoned, and must not overwrite it. */
  isAbandoned(writer: string, attempt: Attempt): boolean {
    const last = this.#last(writer)
    return last !== attempt && last?.sentAt !== null
  }

  forgetOld(now: number): void {
    if (now - this.#rotatedAt < this.memory) return
    this.#rotatedAt = now
    this.#old = this.#young
    this.#young = new Map()
  }

  #last(writer: string): Attempt | undefined {
    return this.#young.get(writer) ?? this.#old.get(writer)
  }
}
