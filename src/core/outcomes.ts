/** What the callers of writes are told: acceptance, a conflict, or a refusal with the word on whether the write may be stored. */
import { MemisError, withStored } from './errors'
import type { Accepted, Outcome, Write } from './transport'
import type { Pending } from './waiting-writes'
import type { WriteTarget } from './write-queue'

/** One refusal for all that it refuses: an error is expensive to make. */
export type Refusals = Readonly<Record<'no' | 'unknown', MemisError>>

export const refusalsOf = (error: MemisError): Refusals => ({
  no: withStored(error, 'no'),
  unknown: withStored(error, 'unknown'),
})

/** Settles the callers of one write, or of a transaction. */
export function settle(
  target: WriteTarget,
  pending: Pending,
  writes: readonly Write[],
  outcomes: readonly Outcome[],
  isUncertain: boolean,
): void {
  const { callers } = pending
  const failed = writes.findIndex((_, i) => !isAccepted(outcomes[i]) && !isAborted(outcomes[i]))
  const outcome = outcomes[failed]
  if (failed === -1 && outcomes.every(isAccepted)) {
    target.accepted(writes, outcomes)
    for (const caller of callers) caller.accepted(outcomes[0] as Accepted)
  } else if (has(outcome, 'conflict')) {
    const write = writes[failed]
    const key = write === undefined || write.kind === 'clear' ? undefined : write.key
    for (const caller of callers) caller.conflicted(outcome.conflict, key)
  } else {
    const missing = new MemisError('STORE_REFUSED', 'the transport gave no outcome of a write')
    refuseAll([pending], has(outcome, 'error') ? outcome.error : missing, isUncertain)
  }
}

/** Which outcome it is. A transport of the user's may give anything. */
const has = <F extends string>(
  outcome: Outcome | undefined,
  field: F,
): outcome is Extract<Outcome, Record<F, unknown>> =>
  typeof outcome === 'object' && outcome !== null && field in outcome
const isAccepted = (outcome: Outcome | undefined): outcome is Accepted => has(outcome, 'n')
const isAborted = (outcome: Outcome | undefined): boolean => has(outcome, 'aborted')

/** What an earlier attempt may have stored is never said to be not stored. */
export function refuseAll(pendings: readonly Pending[], error: unknown, isUncertain: boolean): void {
  const isCertain = !isUncertain && error instanceof MemisError && error.stored === 'no'
  const refusal = withStored(error, isCertain ? 'no' : 'unknown')
  for (const pending of pendings) for (const caller of pending.callers) caller.refused(refusal)
}
