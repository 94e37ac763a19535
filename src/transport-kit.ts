/**
 * What a transport is made of beside its store: the module `memis/transport`. The transports of memis itself use it.
 * `docs/transports.md` shows how.
 */
export { backoff } from './core/backoff'
export { type Clock, followingClock, systemClock } from './core/clock'
export type { EncodedItem } from './core/codec'
export { disconnected, type ErrorCode, isPermanent, MemisError, outOfTouch, quote, readable } from './core/errors'
export {
  compare,
  contains,
  currentEpoch,
  decodeRevision,
  encodeRevision,
  epochAt,
  isEpochId,
  isSameHistory,
  lastCommon,
  precedes,
} from './core/history'
export {
  type Aborted,
  type Accepted,
  type Batch,
  batchBytesLimit,
  batchLimit,
  type CollectionId,
  type Condition,
  type Conflict,
  type Cursor,
  type Entry,
  type Epoch,
  epochTolerance,
  type Gone,
  type Host,
  type KeyWrite,
  type Lack,
  type Merged,
  mergeLimit,
  type Outcome,
  type Refused,
  type Revision,
  type Sink,
  type Transport,
  type Watch,
  type Write,
} from './core/transport'
