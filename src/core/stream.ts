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
  | { readonly kind: 'waiting'; readonly resolve: () => void }
  | { readonly kind: 'ended'; readonly error: MemisError | undefined }

/** The changes of a collection, for one reader. Changes of a key that was not read yet are merged into their net effect. */
export class ChangeStream<T> implements AsyncIterableIterator<Change<T>> {
  readonly #pending = new Map<string, Change<T>>()
  readonly #prefix: string
  readonly #released: (stream: ChangeStream<T>) => void
  #state: State = { kind: 'open' }

  constructor(prefix: string, released: (stream: ChangeStream<T>) => void) {
    this.#prefix = prefix
    this.#released = released
  }

  push(change: Change<T>): void {
    const { key } = change
    if (this.#state.kind === 'ended' || !key.startsWith(this.#prefix)) return
    const unread = this.#pending.get(key)
    this.#pending.delete(key) // it goes to the end
    const previous = unread === undefined ? change.previous : unread.previous
    const isNothing = unread !== undefined && previous === undefined && change.kind !== 'set'
    if (!isNothing) this.#pending.set(key, unread === undefined ? change : { ...change, previous })
    this.#wake()
  }

  /** Ends the stream; with an error, its reader gets that. */
  end(error?: MemisError): void {
    if (this.#state.kind === 'ended') return
    const state = this.#state
    this.#state = { kind: 'ended', error }
    this.#pending.clear()
    this.#released(this)
    if (state.kind === 'waiting') state.resolve()
  }

  async next(): Promise<IteratorResult<Change<T>, undefined>> {
    for (;;) {
      for (const [key, change] of this.#pending) {
        this.#pending.delete(key)
        return { done: false, value: change }
      }
      if (this.#state.kind === 'ended') {
        const { error } = this.#state
        this.#state = { kind: 'ended', error: undefined } // told once
        if (error !== undefined) throw error
        return { done: true, value: undefined }
      }
      const former = this.#state
      await new Promise<void>((resolve) => {
        this.#state = { kind: 'waiting', resolve }
        if (former.kind === 'waiting') former.resolve() // two readers at a time
      })
    }
  }

  async return(): Promise<IteratorResult<Change<T>, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #wake(): void {
    if (this.#state.kind !== 'waiting') return
    const { resolve } = this.#state
    this.#state = { kind: 'open' }
    resolve()
  }
}
