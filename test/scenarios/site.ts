/** What scenarios need of a store: they run on several. */
import type { Client, MemisOptions } from '../../src'
import type { Server } from '../support/servers'

/** A server, clients of it, and a reader that does not use memis. */
export interface Site extends AsyncDisposable {
  readonly server: Server
  /** Makes a client as another process would, at another port if there is a proxy in between. */
  client(options?: MemisOptions, port?: number): Client
  /** The items of a collection of the database `test`. */
  read(collection: string): Promise<Map<string, unknown>>
}
