/** What the interface rules out. A real store would suffer it; a test double says so. */
import { bytesOf } from '../../core/entries'
import { type Batch, batchBytesLimit, batchLimit, type Entry, MemisError, mergeLimit } from '../../transport-kit'

/** @throws MemisError if the core must not have handed it over */
export function checkBatch({ writes, isAtomic, sequence }: Batch): void {
  const keys = writes.map((write) => ('key' in write ? write.key : undefined))
  if (!(Number.isSafeInteger(sequence) && sequence > 0)) throw malformed('its sequence is no positive integer')
  if (writes.length > batchLimit) throw malformed(`it has more than ${batchLimit} writes`)
  if (keys.includes(undefined) && keys.length > 1) throw malformed('a clear is not alone')
  if (isAtomic && new Set(keys).size < keys.length) throw malformed('an atomic batch has two writes of a key')
  if (!isAtomic && writes.some(({ kind }) => kind === 'check')) throw malformed('a check is not in an atomic batch')
}

/** @throws MemisError if the core must not have handed it over */
export function checkMerge(entries: readonly Entry[]): void {
  if (entries.length > mergeLimit) throw malformed(`it has more than ${mergeLimit} entries`)
  const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0)
  if (entries.length > 1 && bytes > batchBytesLimit) throw malformed(`it has more than ${batchBytesLimit} bytes`)
  if (new Set(entries.map(({ key }) => key)).size < entries.length) throw malformed('it has two entries of a key')
  if (entries.some(({ item }) => item === undefined)) throw malformed('an entry has neither an item nor null')
}

const malformed = (why: string) => new MemisError('STORE_REFUSED', `the batch is malformed: ${why}`, { stored: 'no' })
