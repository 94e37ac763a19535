import type { Client } from './client'
import type { Collection } from './collection'
import { checkName } from './names'

/** A set of collections. */
export class Database {
  readonly name: string
  readonly #client: Client
  // biome-ignore lint/suspicious/noExplicitAny: each caller says what its collection holds
  readonly #collections = new Map<string, Collection<any>>()

  /** @internal by `Client.database` */
  constructor(client: Client, name: string) {
    this.name = name
    this.#client = client
  }

  /**
   * The collection of that name, the same object for the same name; nothing is read or written. `T` is the type
   * of its items, by the caller's word: memis does not check it.
   * @throws MemisError `INVALID_NAME` (1 to 128 bytes of UTF-8 are allowed), `CLOSED`
   */
  collection<T extends object>(name: string): Collection<T> {
    if (this.#client.closed !== null) throw this.#client.closed
    checkName('collection', name)
    let collection = this.#collections.get(name)
    if (collection === undefined) {
      collection = this.#client.makeCollection<T>({ database: this.name, collection: name })
      this.#collections.set(name, collection)
    }
    return collection
  }
}
