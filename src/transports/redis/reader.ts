/** Reads a collection, a part at a time. */
import { MemisError } from '../../core/errors'
import type { Entry, Epoch, Host } from '../../core/transport'
import { decodeEntry, decodePage, type Page } from './decode'
import { collectionKeys, type Keys } from './names'
import type { Route } from './route'
import { readScript, scrubScript } from './scripts'

/** A part is bounded, so that the server is not held up for long. */
const pageKeys = 1000
const pageBytes = 1024 * 1024
/** So many items are looked for at once that the server may have evicted. */
const scrubKeys = 500

/** Places that this client was told of before: a store that knows less went back. */
export interface Told {
  readonly claim: string
  /** Keys and places, one after the other. */
  readonly witnesses: readonly (string | number)[]
}

export class Reader {
  readonly #route: Route
  readonly #keys: Keys
  readonly #host: Host

  constructor(route: Route, keys: Keys, host: Host) {
    this.#route = route
    this.#keys = keys
    this.#host = host
  }

  /**
   * Entries placed after `after`; tombstones only if their place is above `present`. `told`: for the first part, which tells the history as well.
   * Rejects with `UNSUPPORTED_STORE` for another layout.
   */
  async page(after: number, present: number, told?: Told): Promise<Page> {
    const upTo = Math.min(present, Number.MAX_SAFE_INTEGER)
    const args = [after, upTo, pageKeys, pageBytes, this.#host.maxItemBytes, told === undefined ? 0 : 1]
    const known = told === undefined ? ['', '[]'] : [told.claim, JSON.stringify(told.witnesses)]
    const page = decodePage(
      await this.#route.run(readScript, collectionKeys(this.#keys), [...args.map(String), ...known]),
    )
    if (page.layout === '2') return page
    throw new MemisError('UNSUPPORTED_STORE', `the collection has layout ${page.layout}, this memis knows layout 2`)
  }

  entries(page: Page, history: readonly Epoch[]): readonly Entry[] {
    return page.entries(history, (key) => this.#tooLarge(key))
  }

  /** Items after a place that should be there and are not, and up to which place that was looked at ('0' after the last part). */
  async missing(after: string, history: readonly Epoch[]): Promise<{ reached: string; entries: readonly Entry[] }> {
    const reply = await this.#route.run(scrubScript, collectionKeys(this.#keys), [after, String(scrubKeys)])
    const [reached, told] = reply as [string, string]
    const entries = (JSON.parse(told) as unknown[]).map((each) => decodeEntry(each, history, () => {}))
    return { reached, entries }
  }

  #tooLarge(key: string): void {
    const text = `an item in the store has more than maxItemBytes, ${this.#host.maxItemBytes}; it is left out`
    this.#host.report(new MemisError('LIMIT_EXCEEDED', text, { collection: this.#keys.channel, key }))
  }
}
