/** The way to the server that a collection lies on. Today one link leads to one server; a cluster or Sentinel can take its place. */
import type { MemisError } from '../../core/errors'
import type { Script } from './scripts'

export interface Route {
  /** Changes with each connection: what one has checked says nothing of the next. */
  readonly generation: number
  /** The server removes items by itself when its memory is full. */
  readonly mayEvict: boolean
  /** Runs a script. All its keys belong to one collection, unless it is an audit. Rejects with a {@link MemisError}. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** Resolves once the server has confirmed the subscription. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>
  unsubscribe(channel: string, listener: (message: string) => void): void
  /** Asks the server directly whether it is a replica. For users that may not run INFO within scripts. */
  checkRole(): Promise<void>
  /**
   * Whether the process has stood still (stopped, or busy) for so long that what it receives now may be old. Then the link is given up, and everything
   * is read again.
   */
  overslept(): boolean
  /** A write or a session went through: failures before it no longer count. */
  proved(): void
  /** Gives the connection up, and makes another. */
  leave(error: MemisError): void
  close(): void
}
