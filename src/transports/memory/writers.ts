/** The last answer to each writer: recognises a repeated batch, and refuses an older one. No I/O. */
import { type Batch, MemisError, type Outcome, type Write } from '../../transport-kit'

interface Answer {
  readonly sequence: number
  readonly outcomes: readonly Outcome[]
  readonly at: number
}

/** In the order of time. */
export type Answers = ReadonlyMap<string, Answer>

/** A writer that was silent for an hour is forgotten, unless writes may be retried for longer (ms). */
const shortestMemory = 3_600_000

export class Writers {
  readonly #answers: Map<string, Answer>

  constructor(answers: Answers = new Map()) {
    this.#answers = new Map(answers)
  }

  get answers(): Answers {
    return this.#answers
  }

  /**
   * The answer to this batch, if it was accepted before.
   * @throws MemisError if a later batch was accepted before
   */
  repeated({ writer, sequence, writes }: Batch, now: number): readonly Outcome[] | undefined {
    const answer = this.#answers.get(writer)
    if (answer === undefined || answer.sequence < sequence) return undefined
    if (answer.sequence === sequence) {
      const age = now - answer.at
      return answer.outcomes.map((outcome, i) => aged(outcome, writes[i] as Write, age))
    }
    throw new MemisError('STORE_REFUSED', 'a later batch of this writer was accepted before', { stored: 'no' })
  }

  accepted({ writer, sequence }: Batch, outcomes: readonly Outcome[], now: number, writeTimeout: number): void {
    this.#answers.delete(writer)
    this.#answers.set(writer, { sequence, outcomes, at: now })
    const memory = Math.max(shortestMemory, 2 * writeTimeout)
    for (const [oldest, { at }] of this.#answers) {
      if (at > now - memory) break
      this.#answers.delete(oldest)
    }
  }
}

/** What was answered some time ago, with the time that is left now. */
function aged(outcome: Outcome, write: Write, age: number): Outcome {
  const less = (leftMs: number) => Math.max(0, leftMs - age)
  if ('conflict' in outcome) {
    const { conflict } = outcome
    if (conflict === null || conflict.leftMs === null) return outcome
    return { conflict: { ...conflict, leftMs: less(conflict.leftMs) } }
  }
  if (write.kind !== 'set' || !('n' in outcome)) return outcome
  const leftMs = outcome.leftMs === undefined ? write.ttlMs : outcome.leftMs
  return typeof leftMs === 'number' ? { ...outcome, leftMs: less(leftMs) } : outcome
}
