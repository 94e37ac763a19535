/** The batches of each writer that are under way or go again, and what the stream has confirmed of them in whatever try. No I/O. */
import type { Batch, Outcome, Written } from '../../core/transport'
import type { Stored } from './messages'

export class Attempt {
  readonly batch: Batch
  /** What came of each write; undefined where nobody knows. */
  readonly outcomes: (Outcome | undefined)[]
  /** The epoch in which they count. */
  epoch = ''
  /** When it was handed over (performance.now()), and the server that was connected then; undefined in a cluster. */
  readonly since = performance.now()
  readonly server: string | undefined
  /** What each delete found, and was to lie over, once it may have been taken. */
  readonly found = new Map<number, Stored>()
  /** What came of it when it was handed over first. */
  taking!: Promise<Written>
  /** Resolves once its messages have gone out. */
  readonly published: Promise<void>
  /** They have. */
  publish!: () => void
  isDone = false
  /** Of those with a ttl, when they are due (performance.now()): the time that they have left counts from when they were confirmed. */
  readonly #deadlines = new Map<number, number>()

  constructor(batch: Batch, server: string | undefined) {
    this.batch = batch
    this.server = server
    this.outcomes = new Array(batch.writes.length)
    this.published = new Promise((resolve) => {
      this.publish = resolve
    })
  }

  /** What came of it in an epoch that is no more has to be asked for again. */
  begin(epoch: string): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.outcomes.fill(undefined)
    this.found.clear()
  }

  /** A write with a ttl is confirmed, and has so many ms left. */
  timed(i: number, leftMs: number): void {
    this.#deadlines.set(i, performance.now() + leftMs)
  }

  /** What came of a write: of one that was confirmed, with the time that it has left by now. */
  outcome(i: number): Outcome | undefined {
    const outcome = this.outcomes[i]
    const deadline = this.#deadlines.get(i)
    if (deadline === undefined || outcome === undefined || !('n' in outcome)) return outcome
    return { ...outcome, leftMs: deadline - performance.now() }
  }
}

/** What is known of a writer. */
interface Begun {
  /** The highest sequence that was handed over. */
  newest: number
  /** Batches before this one were given up, and begin nothing more. */
  oldest: number
  /** In their order: what has not settled, and what follows that. */
  attempts: Attempt[]
}

export interface Try {
  readonly attempt: Attempt
  readonly isGivenAgain: boolean
  /** The one that it follows. */
  readonly before: Attempt | undefined
  /** The one that follows it. */
  readonly after: Attempt | undefined
}

export class Attempts {
  readonly #writers = new Map<string, Begun>()

  begin(batch: Batch, server: string | undefined): Try {
    const { writer, sequence, follows } = batch
    const begun = this.#writers.get(writer) ?? { newest: 0, oldest: 0, attempts: [] }
    const isGivenAgain = begun.newest >= sequence
    begun.newest = Math.max(begun.newest, sequence)
    begun.oldest = Math.max(begun.oldest, follows ?? sequence)
    const kept = begun.attempts.filter((each) => each.batch.sequence >= begun.oldest)
    const attempt = kept.find((each) => each.batch.sequence === sequence) ?? new Attempt(batch, server)
    begun.attempts = [...kept.filter((each) => each !== attempt), attempt].sort(inOrder)
    this.#writers.set(writer, begun)
    const before = follows === undefined ? undefined : kept.find((each) => each.batch.sequence === follows)
    return { attempt, isGivenAgain, before, after: kept.find((each) => each.batch.follows === sequence) }
  }

  /** Whether what it follows was never handed over. */
  isAhead({ writer, follows = 0 }: Batch): boolean {
    return follows > (this.#writers.get(writer)?.newest ?? 0)
  }

  /** What takes more than one message may find that its batch was given up meanwhile, and a newer one is under way. */
  isGivenUp({ writer, sequence }: Batch): boolean {
    return (this.#writers.get(writer)?.oldest ?? 0) > sequence
  }

  /** It has settled. What it followed may yet go again, and has to know of it. */
  done(attempt: Attempt): void {
    attempt.isDone = true
    const begun = this.#writers.get(attempt.batch.writer) as Begun
    const first = begun.attempts.findIndex(({ isDone }) => !isDone)
    begun.attempts = first === -1 ? [] : begun.attempts.slice(first)
  }
}

const inOrder = (one: Attempt, other: Attempt) => one.batch.sequence - other.batch.sequence
