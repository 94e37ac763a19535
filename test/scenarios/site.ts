/** What is played on more than one store: here, what it takes of a store. */
import type { Client, MemisOptions } from '../../src'
import type { Server } from '../support/servers'

/** A server of its own, the way to it, and a reader of it that is none of memis's. */
export interface Site extends AsyncDisposable {
  readonly server: Server
  /** Makes a client, as another process would; by another port where there is a proxy in between. */
  client(options?: MemisOptions, port?: number): Client
  /** What a collection of the database `test` holds. */
  read(collection: string): Promise<Map<string, unknown>>
}
