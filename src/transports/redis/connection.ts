/**
 * Two connections to one server, one for commands and one for notifications, that are made, watched and given up together.
 */
import type { RedisClientType } from 'redis'
import type { Clock } from '../../core/clock'
import { disconnected, MemisError } from '../../core/errors'
import { repeat } from '../../core/repeat'
import { isReply, oldestServer, translate } from './errors'
import { destroy, duplicate } from './nodes'

export interface ServerFacts {
  readonly isReplica: boolean
  /** The server removes items by itself when its memory is full. */
  readonly mayEvict: boolean
  readonly isClustered: boolean
  /** It is one of several nodes of a cluster. */
  readonly hasOtherNodes: boolean
}

export interface ConnectionListener {
  /** Called once. */
  lost(error: MemisError): void
  /** One question was not answered in time. */
  missed(): void
}

export class Connection {
  readonly commands: RedisClientType
  readonly subscriber: RedisClientType
  readonly #clock: Clock
  readonly #patience: number
  /** Sockets that are not connected yet can be closed in no other way. */
  readonly #sockets = new AbortController()
  readonly #listener: ConnectionListener
  #isOver = false
  #beatAt = 0
  #cancelBeats = () => {}

  /** `patience`: how long (ms) the server may be silent. */
  constructor(prototype: RedisClientType, clock: Clock, patience: number, listener: ConnectionListener) {
    this.#clock = clock
    this.#patience = patience
    this.#listener = listener
    this.commands = this.#make(prototype)
    this.subscriber = this.#make(prototype)
  }

  /** Connects, and learns what server it is. The second connection is only made if `accepts` does not reject. */
  async open(accepts: (facts: ServerFacts) => Promise<void>): Promise<ServerFacts> {
    // A server that accepts and then says nothing would hold up a handshake for ever.
    const silence = this.#clock.setTimeout(
      () => this.#fail(disconnected('Redis did not answer while connecting')),
      this.#patience,
    )
    try {
      await this.#connect(this.commands)
      const facts = await inspect(this.commands)
      await accepts(facts)
      await this.#connect(this.subscriber)
      this.#beat()
      return facts
    } finally {
      this.#clock.clearTimeout(silence)
    }
  }

  /** Nothing was heard of it for so long that what it says now may be old. */
  get isOverdue(): boolean {
    return !this.#isOver && this.#clock.now() - this.#beatAt > this.#patience
  }

  destroy(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelBeats()
    for (const client of [this.commands, this.subscriber]) destroy(client)
    this.#sockets.abort()
  }

  #make(prototype: RedisClientType): RedisClientType {
    const client = duplicate(prototype, { signal: this.#sockets.signal })
    client.on('error', (error) => this.#fail(translate(error)))
    return client
  }

  async #connect(client: RedisClientType): Promise<void> {
    await client.connect()
    // Given up meanwhile: a client that is destroyed while it connects may do so all the same.
    if (this.#isOver) destroy(client)
  }

  #fail(error: MemisError): void {
    if (!this.#isOver) this.#listener.lost(error)
  }

  /** A half-open connection takes what is sent and never answers: three beats of silence are the end of it. */
  #beat(): void {
    const silent = new Map([this.commands, this.subscriber].map((client) => [client, 0]))
    this.#beatAt = this.#clock.now()
    this.#cancelBeats = repeat(this.#clock, this.#patience / 5, () => {
      if (this.isOverdue) return this.#fail(disconnected(asleep))
      this.#beatAt = this.#clock.now()
      for (const [client, beats] of silent) {
        if (beats === 3) return this.#fail(disconnected('Redis does not answer'))
        silent.set(client, beats + 1)
        if (beats > 0) {
          this.#listener.missed()
          continue
        }
        const heard = () => silent.set(client, 0)
        // A refusal is an answer, too; if the connection fails, its 'error' event tells.
        client.ping().then(heard, (error) => isReply(error) && heard())
      }
    })
  }
}

export const asleep = 'the process stood still for longer than livenessTimeout'

/** @throws MemisError `UNSUPPORTED_STORE` for a server that is too old */
async function inspect(client: RedisClientType): Promise<ServerFacts> {
  // Older servers refuse more than one section.
  const info = String(await client.sendCommand<string>(['INFO']))
  const version = /^redis_version:((\d+)[^\r\n]*)/m.exec(info)
  if (version !== null && Number(version[2]) < oldestServer) {
    throw new MemisError('UNSUPPORTED_STORE', `Redis ${oldestServer}.0 or newer is needed, this is ${version[1]}`)
  }
  const isClustered = /^cluster_enabled:1/m.test(info)
  return {
    isClustered,
    hasOtherNodes: isClustered && (await hasOtherNodes(client)),
    isReplica: /^role:slave/m.test(info),
    mayEvict: /^maxmemory:[1-9]/m.test(info) && !/^maxmemory_policy:noeviction/m.test(info),
  }
}

/** A user who may not ask is not told: then commands for other nodes are refused by the server. */
async function hasOtherNodes(client: RedisClientType): Promise<boolean> {
  const info = await client.sendCommand<string>(['CLUSTER', 'INFO']).catch((error: Error) => {
    if (isReply(error)) return ''
    throw error
  })
  return /^cluster_known_nodes:(?!1\b)/m.test(String(info))
}
