/** Puts back what the stream lost and replicas hold, where nothing newer is there. */
import { decodeRevision, encodeRevision, precedes } from '../../core/epochs'
import type { MemisError } from '../../core/errors'
import type { Batch, KeyWrite, Outcome, Restores } from '../../core/transport'
import { type BucketState, epochOf } from './bucket'
import { header } from './decode'
import { contended, type Messages, mostTries, withTtl } from './messages'
import { type Names, subjectOf } from './names'
import { Headers } from './publisher'

/** Puts back what was lost, but not after a clear. */
export async function restoreAll(
  messages: Messages,
  names: Names,
  { writes }: Batch,
  state: BucketState,
): Promise<Outcome[]> {
  const clearedAt = async () => (await messages.read(names.cleared))?.n ?? 0
  // Each has its own number up to which the histories are one.
  const isBarred = (write: KeyWrite, cleared: number) => cleared > (write.restores as Restores).floor
  const before = await clearedAt()
  const outcomes = await Promise.all(
    (writes as readonly KeyWrite[]).map((write): Outcome | Promise<Outcome> => {
      if (epochOf(state) !== write.restores?.epoch || isBarred(write, before)) return { refused: true, asOf: before }
      return restore(messages, names, write, state).catch(outcomeOf)
    }),
  )
  const after = await clearedAt()
  if (after === before) return outcomes
  // A clear came in between, and did not find all of it.
  return Promise.all(
    (writes as readonly KeyWrite[]).map(async (write, i): Promise<Outcome> => {
      const outcome = outcomes[i] as Outcome
      if (!('n' in outcome) || !isBarred(write, after)) return outcome
      const mark = new Headers().with(header.expected, outcome.n)
      const ack = await messages.publishMark(subjectOf(names, write.key), mark, state)
      return { refused: true, asOf: ack?.seq ?? outcome.n }
    }),
  )
}

async function restore(messages: Messages, names: Names, write: KeyWrite, state: BucketState): Promise<Outcome> {
  const { origin, floor } = write.restores as Restores
  const subject = subjectOf(names, write.key)
  let expected = 0
  for (let tries = 0; tries < mostTries; tries++) {
    const headers = new Headers().with(header.origin, encodeRevision(origin)).with(header.expected, expected)
    const ack =
      write.kind === 'set'
        ? await messages.publish(subject, write.item.json, withTtl(write, headers, state))
        : await messages.publishMark(subject, headers, state)
    if (ack !== null) return { n: ack.seq, existed: false }
    const stored = await messages.read(subject)
    const other = decodeRevision(stored?.origin ?? '')
    const isOlder = stored === undefined || stored.n <= floor || (other !== undefined && precedes(other, origin))
    if (!isOlder) return { refused: true, asOf: stored.n }
    expected = stored?.n ?? 0
  }
  throw contended()
}

/** A refusal is the one write's. Where nobody knows what became of it, the whole batch is given again. */
function outcomeOf(error: MemisError): Outcome {
  if (error.code === 'DISCONNECTED') throw error
  return { error }
}
