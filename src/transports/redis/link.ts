/**
 * The way to one server: connects, and reconnects for ever.
 *
 *     looking ──address──> dialling ──connected──> up ──lost──> waiting ──timer──> looking
 *        └────────────────────┴──────failed──────────────────────^
 */
import type { RedisClientType } from 'redis'
import { backoff } from '../../core/backoff'
import type { Clock } from '../../core/clock'
import { disconnected, isPermanent, MemisError, notSent } from '../../core/errors'
import type { Host } from '../../core/transport'
import { Waiters } from '../../core/waiters'
import { asleep, Connection } from './connection'
import type { Destination } from './destination'
import { isReply, replicaNow, translate, wordOf } from './errors'
import { evaluate } from './evaluate'
import { probe } from './probe'
import type { Route, Routes, Server } from './route'
import type { Script } from './scripts'

export interface LinkListener {
  up(): void
  /** Told after the sessions. */
  down(error: MemisError): void
  /** The server is slow to answer: it may be gone. */
  missed?(): void
}

type State =
  | { readonly kind: 'looking' }
  | { readonly kind: 'dialling'; readonly connection: Connection }
  | {
      readonly kind: 'up'
      readonly connection: Connection
      readonly since: number
      /** The last subscribe or unsubscribe in flight for each channel. */
      readonly turns: Map<string, Promise<void>>
      readonly isClustered: boolean
    }
  | { readonly kind: 'waiting'; readonly timer: unknown }
  | { readonly kind: 'closed' }

/** The first backoff (ms). */
const firstBackoff = 100
/** Failures before a link that was up for so long no longer count (ms). */
const longEnough = 10_000
/** Connections of this process, so that no two have the same number. */
let connections = 0
/** If the server itself refuses, knocking sooner helps nobody (ms): less than thirty times a minute. */
export const refusedPause = 2500

export class Link implements Route, Routes, Server {
  readonly #destination: Destination
  readonly #clock: Clock
  readonly #host: Host
  readonly #listener: LinkListener
  #state: State = { kind: 'waiting', timer: undefined }
  #generation = -1
  #mayEvict = false
  #failures = 0
  /** The function to call when the link is lost, by the listener of each subscription. */
  readonly #ends = new Map<(message: string) => void, (error: MemisError) => void>()
  readonly #waiters = new Waiters()

  constructor(destination: Destination, clock: Clock, host: Host, listener: LinkListener) {
    this.#destination = destination
    this.#clock = clock
    this.#host = host
    this.#listener = listener
    this.#dial()
  }

  to(): Route {
    return this
  }

  get server(): Server | null {
    return this.isUp ? this : null
  }

  get isUp(): boolean {
    return this.#state.kind === 'up'
  }

  get isClustered(): boolean {
    return this.#state.kind === 'up' && this.#state.isClustered
  }

  get generation(): number {
    return this.#generation
  }

  get mayEvict(): boolean {
    return this.#mayEvict
  }

  async run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    generation = this.#generation,
  ): Promise<unknown> {
    const { connection, isClustered } = this.#up()
    if (generation !== this.#generation) throw notSent('this is another connection than the one that was checked')
    try {
      const version = isClustered ? script.clustered : script
      const reply = await evaluate(connection.commands, version, this.#host.readOnly, keys, args)
      if (this.overslept()) throw disconnected(asleep)
      return reply
    } catch (error) {
      const failure = translate(error, script)
      // A master that became a replica accepts no more writes, and what it tells may be old: look for the one that took over.
      if (/^(READONLY|MEMISREPLICA)$/.test(wordOf(error))) this.#lost(connection, failure, true)
      throw failure
    }
  }

  /** Any other command. Rejects with a MemisError. */
  async send(...args: string[]): Promise<unknown> {
    return this.#up()
      .connection.commands.sendCommand(args)
      .catch((error) => Promise.reject(translate(error)))
  }

  async subscribe(
    channel: string,
    listener: (message: string) => void,
    ended: (error: MemisError) => void,
  ): Promise<void> {
    const { connection, isClustered } = this.#up()
    const { subscriber } = connection
    this.#ends.set(listener, ended)
    try {
      await this.#inTurn(channel, () =>
        isClustered ? subscriber.sSubscribe(channel, listener) : subscriber.subscribe(channel, listener),
      )
    } catch (error) {
      this.#ends.delete(listener)
      throw translate(error)
    }
  }

  unsubscribe(channel: string, listener: (message: string) => void): void {
    this.#ends.delete(listener)
    if (this.#state.kind !== 'up') return
    const { connection, isClustered } = this.#state
    const { subscriber } = connection
    // Fails only if the connection or the slot is gone, and the subscription with it.
    this.#inTurn(channel, () =>
      isClustered ? subscriber.sUnsubscribe(channel, listener) : subscriber.unsubscribe(channel, listener),
    ).catch(() => {})
  }

  /** Resolves as soon as the link is up. Rejects if the attempt to connect fails, or takes longer than so many ms. */
  whenUp(ms: number): Promise<void> {
    if (this.isUp) return Promise.resolve()
    if (this.#state.kind === 'closed') return Promise.reject(notConnected())
    return this.#waiters.wait(undefined, (_, fail) => {
      const timer = this.#clock.setTimeout(() => fail(notConnected()), ms)
      return () => this.#clock.clearTimeout(timer)
    })
  }

  async checkRole(): Promise<void> {
    const { connection } = this.#up()
    const info = await connection.commands.sendCommand<string>(['INFO', 'replication']).catch((error: Error) => {
      if (isReply(error)) return '' // a user who may not ask
      throw translate(error)
    })
    if (!/^role:slave/m.test(String(info))) return
    const error = replicaNow()
    this.#lost(connection, error, true)
    throw error
  }

  overslept(): boolean {
    const state = this.#state
    const isLate = state.kind === 'up' && state.connection.isOverdue
    if (isLate) this.#lost(state.connection, disconnected(asleep))
    return isLate
  }

  proved(): void {
    this.#failures = 0
  }

  leave(error: MemisError): void {
    if (this.#state.kind === 'up') this.#lost(this.#state.connection, error)
  }

  close(): void {
    const state = this.#state
    this.#state = { kind: 'closed' }
    if ('connection' in state) state.connection.destroy()
    else if (state.kind === 'waiting') this.#clock.clearTimeout(state.timer)
    this.#ends.clear()
    this.#waiters.refuse(notConnected())
  }

  /**
   * Each waits until the one before it is confirmed: node-redis decides by what is confirmed whether to send anything, and
   * with two in flight for a channel it may end up deaf.
   */
  async #inTurn(channel: string, run: () => Promise<void>): Promise<void> {
    const { turns } = this.#up()
    const turn = (turns.get(channel) ?? Promise.resolve()).then(run, run)
    turns.set(channel, turn)
    try {
      await turn
    } finally {
      if (turns.get(channel) === turn) turns.delete(channel)
    }
  }

  #up(): Extract<State, { kind: 'up' }> {
    if (this.#state.kind === 'up') return this.#state
    throw notConnected()
  }

  async #dial(): Promise<void> {
    const looking: State = { kind: 'looking' }
    this.#state = looking
    let prototype: RedisClientType
    try {
      prototype = await this.#destination.prototype()
    } catch (error) {
      if (this.#state === looking) this.#failed(translate(error))
      return
    }
    if (this.#state !== looking) return
    const connection: Connection = new Connection(prototype, this.#clock, this.#host.livenessTimeout, {
      lost: (error) => this.#lost(connection, error),
      missed: () => this.#listener.missed?.(),
    })
    this.#state = { kind: 'dialling', connection }
    try {
      const { mayEvict, isClustered } = await connection.open(async (facts) => {
        this.#destination.accept(facts)
        await probe(connection.commands, facts.isClustered, this.#host)
      })
      if (this.#state.kind !== 'dialling' || this.#state.connection !== connection) return
      if (mayEvict && !this.#mayEvict) this.#host.report(eviction())
      this.#mayEvict = mayEvict
      this.#generation = ++connections
      this.#state = { kind: 'up', connection, since: this.#clock.now(), turns: new Map(), isClustered }
      this.#waiters.settle()
      this.#listener.up()
    } catch (error) {
      this.#lost(connection, translate(error), isReply(error) || error instanceof MemisError)
    }
  }

  /** `isRefusal`: the server itself said no. */
  #lost(connection: Connection, error: MemisError, isRefusal = false): void {
    const state = this.#state
    if (!('connection' in state) || state.connection !== connection) return
    connection.destroy()
    if (state.kind === 'up' && this.#clock.now() - state.since > longEnough) this.#failures = 0
    const isKnocking = isRefusal && this.#failures > 0 && !this.#destination.hasOthers
    this.#failed(error, isKnocking)
  }

  #failed(error: MemisError, isKnocking = false): void {
    const wait = backoff(firstBackoff, this.#failures++)
    const ms = isPermanent(error) || isKnocking ? refusedPause : wait
    this.#state = { kind: 'waiting', timer: this.#clock.setTimeout(() => this.#dial(), ms) }
    const ends = [...this.#ends.values()]
    this.#ends.clear()
    for (const ended of ends) ended(error)
    this.#waiters.refuse(notConnected())
    this.#listener.down(error)
  }
}

const notConnected = () => notSent('not connected to Redis')

const eviction = () =>
  new MemisError('STORE_EVICTS', 'Redis may evict items when its memory is full: set maxmemory-policy noeviction')
