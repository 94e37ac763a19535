/** The events of a collection. */
import type { Change } from './contents'
import type { MemisError } from './errors'
import type { ReadyInfo } from './subscription'
import type { DeepReadonly } from './types'

/** Listeners may return anything; if it is a promise, its rejection is reported. */
type Result = unknown

/** A collection's events. `key` is the key of the item that changed. */
export type CollectionEvents<T> = {
  /** An item is new, or its contents changed. `get(key)` returns `item` by now. */
  set: (key: string, item: DeepReadonly<T>, change: Change<T>) => Result
  /** An item's ttl ran out. `last` is what `get` returned before. */
  expire: (key: string, last: DeepReadonly<T>, change: Change<T>) => Result
  /** An item was deleted. `last` is what `get` returned before. */
  delete: (key: string, last: DeepReadonly<T>, change: Change<T>) => Result
  /** The replica has caught up: once after `subscribe()`, and again after each `stale`. */
  ready: (info: ReadyInfo) => Result
  /** The replica may have missed changes. It goes on serving what it has, and catches up by itself. */
  stale: (error: MemisError) => Result
}

export const eventNames = ['set', 'expire', 'delete', 'ready', 'stale'] as const
