/** A real server under chaos: all that one kind of store differs in from another. */
import type { Server } from '../support/servers'

export interface ChaosStore {
  readonly server: Server
  /** Whether what it holds is there again after a kill. */
  readonly persistent: boolean
  /** What one can do to it beside killing and stopping it; each is done in an instant. */
  readonly mischiefs: readonly Mischief[]
  /** What `retention` may be (ms) for what this store promises to hold. */
  readonly retentions: readonly number[]
  /** Options of createClient, for a client that reaches it on this port of the loopback. */
  clientOptions(port: number): Record<string, unknown>
  /** What a collection of the database `chaos` holds, read by none of memis's code. Rejects while it cannot be reached. */
  read(collection: string): Promise<Map<string, unknown>>
  /** What clients have left on it: connections, consumers; empty if nothing. */
  leftovers(): Promise<string[]>
  /** How many commands or messages it has had to do with since it started. */
  work(): Promise<number>
  /** How long the slowest command took since this was asked last (ms), where the store tells. */
  slowest(): Promise<number | undefined>
  /** Starts it again after a kill. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface Mischief {
  readonly name: string
  /** The store loses by it what it holds. */
  readonly loses: boolean
  run(): Promise<void>
}
