import { Collection } from './collection'
import { Database } from './database'
import { type ErrorCode, isPermanent, MemisError, quote } from './errors'
import { Emitter, emit } from './events'
import { checkName } from './names'
import type { Settings } from './options'
import type { Host, Place, Transport } from './transport'
import { Writer } from './writer'

/** Listeners may give anything back; of a promise, its rejection is heard. */
type Result = unknown

export type ClientEvents = {
  /** The link to the store is up. */
  connect: () => Result
  /** The link to the store was lost; memis goes on trying. */
  disconnect: (error: MemisError) => Result
  /** Something went wrong that no promise tells. The same fault is told once a burst, but each failure of a listener. */
  error: (error: MemisError) => Result
  /** The client is closed, and all that it held is given back. */
  close: () => Result
}

const eventNames = ['connect', 'disconnect', 'error', 'close'] as const

/** Errors of one code with less than so many ms between each and the next are one burst, and told once. */
const burstMs = 10_000

/** A connection to a store, and the databases in it. Made by `createClient`. */
export class Client extends Emitter<ClientEvents> {
  /** @internal */
  readonly transport: Transport
  /** @internal */
  readonly settings: Settings
  /** @internal */
  readonly writer: Writer
  /** @internal Why every call is refused, once `close()` was called. */
  closed: MemisError | null = null
  /** @internal */
  isUp = false
  readonly #databases = new Map<string, Database>()
  // biome-ignore lint/suspicious/noExplicitAny: of whatever items
  readonly #collections: Collection<any>[] = []
  readonly #counts: Partial<Record<ErrorCode, number>> = {}
  readonly #toldAt = new Map<ErrorCode, number>()
  #fault: MemisError | null = null
  #connecting: PromiseWithResolvers | null = null
  #closing: Promise<void> | null = null
  #warned = false

  /** @internal by `createClient` */
  constructor(transport: Transport, settings: Settings) {
    super(eventNames, (event, error) =>
      this.listenerFailed(`a listener of ${JSON.stringify(event)}`, error, event === 'error'),
    )
    this.transport = transport
    this.settings = settings
    this.writer = new Writer(transport, settings)
    const host: Host = {
      retention: settings.retention,
      livenessTimeout: settings.livenessTimeout,
      auditInterval: settings.auditInterval,
      writeTimeout: settings.writeTimeout,
      up: () => this.#linkUp(),
      down: (error) => this.#linkDown(error),
      report: (error) => this.report(error),
    }
    transport.open(host)
  }

  /**
   * Waits until the store is reached; a client connects by itself, so nobody has to call it. Rejects with a fault
   * that will not pass (`UNAUTHORIZED`, `UNSUPPORTED_STORE`, `MISSING_PACKAGE`, `INVALID_OPTION`), or with `CLOSED`.
   */
  connect(): Promise<void> {
    if (this.refusal === null && this.isUp) return Promise.resolve()
    const connecting = this.#connecting ?? withResolvers()
    if (this.refusal !== null) connecting.reject(this.refusal)
    else this.#connecting = connecting
    return connecting.promise
  }

  /**
   * The database of that name, the same object for the same name; nothing is read or written.
   * @throws MemisError `INVALID_NAME` (1 to 64 bytes of UTF-8 are allowed), `CLOSED`
   */
  database(name: string): Database {
    if (this.closed !== null) throw this.closed
    checkName('database', name)
    let database = this.#databases.get(name)
    if (database === undefined) {
      database = new Database(this, name)
      this.#databases.set(name, database)
    }
    return database
  }

  /** How often each error code was reported, those within a burst included. */
  get errorCounts(): Readonly<Partial<Record<ErrorCode, number>>> {
    return { ...this.#counts }
  }

  /**
   * Closes the client: from now on every call is refused with `CLOSED`. Resolves when the writes that waited are sent,
   * or 5 s have passed (or `writeTimeout`, if that is shorter), and all sockets and timers are gone.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal Why calls are refused just now, or null. */
  get refusal(): MemisError | null {
    return this.closed ?? this.#fault
  }

  /** @internal */
  get maxItemBytes(): number {
    return Math.min(this.settings.maxItemBytes, this.transport.maxItemBytes)
  }

  /** @internal by `Database.collection` */
  makeCollection<T extends object>(place: Omit<Place, 'prefix'>): Collection<T> {
    if (this.closed !== null) throw this.closed
    const collection = new Collection<T>(this, { prefix: this.settings.prefix, ...place })
    this.#collections.push(collection)
    return collection
  }

  /** @internal Tells a fault by the `error` event, once a burst. */
  report(error: MemisError): void {
    const { code } = error
    this.#counts[code] = (this.#counts[code] ?? 0) + 1
    const now = this.transport.clock.now()
    const before = this.#toldAt.get(code)
    this.#toldAt.set(code, now)
    if (before !== undefined && now - before < burstMs) return
    if (this.listenerCount('error') > 0) return emit(this, 'error', [error])
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(`${error.message} (listen to the client's 'error' event to hear of all such faults)`, {
      type: 'MemisWarning',
      code,
    })
  }

  /** @internal A listener's own fault reaches `error`; where nobody listens, it surfaces as if thrown outside memis. */
  listenerFailed(what: string, thrown: unknown, ofError = false): void {
    this.#counts.LISTENER_FAILED = (this.#counts.LISTENER_FAILED ?? 0) + 1
    if (ofError || this.listenerCount('error') === 0) {
      process.nextTick(() => {
        throw thrown
      })
      return
    }
    const reason = thrown instanceof Error ? thrown.message : quote(thrown)
    emit(this, 'error', [new MemisError('LISTENER_FAILED', `${what} failed: ${reason}`, { cause: thrown })])
  }

  #linkUp(): void {
    this.isUp = true
    this.writer.up()
    if (this.closed !== null) return // but for what close() still sends
    this.#fault = null
    this.#toldAt.delete('DISCONNECTED')
    this.#connecting?.resolve()
    this.#connecting = null
    for (const collection of this.#collections) collection.linkUp()
    emit(this, 'connect', [])
  }

  #linkDown(error: MemisError): void {
    const wasUp = this.isUp
    this.isUp = false
    this.writer.down()
    if (this.closed !== null) return
    for (const collection of this.#collections) collection.linkDown()
    if (isPermanent(error)) {
      this.#fault = error
      this.#connecting?.reject(error)
      this.#connecting = null
      this.writer.refuse(error)
      for (const collection of this.#collections) collection.refuseWaiting(error)
    }
    if (wasUp) emit(this, 'disconnect', [error])
    else this.report(error)
  }

  async #close(): Promise<void> {
    const closed = new MemisError('CLOSED', 'the client is closed')
    this.closed = closed
    this.#connecting?.reject(closed)
    this.#connecting = null
    for (const collection of this.#collections) collection.close(closed)
    await this.writer.close()
    try {
      await this.transport.close()
    } finally {
      this.isUp = false
      emit(this, 'close', [])
    }
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: MemisError) => void
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void
  let reject!: (error: MemisError) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => {}) // who does not await it hears of the fault by the `error` event
  return { promise, resolve, reject }
}
