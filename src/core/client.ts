import { Database } from './database'
import { type ErrorCode, isPermanent, MemisError, quote } from './errors'
import { Emitter, emit } from './events'
import { FaultReports } from './fault-reports'
import { checkName } from './names'
import type { Settings } from './options'
import type { ReadableCollection } from './readable-collection'
import type { Host, Transport } from './transport'
import { WeakCache } from './weak-cache'
import { WriteQueue } from './write-queue'

/** Listeners may return anything; if it is a promise, its rejection is reported. */
type Result = unknown

export type ClientEvents = {
  /** The link to the store is up. */
  connect: () => Result
  /** The link to the store was lost; memis goes on trying. */
  disconnect: (error: MemisError) => Result
  /** Something went wrong that no promise tells. A fault that persists is told again each minute; each failure of a listener is told. */
  error: (error: MemisError) => Result
  /** The client is closed, and everything that it held is released. */
  close: () => Result
}

const eventNames = ['connect', 'disconnect', 'error', 'close'] as const

/** Within `livenessTimeout`, replicas are checked this often for a proof that they are current. */
const proofChecks = 5

/** A connection to a store, and the databases in it. Made by `createClient`. */
export class Client extends Emitter<ClientEvents> {
  /** @internal */
  readonly transport: Transport
  /** @internal */
  readonly settings: Settings
  /** @internal */
  readonly writes: WriteQueue
  /** @internal Why every call is refused, once `close()` was called. */
  closed: MemisError | null = null
  /** @internal */
  isUp = false
  /** @internal Called by `close()`: they end what calls wait for, so that no timer is left. */
  readonly delays = new Set<() => void>()
  readonly #databases = new WeakCache<Database>()
  /** Collections that are subscribed or have listeners. All others are kept by their users alone. */
  // biome-ignore lint/suspicious/noExplicitAny: collections of any items
  readonly #active = new Set<ReadableCollection<any>>()
  readonly #faults: FaultReports
  #fault: MemisError | null = null
  #connecting: PromiseWithResolvers | null = null
  #closing: Promise<void> | null = null
  #proofTimer: unknown
  #hasWarned = false

  /** @internal by `createClient` */
  constructor(transport: Transport, settings: Settings) {
    super(eventNames, (event, error) => this.listenerFailed(`a listener of ${quote(event)}`, error, event === 'error'))
    this.transport = transport
    this.settings = settings
    this.writes = new WriteQueue(transport, settings)
    this.#faults = new FaultReports(transport.clock)
    const { retention, livenessTimeout, auditInterval, writeTimeout, maxItemBytes, readOnly } = settings
    const host: Host = {
      retention,
      livenessTimeout,
      auditInterval,
      writeTimeout,
      maxItemBytes,
      readOnly,
      up: () => this.#linkUp(),
      down: (error) => this.#linkDown(error),
      report: (error) => this.report(error),
    }
    transport.open(host)
    if (transport.isLocal !== true) this.#checkProofs()
  }

  /**
   * Waits until the store is reached. Optional: a client connects by itself. Rejects with a fault that does not pass by
   * itself (`UNAUTHORIZED`, `UNSUPPORTED_STORE`, `MISSING_PACKAGE`, `INVALID_OPTION`), or with `CLOSED`.
   */
  connect(): Promise<void> {
    if (this.refusal === null && this.isUp) return Promise.resolve()
    const connecting = this.#connecting ?? withResolvers()
    if (this.refusal !== null) connecting.reject(this.refusal)
    else this.#connecting = connecting
    return connecting.promise
  }

  /**
   * The database of that name, the same object for the same name; no I/O.
   * @throws MemisError `INVALID_NAME` (1 to 64 bytes of UTF-8), `CLOSED`
   */
  database(name: string): Database {
    if (this.closed !== null) throw this.closed
    checkName('database', name)
    return this.#databases.get(name, () => new Database(this, name))
  }

  /** How often each error code occurred, those included that were not told. */
  get errorCounts(): Readonly<Partial<Record<ErrorCode, number>>> {
    return this.#faults.counts
  }

  /**
   * Closes the client: from now on every call is refused with `CLOSED`. Resolves when the writes that waited are sent, or
   * 5 s have passed (or `writeTimeout`, if that is shorter), and all sockets and timers are gone.
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

  /** @internal A collection is in use from now on, or no longer. */
  // biome-ignore lint/suspicious/noExplicitAny: collections of any items
  keep(collection: ReadableCollection<any>, isActive: boolean): void {
    if (isActive) this.#active.add(collection)
    else this.#active.delete(collection)
  }

  /** @internal Tells a fault by the `error` event, unless it belongs to a burst that was told. */
  report(error: MemisError): void {
    const told = this.#faults.add(error)
    if (told === null) return
    if (this.listenerCount('error') > 0) return emit(this, 'error', [told])
    if (this.#hasWarned) return
    this.#hasWarned = true
    process.emitWarning(`${told.message} (listen to the client's 'error' event to be told of all such faults)`, {
      type: 'MemisWarning',
      code: told.code,
    })
  }

  /** @internal A listener's fault goes to `error`; if nobody listens, it surfaces as if thrown outside memis. */
  listenerFailed(what: string, thrown: unknown, isOfError = false): void {
    this.#faults.count('LISTENER_FAILED')
    if (isOfError || this.listenerCount('error') === 0) {
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
    this.writes.linkUp()
    if (this.closed !== null) return // close() still sends what waits
    this.#fault = null
    this.#connecting?.resolve()
    this.#connecting = null
    for (const collection of [...this.#active]) collection.linkUp()
    emit(this, 'connect', [])
  }

  #linkDown(reason: MemisError): void {
    // It is not about a write. The writes that it refuses are told by themselves whether they may be stored.
    const error = reason.stored === undefined ? reason : reason.with({ stored: undefined })
    const wasUp = this.isUp
    this.isUp = false
    this.writes.linkDown()
    if (this.closed !== null) return
    for (const collection of [...this.#active]) collection.linkDown(error)
    if (isPermanent(error)) {
      this.#fault = error
      this.#connecting?.reject(error)
      this.#connecting = null
      this.writes.refuse(error)
      for (const collection of [...this.#active]) collection.refuseWaiting(error)
    }
    if (wasUp) emit(this, 'disconnect', [error])
    else this.report(error)
  }

  #checkProofs(): void {
    const { clock } = this.transport
    this.#proofTimer = clock.setTimeout(() => {
      this.#checkProofs()
      for (const collection of [...this.#active]) collection.checkProof()
    }, this.settings.livenessTimeout / proofChecks)
  }

  async #close(): Promise<void> {
    const closed = new MemisError('CLOSED', 'the client is closed')
    this.closed = closed
    this.#connecting?.reject(closed)
    this.#connecting = null
    if (this.#proofTimer !== undefined) this.transport.clock.clearTimeout(this.#proofTimer)
    for (const collection of [...this.#active]) collection.close(closed)
    for (const end of [...this.delays]) end()
    await this.writes.close()
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
  promise.catch(() => {}) // the `error` event tells the fault to those who do not await it
  return { promise, resolve, reject }
}
