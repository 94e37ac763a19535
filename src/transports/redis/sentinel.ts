/** One sentinel: a connection that is made again for ever. */
import type { RedisClientType } from 'redis'
import { backoff } from '../../core/backoff'
import type { Clock } from '../../core/clock'
import { disconnected, MemisError } from '../../core/errors'
import { isReply, translate } from './errors'
import { type Address, destroy, duplicate } from './nodes'
import type { Configuration } from './sentinels'
import { within } from './within'

export interface SentinelListener {
  /** It says that the master has changed. */
  changed(): void
  /** The other sentinels that it knows. */
  others(others: readonly { readonly id: string; readonly address: Address }[]): void
}

type State =
  | { readonly kind: 'connecting'; readonly client: RedisClientType; readonly done: Promise<void> }
  | { readonly kind: 'up'; readonly client: RedisClientType }
  | { readonly kind: 'waiting'; readonly timer: unknown; readonly error: MemisError }
  | { readonly kind: 'closed' }

export class Sentinel {
  readonly #prototype: RedisClientType
  readonly #name: string
  readonly #clock: Clock
  readonly #listener: SentinelListener
  #state: State
  #failures = 0
  /** '' until it has said so. */
  id = ''

  constructor(prototype: RedisClientType, name: string, clock: Clock, listener: SentinelListener) {
    this.#prototype = prototype
    this.#name = name
    this.#clock = clock
    this.#listener = listener
    this.#state = this.#connect()
  }

  /** Its configuration. Rejects if it does not answer within so many ms. */
  ask(ms: number): Promise<Configuration> {
    return within(this.#clock, ms, this.#ask(), () => {
      const error = disconnected('a sentinel did not answer in time')
      this.#lost(error)
      return error
    })
  }

  close(): void {
    const state = this.#state
    this.#state = { kind: 'closed' }
    if (state.kind === 'waiting') this.#clock.clearTimeout(state.timer)
    if ('client' in state) destroy(state.client)
  }

  async #ask(): Promise<Configuration> {
    if (this.#state.kind === 'connecting') await this.#state.done
    const state = this.#state
    if (state.kind !== 'up')
      throw state.kind === 'waiting' ? state.error : disconnected('not connected to the sentinel')
    try {
      const master = fields(await state.client.sendCommand(['SENTINEL', 'MASTER', this.#name]))
      const others = (await state.client.sendCommand(['SENTINEL', 'SENTINELS', this.#name])) as unknown
      if (Array.isArray(others)) {
        this.#listener.others(
          others.map(fields).map((each) => ({ id: each.get('runid') ?? '', address: addressOf(each) })),
        )
      }
      return { epoch: Number(master.get('config-epoch')), master: addressOf(master) }
    } catch (error) {
      if (/No such master/i.test((error as Error).message)) throw new MemisError('INVALID_OPTION', unknownName)
      const failure = translate(error)
      if (!isReply(error)) this.#lost(failure)
      throw failure
    }
  }

  #connect(): State {
    // With RESP 3 a connection that listens also takes commands.
    const client = duplicate(this.#prototype, { RESP: 3 })
    client.on('error', (error) => this.#lost(translate(error), client))
    const done = this.#open(client).catch((error) => this.#lost(translate(error), client))
    return { kind: 'connecting', client, done }
  }

  async #open(client: RedisClientType): Promise<void> {
    await client.connect()
    await client.subscribe('+switch-master', (message) => {
      if (message.startsWith(`${this.#name} `)) this.#listener.changed()
    })
    this.id = String(await client.sendCommand(['SENTINEL', 'MYID']))
    if (!('client' in this.#state) || this.#state.client !== client) return destroy(client)
    this.#failures = 0
    this.#state = { kind: 'up', client }
  }

  #lost(error: MemisError, of?: RedisClientType): void {
    const state = this.#state
    if (!('client' in state) || (of !== undefined && state.client !== of)) return
    destroy(state.client)
    const timer = this.#clock.setTimeout(
      () => {
        this.#state = this.#connect()
      },
      backoff(200, this.#failures++),
    )
    this.#state = { kind: 'waiting', timer, error }
  }
}

const unknownName = 'the sentinels know no master of the name in sentinel.name'

const addressOf = (told: ReadonlyMap<string, string>): Address => ({
  host: told.get('ip') ?? '',
  port: Number(told.get('port')),
})

/** A reply of names and values, whatever the protocol makes of it. */
function fields(reply: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (Array.isArray(reply)) {
    for (let i = 0; i + 1 < reply.length; i += 2) found.set(String(reply[i]), String(reply[i + 1]))
  } else if (reply instanceof Map) {
    for (const [name, value] of reply) found.set(String(name), String(value))
  } else for (const [name, value] of Object.entries(reply ?? {})) found.set(name, String(value))
  return found
}
