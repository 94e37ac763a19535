/** Which server is the master, by the word of the sentinels: all are asked, and the highest epoch of a configuration is believed. */
import type { RedisClientType } from 'redis'
import type { Clock } from '../../core/clock'
import { disconnected, isPermanent, type MemisError } from '../../core/errors'
import { repeat } from '../../core/repeat'
import { type Address, leadTo, mapped, type NodeAddressMap, textOf } from './nodes'
import { Sentinel } from './sentinel'

/** Each sentinel is asked so often (ms). It also says by itself when the master changes. */
const interval = 1000
/** A sentinel that has not answered after so many ms is not waited for. */
const answerTimeout = 1000
/** More are not followed: nobody has so many. */
const mostSentinels = 15

export interface SentinelsOptions {
  readonly name: string
  readonly sentinelRootNodes: readonly Address[]
  readonly nodeAddressMap?: NodeAddressMap
  readonly asker: RedisClientType
}

/** The configuration that a sentinel has. */
export interface Configuration {
  readonly epoch: number
  readonly master: Address
}

export class Sentinels {
  readonly #options: SentinelsOptions
  readonly #clock: Clock
  readonly #named: (master: Address) => void
  readonly #sentinels = new Map<string, Sentinel>()
  readonly #cancel: () => void
  /** The newest configuration that was believed. */
  #believed: Configuration | null = null

  /** `named` is told of the master, again and again. */
  constructor(options: SentinelsOptions, clock: Clock, named: (master: Address) => void) {
    this.#options = options
    this.#clock = clock
    this.#named = named
    for (const address of options.sentinelRootNodes) this.#add(address)
    this.#cancel = repeat(clock, interval, () => this.ask())
  }

  /** Asks all of them. */
  ask(): void {
    this.#poll().catch(() => {})
  }

  /**
   * The master that the newest configuration names, among those of all sentinels that answer. If none does, the last one that was known: without
   * sentinels nobody replaces it.
   */
  async master(): Promise<Address> {
    try {
      return (await this.#poll()).master
    } catch (error) {
      if (this.#believed === null || isPermanent(error as MemisError)) throw error
      return this.#believed.master
    }
  }

  close(): void {
    this.#cancel()
    for (const sentinel of this.#sentinels.values()) sentinel.close()
    this.#sentinels.clear()
  }

  async #poll(): Promise<Configuration> {
    const answers = await Promise.allSettled(
      [...this.#sentinels.values()].map((sentinel) => sentinel.ask(answerTimeout)),
    )
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const [first, ...others] = found
    if (first === undefined) throw this.#reason(answers)
    const newest = others.reduce((best, each) => (each.epoch > best.epoch ? each : best), first)
    // A sentinel that was out of touch may be the only one to answer: what it says is too old to leave a master for.
    const isOld = this.#believed !== null && newest.epoch < this.#believed.epoch
    if (!isOld) {
      this.#believed = newest
      this.#named(newest.master)
    }
    return newest
  }

  /** Why there is no answer: a fault that does not pass, if that is what most of them say. */
  #reason(answers: readonly PromiseSettledResult<Configuration>[]): MemisError {
    const errors = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as MemisError] : []))
    const lasting = errors.filter(isPermanent)
    if (errors.length > 0 && lasting.length === errors.length) return lasting[0] as MemisError
    return errors.find((error) => !isPermanent(error)) ?? disconnected('no sentinel answers')
  }

  #add(address: Address): void {
    const key = textOf(address)
    if (this.#sentinels.has(key) || this.#sentinels.size >= mostSentinels) return
    const { name, asker } = this.#options
    const sentinel: Sentinel = new Sentinel(leadTo(asker, address), name, this.#clock, {
      changed: () => this.ask(),
      /** Sentinels that nobody named serve as well, in case those that were named are gone one day. */
      others: (others) => this.#meet(others),
    })
    this.#sentinels.set(key, sentinel)
  }

  #meet(others: readonly { readonly id: string; readonly address: Address }[]): void {
    const known = new Set([...this.#sentinels.values()].map(({ id }) => id))
    // Until each that was named has said who it is, one could be met twice, under two addresses.
    if (known.has('')) return
    for (const { id, address } of others) {
      if (!known.has(id)) this.#add(mapped(this.#options.nodeAddressMap, textOf(address)))
    }
  }
}
