/** One unbroken session of following a collection of a hub. */
import { type Entry, type Host, MemisError, outOfTouch, type Sink } from '../../transport-kit'
import type { Contents, News, StoredCollection } from './store'

type State =
  /** The contents are on their way; news that arrive earlier wait. */
  | { readonly is: 'opening'; readonly early: News[] }
  /** Everything up to `place` has been told. */
  | { readonly is: 'live'; readonly epoch: string; place: number }
  | { readonly is: 'over' }

export class Session {
  readonly collection: StoredCollection
  readonly #host: Host
  readonly #sink: Sink
  #state: State = { is: 'opening', early: [] }

  constructor(collection: StoredCollection, host: Host, sink: Sink) {
    this.collection = collection
    this.#host = host
    this.#sink = sink
  }

  get isOpening(): boolean {
    return this.#state.is === 'opening'
  }

  begin({ mode, history, head, entries }: Contents): void {
    if (this.#state.is !== 'opening') return
    const { early } = this.#state
    const live: State = { is: 'live', epoch: history.at(-1)?.id as string, place: head }
    this.#state = live
    this.#sink.begin(mode, history)
    this.#sink.entries(this.#decode(entries))
    this.#tellLive()
    for (const news of early) this.receive(news)
  }

  receive(news: News): void {
    const state = this.#state
    if (state.is === 'over') return
    if (state.is === 'opening') return void state.early.push(news)
    const { epoch, first, last, entries, isAtomic } = news
    if (epoch !== state.epoch) return this.end(outOfTouch('the store began another epoch'))
    if (last <= state.place) return
    if (first > state.place + 1) {
      return this.end(outOfTouch(`the notifications of the places ${state.place + 1} to ${first - 1} were lost`))
    }
    state.place = last
    this.#sink.entries(this.#decode(entries), isAtomic)
    this.#tellLive()
  }

  /** Compares with the store. */
  audit(): void {
    if (this.#state.is !== 'live') return
    const { epoch, place } = this.#state
    const { at, lost } = this.collection
    if (at.epoch !== epoch || at.n !== place) return this.end(outOfTouch('a notification was lost'))
    this.#sink.entries(this.#decode(lost))
    this.#tellLive()
  }

  /** The store began another epoch. Until now the replica was current. */
  fork(): void {
    this.#tellLive()
    this.end(outOfTouch('the store began another epoch'))
  }

  end(error: MemisError): void {
    if (this.#state.is === 'over') return
    this.#state = { is: 'over' }
    this.#sink.stale(error)
  }

  close(): void {
    this.#state = { is: 'over' }
  }

  /** The sink may have closed the session in the call before. */
  #tellLive(): void {
    if (this.#state.is === 'live') this.#sink.live({ epoch: this.#state.epoch, n: this.#state.place })
  }

  /** Every replica gets objects of its own. An item that is larger than the client accepts is left out. */
  #decode(entries: readonly string[]): Entry[] {
    const { maxItemBytes } = this.#host
    return entries.map((text) => {
      const entry = JSON.parse(text) as Entry
      if (text.length <= maxItemBytes / 3) return entry
      const bytes = Buffer.byteLength(JSON.stringify(entry.item) ?? '')
      if (bytes <= maxItemBytes) return entry
      const why = `the item has ${bytes} bytes, ${maxItemBytes} are allowed: it is left out`
      this.#host.report(new MemisError('LIMIT_EXCEEDED', why, { key: entry.key }))
      return { ...entry, item: undefined }
    })
  }
}
