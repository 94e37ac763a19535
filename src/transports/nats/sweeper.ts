/**
 * Removes what is due and what the server does not remove by itself: items whose ttl is over, which leave a mark, and marks
 * that were kept long enough. Every client does so; the first is enough, and the others hear of it.
 */
import { encodeRevision } from '../../core/epochs'
import type { MemisError } from '../../core/errors'
import { type Due, ExpiryQueue } from '../../core/expiry'
import type { Revision } from '../../core/transport'
import { header } from './decode'
import type { Link } from './link'
import { Headers, type Publisher } from './publisher'

const { setTimeout, clearTimeout } = globalThis

/** Clients do it one after the other, if they can (ms). */
const spread = 500
/** After so many ms, what failed for a passing reason is tried again. */
const retryDelay = 5000
/** So many at a time. */
const atOnce = 200
/** Of more than so many, the rest is left to whoever reads them next. */
const mostEntries = 1_000_000

const expired = new Headers().with(header.operation, 'PURGE').with(header.gone, 'expire')

interface Entry extends Due {
  readonly stream: string
  readonly subject: string
  readonly n: number
  readonly what: 'item' | 'mark'
  readonly origin: Revision | undefined
}

export class Sweeper {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #entries = new Map<string, Entry>()
  readonly #due = new ExpiryQueue<Entry>()
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #isBusy = false
  #closed = false

  constructor(link: Link, publisher: Publisher) {
    this.#link = link
    this.#publisher = publisher
  }

  /** The last message of a subject is this one, and is to be removed after so many ms. */
  add(stream: string, subject: string, n: number, what: 'item' | 'mark', ms: number, origin?: Revision): void {
    if (!this.drop(subject, n) || this.#entries.size >= mostEntries) return
    const now = performance.now()
    const entry: Entry = { stream, subject, n, what, origin, deadline: 0, slot: -1 }
    this.#entries.set(subject, entry)
    this.#due.put(entry, now + ms + Math.random() * spread, now)
    this.#arm()
  }

  /** The last message of a subject is this one, and stays. Returns false where a newer one is known. */
  drop(subject: string, n: number): boolean {
    const entry = this.#entries.get(subject)
    if (entry === undefined) return true
    if (entry.n > n) return false
    this.#remove(entry)
    return true
  }

  /** Of a collection that is told anew: its numbers may be those of another stream. */
  forget(start: string): void {
    for (const entry of this.#entries.values()) if (entry.subject.startsWith(start)) this.#remove(entry)
  }

  up(): void {
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.down()
  }

  down(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.subject)
    this.#due.remove(entry)
  }

  #arm(): void {
    const next = this.#due.next ?? Infinity
    if (this.#closed || this.#isBusy || next >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = next
    this.#timer = setTimeout(() => this.#sweep(), Math.min(Math.max(0, next - performance.now()), 2 ** 30))
    // What is left when the process ends is swept by others.
    this.#timer.unref()
  }

  async #sweep(): Promise<void> {
    this.down()
    this.#isBusy = true
    const entries: Entry[] = []
    while (entries.length < atOnce) {
      const entry = this.#due.take(performance.now())
      if (entry === undefined) break
      this.#entries.delete(entry.subject)
      entries.push(entry)
    }
    await Promise.all(
      entries.map((entry) =>
        this.#removeFromStore(entry).catch((error: MemisError) => {
          // Who may not leaves it to the others.
          if (error.code === 'DISCONNECTED')
            this.add(entry.stream, entry.subject, entry.n, entry.what, retryDelay, entry.origin)
        }),
      ),
    )
    this.#isBusy = false
    this.#arm()
  }

  async #removeFromStore({ stream, subject, n, what, origin }: Entry): Promise<unknown> {
    // Up to that message: one that came after it stays. What is expired leaves a mark, if it is still the last.
    if (what === 'mark') return this.#link.ask(`STREAM.PURGE.${stream}`, { filter: subject, seq: n + 1 })
    const headers = origin === undefined ? expired : expired.with(header.origin, encodeRevision(origin))
    return this.#publisher.publish(subject, '', headers.with(header.expected, n))
  }
}
