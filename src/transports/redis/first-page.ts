/** The first part of a session: before it, the store begins an epoch if one is due. */
import type { Cursor, Epoch } from '../../core/transport'
import type { Page } from './decode'
import type { Reader } from './reader'
import type { SessionContext } from './session-context'
import { idOf } from './store-record'

/** Reads what was placed after the cursor. `known`: the history up to there. */
export async function readFirstPage(
  { record, host, claim, keep }: SessionContext,
  reader: Reader,
  from: Cursor | null,
  known: readonly Epoch[],
): Promise<Page> {
  const read = () =>
    reader.page(from?.n ?? 0, from === null ? Infinity : 0, { claim: claim(), witnesses: record.witnesses })
  // Own writes may be answered while this is read: the store can only be held to what it had said before.
  const { newest } = record
  const page = await read()
  const epoch = idOf(page.current)
  if (page.lacksTold && epoch === record.current?.id) record.lacks()
  const isOutdone = record.isOutdone({ epoch, n: page.head, sign: page.sign }, newest)
  if (host.readOnly || !(page.isDue || isOutdone)) return page
  const isFork = newest.epoch > epoch && known.some(({ id }) => id === epoch)
  // A client that may only read goes on without.
  await keep(isFork ? newest.epoch : undefined).catch(() => {})
  return read()
}
