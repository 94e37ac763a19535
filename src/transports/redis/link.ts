/**
 * The way to one server: connects, and reconnects for ever.
 *
 *     dialling ──connected──> up ──lost──> waiting ──timer──> dialling
 *         └────────failed─────────────────────^
 */
import type { RedisClientType } from 'redis'
import { backoff, longestBackoff } from '../../core/backoff'
import type { Clock } from '../../core/clock'
import { disconnected, isPermanent, MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { asleep, Connection, type ServerFacts } from './connection'
import { isReply, translate, wordOf } from './errors'
import type { Route } from './route'
import type { Script } from './scripts'

export interface LinkListener {
  up(): void
  down(error: MemisError): void
}

type State =
  | { readonly kind: 'dialling'; readonly connection: Connection }
  | {
      readonly kind: 'up'
      readonly connection: Connection
      readonly since: number
      /** The last subscribe or unsubscribe in flight for each channel. */
      readonly turns: Map<string, Promise<void>>
    }
  | { readonly kind: 'waiting'; readonly timer: unknown }
  | { readonly kind: 'closed' }

/** The first backoff (ms). */
const firstBackoff = 100
/** Failures before a link that was up for so long no longer count (ms). */
const longEnough = 10_000
/** If the server itself refuses, knocking sooner helps nobody (ms): less than thirty times a minute. */
const refusedPause = 2500

/** Replies come as bytes: before version 5.9, node-redis garbled a character of which the bytes came in two parts. 36: `RESP_TYPES.BLOB_STRING`. */
const asBytes = { typeMapping: { 36: Buffer } }

function withTexts(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(withTexts) : reply
}

export class Link implements Route {
  readonly #prototype: RedisClientType
  readonly #clock: Clock
  readonly #host: Host
  readonly #listener: LinkListener
  #state: State = { kind: 'waiting', timer: undefined }
  #generation = 0
  #mayEvict = false
  /** The server was a master before: if it is a replica now, a failover is under way. */
  #wasMaster = false
  #failures = 0

  /** `prototype` is never connected, only duplicated. */
  constructor(prototype: RedisClientType, clock: Clock, host: Host, listener: LinkListener) {
    this.#prototype = prototype
    this.#clock = clock
    this.#host = host
    this.#listener = listener
    this.#dial()
  }

  get generation(): number {
    return this.#generation
  }

  get mayEvict(): boolean {
    return this.#mayEvict
  }

  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { connection } = this.#up()
    const { commands } = connection
    const tail = [String(keys.length), ...keys, ...args]
    const suffix = this.#host.readOnly ? '_RO' : ''
    try {
      const reply = await commands
        .sendCommand([`EVALSHA${suffix}`, script.sha, ...tail], asBytes)
        .catch((error: Error) => {
          // A script that the server does not know was not run.
          if (!error.message.startsWith('NOSCRIPT')) throw error
          return commands.sendCommand([`EVAL${suffix}`, script.text, ...tail], asBytes)
        })
      if (this.overslept()) throw disconnected(asleep)
      return withTexts(reply)
    } catch (error) {
      const failure = translate(error, script)
      // A master that became a replica accepts no more writes, and what it tells may be old: look for the one that took over.
      if (/^(READONLY|MEMISREPLICA)$/.test(wordOf(error))) this.#lost(connection, failure, true)
      throw failure
    }
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    const { subscriber } = this.#up().connection
    try {
      await this.#inTurn(channel, () => subscriber.subscribe(channel, listener))
    } catch (error) {
      throw translate(error)
    }
  }

  unsubscribe(channel: string, listener: (message: string) => void): void {
    if (this.#state.kind !== 'up') return
    const { subscriber } = this.#state.connection
    // Fails only if the connection is gone, and the subscription with it.
    this.#inTurn(channel, () => subscriber.unsubscribe(channel, listener)).catch(() => {})
  }

  async checkRole(): Promise<void> {
    const { connection } = this.#up()
    const info = await connection.commands.sendCommand<string>(['INFO', 'replication']).catch((error: Error) => {
      if (isReply(error)) return '' // a user who may not ask
      throw translate(error)
    })
    if (!/^role:slave/m.test(String(info))) return
    const error = becameReplica()
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
    // Nothing was sent.
    throw new MemisError('DISCONNECTED', 'not connected to Redis', { stored: 'no' })
  }

  async #dial(): Promise<void> {
    const { livenessTimeout } = this.#host
    const connection: Connection = new Connection(this.#prototype, this.#clock, livenessTimeout, (error) =>
      this.#lost(connection, error),
    )
    this.#state = { kind: 'dialling', connection }
    try {
      const facts = await connection.open((found) => this.#accept(found))
      if (this.#state.kind !== 'dialling' || this.#state.connection !== connection) return
      if (facts.mayEvict && !this.#mayEvict) this.#host.report(eviction())
      this.#mayEvict = facts.mayEvict
      this.#wasMaster = true
      this.#generation++
      this.#state = { kind: 'up', connection, since: this.#clock.now(), turns: new Map() }
      this.#listener.up()
    } catch (error) {
      this.#lost(connection, translate(error), isReply(error) || error instanceof MemisError)
    }
  }

  #accept({ isReplica }: ServerFacts): void {
    if (!isReplica) return
    if (this.#wasMaster) throw becameReplica()
    const text =
      'the server is a read-only replica, which cannot prove that it is current: give the address of the master'
    throw new MemisError('UNSUPPORTED_STORE', text)
  }

  /** `isRefusal`: the server itself said no. */
  #lost(connection: Connection, error: MemisError, isRefusal = false): void {
    const state = this.#state
    if (!('connection' in state) || state.connection !== connection) return
    connection.destroy()
    if (state.kind === 'up' && this.#clock.now() - state.since > longEnough) this.#failures = 0
    const wait = backoff(firstBackoff, this.#failures++)
    const isFirst = this.#failures === 1
    const ms = isPermanent(error) || (isRefusal && !isFirst) ? Math.max(refusedPause, longestBackoff) : wait
    this.#state = { kind: 'waiting', timer: this.#clock.setTimeout(() => this.#dial(), ms) }
    this.#listener.down(error)
  }
}

const becameReplica = () =>
  new MemisError('DISCONNECTED', 'the server became a replica: a failover is under way', { stored: 'no' })

const eviction = () =>
  new MemisError('STORE_EVICTS', 'Redis may evict items when its memory is full: set maxmemory-policy noeviction')
