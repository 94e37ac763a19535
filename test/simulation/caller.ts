/** The calls that one user makes on one collection, and what must hold when each of them settles. */
import type { Call } from './calls'
import type { Follower } from './follower'
import type { World } from './world'

/** With so long a `writeTimeout` (ms), nothing that was under way before all was healed keeps a write from being sent. */
const longPatience = 10_000

export class Caller {
  readonly #world: World
  readonly #follower: Follower

  constructor(world: World, follower: Follower) {
    this.#world = world
    this.#follower = follower
  }

  set(key: string, v: number, ttlMs: number | null): void {
    const call = this.#world.calls.begin(this.#follower.name, key, `set ${key}=${v} ttl ${ttlMs}`, this.#follower.actor)
    const item = v % 2 === 0 ? { k: key, v } : { v, k: key }
    this.#await(call, this.#follower.collection.set(key, item, ttlMs === null ? undefined : ttlMs / 1000))
  }

  delete(key: string): void {
    const call = this.#world.calls.begin(this.#follower.name, key, `delete ${key}`, this.#follower.actor)
    this.#await(call, this.#follower.collection.delete(key))
  }

  clear(): void {
    const call = this.#world.calls.begin(this.#follower.name, null, 'clear', this.#follower.actor)
    this.#await(call, this.#follower.collection.clear())
  }

  #await(call: Call, promise: Promise<unknown>): void {
    const { calls } = this.#world
    calls.current = null
    this.#world.trace(() => call.text)
    promise.then(
      (result) => {
        calls.open.delete(call)
        this.#world.trace(() => `${call.text}: ${result ?? 'done'}`)
        this.#resolved(call, result)
      },
      (error) => {
        calls.open.delete(call)
        call.refused = error.stored ?? null
        this.#world.trace(() => `${call.text}: ${error.code} ${error.stored}`)
        if (error.stored === undefined && error.code !== 'CLOSED')
          this.#follower.fail('W6', `${call.text}: ${error.message}`)
        const { calmSince, settings } = this.#world
        if (error.code === 'WRITE_TIMEOUT' && call.since > calmSince && settings.writeTimeout >= longPatience) {
          this.#follower.fail('W6', `${call.text} was refused, though the link was never away for long`)
        }
        // Only what was given up is older than what the store has taken, and its callers have been told before.
        if (/a newer batch/.test(error.message)) this.#follower.fail('fence', `${call.text}: ${error.message}`)
        if (error.stored === 'no' && call.order !== null) this.#follower.fail('refused', `${call.text} took effect`)
      },
    )
  }

  #resolved(call: Call, result: unknown): void {
    const { ledger, expected, shadow } = this.#follower
    const order = call.order ?? this.#world.calls.successor(call)
    if (order === null) return this.#follower.fail('acknowledged', `${call.text} was acknowledged, but not taken`)
    if (typeof result === 'boolean' && call.order !== null && result !== call.existed) {
      this.#follower.fail('W5', `${call.text} gave ${result}`)
    }
    if (expected === 'idle') return
    for (const key of call.key === null ? this.#world.settings.keys : [call.key]) {
      const v = shadow.get(key)?.v ?? null
      if (!ledger.explains(key, v, order)) this.#follower.fail('W3', `after ${call.text}, ${key} is ${v}`)
    }
  }
}
