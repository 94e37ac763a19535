/** A batch in flight: sets go out at once; what has to know what is there, or follows another write of its key, waits. */
import type { MemisError } from '../../core/errors'
import { currentEpoch, epochAt } from '../../core/history'
import type { Accepted, Entry, KeyWrite, Outcome, Write } from '../../core/transport'
import { type Attempt, idOf } from './attempts'
import { lacking, tombstoneHeaders, ttlHeaders } from './config'
import { header } from './decode'
import { isYoung } from './epochs'
import { subjectOf } from './names'
import { type Decision, entryAt, holds, isItem, putIf, type Scope } from './put-if'
import { lastingSubject } from './trail'
import type { Answer, Waiter } from './wire'

export type SetWrite = Extract<Write, { kind: 'set' }>

/** Writes of one key that are published as one message: sets in a row, of which the last counts. */
interface Step {
  readonly number: number
  readonly indexes: number[]
  /** What is next for this key, once this is confirmed. */
  next?: Step
}

export interface FlightOptions {
  readonly scope: Scope
  readonly attempt: Attempt
  /** @throws MemisError if the batch was abandoned, and a later one of its writer is in flight */
  readonly checkLast: () => void
}

export class Flight implements Waiter {
  readonly #options: FlightOptions
  readonly #writes: readonly KeyWrite[]
  readonly #steps: Step[] = []
  #left = 0
  /** Why the outcome of some writes is unknown. */
  #error: MemisError | null = null
  #settled: () => void = () => {}
  /** The last message that was accepted. */
  #last: { n: number; i: number } | null = null
  readonly #head: number

  constructor(options: FlightOptions) {
    this.#options = options
    this.#writes = options.attempt.batch.writes as readonly KeyWrite[]
    this.#head = options.scope.state.trail.highest
  }

  /** Resolves once all outcomes are known; rejects if some are not, once no answer is awaited any more. */
  async run(): Promise<void> {
    const first = this.#plan()
    this.#left = this.#steps.length
    if (this.#left > 0) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve
        for (const step of first) this.#start(step)
      })
    }
    if (this.#last !== null) {
      const { n, i } = this.#last
      const { state, names } = this.#options.scope
      const subject = subjectOf(names, (this.#writes[i] as KeyWrite).key)
      state.trail.add({ n, id: this.#idOf(i), subject: lastingSubject(subject, this.#ttlOf(i), state) })
    }
    if (this.#error !== null) throw this.#error
  }

  answered(answer: Answer, s: number): void {
    const step = this.#steps[s] as Step
    const { bucket } = this.#options.scope
    const i = step.indexes.at(-1) as number
    try {
      const n = bucket.accepted(answer)
      const ttlMs = this.#ttlOf(i)
      if (answer.duplicate === true && ttlMs < Infinity) return void this.#acceptedBefore(step, i, n)
      if (answer.duplicate !== true) {
        if (n <= this.#head) throw bucket.changed()
        if (n > (this.#last?.n ?? 0)) this.#last = { n, i }
      }
      this.#settle(step, this.#accepted(n, false, ttlMs < Infinity ? ttlMs : undefined, i))
    } catch (error) {
      this.#fail(step, error as MemisError)
    }
  }

  /** The ttl of a message that was accepted before counts from then. */
  async #acceptedBefore(step: Step, i: number, n: number): Promise<void> {
    const { bucket } = this.#options.scope
    try {
      const message = await bucket.read({ seq: n })
      // If it is gone, something newer will be told.
      const age = message === undefined ? 0 : bucket.ageOf(Date.parse(message.time))
      this.#settle(step, this.#accepted(n, false, this.#ttlOf(i) - age, i))
    } catch (error) {
      this.#fail(step, error as MemisError)
    }
  }

  #ttlOf(i: number): number {
    const { ttlMs } = this.#writes[i] as SetWrite
    return Math.min(typeof ttlMs === 'number' ? ttlMs : Infinity, this.#options.scope.state.maxAge)
  }

  failed(error: MemisError, s: number): void {
    this.#fail(this.#steps[s] as Step, error)
  }

  /** Makes the steps. Returns the first one of each key. */
  #plan(): Step[] {
    const { outcomes } = this.#options.attempt
    const first: Step[] = []
    const lastOf = new Map<string, Step>()
    for (const [i, write] of this.#writes.entries()) {
      if (outcomes[i] !== undefined) continue
      const last = lastOf.get(write.key)
      if (last !== undefined && isPlainSet(write) && isPlainSet(this.#writes[last.indexes.at(-1) as number])) {
        last.indexes.push(i)
        continue
      }
      const step = { indexes: [i], number: this.#steps.length }
      this.#steps.push(step)
      lastOf.set(write.key, step)
      if (last === undefined) first.push(step)
      else last.next = step
    }
    return first
  }

  #start(step: Step): void {
    const { scope, attempt, checkLast } = this.#options
    const i = step.indexes.at(-1) as number
    const write = this.#writes[i] as KeyWrite
    try {
      checkLast()
      attempt.sentAt ??= scope.bucket.context.clock.now()
      if (!isPlainSet(write)) {
        this.#decide(write, i).then(
          (outcome) => this.#settle(step, outcome),
          (error) => this.#fail(step, error),
        )
        return
      }
      const { text, headers } = messageOf(scope, write, null)
      const all = [[header.id, this.#idOf(i)] as const, ...headers]
      scope.bucket.wire.send(subjectOf(scope.names, write.key), text, all, this, step.number)
    } catch (error) {
      this.#fail(step, error as MemisError)
    }
  }

  /** Deletes, and writes with a condition. */
  async #decide(write: KeyWrite, i: number): Promise<Outcome> {
    const { scope, attempt, checkLast } = this.#options
    const id = this.#idOf(i)
    const existed = attempt.tried.get(i)
    if (existed !== undefined) {
      const n = await scope.bucket.known(subjectOf(scope.names, write.key), id)
      if (n !== undefined) return this.#accepted(n, existed)
    }
    return putIf(scope, write.key, (last): Decision<Outcome> => {
      const current = entryAt(scope, write.key, last)
      if (last?.facts.id === id) {
        // It was accepted before.
        const existed = write.kind === 'delete' && last.facts.found
        return { result: this.#accepted(last.n, existed, current?.leftMs ?? undefined, i) }
      }
      if (write.if !== undefined && !holds(write.if, current)) return { result: { conflict: current } }
      const gone = knownGone(scope, write, current)
      if (gone !== undefined) return { result: gone }
      checkLast()
      const { text, headers, leftMs } = messageOf(scope, write, current)
      const existed = isItem(current)
      attempt.tried.set(i, existed)
      const accepted = (n: number) => this.#accepted(n, existed, leftMs, i)
      return { text, headers: [[header.id, id], ...headers], accepted }
    })
  }

  #accepted(n: number, existed: boolean, leftMs?: number, i = 0): Accepted {
    const { scope, attempt } = this.#options
    if (leftMs !== undefined) attempt.expires(i, scope.bucket.context.clock.now() + leftMs)
    return { epoch: epochAt(scope.state.history, n), n, existed }
  }

  #settle(step: Step, outcome: Outcome): void {
    const { outcomes } = this.#options.attempt
    const last = step.indexes.pop() as number
    outcomes[last] = outcome
    // Sets that were never published count as accepted just before the one that replaced them.
    for (const i of step.indexes) outcomes[i] = 'n' in outcome ? this.#accepted(outcome.n - 1, false) : outcome
    if (step.next !== undefined) this.#start(step.next)
    this.#leave()
  }

  /**
   * A refusal is the one write's: the set before it may be accepted. If the outcome is unknown, the whole batch is sent again, but
   * not while others of it are in flight.
   */
  #fail(step: Step, error: MemisError): void {
    if (error.code !== 'DISCONNECTED') {
      const last = step.indexes.length === 1 ? undefined : step.indexes.pop()
      if (last === undefined) return this.#settle(step, { error })
      this.#options.attempt.outcomes[last] = { error }
      return this.#start(step)
    }
    // If one of them may be stored, nobody can say that nothing is.
    if (error.stored !== 'no') this.#error = error
    this.#error ??= error
    for (let each: Step | undefined = step; each !== undefined; each = each.next) this.#leave()
  }

  #leave(): void {
    if (--this.#left === 0) this.#settled()
  }

  #idOf(i: number): string {
    return idOf(this.#options.attempt, i)
  }
}

/** Needs no look at what is there. */
export const isPlainSet = (write: KeyWrite | undefined): write is SetWrite =>
  write?.kind === 'set' && write.if === undefined && write.ttlMs !== 'keep'

/** @throws MemisError if the bucket's items cannot expire */
function checkTtl({ state, names, bucket }: Scope, ttlMs: number | null): void {
  if (ttlMs === null || state.expires) return
  // Somebody may follow the advice.
  bucket.forget()
  throw lacking(names, 'a ttl', 'allow_msg_ttl', '--allow-msg-ttl --subject-del-markers-ttl 10m')
}

/** The message that makes a write. `current`: what is there. */
export function messageOf(scope: Scope, write: KeyWrite, current: Entry | null) {
  const { state, bucket } = scope
  if (write.kind === 'set') {
    const kept = isItem(current) ? current.leftMs : null
    const ttlMs = write.ttlMs === 'keep' ? kept : write.ttlMs
    checkTtl(scope, ttlMs)
    return {
      text: write.item.json,
      headers: ttlHeaders(ttlMs, state, isYoung(state.history, bucket.now())),
      leftMs: ttlMs ?? undefined,
    }
  }
  const found = isItem(current) ? [] : [[header.gone, 'nothing'] as const]
  return { text: '', headers: [...tombstoneHeaders(state), ...found], leftMs: undefined }
}

/**
 * The answer to a delete of what this epoch knows to be gone. Otherwise a tombstone is left, even if nothing was found: after a loss, a
 * replica may be about to merge the item, even over a tombstone that was merged itself.
 */
function knownGone({ state }: Scope, write: KeyWrite, current: Entry | null): Outcome | undefined {
  if (write.kind !== 'delete' || current?.cause === undefined) return undefined
  const { epoch, n, cause } = current
  return epoch === currentEpoch(state.history).id ? { epoch, n, existed: false, cause } : undefined
}
