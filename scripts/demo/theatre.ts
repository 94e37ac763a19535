/** Where the story plays: clients of one hub in this process, or a process for each server and a real store. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, MemisError, MemoryHub } from '../../src'
import { usage } from './arguments'
import { Complaint } from './complaint'
import { removeLeftovers } from './leftovers'
import type { Item } from './records'
import { RemoteServer } from './remote-server'
import { LocalServer, type Place, type Report, type Server } from './server'
import type { Seat, Stage } from './stage'

/** A store that has not answered after so many ms is taken for one that is not there. */
const patience = 5000
/** Tidying up a store that has gone meanwhile takes no longer (ms). */
const tidyMs = 3000

export class Theatre {
  /** What people call the store; a password in its URL is not in it. */
  readonly store: string
  readonly place: Place
  readonly #url: string | undefined
  readonly #hub = new MemoryHub()
  readonly #servers: Server[] = []
  /** The demo's own, which looks into the store and tidies it up. */
  readonly #client: Client
  #stage: Stage | undefined
  #lost: (error: Error) => void = () => {}
  #lastFault: MemisError | undefined

  /** @throws Complaint with exit code 2 where the URL is none that memis takes */
  constructor(url: string | undefined, title: string) {
    this.#url = url?.startsWith('memory:') ? undefined : url
    // A file may have any name, a collection's is limited.
    const collection = title.length <= 32 ? title : 'records'
    this.place = { database: `demo-${randomBytes(3).toString('hex')}`, collection }
    try {
      this.#client = this.#url === undefined ? this.#onHub() : createClient({ url: this.#url, writeTimeout: tidyMs })
    } catch (error) {
      throw new Complaint(`This is no store URL that memis takes: ${(error as Error).message}.\n\n${usage}`, 2)
    }
    this.#client.on('error', (error) => {
      this.#lastFault = error
    })
    this.store = this.#url === undefined ? 'a hub in the memory of this process' : withoutSecret(this.#url)
  }

  /** Whether each server is a process of its own. */
  get isRemote(): boolean {
    return this.#url !== undefined
  }

  /** @throws Complaint with exit code 1 where the store cannot be reached */
  async reach(signal: AbortSignal): Promise<void> {
    const timer = new AbortController()
    const over = AbortSignal.any([signal, timer.signal])
    const late = sleep(patience, undefined, { signal: over }).then(() => {
      throw this.#lastFault ?? new Error(`no answer within ${patience / 1000} s`)
    })
    try {
      await Promise.race([this.#client.connect(), late])
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const reason = `The store ${this.store} cannot be used: ${(error as Error).message}`
      throw new Complaint(`${reason}\nWithout a URL the demo needs no server: npm run demo`, 1)
    } finally {
      timer.abort()
    }
  }

  /** Where servers tell what happens; `lost` is called if one of them ends by itself. */
  setUp(stage: Stage, lost: (error: Error) => void): void {
    this.#stage = stage
    this.#lost = lost
  }

  /** Starts the server of that seat; resolves once it has caught up. */
  async start(seat: Seat): Promise<void> {
    const report = (report: Report) => this.#stage?.hear(seat, report)
    if (this.#url === undefined) seat.server = new LocalServer(this.#onHub(), this.place, report)
    else {
      const server = new RemoteServer(seat.name, this.#url, this.place, report, this.#lost)
      seat.pid = server.pid
      seat.server = server
    }
    this.#servers.push(seat.server)
    seat.state = 'syncing'
    await seat.server.start()
  }

  /** What the store holds: read by a client that has heard of nothing before. */
  async stored(): Promise<[string, Item][]> {
    const collection = this.#client.database(this.place.database).collection<Item>(this.place.collection)
    await collection.subscribe()
    const items = [...collection]
    collection.unsubscribe()
    return items
  }

  /** Ends the servers and removes what the demo has stored. @throws Complaint where that did not work */
  async leave(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.end()))
    const { database, collection } = this.place
    try {
      if (this.#servers.length > 0) await this.#client.database(database).collection(collection).clear()
      if (this.#servers.length > 0 && this.#url !== undefined) await removeLeftovers(this.#url, this.place)
    } catch (error) {
      const reason = error instanceof MemisError ? error.message : String(error)
      throw new Complaint(`The items of the demo are still in the store, in the database ${database}: ${reason}`, 1)
    } finally {
      await this.#client.close()
    }
  }

  #onHub(): Client {
    return createClient({ transport: 'memory', hub: this.#hub })
  }
}

function withoutSecret(url: string): string {
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: `${url.split(':')[0]}:`, host: '…' }
  return `${protocol}//${host}`
}
