/** Restores what the store lost, while a session lasts: offers it by merges, in parts, and applies the answers. */
import { bytesOf } from './entries'
import { MemisError } from './errors'
import type { Replica } from './replica'
import { batchBytesLimit, type CollectionId, type Entry, mergeLimit, type Transport } from './transport'

/** Replicas begin within this time (ms), at random: a hundred that begin at once would each offer everything. */
const spread = 250
/** After a failure the rest is offered again after this time (ms). */
const pause = 1000
/** A replica that may not write waits this long (ms) for those that may. */
export const patience = 2000

/** This client will never be allowed to restore, though others may. */
export const mayNotWrite = ({ code }: MemisError): boolean => code === 'UNAUTHORIZED' || code === 'READ_ONLY'

export interface RestorerListener {
  /** The cause of changes by its answers: they belong to the first contents, or to the catching up. */
  cause(): 'snapshot' | 'resync'
  /** Nothing is lost any more, or something came of a part. */
  progressed(): void
  /** This client may not restore, and nobody else did in time: the store's word counts. */
  gaveUp(): void
  report(error: MemisError): void
}

type State =
  | { readonly kind: 'idle' | 'stopped' }
  | { readonly kind: 'waiting'; readonly timer: unknown }
  | { readonly kind: 'merging' }

/** The part of a replica that restoring needs. */
type LosingReplica = Pick<Replica<never>, 'lost' | 'base' | 'restorable' | 'merged'>

export class Restorer {
  readonly #transport: Transport
  readonly #id: CollectionId
  readonly #replica: LosingReplica
  readonly #listener: RestorerListener
  #state: State = { kind: 'idle' }

  constructor(transport: Transport, id: CollectionId, replica: LosingReplica, listener: RestorerListener) {
    this.#transport = transport
    this.#id = id
    this.#replica = replica
    this.#listener = listener
  }

  /** Begins soon, if something is lost and nothing is being done about it. */
  start(): void {
    if (this.#state.kind === 'idle' && this.#replica.lost.size > 0) this.#mergeAfter(Math.random() * spread)
  }

  stop(): void {
    if (this.#state.kind === 'waiting') this.#transport.clock.clearTimeout(this.#state.timer)
    this.#state = { kind: 'stopped' }
  }

  #mergeAfter(ms: number): void {
    const timer = this.#transport.clock.setTimeout(() => this.#merge(), ms)
    this.#state = { kind: 'waiting', timer }
  }

  async #merge(): Promise<void> {
    const merging: State = { kind: 'merging' }
    this.#state = merging
    // Others do the same: in another order, so that they share the work.
    const keys = shuffled(this.#replica.lost.keys)
    try {
      while (keys.length > 0) {
        const entries = this.#take(keys)
        if (this.#state !== merging) return
        if (entries.length > 0) {
          const answers = await this.#transport.merge(this.#id, this.#replica.base, entries)
          if (this.#state !== merging) return
          if (answers.length < entries.length) throw new MemisError('STORE_REFUSED', 'a merge was answered in part')
          this.#apply(entries, answers)
          if (this.#state !== merging) return
        }
        this.#listener.progressed()
        if (this.#state !== merging) return
      }
      this.#state = { kind: 'idle' }
      this.start() // more may have been lost meanwhile
    } catch (error) {
      if (this.#state !== merging) return
      this.#failed(error)
    }
  }

  /** Takes the entries of the next merge, which is bounded as a batch of writes is. */
  #take(keys: string[]): Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    for (let key = keys.at(-1); key !== undefined && entries.length < mergeLimit; key = keys.at(-1)) {
      const entry = this.#replica.restorable(key)
      bytes += entry === undefined ? 0 : bytesOf(entry)
      if (entries.length > 0 && bytes > batchBytesLimit) break
      if (entry !== undefined) entries.push(entry)
      keys.pop()
    }
    return entries
  }

  #apply(entries: readonly Entry[], answers: Awaited<ReturnType<Transport['merge']>>): void {
    entries.forEach((entry, i) => {
      const answer = answers[i]
      if (answer !== undefined && this.#state.kind === 'merging') {
        this.#replica.merged(entry, answer, this.#listener.cause())
      }
    })
  }

  #failed(reason: unknown): void {
    const error =
      reason instanceof MemisError ? reason : new MemisError('STORE_REFUSED', 'a merge failed', { cause: reason })
    this.#listener.report(error)
    if (!mayNotWrite(error)) return this.#mergeAfter(pause)
    const timer = this.#transport.clock.setTimeout(() => {
      this.#state = { kind: 'idle' }
      if (this.#replica.lost.size > 0) this.#listener.gaveUp()
    }, patience)
    this.#state = { kind: 'waiting', timer }
  }
}

/** In random order (Fisher and Yates). */
function shuffled<A>(list: A[]): A[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const kept = list[i] as A
    list[i] = list[j] as A
    list[j] = kept
  }
  return list
}
