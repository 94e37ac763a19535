/** The ways to follow a collection beside its events: `watch`, `waitFor`, `changes` and `reached`. */
import type { Change } from './contents'
import { MemisError, quote } from './errors'
import { compare, encodeRevision } from './history'
import { checkName } from './names'
import type { Replica } from './replica'
import { onAbort } from './signals'
import { ChangeStream, itemAfter, Watchers, type WatchListener } from './stream'
import type { Revision } from './transport'
import type { DeepReadonly } from './types'
import { checkOptions, Waiters } from './waiters'

export interface FollowingOwner {
  /** `isUsed` may have changed. */
  used(): void
  /** A listener of `watch` threw, or its promise rejected. */
  failed(error: unknown): void
  /** The same error, with the collection's names. */
  named(error: MemisError): MemisError
}

export class Following<T extends object> {
  readonly #owner: FollowingOwner
  readonly #watchers = new Watchers<T>()
  readonly #streams = new Set<ChangeStream<T>>()
  readonly #waiting = new Waiters()
  /** Called whenever the replica may be at a later state. */
  readonly #checks = new Set<() => void>()

  constructor(owner: FollowingOwner) {
    this.#owner = owner
  }

  get isUsed(): boolean {
    return !this.#watchers.isEmpty
  }

  watch(target: string | { readonly prefix: string }, listener: WatchListener<T>): () => void {
    if (typeof target === 'string') checkName('key', target)
    else if (typeof target?.prefix !== 'string') {
      throw new MemisError('INVALID_OPTION', `watch() takes a key or { prefix }; this is ${quote(target)}`)
    } else checkOptions('watch', target, ['prefix'])
    if (typeof listener !== 'function') {
      throw new MemisError('INVALID_LISTENER', `a listener must be a function; this is ${quote(listener)}`)
    }
    const stop = this.#watchers.add(target, listener)
    this.#owner.used()
    return () => {
      stop()
      this.#owner.used()
    }
  }

  /** `isKnown`: whether what the replica knows of the key counts by now. */
  waitFor(
    { items }: Replica<T>,
    key: string,
    predicate: (item: DeepReadonly<T> | undefined) => boolean,
    signal: AbortSignal | undefined,
    isKnown: () => boolean,
  ): Promise<DeepReadonly<T> | undefined> {
    return this.#waiting.wait<DeepReadonly<T> | undefined>(signal, (settle, fail) => {
      const probe = (item: DeepReadonly<T> | undefined) => {
        try {
          if (predicate(item)) settle(item)
        } catch (error) {
          fail(error as Error)
        }
      }
      const look = () => {
        if (!isKnown()) return
        this.#checks.delete(look)
        probe(items.get(key))
      }
      const stop = this.watch(key, probe)
      this.#checks.add(look)
      look()
      return () => {
        stop()
        this.#checks.delete(look)
      }
    })
  }

  changes(replica: Replica<T>, prefix: string, signal: AbortSignal | undefined): ChangeStream<T> {
    let release = () => {}
    const stream = new ChangeStream<T>(prefix, () => {
      release()
      this.#streams.delete(stream)
    })
    this.#streams.add(stream)
    for (const [key, item] of replica.items) {
      const described = replica.describe(key)
      const revision = described === undefined ? '' : encodeRevision(described.revision)
      stream.push({ kind: 'set', key, item, previous: undefined, revision, cause: 'snapshot' })
    }
    if (signal !== undefined) {
      release = onAbort(signal, () => {
        stream.end(this.#owner.named(new MemisError('ABORTED', 'the call was aborted', { cause: signal.reason })))
      })
    }
    return stream
  }

  reached(replica: Replica<T>, wanted: Revision, signal: AbortSignal | undefined): Promise<void> {
    return this.#waiting.wait(signal, (settle) => {
      const check = () => {
        // A lost entry may be older than what the store has up to there.
        if (replica.cursor !== null && compare(wanted, replica.cursor) <= 0 && replica.lost.size === 0) settle()
      }
      this.#checks.add(check)
      check()
      return () => this.#checks.delete(check)
    })
  }

  /** The replica has changed, before its event. */
  push(change: Change<T>): void {
    for (const stream of this.#streams) stream.push(change)
  }

  /** Calls the watchers of a change, as long as the collection is subscribed. */
  tell(change: Change<T>, isSubscribed: () => boolean): void {
    if (this.#watchers.isEmpty) return
    const item = itemAfter(change)
    for (const listener of this.#watchers.of(change.key)) {
      if (isSubscribed()) this.#call(() => listener(item, change.key, change))
    }
  }

  progressed(): void {
    for (const check of [...this.#checks]) check()
  }

  /** The subscription has ended. */
  end(error: MemisError): void {
    this.#waiting.refuse(error)
    const ending = error.code === 'UNSUBSCRIBED' ? undefined : this.#owner.named(error)
    for (const stream of [...this.#streams]) stream.end(ending)
  }

  /** A listener's fault affects neither other listeners nor replication. */
  async #call(call: () => unknown): Promise<void> {
    try {
      await call()
    } catch (error) {
      this.#owner.failed(error)
    }
  }
}
