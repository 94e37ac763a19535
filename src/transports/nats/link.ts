/**
 * The connection to NATS: made, watched and given up by memis, whose own it is; or one of the user's, which makes itself again.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe as observe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { NatsConnection, Status } from 'nats'
import { backoff, longestBackoff } from '../../core/backoff'
import { disconnected, isPermanent, MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { translate } from './errors'
import type { Nats } from './library'

const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis

/** An answer of the server that takes longer (ms) is taken for lost. */
const longestAnswer = 5000
const longestAck = 2000
/**
 * What makes or deletes a consumer takes a few ms. A cluster of which a server has died goes on for minutes to lay one of three
 * consumers on that one, and nobody answers then (measured on nats-server 2.9): after so long (ms) another is made.
 */
const longestMaking = 1000

/**
 * In a cluster, a question that comes while nobody leads is lost without a word: it is asked again in between (ms), so that it
 * is answered as soon as somebody leads. Not what would make a second consumer, having no name.
 */
const repeatAfter = 500
const repeatable = /^(?!CONSUMER\.CREATE\.[^.]*$)/
/** Of more questions under way than this the server is just slow to answer. */
const mostRepeated = 100

/** Where connections come from. */
export interface Source {
  /** Makes a new connection within so many ms. */
  dial(timeout: number): Promise<NatsConnection>
}

export interface LinkListener {
  up(): void
  down(error: MemisError): void
  /** The server refused what was published to a subject: it says so on its own, and not to who published. */
  forbidden(subject: string): void
}

/** The sockets that are made while a connection is: as long as nothing is dialled, it costs nothing. */
const dialing = new AsyncLocalStorage<Set<Socket>>()
let dials = 0
// When a server accepts and says nothing, the client gives up without closing its socket: it would keep the process alive.
observe('net.client.socket', (message) => dialing.getStore()?.add((message as { socket: Socket }).socket))

export class Link {
  readonly #nats: Nats
  readonly #source: Source | NatsConnection
  readonly #host: Host
  readonly #listener: LinkListener
  #nc: NatsConnection | null = null
  #status: AsyncIterable<Status> | null = null
  #isUp = false
  /** How many questions are under way. */
  #asking = 0
  #wasUp = false
  #failures = 0
  #closed = false
  #sockets = new Set<Socket>()
  #redial: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined

  constructor(nats: Nats, source: Source | NatsConnection, host: Host, listener: LinkListener) {
    this.#nats = nats
    this.#source = source
    this.#host = host
    this.#listener = listener
    if ('dial' in source) this.#dial(source)
    else {
      this.#follow(source)
      this.#adopt(source)
    }
  }

  /** @throws MemisError `DISCONNECTED` */
  get connection(): NatsConnection {
    if (this.#nc === null || !this.#isUp) throw notConnected()
    return this.#nc
  }

  /** The server that is connected: another one after each of its starts. Undefined in a cluster, where another may have the stream. */
  get server(): string | undefined {
    const { info } = this.connection
    return info?.cluster === undefined ? info?.server_id : undefined
  }

  /** How long an answer may take (ms). */
  get patience(): number {
    return Math.min(longestAnswer, this.#host.livenessTimeout)
  }

  /** How long an acknowledgement may take (ms): what is published again is known by its id. */
  get ackPatience(): number {
    return Math.min(longestAck, this.#host.livenessTimeout)
  }

  /** How long the answer may take that a consumer was made, or deleted, in a cluster. */
  get consumerPatience(): number {
    return Math.min(longestMaking, this.patience)
  }

  /** A subject that nobody else listens to. */
  newInbox(): string {
    // As the user has it, whose permissions may depend on it.
    const { options } = this.connection as { options?: { inboxPrefix?: string } }
    return this.#nats.createInbox(options?.inboxPrefix)
  }

  /** Asks JetStream. Resolves to its answer, an error of the API included; rejects with a MemisError. */
  async ask(subject: string, question?: object, patience = this.patience): Promise<Answer> {
    return this.#ask(this.connection, subject, question, patience)
  }

  close(): void {
    this.#closed = true
    // A connection of the user's goes on, and must not keep what is closed.
    ;(this.#status as { stop?(): void } | null)?.stop?.()
    this.#giveUp()
  }

  async #ask(nc: NatsConnection, subject: string, question?: object, patience = this.patience): Promise<Answer> {
    const isRepeated = repeatable.test(subject) && this.#asking < mostRepeated
    this.#asking++
    try {
      const text = question === undefined ? '' : JSON.stringify(question)
      const request = (timeout: number) => nc.request(`$JS.API.${subject}`, text, { timeout })
      const reply = await (isRepeated ? repeated(request, patience) : request(patience))
      return reply.json<Answer>()
    } catch (error) {
      throw translate(error)
    } finally {
      this.#asking--
    }
  }

  async #dial(source: Source): Promise<void> {
    const sockets = new Set<Socket>()
    this.#sockets = sockets
    const timeout = this.#host.livenessTimeout
    // More time than the client has, which may try more than one server.
    const silent = setTimeout(() => destroy(sockets), 4 * timeout)
    let nc: NatsConnection | null = null
    try {
      dials++
      nc = await dialing
        .run(sockets, () => source.dial(timeout))
        .finally(() => {
          // In use, it slows every promise of the process.
          if (--dials === 0) dialing.disable()
        })
      if (this.#closed) return void nc.close()
      this.#nc = nc
      this.#follow(nc)
      await this.#begin(nc)
    } catch (error) {
      destroy(sockets)
      this.#lost(nc, translate(error))
    } finally {
      clearTimeout(silent)
    }
  }

  /** Takes on a connection of the user's; where it is down just now, the answer comes when it is back. */
  async #adopt(nc: NatsConnection): Promise<void> {
    if (this.#closed) return
    this.#nc = nc
    try {
      await this.#begin(nc)
    } catch (error) {
      if (!this.#isUp) this.#lost(nc, translate(error))
    }
  }

  async #begin(nc: NatsConnection): Promise<void> {
    const { error } = await this.#ask(nc, 'INFO').catch((fault: MemisError) => {
      const isAbsent = fault.code === 'DISCONNECTED' && fault.stored === 'no' && !this.#wasUp
      throw isAbsent
        ? new MemisError('UNSUPPORTED_STORE', 'this NATS server has no JetStream: start it with -js')
        : fault
    })
    if (error !== undefined) throw translate(error)
    if (this.#closed || this.#nc !== nc || this.#isUp) return
    clearTimeout(this.#redial)
    this.#isUp = true
    this.#wasUp = true
    this.#failures = 0
    this.#beat(nc)
    this.#listener.up()
  }

  /** Hears what the connection says of itself. */
  async #follow(nc: NatsConnection): Promise<void> {
    nc.closed().then((error) => {
      this.#lost(nc, error ? translate(error) : disconnected('the connection to NATS was closed'))
    })
    const status = nc.status()
    this.#status = status
    for await (const { type, permissionContext } of status) {
      // Of its own connections memis hears by their end.
      if (type === 'disconnect') this.#lost(nc, disconnected('the connection to NATS was lost'))
      else if (type === 'reconnect') this.#adopt(nc)
      else if (permissionContext?.operation === 'publish') this.#listener.forbidden(permissionContext.subject)
    }
  }

  get #isOwn(): boolean {
    return 'dial' in this.#source
  }

  #lost(nc: NatsConnection | null, error: MemisError): void {
    if (this.#closed || nc !== this.#nc) return
    this.#giveUp()
    const source = this.#source
    if (!('dial' in source) && source.isClosed()) {
      return this.#listener.down(new MemisError('INVALID_OPTION', 'the connection to NATS that was given is closed'))
    }
    const wait = backoff(100, this.#failures++)
    const again = () => ('dial' in source ? this.#dial(source) : this.#adopt(source))
    this.#redial = setTimeout(again, isPermanent(error) ? longestBackoff : wait)
    this.#listener.down(error)
  }

  #giveUp(): void {
    const nc = this.#nc
    this.#nc = null
    this.#isUp = false
    clearTimeout(this.#redial)
    clearInterval(this.#heartbeat)
    if (!this.#isOwn) return
    destroy(this.#sockets)
    nc?.close().catch(() => {})
  }

  /**
   * A half-open connection takes what is sent and never answers: three beats of silence are the end of it. A process that
   * stood still for as long (stopped, or busy) cannot say that it was current meanwhile: it asks anew.
   */
  #beat(nc: NatsConnection): void {
    const { livenessTimeout } = this.#host
    let silent = 0
    let beatAt = performance.now()
    this.#heartbeat = setInterval(() => {
      const late = performance.now() - beatAt > livenessTimeout
      beatAt = performance.now()
      if (late) return this.#lost(nc, disconnected('the process stood still'))
      if (silent++ === 0) {
        const heard = () => {
          silent = 0
        }
        nc.flush().then(heard, () => {})
      }
      if (silent < 4) return
      this.#lost(nc, disconnected('NATS does not answer'))
      if (!this.#isOwn) nc.reconnect().catch(() => {})
    }, livenessTimeout / 5)
  }
}

/** Resolves to the first answer; or rejects as the first try that fails does. */
function repeated<R>(request: (timeout: number) => Promise<R>, patience: number): Promise<R> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const ask = (left: number) => {
      request(left)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer))
      if (left > 2 * repeatAfter) timer = setTimeout(() => ask(left - repeatAfter), repeatAfter)
    }
    ask(patience)
  })
}

function destroy(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

/** What JetStream answers: an error, or what was asked for. */
export interface Answer {
  readonly error?: ApiError
  // biome-ignore lint/suspicious/noExplicitAny: each question has an answer of its own
  readonly [name: string]: any
}

export interface ApiError {
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}

/** Nothing was sent. */
const notConnected = () => new MemisError('DISCONNECTED', 'not connected to NATS', { stored: 'no' })
