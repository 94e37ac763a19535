/** The connection to NATS: dialed, watched and dialed again by memis, if it is memis's own; a user's connection comes back by itself. */
import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { backoff, longestBackoff } from '../../core/backoff'
import type { Clock } from '../../core/clock'
import { disconnected, isPermanent, MemisError, notSent } from '../../core/errors'
import type { Host } from '../../core/transport'
import { type Library, listenTo, type NatsConnection } from './client'
import { refusal, translate } from './errors'
import { Wire } from './wire'

/** `skip`: with which of the servers to begin. */
export type Dial = (timeout: number, skip: number) => Promise<NatsConnection>

/** Where connections come from. */
export type Source = {
  readonly library: Library
  readonly inboxPrefix: string | undefined
  /** How JetStream's own subjects begin: `$JS.API`, unless the user has another domain. */
  readonly api: string
} & ({ readonly dial: Dial } | { readonly connection: NatsConnection })

export interface LinkListener {
  up(): void
  down(error: MemisError): void
}

/** An answer of the server that takes longer (ms) is taken for lost. */
const longestAnswer = 5000
/** A connection that was up for so long (ms) has succeeded: then the next dial is the first one of a new outage. */
const provedAfter = 10_000
/** The link is probed so often within the liveness timeout; it is lost when the fourth beat comes without an answer. */
const beats = 5
const mostSilentBeats = 4
/** If nothing that JetStream is asked for is done for so much of the liveness timeout, the server is of no use. */
const uselessShare = 0.8
/** The API level of the first server that memis supports, 2.11, and of the first one with atomic batches, 2.12. */
export const apiLevel = { least: 1, atomic: 2 } as const

export class Link {
  readonly source: Source
  readonly clock: Clock
  readonly #host: Host
  readonly #listener: LinkListener
  /** The last level of JetStream's API that was seen. */
  level: number | undefined
  #state: State = { kind: 'down' }
  #failures = 0
  /** So many servers could be reached, and JetStream could not be reached by them. */
  #useless = 0
  /** So many beats were not answered. */
  #silent = 0

  constructor(source: Source, clock: Clock, host: Host, listener: LinkListener) {
    this.source = source
    this.clock = clock
    this.#host = host
    this.#listener = listener
  }

  open(): void {
    if ('dial' in this.source) this.#dial(this.source.dial)
    else this.#adopt(this.source.connection, new Set())
  }

  /** @throws MemisError `DISCONNECTED` */
  get wire(): Wire {
    if (this.#state.kind !== 'up') throw notSent('not connected to NATS')
    return this.#state.wire
  }

  /** Called from time to time. If JetStream cannot be reached by this server, which may be cut off from the others, another one is tried. */
  audit(): void {
    if (this.#state.kind !== 'up' || this.#state.wire.unservedFor < uselessShare * this.#host.livenessTimeout) return
    this.#useless++
    this.#leave(this.#state.wire, disconnected('JetStream cannot be reached by this server'))
  }

  /** A write or a session has succeeded: whatever fails from now on is another outage. */
  succeeded(): void {
    this.#failures = 0
  }

  async close(): Promise<void> {
    await this.#end({ kind: 'closed' }, disconnected('the client is closed'))
  }

  async #dial(dial: Dial): Promise<void> {
    const sockets = new Set<Socket>()
    const timeout = this.#host.livenessTimeout
    const attempt: State = { kind: 'dialing', sockets, timer: undefined }
    this.#state = attempt
    // A server that accepts and says nothing. The client may try more than one.
    attempt.timer = this.clock.setTimeout(() => destroy(sockets), 4 * timeout)
    try {
      const connection = await catchSockets(sockets, () => dial(timeout, this.#useless))
      if (this.#state === attempt) await this.#adopt(connection, sockets)
      else await connection.close()
    } catch (error) {
      destroy(sockets)
      if (this.#state === attempt) this.#lost(translate(error))
    }
  }

  /** Takes a connection on. A user's may be down just now: then it says so, and when it is back. */
  async #adopt(connection: NatsConnection, sockets: ReadonlySet<Socket>): Promise<void> {
    const { clock, source } = this
    clock.clearTimeout(this.#state.timer)
    const { api, inboxPrefix, library } = source
    const patience = Math.min(longestAnswer, this.#host.livenessTimeout)
    let wire: Wire
    try {
      wire = new Wire(connection, { clock, library, api, inboxPrefix, patience })
    } catch (error) {
      return this.#lost(connection.isClosed() ? closedByUser() : translate(error))
    }
    const unlisten = listenTo(connection, {
      lost: () => this.#lostOf(connected, disconnected('the connection to NATS was lost')),
      back: () => {
        if (this.#state === connected) this.#adoptAgain(connection)
      },
      forbidden: (subject) => wire.forbid(subject),
      closed: (error) =>
        this.#lostOf(connected, error ? translate(error) : disconnected('the connection to NATS was closed')),
    })
    const connected: State = { kind: 'checking', wire, sockets, unlisten, timer: undefined, since: clock.now() }
    this.#state = connected
    try {
      await this.#check(wire)
      if (this.#state !== connected) return
      connected.kind = 'up'
      this.#silent = 0
      this.#beat(connected)
      this.#listener.up()
    } catch (error) {
      if (this.#state === connected) this.#useless++
      this.#lostOf(connected, translate(error))
    }
  }

  #adoptAgain(connection: NatsConnection): void {
    this.#end({ kind: 'down' }, disconnected('the connection to NATS came back'))
    this.#adopt(connection, new Set())
  }

  async #check(wire: Wire): Promise<void> {
    const isFirst = this.level === undefined
    const answer = await wire.ask('INFO').catch((error: MemisError) => {
      if (!isFirst || error.code !== 'DISCONNECTED' || error.stored !== 'no') throw error
      throw new MemisError(
        'UNSUPPORTED_STORE',
        'no JetStream answers: start NATS with -js, or give the option domain if it is elsewhere',
      )
    })
    if (answer.error !== undefined) throw refusal(answer.error)
    const level = Number(answer.api?.level ?? 0)
    if (!(level >= apiLevel.least)) {
      const version = wire.connection.info?.version
      const which = version === undefined ? '' : `, this is ${version}`
      throw new MemisError('UNSUPPORTED_STORE', `memis needs NATS 2.11 or newer${which}: update nats-server`)
    }
    this.level = level
  }

  #leave({ connection }: Wire, error: MemisError): void {
    this.#lost(error)
    if ('connection' in this.source) connection.reconnect().catch(() => {})
  }

  #lostOf(state: State, error: MemisError): void {
    if (this.#state === state) this.#lost(error)
  }

  #lost(error: MemisError): void {
    const { source, clock } = this
    const { since = Number.POSITIVE_INFINITY } = this.#state as { since?: number }
    if (this.#state.kind === 'up' && clock.now() - since >= provedAfter) this.succeeded()
    const waiting: State = { kind: 'waiting', timer: undefined }
    this.#end(waiting, error)
    if ('connection' in source && source.connection.isClosed()) return this.#listener.down(closedByUser())
    const wait = isPermanent(error) ? longestBackoff : backoff(100, this.#failures++)
    waiting.timer = clock.setTimeout(() => this.open(), wait)
    this.#listener.down(error)
  }

  /** Lets go of what the state holds, and enters the next one. */
  async #end(next: State, error: MemisError): Promise<void> {
    const last = this.#state
    if (last.kind === 'closed') return
    this.#state = next
    this.clock.clearTimeout(last.timer)
    if ('unlisten' in last) {
      last.unlisten()
      last.wire.close(error)
    }
    if ('connection' in this.source || !('sockets' in last)) return
    destroy(last.sockets)
    if ('wire' in last) await last.wire.connection.close().catch(() => {})
  }

  /**
   * A half-open connection takes what is sent and never answers. A process that stood still (stopped, or busy) for the
   * liveness timeout cannot say that it was current meanwhile: it connects anew.
   */
  #beat(state: Extract<State, { wire: Wire }>): void {
    const { clock } = this
    const { livenessTimeout } = this.#host
    const { connection } = state.wire
    const beatAt = clock.now()
    const next = () => {
      if (this.#state !== state) return
      if (clock.now() - beatAt > livenessTimeout) return this.#lost(disconnected('the process stood still'))
      if (this.#silent < mostSilentBeats) return this.#beat(state)
      this.#leave(state.wire, disconnected('NATS does not answer'))
    }
    if (this.#silent++ === 0) {
      const heard = () => {
        this.#silent = 0
      }
      connection.flush().then(heard, () => {})
    }
    // What was not heard may wait in the socket.
    state.timer = clock.setTimeout(() => (clock.afterInput ?? call)(next), livenessTimeout / beats)
  }
}

type State =
  | { kind: 'down' | 'closed'; timer?: undefined }
  | { kind: 'waiting'; timer: unknown }
  | { kind: 'dialing'; timer: unknown; readonly sockets: ReadonlySet<Socket> }
  | {
      kind: 'checking' | 'up'
      timer: unknown
      readonly since: number
      readonly wire: Wire
      readonly sockets: ReadonlySet<Socket>
      readonly unlisten: () => void
    }

const call = (callback: () => void) => callback()

const closedByUser = () => new MemisError('INVALID_OPTION', 'the connection to NATS that was given is closed')

const dialing = new AsyncLocalStorage<Set<Socket>>()
const channel = 'net.client.socket'
const noteSocket = (message: unknown) => dialing.getStore()?.add((message as { socket: Socket }).socket)
let dials = 0

/**
 * Notes the sockets that are opened while a connection is made: the client gives up on a silent server without closing its
 * socket, which would keep the process alive. Listens only as long as something is dialed.
 */
async function catchSockets<R>(sockets: Set<Socket>, dial: () => Promise<R>): Promise<R> {
  if (dials++ === 0) diagnostics.subscribe(channel, noteSocket)
  try {
    return await dialing.run(sockets, dial)
  } finally {
    if (--dials === 0) {
      diagnostics.unsubscribe(channel, noteSocket)
      // In use, it slows every promise of the process.
      dialing.disable()
    }
  }
}

function destroy(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy()
}
