/** One server of the demo: a client with a subscribed collection, which reports what becomes of its replica. */
import { isDeepStrictEqual } from 'node:util'
import type { Cause, Change, Client, Collection, FreshnessState } from '../../src'
import { now } from './clock'
import { type Item, labelOf } from './records'

export interface Place {
  database: string
  collection: string
}

/** The times are ms on the clock of all processes. */
export type Report =
  | {
      what: 'set' | 'expire' | 'delete'
      key: string
      /** For a set: the field that has changed, or the name of a new item. */
      detail: string
      cause: Cause
      /** How many items there are now. */
      size: number
      at: number
    }
  | { what: 'stale'; size: number; at: number }
  | { what: 'ready'; lost: number; restored: number; size: number; at: number }
  | { what: 'fault'; message: string }

/** When a write was called, and when it was accepted. */
export interface Written {
  calledAt: number
  acceptedAt: number
}

/** The requests of the story to a server, in this process or in one of its own. */
export interface Server {
  /** Resolves once its replica is live. */
  start(): Promise<void>
  set(key: string, item: Item, ttl?: number): Promise<Written>
  delete(key: string): Promise<Written>
  /** All items of its replica. */
  contents(): Promise<[string, Item][]>
  /** Writes so many items of the figures; resolves to when the first one was called. */
  flood(count: number): Promise<number>
  /** Resolves to when so many changes of the figures, counted from this call, were applied here. */
  arrived(count: number): Promise<number>
  /** How many items a second this process can read. */
  readRate(): Promise<number>
  end(): Promise<void>
}

/** These are no faults of their own: the state of the replica shows them. */
const shownByState = ['DISCONNECTED', 'OUT_OF_TOUCH']

export class LocalServer implements Server {
  readonly #client: Client
  readonly #items: Collection<Item>
  /** What the figures are measured on, so that they leave the items alone. */
  readonly #figures: Collection<Item>
  #count = 0
  #arrivals = { left: 0, done: (_at: number) => {} }

  constructor(client: Client, place: Place, report: (report: Report) => void) {
    this.#client = client
    const database = client.database(place.database)
    const items = database.collection<Item>(place.collection)
    this.#items = items
    this.#figures = database.collection<Item>(`${place.collection} figures`)
    client.on('error', ({ code, message }) => {
      if (!shownByState.includes(code)) report({ what: 'fault', message })
    })
    items.on('stale', () => report({ what: 'stale', size: items.size, at: now() }))
    items.on('ready', ({ lost, restored, size }) => report({ what: 'ready', lost, restored, size, at: now() }))
    items.multi('set expire delete', (key, _, change) => {
      const detail = change.kind === 'set' ? detailOf(change) : ''
      report({ what: change.kind, key, detail, cause: change.cause, size: items.size, at: now() })
    })
    this.#figures.on('set', () => {
      if (--this.#arrivals.left === 0) this.#arrivals.done(now())
    })
  }

  async start(): Promise<void> {
    await Promise.all([this.#items.subscribe(), this.#figures.subscribe()])
  }

  async set(key: string, item: Item, ttl?: number): Promise<Written> {
    const calledAt = now()
    await this.#items.set(key, item, ttl)
    return { calledAt, acceptedAt: now() }
  }

  async delete(key: string): Promise<Written> {
    const calledAt = now()
    await this.#items.delete(key)
    return { calledAt, acceptedAt: now() }
  }

  async contents(): Promise<[string, Item][]> {
    return [...this.#items]
  }

  async flood(count: number): Promise<number> {
    const calledAt = now()
    const writes = Array.from({ length: count }, (_, i) => this.#figures.set(`item ${i}`, { value: ++this.#count }))
    await Promise.all(writes)
    return calledAt
  }

  arrived(count: number): Promise<number> {
    return new Promise((done) => {
      this.#arrivals = { left: count, done }
    })
  }

  async readRate(): Promise<number> {
    const keys = [...this.#items.keys()]
    const start = now()
    let reads = 0
    let found = 0
    while (now() - start < 100) {
      for (let i = 0; i < 10_000; i++) if (this.#items.get(keys[reads++ % keys.length] as string)) found++
    }
    return (found / (now() - start)) * 1000
  }

  /** Deletes everything that the demo has stored. */
  async clear(): Promise<void> {
    await Promise.all([this.#items.clear(), this.#figures.clear()])
  }

  end(): Promise<void> {
    return this.#client.close()
  }
}

/** The first field that has changed, or the name of what is new. */
function detailOf({ item, previous }: Change<Item>): string {
  if (previous === undefined) return labelOf(item)
  const name = Object.keys(item).find((field) => !isDeepStrictEqual(item[field], previous[field]))
  if (name === undefined) return ''
  const value = item[name]
  return `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`.slice(0, 200)
}

/** The state of a replica as the picture shows it; `away` before its server was started. */
export type SeatState = FreshnessState | 'away'
