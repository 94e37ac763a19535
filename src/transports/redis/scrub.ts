/** Looks for items that the server may have evicted, a part at a time. */
import type { Entry, Epoch } from '../../core/transport'
import type { Reader } from './reader'

export class Scrub {
  readonly #reader: Reader
  /** Up to which place it has looked. */
  #reached = '0'
  /** Keys that were found missing. */
  readonly #missing = new Set<string>()

  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** Entries that are missing in the next part, and were not before. */
  async next(history: readonly Epoch[]): Promise<readonly Entry[]> {
    const { reached, entries } = await this.#reader.missing(this.#reached, history)
    this.#reached = reached
    const news = entries.filter(({ key }) => !this.#missing.has(key))
    for (const { key } of news) this.#missing.add(key)
    return news
  }

  /** These were written. */
  told(entries: readonly Entry[]): void {
    if (this.#missing.size > 0) for (const { key } of entries) this.#missing.delete(key)
  }
}
