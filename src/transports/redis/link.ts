/**
 * Two connections to Redis, one for commands and one for notifications, that are made, watched and given up together.
 * node-redis's own reconnecting and queueing are off: what is sent again, and when, is memis's to decide.
 */
import type { RedisClientType } from 'redis'
import { backoff, longestBackoff } from '../../core/backoff'
import { disconnected, isPermanent, MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { isReply, oldestServer, translate } from './errors'
import type { Script } from './scripts'

const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis
const now = performance.now.bind(performance)

export interface LinkListener {
  up(): void
  down(error: MemisError): void
}

export class Link {
  readonly #prototype: RedisClientType
  readonly #host: Host
  readonly #listener: LinkListener
  #commands: RedisClientType | null = null
  #subscriber: RedisClientType | null = null
  /** What is under way for a channel. */
  #turns = new Map<string, Promise<void>>()
  #isUp = false
  #mayEvict = false
  #failures = 0
  #closed = false
  #redial: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #beatAt = 0

  /** `prototype` is never connected, only duplicated. */
  constructor(prototype: RedisClientType, host: Host, listener: LinkListener) {
    this.#prototype = prototype
    this.#host = host
    this.#listener = listener
    this.#dial()
  }

  /** The server removes items by itself when its memory is full. */
  get mayEvict(): boolean {
    return this.#mayEvict
  }

  /** Runs a script; loads it where the server does not know it. Rejects with a MemisError. */
  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const commands = this.#commands
    if (commands === null || !this.#isUp) throw notConnected()
    const tail = [String(keys.length), ...keys, ...args]
    try {
      const reply = await commands.sendCommand(['EVALSHA', script.sha, ...tail]).catch((error: Error) => {
        // A script that is not known was not run.
        if (!error.message.startsWith('NOSCRIPT')) throw error
        return commands.sendCommand(['EVAL', script.text, ...tail])
      })
      if (this.overslept()) throw disconnected(asleep)
      return reply
    } catch (error) {
      const failure = translate(error)
      // A master that became a replica will not take writes again: look for the one that does.
      if ((error as Error).message.startsWith('READONLY')) this.#lost(commands, failure)
      throw failure
    }
  }

  /** Begins to hear a channel. Resolves once the server has confirmed it. */
  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    const subscriber = this.#subscriber
    if (subscriber === null || !this.#isUp) throw notConnected()
    try {
      await this.#inTurn(channel, () => subscriber.subscribe(channel, listener))
    } catch (error) {
      throw translate(error)
    }
  }

  unsubscribe(channel: string, listener: (message: string) => void): void {
    const subscriber = this.#subscriber
    if (subscriber === null || !this.#isUp) return
    // Fails only where the connection is gone, and the subscription with it.
    this.#inTurn(channel, () => subscriber.unsubscribe(channel, listener)).catch(() => {})
  }

  /**
   * Each waits until the one before it is confirmed: node-redis decides by what is confirmed whether to send anything, and
   * with two under way for a channel it may end up deaf.
   */
  async #inTurn(channel: string, run: () => Promise<void>): Promise<void> {
    const turns = this.#turns
    const turn = (turns.get(channel) ?? Promise.resolve()).then(run, run)
    turns.set(channel, turn)
    try {
      await turn
    } finally {
      if (turns.get(channel) === turn) turns.delete(channel)
    }
  }

  /**
   * Whether the process has stood still for so long (stopped, or busy) that what it hears now may be old, and a time that is left
   * much shorter than it says. Then the link is given up, and all is asked for anew.
   */
  overslept(): boolean {
    const commands = this.#commands
    const late = this.#isUp && now() - this.#beatAt > this.#host.livenessTimeout
    if (late && commands !== null) this.#lost(commands, disconnected(asleep))
    return late
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#redial)
    this.#giveUp()
  }

  async #dial(): Promise<void> {
    const commands = this.#make()
    const subscriber = this.#make()
    this.#commands = commands
    this.#subscriber = subscriber
    // A server that accepts and then says nothing holds up a handshake for ever.
    const silent = setTimeout(
      () => this.#lost(commands, disconnected('Redis did not answer while connecting')),
      this.#host.livenessTimeout,
    )
    try {
      await Promise.all([this.#connect(commands), this.#connect(subscriber)])
      const { mayEvict } = await inspect(commands)
      if (this.#commands !== commands) return
      if (mayEvict && !this.#mayEvict) this.#host.report(eviction())
      this.#mayEvict = mayEvict
      this.#isUp = true
      this.#failures = 0
      this.#beat(commands, subscriber)
      this.#listener.up()
    } catch (error) {
      this.#lost(commands, translate(error))
    } finally {
      clearTimeout(silent)
    }
  }

  /** A client that is destroyed while it connects does so all the same. */
  async #connect(client: RedisClientType): Promise<void> {
    await client.connect()
    if (client !== this.#commands && client !== this.#subscriber) client.destroy()
  }

  #make(): RedisClientType {
    const { socket } = this.#prototype.options
    const client = this.#prototype.duplicate({
      disableOfflineQueue: true,
      pingInterval: undefined,
      // No timer for each command: the heartbeat sees a server that does not answer.
      commandOptions: { timeout: undefined },
      socket: { ...socket, reconnectStrategy: false, socketTimeout: undefined } as typeof socket,
    }) as RedisClientType
    client.on('error', (error) => this.#lost(client, translate(error)))
    return client
  }

  /** One of the two connections that are in use is lost: so is the other. */
  #lost(client: RedisClientType, error: MemisError): void {
    if (this.#closed || (client !== this.#commands && client !== this.#subscriber)) return
    this.#giveUp()
    const wait = backoff(100, this.#failures++)
    this.#redial = setTimeout(() => this.#dial(), isPermanent(error) ? longestBackoff : wait)
    this.#listener.down(error)
  }

  #giveUp(): void {
    const clients = [this.#commands, this.#subscriber]
    this.#isUp = false
    this.#turns = new Map()
    this.#commands = null
    this.#subscriber = null
    clearInterval(this.#heartbeat)
    for (const client of clients) client?.destroy()
  }

  /** A half-open connection takes what is sent and never answers: three beats of silence are the end of it. */
  #beat(commands: RedisClientType, subscriber: RedisClientType): void {
    const silent = new Map([commands, subscriber].map((client) => [client, 0]))
    this.#beatAt = now()
    this.#heartbeat = setInterval(() => {
      if (this.overslept()) return
      this.#beatAt = now()
      for (const [client, beats] of silent) {
        if (beats === 3) return this.#lost(client, disconnected('Redis does not answer'))
        silent.set(client, beats + 1)
        if (beats > 0) continue
        const heard = () => silent.set(client, 0)
        // A refusal is an answer, too; what the connection fails with is no reply, and its 'error' event tells.
        client.ping().then(heard, (error) => isReply(error) && heard())
      }
    }, this.#host.livenessTimeout / 5)
  }
}

/** @throws MemisError `UNSUPPORTED_STORE` for a server that is too old */
async function inspect(client: RedisClientType): Promise<{ mayEvict: boolean }> {
  const info = String(await client.sendCommand<string>(['INFO', 'server', 'memory']))
  const version = /^redis_version:((\d+)\S*)/m.exec(info)
  if (version !== null && Number(version[2]) < oldestServer) {
    throw new MemisError('UNSUPPORTED_STORE', `Redis ${oldestServer}.0 or newer is needed, this is ${version[1]}`)
  }
  return { mayEvict: /^maxmemory:[1-9]/m.test(info) && !/^maxmemory_policy:noeviction/m.test(info) }
}

const eviction = () =>
  new MemisError('STORE_EVICTS', 'Redis may evict items when its memory is full: set maxmemory-policy noeviction')

const asleep = 'the process stood still for longer than livenessTimeout'

/** Nothing was sent. */
const notConnected = () => new MemisError('DISCONNECTED', 'not connected to Redis', { stored: 'no' })
