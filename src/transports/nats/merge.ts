/** Puts back what the stream lost and replicas hold, unless something newer is there. */
import { compare, encodeRevision, epochAt, precedes } from '../../core/history'
import type { Entry, Merged, Revision } from '../../core/transport'
import { tombstoneHeaders, ttlHeaders } from './config'
import { header, type Stored } from './decode'
import { beganAt } from './epochs'
import { subjectOf } from './names'
import { type Decision, entryAt, expect, placeAt, putIf, type Scope } from './put-if'

export async function merge(scope: Scope, base: Revision, entries: readonly Entry[]): Promise<Merged[]> {
  const { bucket, names } = scope
  const asked = bucket.context.clock.now()
  const isForgotten = await mayHaveForgotten(scope, base)
  /** The revision of the last clear. */
  const clearedAt = async () => {
    const last = await bucket.readLast(names.cleared)
    if (last === null) return null
    const place = placeAt(scope, last.n)
    const { revision } = last.facts
    // A clear is not newer than its mark: whatever else the header says is a lie.
    return revision !== undefined && precedes(revision, place) ? revision : place
  }
  const before = await clearedAt()
  const isCleared = (entry: Entry, cleared: Revision | null) => cleared !== null && precedes(entry, cleared)
  const mergeOne = (entry: Entry): Promise<Merged> => {
    const decide = (last: Stored | null): Decision<Merged> => {
      const current = entryAt(scope, entry.key, last)
      if (isCleared(entry, before) || (current === null && isForgotten)) return { result: { current } }
      if (current !== null && compare(current, entry) === 0)
        return { result: { place: current.place ?? placeAt(scope, current.n) } }
      if (current !== null && precedes(entry, current)) return { result: { current } }
      const accepted = (n: number) => ({ place: placeAt(scope, n) })
      return { ...messageOf(scope, entry, bucket.context.clock.now() - asked), accepted }
    }
    // Most keys are lost altogether: that is tried without a look.
    return isForgotten || isCleared(entry, before)
      ? putIf(scope, entry.key, decide)
      : putIf(scope, entry.key, decide, null)
  }
  const merged = await Promise.all(entries.map(mergeOne))
  const after = await clearedAt()
  if (after === null || (before !== null && compare(before, after) === 0)) return merged
  // A clear came meanwhile, and did not find all of it.
  const remove = async (entry: Entry, outcome: Merged): Promise<Merged> => {
    if (!('place' in outcome) || !isCleared(entry, after)) return outcome
    const last = await bucket.readLast(subjectOf(names, entry.key))
    if (last?.n === outcome.place.n) {
      await bucket.publish(subjectOf(names, entry.key), '', [...tombstoneHeaders(scope.state), expect(last)])
    }
    return { current: entryAt(scope, entry.key, await bucket.readLast(subjectOf(names, entry.key))) }
  }
  return Promise.all(entries.map((entry, i) => remove(entry, merged[i] as Merged)))
}

/** The message of an entry that was handed over so many ms ago. */
function messageOf({ state }: Scope, entry: Entry, ms: number) {
  const revision = [header.revision, encodeRevision(entry)] as const
  const leftMs = entry.leftMs === null ? null : entry.leftMs - ms
  if (entry.item !== null && !(leftMs !== null && leftMs < 1)) {
    return { text: JSON.stringify(entry.item), headers: [revision, ...ttlHeaders(leftMs, state, true)] }
  }
  const isExpired = entry.item !== null || entry.cause === 'expire'
  const gone = isExpired ? [[header.gone, 'expire'] as const] : []
  return { text: '', headers: [revision, ...tombstoneHeaders(state), ...gone] }
}

/**
 * Whether tombstones that were placed after `base` may have left the stream. It keeps no record of them; but none has left if the place
 * itself, or the epoch that it belongs to, is younger than tombstones get, and none was placed after the last message.
 */
async function mayHaveForgotten({ bucket, state }: Scope, base: Revision): Promise<boolean> {
  if (base.n >= state.head) return false
  if (bucket.ageOf(beganAt(epochAt(state.history, base.n))) < state.tombstoneTtl) return false
  const message = base.n === 0 ? undefined : await bucket.read({ seq: base.n })
  return message === undefined || bucket.ageOf(Date.parse(message.time)) >= state.tombstoneTtl
}
