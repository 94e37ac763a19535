/** One unbroken session of following a collection of a hub. */
import { type MemisError, outOfTouch } from '../../core/errors'
import type { Change, Sink } from '../../core/transport'
import type { Contents, News, StoredCollection } from './store'

export class Session {
  readonly collection: StoredCollection
  readonly #sink: Sink
  /** News that came before the contents. */
  readonly #early: News[] = []
  #epoch = ''
  /** Everything up to this number has been told; null until the contents have come. */
  #position: number | null = null
  #over = false

  constructor(collection: StoredCollection, sink: Sink) {
    this.collection = collection
    this.#sink = sink
  }

  /** The contents have arrived. */
  begin({ epoch, head, whole, common, changes }: Contents): void {
    if (this.#over) return
    this.#epoch = epoch
    this.#position = head
    this.#sink.begin(whole ? 'whole' : 'delta', epoch, common)
    this.#sink.changes(decode(changes))
    if (!this.#over) this.#sink.live(head)
    for (const news of this.#early) this.hear(news)
  }

  hear(news: News): void {
    if (this.#over) return
    if (this.#position === null) return void this.#early.push(news)
    const { epoch, first, last, changes } = news
    if (epoch !== this.#epoch) return this.end(outOfTouch('the store began another epoch'))
    if (last <= this.#position) return
    if (first > this.#position + 1)
      return this.end(outOfTouch(`the changes ${this.#position + 1} to ${first - 1} were not heard of`))
    this.#position = last
    this.#sink.changes(decode(changes))
    if (!this.#over) this.#sink.live(last)
  }

  /** Compares with the store. */
  audit(): void {
    if (this.#over || this.#position === null) return
    const { epoch, n } = this.collection.at
    if (epoch !== this.#epoch || n !== this.#position) this.end(outOfTouch('a notification was lost'))
    else this.#sink.live(n)
  }

  /** The store is not what it was. Until now the replica was current. */
  parted(): void {
    if (this.#over) return
    if (this.#position !== null) this.#sink.live(this.#position)
    this.end(outOfTouch('the store began another epoch'))
  }

  end(why: MemisError): void {
    if (this.#over) return
    this.#over = true
    this.#sink.stale(why)
  }

  close(): void {
    this.#over = true
  }
}

/** Every replica gets objects of its own. */
const decode = (changes: string): Change[] => JSON.parse(changes)
