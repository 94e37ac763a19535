/** Atomic batches, of NATS 2.12 and newer: the stream accepts all messages, or none. */
import { disconnected } from '../../core/errors'
import type { KeyWrite, Outcome } from '../../core/transport'
import { idOf } from './attempts'
import { briefHeaders, lacking } from './config'
import { header, type Stored } from './decode'
import { code, isOvertaken } from './errors'
import { type FlightOptions, isPlainSet, messageOf } from './flight'
import { subjectOf } from './names'
import { entryAt, expect, holds, isItem, placeAt } from './put-if'
import type { Answer, HeaderList } from './wire'

/** So often a batch is tried while others write to the same keys. */
const mostTries = 100

/** A message of a batch. */
interface Part {
  /** The index of its write. */
  readonly i: number
  readonly id: string
  readonly subject: string
  readonly text: string
  readonly headers: HeaderList
  readonly last: Stored | null
  readonly existed: boolean
  readonly leftMs: number | undefined
}

export async function writeAtomic(options: FlightOptions): Promise<readonly Outcome[]> {
  const { scope, attempt, checkLast } = options
  const { bucket, names, state } = scope
  const writes = attempt.batch.writes as readonly KeyWrite[]
  for (let tries = 0; tries < mostTries; tries++) {
    const parts = await readParts(options)
    const acceptedAt = await findAccepted(options, parts)
    if (acceptedAt !== undefined) return outcomesOf(options, parts, acceptedAt)
    const conflicts = new Map<number, Outcome>()
    for (const { i, last } of parts) {
      const { key, if: condition } = writes[i] as KeyWrite
      const current = entryAt(scope, key, last)
      if (condition !== undefined && !holds(condition, current)) conflicts.set(i, { conflict: current })
    }
    if (conflicts.size > 0) return writes.map((_, i) => conflicts.get(i) ?? { aborted: true })
    if (writes.every(({ kind }) => kind === 'check')) return outcomesOf(options, parts, state.trail.highest)
    if (!state.isAtomic) throw lacking(names, 'an atomic batch', 'allow_atomic (of NATS 2.12)', '--allow-batch')
    checkLast()
    attempt.sentAt ??= bucket.context.clock.now()
    attempt.tried.set(0, true)
    const n = await publish(options, parts)
    if (n !== null) return outcomesOf(options, parts, n)
  }
  throw disconnected('others write to these keys all the time')
}

/** The messages of the batch, over what is there now. Those of checks come first. */
async function readParts({ scope, attempt }: FlightOptions): Promise<Part[]> {
  const { bucket, names, state } = scope
  const writes = attempt.batch.writes as readonly KeyWrite[]
  const parts = await Promise.all(
    writes.map(async (write, i): Promise<Part> => {
      const isPlain = isPlainSet(write)
      const subject = subjectOf(names, write.key)
      const last = isPlain ? null : await bucket.readLast(subject)
      const current = entryAt(scope, write.key, last)
      const base = { i, id: idOf(attempt, i), last, existed: isItem(current), leftMs: undefined }
      if (write.kind !== 'check') {
        const { headers, ...message } = messageOf(scope, write, current)
        return { ...base, subject, ...message, headers: isPlain ? headers : [...headers, expect(last)] }
      }
      // The condition of a key that is not written travels with a message of no key.
      const headers = [expect(last), [header.expectedSubject, subject], ...briefHeaders(state)] as const
      return { ...base, subject: names.checked, text: '', headers }
    }),
  )
  const isCheck = ({ i }: Part) => writes[i]?.kind === 'check'
  return [...parts.filter(isCheck), ...parts.filter((part) => !isCheck(part))]
}

/** The number of the last message, if the batch was accepted before. */
async function findAccepted({ scope, attempt }: FlightOptions, parts: readonly Part[]): Promise<number | undefined> {
  for (const [p, { id, last }] of parts.entries()) {
    if (last !== null && last.facts.id === id) return last.n + parts.length - 1 - p
  }
  const { subject, id } = parts.at(-1) as Part
  return attempt.tried.has(0) ? scope.bucket.known(subject, id) : undefined
}

/** Resolves to the number of the last message; null if a key is not as it was any more, or the batch was accepted before. */
async function publish({ scope }: FlightOptions, parts: readonly Part[]): Promise<number | null> {
  const { bucket } = scope
  const batchId = crypto.randomUUID()
  const answers = await Promise.all(
    parts.map(({ id, subject, text, headers }, p): Promise<Answer> => {
      const position = [header.batchSequence, String(p + 1)] as const
      const size = [header.batchSize, String(parts.length)] as const
      const commit = p === parts.length - 1 ? [[header.batchCommit, '1'] as const] : []
      const all = [[header.id, id] as const, [header.batchId, batchId] as const, position, size, ...commit, ...headers]
      return bucket.wire.publish(subject, text, all)
    }),
  )
  // The last answer may say only that the batch is incomplete.
  const refused = answers.find(({ error }) => error !== undefined) ?? answers.at(-1)
  if (isOvertaken(refused?.error) || refused?.error?.err_code === code.duplicateInBatch) return null
  return bucket.accepted(refused as Answer)
}

function outcomesOf({ scope, attempt }: FlightOptions, parts: readonly Part[], n: number): readonly Outcome[] {
  const now = scope.bucket.context.clock.now()
  for (const [p, { i, existed, leftMs, last }] of parts.entries()) {
    const write = attempt.batch.writes[i] as KeyWrite
    const place = placeAt(scope, n - parts.length + 1 + p)
    const checked =
      write.kind === 'check' && isItem(entryAt(scope, write.key, last)) ? entryAt(scope, write.key, last) : null
    const { epoch, n: number } = checked ?? place
    attempt.outcomes[i] = { epoch, n: number, existed }
    if (leftMs !== undefined) attempt.expires(i, now + leftMs)
  }
  return attempt.outcomes as Outcome[]
}
