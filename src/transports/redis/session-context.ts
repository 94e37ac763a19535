/** The interface between a session, the transport and the audit. */
import type { Clock } from '../../core/clock'
import type { Host } from '../../core/transport'
import type { Keys } from './names'
import type { Route } from './route'
import type { StoreRecord } from './store-record'

/** The store's answer when it was compared with a session. */
export interface Found {
  /** '' if there is none. */
  readonly error: string
  /** `epoch` of meta; '' if an epoch is due. */
  readonly current: string
  readonly head: number
  readonly sign: string
  readonly hasOverdue: boolean
}

/** The place that a session has reached, for the store to be compared with. */
export interface Standing {
  readonly keys: Keys
  readonly current: string
  readonly n: number
  readonly sign: string
}

/** Everything that a session needs of the transport. */
export interface SessionContext {
  readonly route: Route
  readonly clock: Clock
  readonly host: Host
  readonly keys: Keys
  readonly record: StoreRecord
  /** The last place that this client was told, and its last acknowledged batch, as scripts are told of them. */
  claim(): string
  /** Has the store begin an epoch if one is due, and remove tombstones that are due. */
  keep(after?: string): Promise<void>
  /** Compares this session with the store. */
  ask(): void
}
