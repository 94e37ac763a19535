/** Judges what the store answers to a merge. */
import { compare } from '../../src/core/history'
import type { Entry, Merged } from '../../src/core/transport'
import type { News } from '../../src/transports/memory/store'
import { type Ledger, noGroup, type Taken } from './ledger'
import type { Item } from './operations'
import { longRetention } from './settings'
import type { World } from './world'

export interface MergeResult {
  merged: Merged[]
  news: News | undefined
}

type Problem = readonly [invariant: string, detail: string]

/** Notes what was put back. `before`: what the store knew of the key. Returns what is wrong with the answer, if anything. */
export function judgeMerge(
  ledger: Ledger,
  { time, settings }: World,
  entry: Entry,
  answer: Merged,
  before: Taken | undefined,
): Problem | null {
  const { lineage, cleared } = ledger
  const { key, epoch, n, item, leftMs } = entry
  const revision = { epoch, n }
  const v = item === null ? null : (item as Item).v
  const text = `${key}=${v} of ${lineage.key(revision)}`
  const offer = problemOfOffer(ledger, time.now, entry, v)
  if (offer !== null) return ['invented', `${text} is offered${offer}`]
  const goneAt = before === undefined || before.v === null ? (before?.at ?? -Infinity) : before.deadline
  const isKnown = time.now < goneAt + settings.retention
  // A merged entry keeps the name that its epoch had when it was written, even if that was renamed since: it may sort by either.
  const ages = isKnown && before !== undefined ? [lineage.compare(before.revision, revision)] : [-1]
  if (isKnown && before?.how === 'merge') ages.push(compare(before.revision, revision))
  const afterClear = cleared === null ? -1 : lineage.compare(cleared, revision)
  if ('place' in answer) {
    if (afterClear > 0) return ['restore', `${text} was put back after a clear`]
    if (ages.every((age) => age > 0)) return ['restore', `${text} was put back over ${before?.v}`]
    const { n: place } = answer.place
    const t = item === null ? 0 : (item as Item).t
    const deadline = Math.ceil(time.now + (leftMs ?? Infinity))
    ledger.note({ how: 'merge', revision, place, key, v, t, deadline, group: noGroup })
    return null
  }
  // A clear that was answered by a former id of its epoch is not older than itself.
  const mayBeRefused =
    afterClear >= 0 ||
    !(isKnown ? ages.every((age) => age < 0) : before === undefined && settings.retention > longRetention)
  return mayBeRefused ? null : ['restore', `${text} was refused: ${JSON.stringify(answer)}`]
}

/** Nothing is offered that never was so. */
function problemOfOffer(ledger: Ledger, now: number, entry: Entry, v: number | null): string | null {
  const { key, epoch, n, cause } = entry
  const revision = { epoch, n }
  const written = ledger.find(revision, key)
  if (v !== null) return written?.v === v ? null : `, but that was ${written?.v}`
  if (cause !== 'expire') return ledger.wasGone(key, revision) ? null : ' as deleted'
  const isEarly = written !== undefined && written.deadline > now + 1
  return isEarly ? ` as expired, until ${written.deadline}` : null
}
