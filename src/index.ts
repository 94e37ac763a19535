export type { Entries, Replacement, TransactionWrites } from './core/bulk'
export type { Client, ClientEvents } from './core/client'
export type { Clock } from './core/clock'
export { systemClock } from './core/clock'
export type { EncodedItem } from './core/codec'
export type { Collection, NumberFields } from './core/collection'
export type { CollectionEvents } from './core/collection-events'
export type { Updater } from './core/conditional'
export type { Cause, Change } from './core/contents'
export type { Database } from './core/database'
export { type ErrorCode, type ErrorNames, errorCodes, MemisError, type MemisErrorOptions } from './core/errors'
export type { Freshness, FreshnessState } from './core/freshness'
export type { MemisOptions } from './core/options'
export type { SignalOptions } from './core/readable-collection'
export type { WatchListener } from './core/stream'
export type { ReadyInfo } from './core/subscription'
export type {
  Aborted,
  Accepted,
  Batch,
  CollectionId,
  Condition,
  Conflict,
  Cursor,
  Entry,
  Epoch,
  Gone,
  Host,
  KeyWrite,
  Lack,
  Merged,
  Outcome,
  Refused,
  Revision,
  Sink,
  Transport,
  Watch,
  Write,
} from './core/transport'
export type { DeepReadonly, ItemEntry, Milliseconds, Seconds } from './core/types'
export type { DeleteOptions, SetOptions, UpdateOptions } from './core/write-options'
export {
  type BucketOptions,
  type ClientOptions,
  type CustomOptions,
  createClient,
  type MemoryOptions,
  type NatsOptions,
  type RedisOptions,
  type UrlOptions,
} from './create-client'
export { MemoryHub } from './transports/memory/hub'
