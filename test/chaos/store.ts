/** A real server under chaos: everything in which the stores differ. */
import type { Server } from '../support/servers'

export interface ChaosStore {
  readonly server: Server
  /** Whether it has its contents again after a kill. */
  readonly persistent: boolean
  /** Faults beside killing and stopping it; each is over at once. */
  readonly instantFaults: readonly InstantFault[]
  /** Values of `retention` (ms) with which the store keeps the contract. */
  readonly retentions: readonly number[]
  /** While it removes an item that has expired, it may erase a newer one that comes in that very moment. */
  readonly mayErase?: boolean
  /** Options for a client that reaches it on this port of the loopback. */
  clientOptions(port: number): Record<string, unknown>
  /** The items of a collection of the database `chaos`, read without memis. Rejects while the server cannot be reached. */
  read(collection: string): Promise<Map<string, unknown>>
  /** Describes its contents under a key, and where its history stands, for the report of a violation. */
  explain(collection: string, key: string): Promise<string>
  /** What clients have left on it: connections, consumers. */
  leftovers(): Promise<string[]>
  /** How many commands or messages it has handled since it started. */
  work(): Promise<number>
  /** How long the slowest command since the last call took (ms); undefined if the store does not say. */
  slowest(): Promise<number | undefined>
  /** Starts it again after a kill. */
  restart(): Promise<void>
  /** Copies its contents. The function that is returned kills it, and starts it with the copy. */
  backUp(): Promise<() => Promise<void>>
  stop(): Promise<void>
}

export interface InstantFault {
  readonly name: string
  /** The store loses everything by it. */
  readonly loses: boolean
  run(): Promise<void>
}
