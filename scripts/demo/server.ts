/** One server of the demo: a client with one subscribed collection, which tells what becomes of its replica. */
import { isDeepStrictEqual } from 'node:util'
import type { Cause, ChangeInfo, Client, Collection, FreshnessState } from '../../src'
import { type Item, labelOf } from './records'

export interface Place {
  database: string
  collection: string
}

export interface Change {
  what: 'set' | 'expire' | 'delete'
  key: string
  /** Of a set: what is worth telling of the item. */
  detail: string
  cause: Cause
  /** How many items there are now. */
  size: number
}

export type Report =
  | Change
  | { what: 'state'; state: FreshnessState; size: number }
  | { what: 'fault'; message: string }

/** What the story can ask of a server, be it in this process or in one of its own. */
export interface Server {
  /** Resolves once its replica has caught up. */
  start(): Promise<void>
  set(key: string, item: Item, ttl?: number): Promise<void>
  delete(key: string): Promise<boolean>
  /** All that its replica holds. */
  contents(): Promise<[string, Item][]>
  end(): Promise<void>
}

export class LocalServer implements Server {
  readonly #client: Client
  readonly #collection: Collection<Item>

  constructor(client: Client, place: Place, report: (report: Report) => void) {
    this.#client = client
    const collection = client.database(place.database).collection<Item>(place.collection)
    this.#collection = collection
    const state = () => report({ what: 'state', state: collection.freshness.state, size: collection.size })
    client.on('error', (error) => report({ what: 'fault', message: error.message }))
    collection.multi('ready stale', state)
    for (const what of ['set', 'expire', 'delete'] as const) {
      collection.on(what, (key, item, change) => {
        const detail = what === 'set' ? detailOf(item, change) : ''
        report({ what, key, detail, cause: change.cause, size: collection.size })
      })
    }
  }

  start(): Promise<void> {
    return this.#collection.subscribe()
  }

  set(key: string, item: Item, ttl?: number): Promise<void> {
    return this.#collection.set(key, item, ttl)
  }

  delete(key: string): Promise<boolean> {
    return this.#collection.delete(key)
  }

  async contents(): Promise<[string, Item][]> {
    return [...this.#collection]
  }

  clear(): Promise<void> {
    return this.#collection.clear()
  }

  end(): Promise<void> {
    return this.#client.close()
  }
}

/** What is worth telling of a set: the first field that has changed, or the name of what is new. */
function detailOf(item: Item, { previous }: ChangeInfo<Item>): string {
  if (previous === undefined) return labelOf(item)
  const name = Object.keys(item).find((field) => !isDeepStrictEqual(item[field], previous[field]))
  if (name === undefined) return ''
  const value = item[name]
  return `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`.slice(0, 200)
}
