import {
  differences,
  type Entries,
  pairsOf,
  parseRevision,
  type Replacement,
  TransactionBuilder,
  type TransactionWrites,
} from './bulk'
import type { Client } from './client'
import { decodeItem, encodeItem } from './codec'
import { Conditional, delay, type Next, type Updater } from './conditional'
import type { Database } from './database'
import { MemisError, quote, withStored } from './errors'
import { checkIncrement, sumOf, withFields } from './fields'
import { checkName } from './names'
import { readWhole } from './read-whole'
import { itemEntry, ReadableCollection } from './readable-collection'
import type { Accepted, CollectionId, Entry, KeyWrite, Write } from './transport'
import { checkTtl, checkTtlOrKeep } from './ttl'
import type { DeepReadonly, ItemEntry, Seconds } from './types'
import { checkOptions, checkSignal } from './waiters'
import type { Caller, Transaction } from './waiting-writes'
import {
  checkFlag,
  type DeleteOptions,
  parseIfRevision,
  parseSetOptions,
  type SetOptions,
  type UpdateOptions,
} from './write-options'
import type { WriteTarget } from './write-queue'
import { Call, type CallOwner, WriteResult } from './write-result'

/** Names of the fields that hold numbers; they may be absent. */
export type NumberFields<T> = { [F in keyof T]-?: IfNumber<Exclude<T[F], undefined>, F> }[keyof T] & string
type IfNumber<V, F> = [V] extends [never] ? never : [V] extends [number] ? F : never

/**
 * A small collection of items that several processes share. Once subscribed, it is a `ReadonlyMap`: a full replica in this
 * process. Reading is local, synchronous and without copies (items are frozen and shared). Writing needs no subscription.
 *
 * Every writing method rejects with `INVALID_NAME`, `INVALID_ITEM`, `INVALID_TTL`, `INVALID_OPTION`, `ITEM_TOO_LARGE`,
 * `TOO_MANY_PENDING`, `WRITE_TIMEOUT`, `STORE_REFUSED`, `UNAUTHORIZED`, `READ_ONLY` or `CLOSED`. A failure that nobody
 * awaits is told by the client's `error` event.
 */
export class Collection<T extends object> extends ReadableCollection<T> {
  readonly #client: Client
  readonly #target: WriteTarget
  readonly #owner: CallOwner
  readonly #conditional: Conditional<T>

  /** @internal by `Database.collection` */
  constructor(client: Client, database: Database, name: string) {
    super(client, database, name)
    this.#client = client
    const id: CollectionId = { prefix: client.settings.prefix, database: database.name, collection: name }
    // The queue holds it, and with it the collection, as long as writes wait or are in flight.
    this.#target = { id, accepted: (writes, accepted) => this.written(writes, accepted) }
    this.#owner = {
      named: (error, key) => {
        if (!(error instanceof MemisError)) return error // the caller's own
        // The queue says of each write whether it may be stored. Anything else went wrong before.
        return withStored(error.at({ database: database.name, collection: name, key }), error.stored ?? 'no')
      },
      entry: toItemEntry,
      unheard: (error) => client.report(error as MemisError),
    }
    this.#conditional = new Conditional<T>({
      known: (key) => this.known(key),
      push: (write, bytes, caller) => this.#push(write, bytes, caller),
      encode: (key, item) => encodeItem(key, item, client.maxItemBytes),
      delay: (ms, signal) => delay(client, ms, signal),
      now: () => client.transport.clock.now(),
      writeTimeout: client.settings.writeTimeout,
    })
  }

  /**
   * Stores an item, in place of the whole item that was there. A ttl counts from acceptance. Resolves when the store has accepted it;
   * if the collection is subscribed, `get` returns it by then. Rejects with `CONFLICT` if a condition fails.
   */
  set(key: string, item: T | DeepReadonly<T>, options?: Seconds | SetOptions): Promise<void> {
    const call = new Call<void>(this.#owner, key, nothing)
    try {
      checkName('key', key)
      const { ttlMs, condition } = parseSetOptions(key, options)
      const encoded = encodeItem(key, item, this.#client.maxItemBytes)
      const write: KeyWrite = { kind: 'set', key, item: encoded, ttlMs }
      this.#push(condition === undefined ? write : { ...write, if: condition }, encoded.bytes + key.length, call)
    } catch (error) {
      call.refused(error as MemisError)
    }
    return call.result
  }

  /** Deletes an item. Resolves to whether the store had it. Rejects with `CONFLICT` if a condition fails. */
  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    const call = new Call<boolean>(this.#owner, key, existed)
    try {
      const write: KeyWrite = { kind: 'delete', key: checkName('key', key) }
      if (options !== undefined) checkOptions('delete', options, ['ifRevision'])
      const revision = options && parseIfRevision(options)
      const condition = revision === undefined ? {} : { if: revision }
      this.#push({ ...write, ...condition }, key.length, call)
    } catch (error) {
      call.refused(error as MemisError)
    }
    return call.result
  }

  /** Deletes all items; each is emitted as a delete. Resolves once the store has done so. */
  clear(): Promise<void> {
    const call = new Call<void>(this.#owner, undefined, nothing)
    try {
      this.#push({ kind: 'clear' }, 0, call)
    } catch (error) {
      call.refused(error as MemisError)
    }
    return call.result
  }

  /**
   * Changes an item on the condition that nobody else changed it meanwhile: calls `updater` with the item (undefined if there is
   * none), and stores what it returns; undefined deletes the item, and the same object changes nothing. After a conflict it is called again with
   * the store's item. Resolves to what is stored. Rejects with what `updater` throws, or with `ABORTED`.
   */
  update<R extends Next<T>>(
    key: string,
    updater: Updater<T, R>,
    options: UpdateOptions = {},
  ): Promise<DeepReadonly<T> | (undefined extends R ? undefined : never)> {
    return this.#call(key, async () => {
      checkName('key', key)
      checkOptions('update', options, ['ttl', 'signal'])
      const { ttl = 'keep', signal } = options
      checkSignal('update', { signal })
      if (typeof updater !== 'function') throw new TypeError(`${quote(updater)} is not a function`)
      return (await this.#conditional.update(key, updater, checkTtlOrKeep(key, ttl), signal)) as DeepReadonly<T>
    })
  }

  /** Changes these fields, and keeps the others and the ttl; undefined removes a field. Resolves to false if there is no item. */
  patch(key: string, fields: Partial<T> | Partial<DeepReadonly<T>>): Promise<boolean> {
    return this.#call(key, async () => {
      checkName('key', key)
      const change = withFields<DeepReadonly<T>>(fields, (own) => encodeItem(key, own, this.#client.maxItemBytes))
      return (await this.#conditional.update(key, change, 'keep')) !== undefined
    })
  }

  /**
   * Adds to a number; an absent field counts as 0. Each call counts exactly once. Resolves to the new number. Rejects with
   * `NOT_FOUND` if there is no item, and with `INVALID_ITEM` if the field holds something else.
   */
  increment(key: string, field: NumberFields<T>, by = 1): Promise<number> {
    return this.#call(key, async () => {
      checkName('key', key)
      checkIncrement(field, by)
      let sum = 0
      const add: Updater<T> = (item) => {
        sum = sumOf(item, field, by)
        return { ...(item as DeepReadonly<T>), [field]: sum }
      }
      await this.#conditional.update(key, add, 'keep')
      return sum
    })
  }

  /** Gives an item another ttl, without an event. Resolves to false if there is no item. */
  touch(key: string, ttl: Seconds): Promise<boolean> {
    return this.#call(key, async () => {
      checkName('key', key)
      const ttlMs = checkTtl(key, ttl)
      if (ttlMs === null) throw new MemisError('INVALID_TTL', 'touch() needs a ttl in seconds')
      return this.#conditional.touch(key, ttlMs)
    })
  }

  /** Stores many items. Everything is checked before anything is sent. Resolves when all are accepted. */
  setMany(entries: Entries<T>, options: { ttl?: Seconds } = {}): Promise<void> {
    return this.#call(undefined, async () => {
      checkOptions('setMany', options, ['ttl'])
      const { ttl } = options
      const writes = pairsOf('setMany', entries).map(([key, item]) => this.#encode(key, item, checkTtl(key, ttl)))
      await this.#sendAll(writes)
    })
  }

  /**
   * Makes the collection hold exactly these items: reads what the store holds, sends only what differs, and deletes the rest. Items that would
   * expire otherwise are sent, too: with a ttl, all. `dryRun` sends nothing. Others may write meanwhile: it is no transaction.
   */
  replaceAll(entries: Entries<T>, options: { ttl?: Seconds; dryRun?: boolean } = {}): Promise<Replacement> {
    return this.#call(undefined, async () => {
      checkOptions('replaceAll', options, ['ttl', 'dryRun'])
      const { ttl, dryRun = false } = options
      checkFlag('dryRun', dryRun)
      const pairs = pairsOf('replaceAll', entries)
      const writes = new Map(pairs.map(([key, item]) => [key, this.#encode(key, item, checkTtl(key, ttl))] as const))
      const held = await readWhole(this.#client, this)
      const { set, deleted } = differences(held, new Map([...writes].map(([key, write]) => [key, write.item.item])))
      const expires = (key: string) => typeof held.get(key)?.expiresIn === 'number'
      const sent = [...writes.keys()].filter((key) => set.has(key) || ttl !== undefined || expires(key))
      const deletes = deleted.map((key): KeyWrite => ({ kind: 'delete', key }))
      if (!dryRun) await this.#sendAll([...sent.map((key) => writes.get(key) as KeyWrite), ...deletes])
      return { set: set.size, deleted: deleted.length, unchanged: writes.size - set.size }
    })
  }

  /**
   * Writes all or nothing: the function adds writes and checks, at most 500, and nothing is sent before it has returned. No reader, and no listener,
   * sees a part of it. Resolves when the store has accepted all. Rejects with `CONFLICT` (with `key` and `current`) if a check fails.
   */
  transaction(build: (writes: TransactionWrites<T>) => void): Promise<void> {
    return this.#call(undefined, async () => {
      const builder = new TransactionBuilder()
      const result: unknown = build({
        check: (key, revision) =>
          builder.check(checkName('key', key), revision === null ? null : parseRevision('check()', revision)),
        set: (key, item, ttl) => builder.add(this.#encode(key, item, checkTtlOrKeep(key, ttl))),
        delete: (key) => builder.add({ kind: 'delete', key: checkName('key', key) }),
      })
      const writes = builder.end(result)
      if (writes.length > 0) await this.#send({ kind: 'transaction', writes })
    })
  }

  #encode(key: string, item: unknown, ttlMs: number | null | 'keep'): Extract<KeyWrite, { kind: 'set' }> {
    return { kind: 'set', key: checkName('key', key), item: encodeItem(key, item, this.#client.maxItemBytes), ttlMs }
  }

  async #sendAll(writes: readonly KeyWrite[]): Promise<void> {
    await Promise.all(writes.map((write) => this.#send(write)))
  }

  #send(write: KeyWrite | Transaction): Promise<void> {
    const call = new Call<void>(this.#owner, write.kind === 'transaction' ? undefined : write.key, nothing)
    try {
      const parts = write.kind === 'transaction' ? write.writes : [write]
      this.#push(
        write,
        parts.reduce((sum, part) => sum + bytesOf(part), 0),
        call,
      )
    } catch (error) {
      call.refused(error as MemisError)
    }
    return call.result
  }

  #push(write: Write | Transaction, bytes: number, caller: Caller): void {
    if (this.#client.settings.readOnly) {
      throw new MemisError('READ_ONLY', 'the client was made with readOnly: true', { stored: 'no' })
    }
    this.#client.writes.push(this.#target, write, bytes, caller)
  }

  /** Runs an asynchronous method: its errors get names, and a failure that nobody awaits is reported. */
  #call<R>(key: string | undefined, run: () => Promise<R>): Promise<R> {
    return WriteResult.of(
      run().catch((error) => Promise.reject(this.#owner.named(error, key))),
      this.#owner.unheard,
    )
  }
}

// Shared by all calls: a closure for each would be felt.
const nothing = () => {}
const existed = (accepted: Accepted) => accepted.existed

const bytesOf = (write: KeyWrite) => write.key.length + (write.kind === 'set' ? write.item.bytes : 0)

const toItemEntry = (entry: Entry): ItemEntry<unknown> =>
  itemEntry<unknown>(entry.key, decodeItem(entry.item), entry, entry.leftMs)
