/** A transport that a case interferes with: answers of the store are lost, and what the store tells comes late. */
import { MemisError } from '../../core/errors'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Host,
  Merged,
  Outcome,
  Revision,
  Sink,
  Transport,
  Watch,
} from '../../core/transport'

export class Interference implements Transport {
  readonly name
  readonly lacks
  readonly clock
  declare readonly isLocal?: true
  /** How many batches the store has answered, and how many writes were in them. */
  answered = 0
  written = 0
  readonly #inner: Transport
  /** Called after the next answers, before the client is told that they are lost. */
  readonly #losses: (() => unknown)[] = []
  /** Calls of sinks that are held back. */
  #held: (() => void)[] | null = null
  /** Sessions that have begun since then are told all the same. */
  #passesNew = false

  constructor(inner: Transport) {
    this.#inner = inner
    this.name = inner.name
    this.lacks = inner.lacks
    this.clock = inner.clock
    if (inner.isLocal) this.isLocal = true
  }

  get maxItemBytes(): number {
    return this.#inner.maxItemBytes
  }

  /** The store's next answer to a batch is lost; `meanwhile` is done before the batch goes again. */
  loseAnswer(meanwhile: () => unknown = () => {}): void {
    this.#losses.push(meanwhile)
  }

  /** From now on replicas are told nothing; `'open'`: those that have a session. */
  hold(which: 'all' | 'open' = 'all'): void {
    this.#held ??= []
    this.#passesNew = which === 'open'
  }

  /** Replicas are told what was held back. */
  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const tell of held) tell()
  }

  open(host: Host): void {
    this.#inner.open(host)
  }

  async write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    const outcomes = await this.#inner.write(id, batch)
    this.answered++
    this.written += batch.writes.length
    const loss = this.#losses.shift()
    if (loss === undefined) return outcomes
    await loss()
    throw new MemisError('DISCONNECTED', 'the answer was lost')
  }

  merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    return this.#inner.merge(id, base, entries)
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    let isClosed = false
    const passes = this.#held !== null && this.#passesNew
    const late =
      <A extends unknown[]>(tell: (...args: A) => void) =>
      (...args: A) => {
        const told = () => {
          if (!isClosed) tell(...args)
        }
        if (this.#held === null || passes) told()
        else this.#held.push(told)
      }
    const watch = this.#inner.watch(id, from, {
      begin: late((mode, history) => sink.begin(mode, history)),
      entries: late((list, isAtomic) => sink.entries(list, isAtomic)),
      live: late((cursor) => sink.live(cursor)),
      stale: late((error) => sink.stale(error)),
    })
    return {
      close() {
        isClosed = true
        watch.close()
      },
    }
  }

  beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    return this.#inner.beginEpoch(id, after)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
