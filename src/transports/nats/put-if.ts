/** The one way of writing on condition: read the last message of a subject, decide, publish over exactly that one, or again. */
import { disconnected } from '../../core/errors'
import { compare, epochAt } from '../../core/history'
import type { Condition, Entry, Revision } from '../../core/transport'
import type { Bucket, StreamState } from './bucket'
import { entryOf, header, type Stored } from './decode'
import { type Names, subjectOf } from './names'
import type { HeaderList } from './wire'

/** Where something is written: a collection in a stream, as it is known to be. */
export interface Scope {
  readonly bucket: Bucket
  readonly names: Names
  readonly state: StreamState
}

/** What to do about the last message of a subject. */
export type Decision<R> =
  | { readonly result: R }
  | {
      readonly text: string
      readonly headers: HeaderList
      /** What it means that the message was accepted, under this number. */
      accepted(n: number): R
    }

/** So often a write is tried while others write to the same key. */
const mostTries = 100

/** `guess`: what the last message probably is, to save reading it. */
export async function putIf<R>(
  { bucket, names }: Scope,
  key: string,
  decide: (last: Stored | null) => Decision<R>,
  guess?: null,
): Promise<R> {
  const subject = subjectOf(names, key)
  let last = guess === undefined ? await bucket.readLast(subject) : guess
  for (let tries = 0; tries < mostTries; tries++) {
    const decision = decide(last)
    if ('result' in decision) return decision.result
    const n = await bucket.publish(subject, decision.text, [...decision.headers, expect(last)])
    if (n !== null) return decision.accepted(n)
    last = await bucket.readLast(subject)
  }
  throw disconnected('others write to this key all the time')
}

export const expect = (last: Stored | null) => [header.expected, String(last?.n ?? 0)] as const

/** The revision of what is written at a place. */
export const placeAt = ({ state }: Scope, n: number): Revision => ({ epoch: epochAt(state.history, n), n })

export const entryAt = ({ state, bucket }: Scope, key: string, last: Stored | null): Entry | null =>
  last === null ? null : entryOf(key, last, state, bucket.now())

/** What is no item is as if it was not there. */
export const isItem = (entry: Entry | null): entry is Entry =>
  entry !== null && typeof entry.item === 'object' && entry.item !== null && !Array.isArray(entry.item)

export const holds = (condition: Condition, entry: Entry | null): boolean =>
  condition === null ? !isItem(entry) : isItem(entry) && compare(condition, entry) === 0
