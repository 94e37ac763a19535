/** Ways to follow the changes of a collection beside its events: watchers of keys, and streams of changes. */
import type { Change } from './contents'
import type { MemisError } from './errors'
import type { DeepReadonly } from './types'

/** Called with the item after the change, undefined if it is gone. */
export type WatchListener<T> = (item: DeepReadonly<T> | undefined, key: string, change: Change<T>) => unknown

/** The item after a change. */
export const itemAfter = <T>(change: Change<T>): DeepReadonly<T> | undefined =>
  change.kind === 'set' ? change.item : undefined

/** Listeners by key or prefix. A change costs the same with ten thousand watched keys as with one. */
export class Watchers<T> {
  readonly #byKey = new Map<string, Set<WatchListener<T>>>()
  readonly #byPrefix = new Map<string, Set<WatchListener<T>>>()

  get isEmpty(): boolean {
    return this.#byKey.size === 0 && this.#byPrefix.size === 0
  }

  /** Returns a function that removes the listener. */
  add(target: string | { readonly prefix: string }, listener: WatchListener<T>): () => void {
    const [listeners, name] =
      typeof target === 'string' ? ([this.#byKey, target] as const) : ([this.#byPrefix, target.prefix] as const)
    // The same function may be added twice.
    const own: WatchListener<T> = (item, key, change) => listener(item, key, change)
    const set = listeners.get(name) ?? new Set()
    listeners.set(name, set.add(own))
    return () => {
      if (set.delete(own) && set.size === 0) listeners.delete(name)
    }
  }

  *of(key: string): IterableIterator<WatchListener<T>> {
    yield* [...(this.#byKey.get(key) ?? [])]
    if (this.#byPrefix.size === 0) return
    for (const [prefix, listeners] of [...this.#byPrefix]) if (key.startsWith(prefix)) yield* [...listeners]
  }
}

type State =
  | { readonly kind: 'open' }
  /** The reader waits for a change. */
  | { readonly kind: 'waiting'; readonly wake: () => void }
  | { readonly kind: 'ended'; readonly error: MemisError | undefined }

/** The changes of a collection, for one reader. Changes of a key that was not read yet are merged into their net effect. */
export class ChangeStream<T> implements AsyncIterableIterator<Change<T>> {
  readonly #pending = new Map<string, Change<T>>()
  readonly #prefix: string
  readonly #released: (stream: ChangeStream<T>) => void
  #state: State = { kind: 'open' }
  /** The last call of `next`: calls are answered one after the other. */
  #reading: Promise<unknown> = Promise.resolve()

  constructor(prefix: string, released: (stream: ChangeStream<T>) => void) {
    this.#prefix = prefix
    this.#released = released
  }

  push(change: Change<T>): void {
    const { key } = change
    if (this.#state.kind === 'ended' || !key.startsWith(this.#prefix)) return
    const unread = this.#pending.get(key)
    const net = unread === undefined ? change : { ...change, previous: unread.previous }
    this.#pending.delete(key) // it goes to the end
    // The reader never knew of it.
    if (unread !== undefined && net.previous === undefined && net.kind !== 'set') return
    this.#pending.set(key, net)
    this.#wake({ kind: 'open' })
  }

  /** Ends the stream; with an error, its reader gets that. */
  end(error?: MemisError): void {
    if (this.#state.kind === 'ended') return
    this.#pending.clear()
    this.#wake({ kind: 'ended', error })
    this.#released(this)
  }

  next(): Promise<IteratorResult<Change<T>, undefined>> {
    const result = this.#reading.then(() => this.#next())
    this.#reading = result.catch(() => {})
    return result
  }

  async return(): Promise<IteratorResult<Change<T>, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<Change<T>, undefined>> {
    for (;;) {
      for (const [key, change] of this.#pending) {
        this.#pending.delete(key)
        return { done: false, value: change }
      }
      if (this.#state.kind === 'ended') {
        const { error } = this.#state
        this.#state = { kind: 'ended', error: undefined } // thrown once
        if (error !== undefined) throw error
        return { done: true, value: undefined }
      }
      await new Promise<void>((wake) => {
        this.#state = { kind: 'waiting', wake }
      })
    }
  }

  #wake(next: State): void {
    const state = this.#state
    this.#state = next
    if (state.kind === 'waiting') state.wake()
  }
}
