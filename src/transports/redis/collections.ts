/** The collections of one client: their keys, what the client knows of each, and the way to it. */

import type { Keys } from './names'
import type { Route, Routes } from './route'
import { StoreRecord } from './store-record'

export interface At {
  readonly keys: Keys
  readonly record: StoreRecord
  readonly route: Route
}

/** Collections that nobody follows, of which the newest place is remembered. */
const mostIdle = 1000

export class Collections {
  /** By channel. The one that was not used for the longest time comes first. */
  readonly #all = new Map<string, At>()

  /** `followed`: how many sessions there are. */
  at(keys: Keys, routes: Routes, followed: number): At {
    const { channel } = keys
    const at = this.#all.get(channel) ?? { keys, record: new StoreRecord(), route: routes.to(channel) }
    this.#all.delete(channel)
    this.#all.set(channel, at)
    if (this.#all.size > mostIdle + followed) this.#forgetOne()
    return at
  }

  #forgetOne(): void {
    for (const [channel, { record }] of this.#all) {
      if (record.sessions > 0) continue
      this.#all.delete(channel)
      return
    }
  }
}
