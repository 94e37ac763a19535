export type { Client, ClientEvents } from './core/client'
export type { Clock } from './core/clock'
export { systemClock } from './core/clock'
export type { EncodedItem } from './core/codec'
export type { Collection, CollectionEvents } from './core/collection'
export type { Database } from './core/database'
export { type ErrorCode, errorCodes, MemisError, type MemisErrorOptions } from './core/errors'
export type { MemisOptions } from './core/options'
export type { Cause, ChangeInfo } from './core/replica'
export type { Freshness, FreshnessState, ReadyInfo } from './core/subscription'
export type {
  Batch,
  Change,
  Gone,
  Host,
  Lack,
  Outcome,
  Place,
  Position,
  Restores,
  Revision,
  Sink,
  Transport,
  Watch,
  Write,
  Written,
} from './core/transport'
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
