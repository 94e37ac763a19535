/** Where the story takes place: the store, the servers, and their links. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type MemisError, MemoryHub } from '../../src'
import { startProxy, type TcpProxy } from '../../test/support/proxy'
import { Complaint } from './complaint'
import type { Item } from './records'
import { RemoteServer } from './remote-server'
import { LocalServer, type Place, type Server } from './server'
import type { Seat, Stage } from './stage'
import { deleteData } from './store-data'
import type { RealStore } from './store-url'

export interface Theatre {
  /** Resolves once the store answers. @throws Complaint with exit code 1 */
  reach(signal: AbortSignal): Promise<void>
  /** Starts the server of a seat. Resolves once its replica is live. */
  start(seat: Seat): Promise<void>
  cut(seat: Seat): void
  heal(seat: Seat): Promise<void>
  /** The store loses everything that it has of the demo. */
  loseAll(): Promise<void>
  /** All items in the store, read by a client that knew nothing before. */
  stored(): Promise<[string, Item][]>
  /** What a seat's server has received so far: bytes, or undefined if there is no network. */
  received(seat: Seat): number | undefined
  /** Ends the servers and deletes the demo's data. @throws Complaint if that fails */
  leave(): Promise<void>
}

/** A store that has not answered after so many ms is considered unreachable. */
const patience = 5000
/** Tidying up takes no longer (ms). */
const tidyMs = 3000

/** Without a store, everything happens in this process. `lost` is called if a server ends by itself. */
export function makeTheatre(
  store: RealStore | undefined,
  title: string,
  stage: Stage,
  lost: (error: Error) => void,
): Theatre {
  // A file may have any name, but the name of a collection is limited.
  const collection = title.length <= 32 ? title : 'records'
  const place = { database: `demo-${randomBytes(3).toString('hex')}`, collection }
  return store === undefined ? new InMemory(stage, place) : new OnStore(stage, place, store, lost)
}

/** Everything in this process: servers are clients of one hub. */
class InMemory implements Theatre {
  readonly #stage: Stage
  readonly #place: Place
  readonly #hub = new MemoryHub()
  readonly #clients = new Map<Seat, Client>()

  constructor(stage: Stage, place: Place) {
    this.#stage = stage
    this.#place = place
  }

  async reach(): Promise<void> {}

  async start(seat: Seat): Promise<void> {
    const client = createClient({ transport: 'memory', hub: this.#hub })
    this.#clients.set(seat, client)
    seat.server = new LocalServer(client, this.#place, (report) => this.#stage.hear(seat, report))
    seat.state = 'syncing'
    await seat.server.start()
  }

  cut(seat: Seat): void {
    seat.isCut = true
    this.#hub.cut(this.#clients.get(seat))
  }

  async heal(seat: Seat): Promise<void> {
    seat.isCut = false
    this.#hub.heal(this.#clients.get(seat))
  }

  async loseAll(): Promise<void> {
    this.#hub.lose()
  }

  async stored(): Promise<[string, Item][]> {
    await using client = createClient({ transport: 'memory', hub: this.#hub })
    return await contentsOf(client, this.#place)
  }

  received(): undefined {}

  async leave(): Promise<void> {
    await Promise.all(this.#stage.seats.map(({ server }) => server?.end()))
  }
}

/** A real store. Each server is a process, and reaches the store through a proxy of its own. */
class OnStore implements Theatre {
  readonly #stage: Stage
  readonly #place: Place
  readonly #store: RealStore
  readonly #lost: (error: Error) => void
  readonly #proxies = new Map<Seat, TcpProxy>()
  readonly #client: Client
  #lastFault: MemisError | undefined

  constructor(stage: Stage, place: Place, store: RealStore, lost: (error: Error) => void) {
    this.#stage = stage
    this.#place = place
    this.#store = store
    this.#lost = lost
    this.#client = createClient({ url: store.url, writeTimeout: tidyMs })
    this.#client.on('error', (error) => {
      this.#lastFault = error
    })
  }

  async reach(signal: AbortSignal): Promise<void> {
    const timer = new AbortController()
    const late = sleep(patience, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).then(() => {
      throw this.#lastFault ?? new Error(`no answer within ${patience / 1000} s`)
    })
    try {
      await Promise.race([this.#client.connect(), late])
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const reason = `The store ${this.#store.name} cannot be used: ${(error as Error).message}`
      throw new Complaint(`${reason}\nWithout a URL the demo needs no store: npm run demo`, 1)
    } finally {
      timer.abort()
    }
  }

  async start(seat: Seat): Promise<void> {
    const { url, kind, host, port } = this.#store
    const proxy = await startProxy(port, host)
    this.#proxies.set(seat, proxy)
    const client = {
      url: this.#store.via(proxy.port),
      // A cluster of NATS would tell ways past the proxy.
      ...(kind === 'nats' ? { ignoreClusterUpdates: true } : {}),
    }
    const server = new RemoteServer({
      ...{ name: seat.name, client, url, place: this.#place, lost: this.#lost },
      report: (report) => this.#stage.hear(seat, report),
    })
    seat.pid = server.pid
    seat.server = server
    seat.state = 'syncing'
    await server.start()
  }

  cut(seat: Seat): void {
    seat.isCut = true
    this.#proxies.get(seat)?.cut()
  }

  async heal(seat: Seat): Promise<void> {
    seat.isCut = false
    await this.#proxies.get(seat)?.heal()
  }

  loseAll(): Promise<void> {
    return deleteData(this.#store.url, this.#place)
  }

  stored(): Promise<[string, Item][]> {
    return contentsOf(this.#client, this.#place)
  }

  received(seat: Seat): number | undefined {
    return this.#proxies.get(seat)?.received
  }

  async leave(): Promise<void> {
    const servers: Server[] = this.#stage.seats.flatMap(({ server }) => server ?? [])
    await Promise.all(servers.map((server) => server.end()))
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()))
    try {
      if (servers.length > 0) await deleteData(this.#store.url, this.#place)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const { database } = this.#place
      throw new Complaint(`The items of the demo are still in the store, in the database ${database}: ${reason}`, 1)
    } finally {
      await this.#client.close()
    }
  }
}

async function contentsOf(client: Client, { database, collection }: Place): Promise<[string, Item][]> {
  const items = client.database(database).collection<Item>(collection)
  await items.subscribe()
  const contents = [...items]
  items.unsubscribe()
  return contents
}
