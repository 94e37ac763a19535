import type { Client } from './client'
import { Collection } from './collection'
import { checkName } from './names'
import { WeakCache } from './weak-cache'

/** A set of collections. */
export class Database {
  readonly name: string
  readonly #client: Client
  // biome-ignore lint/suspicious/noExplicitAny: each caller says what its collection holds
  readonly #collections = new WeakCache<Collection<any>>()

  /** @internal by `Client.database` */
  constructor(client: Client, name: string) {
    this.name = name
    this.#client = client
  }

  /**
   * The collection of that name, the same object for the same name; no I/O. `T` is the type of its items, by the caller's
   * word: memis does not check it.
   * @throws MemisError `INVALID_NAME` (1 to 128 bytes of UTF-8), `CLOSED`
   */
  collection<T extends object>(name: string): Collection<T> {
    if (this.#client.closed !== null) throw this.#client.closed
    checkName('collection', name)
    return this.#collections.get(name, () => new Collection<T>(this.#client, this, name))
  }
}
