/** The calls of one user on one collection that are one write or one transaction, and what must hold when each of them settles. */
import type { TransactionWrites } from '../../src/core/bulk'
import type { MemisError } from '../../src/core/errors'
import { decodeRevision, encodeRevision } from '../../src/core/history'
import type { Revision } from '../../src/core/transport'
import type { Call, CallFacts } from './calls'
import type { Follower } from './follower'
import type { Item } from './operations'
import type { World } from './world'

/** With so long a `writeTimeout` (ms), nothing that was in flight before all was healed keeps a write from being sent. */
const longPatience = 10_000
/** With a `writeTimeout` (ms) that is not longer, a write may time out although all is well. */
const shortPatience = 30

/** The revision that the item must have; null: there must be no item. */
export type Wanted = string | null

export class Caller {
  readonly #world: World
  readonly #follower: Follower

  constructor(world: World, follower: Follower) {
    this.#world = world
    this.#follower = follower
  }

  set(key: string, item: Item, ttlMs: number | 'keep' | null, wanted?: Wanted): void {
    const ttl = ttlMs === null ? {} : { ttl: ttlMs === 'keep' ? ttlMs : ttlMs / 1000 }
    const condition = wanted === undefined ? {} : wanted === null ? { ifAbsent: true } : { ifRevision: wanted }
    const isPlain = wanted === undefined
    const facts = { keys: [key], isReplaceable: isPlain, replaces: isPlain && ttlMs !== 'keep' }
    const text = `set ${key}=${item.v} ttl ${ttlMs}${isPlain ? '' : ` if ${wanted}`}`
    this.#call(text, facts, ({ collection }) => collection.set(key, item, { ...ttl, ...condition }))
  }

  delete(key: string, wanted?: string): void {
    const facts = { keys: [key], replaces: wanted === undefined }
    const options = wanted === undefined ? undefined : { ifRevision: wanted }
    const text = `delete ${key}${wanted === undefined ? '' : ` if ${wanted}`}`
    this.#call(text, facts, ({ collection }) => collection.delete(key, options))
  }

  clear(): void {
    this.#call('clear', { keys: null, replaces: true }, ({ collection }) => collection.clear())
  }

  transaction(keys: readonly string[], build: (writes: TransactionWrites<Item>) => void): void {
    this.#call(`transaction of ${keys}`, { keys }, ({ collection }) => collection.transaction(build))
  }

  /** A write was accepted: it took effect, and the replica holds it, or something newer. */
  checkAccepted(call: Call): void {
    const { ledger, shadow, expected } = this.#follower
    const taken = call.order === null ? this.#world.calls.successor(call) : call
    if (taken?.order == null) return this.#follower.fail('acknowledged', `${call.text} was acknowledged, but not taken`)
    const { order, revisions } = taken
    if (expected === 'idle') return
    for (const { epoch, n } of revisions.values()) {
      // Where replicas accept losses, they accept that of a write whose answer was late.
      if (!this.#world.isStrict && ledger.lineage.wasLost({ epoch, n })) return
      // A declared limit: a store that lost everything and whose clock is behind may have answered before any replica asked it for a
      // later epoch; what it answered sorts before what was lost.
      if (ledger.lineage.isBehind(epoch)) return
    }
    for (const [key, revision] of call.revisions) {
      if (key === '') this.#follower.clearedBy(revision)
      for (const each of key === '' ? this.#world.settings.keys : [key]) this.#checkRevision(each, revision, call)
      const v = shadow.get(key)?.v ?? null
      if (this.#world.isStrict && !ledger.isAtLeast(key, v, revision))
        this.#follower.fail('W3', `after ${call.text} by ${encodeRevision(revision)}, ${key} is ${v}`)
    }
    const written = taken === call ? [...revisions.keys()] : call.keys
    for (const key of call.keys === null ? this.#world.settings.keys : (written ?? [])) {
      const v = shadow.get(key)?.v ?? null
      if (!ledger.explains(key, v, order)) this.#follower.fail('W3', `after ${call.text}, ${key} is ${v}`)
    }
  }

  #call(
    text: string,
    facts: Omit<CallFacts, 'follower' | 'text' | 'process'>,
    make: (follower: Follower) => Promise<unknown>,
  ): void {
    const { calls } = this.#world
    const { name, actor, ledger } = this.#follower
    const { order } = ledger
    const call = calls.begin({ follower: name, text, process: actor, ...facts })
    calls.current = call
    const promise = make(this.#follower)
    calls.current = null
    this.#world.trace(() => call.text)
    promise.then(
      (result) => {
        calls.open.delete(call)
        this.#world.trace(() => `${call.text}: ${result ?? 'done'}`)
        this.checkAccepted(call)
        if (typeof result === 'boolean' && call.order !== null && result !== call.existed)
          this.#follower.fail('W5', `${call.text} gave ${result}`)
      },
      (error) => {
        calls.open.delete(call)
        this.#world.trace(() => `${call.text}: ${error.code} ${error.stored}`)
        this.#refused(call, error, order)
      },
    )
  }

  /** `order`: the point at which the call was made. */
  #refused(call: Call, error: MemisError, order: number): void {
    const { text, keys } = call
    const { ledger } = this.#follower
    const isSettled = ['CLOSED', 'READ_ONLY'].includes(error.code)
    if (error.stored === undefined && !isSettled) this.#follower.fail('W6', `${text}: ${error.message}`)
    const { calmSince, settings, isQuiet } = this.#world
    const isPatient = call.since > calmSince && settings.writeTimeout >= longPatience
    if (error.code === 'WRITE_TIMEOUT' && (isPatient || (isQuiet && settings.writeTimeout > shortPatience))) {
      this.#follower.fail('W6', `${text} was refused, though the link was never away for long`)
    }
    if (error.code === 'STORE_REFUSED' && !settings.faults.has('refuse'))
      this.#follower.fail('W6', `${text}: ${error.message}`)
    // Only an abandoned batch is older than one that the store has accepted, and its callers were told before.
    if (/a later batch/.test(error.message)) this.#follower.fail('fence', `${text}: ${error.message}`)
    // Once a store has lost what it accepted, it may say anything of that.
    const isLost = call.order !== null && ledger.lostAt > call.order
    if (!isLost) call.refused = error.stored ?? null
    if (error.stored === 'no' && call.order !== null && !isLost) this.#follower.fail('refused', `${text} took effect`)
    if (error.code !== 'CONFLICT') return
    const { key = keys?.[0] as string, current } = error
    const v = (current?.item as Item | undefined)?.v ?? null
    if (!ledger.explains(key, v, order)) this.#follower.fail('C2', `${text}: ${key} was said to be ${v}`)
  }

  /** W3: the replica holds that write's version or a later one. */
  #checkRevision(key: string, revision: Revision, { text }: Call): void {
    const { collection, ledger } = this.#follower
    const known = decodeRevision(collection.entry(key)?.revision)
    if (known !== undefined && ledger.lineage.compare(known, revision) < 0)
      this.#follower.fail('W3', `after ${text} by ${encodeRevision(revision)}, ${key} is of ${encodeRevision(known)}`)
  }
}
