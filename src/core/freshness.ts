/** How fresh a replica is, as its users see it. */
import type { MemisError } from './errors'
import type { Transport } from './transport'

/** `idle`: not subscribed. `syncing`: the first contents are on their way. `stale`: the contents may be old. */
export type FreshnessState = 'idle' | 'syncing' | 'live' | 'stale'

export interface Freshness {
  readonly state: FreshnessState
  /** When this state began: ms since 1970 by the wall clock. */
  readonly since: number
  /** Age of the last proof that the replica was current (ms); null if there was none. */
  readonly age: number | null
  /** Why the replica is not live; null if it is, or if nothing went wrong yet. */
  readonly reason: MemisError | null
}

/** The freshness of one subscription: its state, the last proof, and what went wrong last. */
export class FreshnessRecord {
  readonly #transport: Transport
  #state: FreshnessState = 'syncing'
  #since = Date.now()
  #reason: MemisError | null = null
  #provedAt: number | null = null

  constructor(transport: Transport) {
    this.#transport = transport
  }

  get state(): FreshnessState {
    return this.#state
  }

  /** Time since the last proof (ms); null if there was none. */
  get age(): number | null {
    return this.#provedAt === null ? null : this.#transport.clock.now() - this.#provedAt
  }

  get shown(): Freshness {
    const isLive = this.#state === 'live'
    const age = isLive && this.#transport.isLocal === true ? 0 : this.age
    return { state: this.#state, since: this.#since, age, reason: isLive ? null : this.#reason }
  }

  proved(): void {
    this.#provedAt = this.#transport.clock.now()
  }

  failed(reason: MemisError): void {
    this.#reason = reason
  }

  become(state: 'live' | 'stale'): void {
    this.#state = state
    this.#since = Date.now()
    if (state === 'live') this.#reason = null
  }
}
