/** The ways to the servers of a store: one link to one server, a link to each node of a cluster, or one to the master that Sentinel names. */
import type { MemisError } from '../../core/errors'
import type { Script } from './scripts'

/** One server, for audits: they look at many collections at once. */
export interface Server {
  /** It is a node of a cluster: keys of several slots must not be declared together. */
  readonly isClustered: boolean
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** Asks the server directly whether it is a replica. For users that may not run INFO within scripts. */
  checkRole(): Promise<void>
}

/** The way to the server that a collection lies on. */
export interface Route {
  /** Null while there is no connection. */
  readonly server: Server | null
  /** Changes with each connection, and differs for each: what one has checked says nothing of the next. */
  readonly generation: number
  /** The server removes items by itself when its memory is full. */
  readonly mayEvict: boolean
  /**
   * Runs a script, whose keys all belong to one collection. `generation`: on that connection, or not at all. Rejects with a {@link MemisError}.
   */
  run(script: Script, keys: readonly string[], args: readonly string[], generation?: number): Promise<unknown>
  /** Resolves once the server has confirmed the subscription. `ended` is called if it is lost, also before it is confirmed. */
  subscribe(channel: string, listener: (message: string) => void, ended: (error: MemisError) => void): Promise<void>
  unsubscribe(channel: string, listener: (message: string) => void): void
  /**
   * Whether the process has stood still (stopped, or busy) for so long that what it receives now may be old. Then the link is given up, and everything
   * is read again.
   */
  overslept(): boolean
  /** A write or a session went through: failures before it no longer count. */
  proved(): void
}

export interface Routes {
  /** The way to the collection with this channel. */
  to(channel: string): Route
  close(): void
}

export interface RoutesListener {
  /** Calls may come. */
  up(): void
  /** No server is connected. Each attempt that fails tells it again. */
  down(error: MemisError): void
}
