/**
 * The writes that one client queues, seen from outside: each belongs to a call and settles once, and no more of them wait than
 * `maxPending`.
 */
import type { MemisError } from '../../src/core/errors'
import type { KeyWrite, Write } from '../../src/core/transport'
import type { Caller, Transaction } from '../../src/core/waiting-writes'
import type { Actor } from './actor'
import type { Call } from './calls'
import type { Follower } from './follower'
import type { World } from './world'

/** Either may wait as one. */
type Queued = Write | Transaction

export class Backlog {
  /** In the order of the calls, with their collections. */
  readonly #waiting = new Map<Queued, string>()
  readonly #world: World
  readonly #actor: Actor
  #isUp = false

  constructor(world: World, actor: Actor) {
    this.#world = world
    this.#actor = actor
    const { writes, transport } = actor.client
    const linkUp = writes.linkUp.bind(writes)
    const linkDown = writes.linkDown.bind(writes)
    const send = transport.write.bind(transport)
    const push = writes.push.bind(writes)
    writes.linkUp = () => {
      this.#isUp = true
      linkUp()
    }
    writes.linkDown = () => {
      this.#isUp = false
      linkDown()
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const [write, collection] of waiting) this.#add(write, collection)
    }
    transport.write = (id, batch) => {
      for (const write of this.#waiting.keys()) {
        if (batch.writes === (write as Partial<Transaction>).writes) this.#waiting.delete(write)
      }
      for (const write of batch.writes) this.#waiting.delete(write)
      return send(id, batch)
    }
    writes.push = (target, write, bytes, caller) => {
      const { collection } = target.id
      const call = world.calls.current ?? this.#attempt(collection, write)
      for (const each of partsOf(write)) world.calls.bind(each, call)
      const before = this.#waiting.size
      const isWaiting = this.#watch(collection, write, caller, call, before)
      push(target, write, bytes, caller)
      if (!isWaiting()) return
      call.wasQueued = true
      this.#add(write, collection)
    }
  }

  get size(): number {
    return this.#waiting.size
  }

  check(): void {
    const { maxPending } = this.#world.settings
    if (this.size > maxPending) this.#world.fail('pending', `${this.#actor.name}: ${this.size} writes wait`)
  }

  /** A step of a call that takes several: nobody else knows of it. */
  #attempt(collection: string, write: Queued): Call {
    const { calls } = this.#world
    const follower = this.#followerOf(collection)
    const parts = partsOf(write)
    const keys = parts.map((part) => (part as KeyWrite).key)
    const text = `attempt ${parts.map(textOf).join(', ')}`
    const isPlain = write.kind !== 'transaction' && !('if' in write)
    const isReplaceable = isPlain && write.kind === 'set'
    const replaces = isPlain && !(write.kind === 'set' && write.ttlMs === 'keep')
    const facts = { follower: follower.name, keys, text, process: this.#actor, isReplaceable, replaces }
    const call = calls.begin({ ...facts, isAttempt: true })
    this.#world.trace(() => call.text)
    follower.changer.attempted(call, isPlain && write.kind === 'delete')
    return call
  }

  /** Sees how it settles. The result says whether that has not happened yet. */
  #watch(collection: string, write: Queued, caller: Caller, call: Call, before: number): () => boolean {
    const { calls } = this.#world
    const { accepted, conflicted, refused } = caller
    let isSettled = false
    const settled = () => {
      isSettled = true
      this.#waiting.delete(write)
      if (call.isAttempt) calls.open.delete(call)
      if (++call.settled > 1) this.#world.fail('once', `${call.text} settled twice`)
    }
    caller.accepted = (answer) => {
      settled()
      if (call.isAttempt) this.#followerOf(collection).caller.checkAccepted(call)
      accepted.call(caller, answer)
    }
    caller.conflicted = (current, key) => {
      // A call with a promise of its own makes a refusal of it.
      if (!('result' in caller)) settled()
      conflicted.call(caller, current, key)
    }
    caller.refused = (error) => {
      settled()
      this.#checkRefusal(call, error, before)
      refused.call(caller, error)
    }
    return () => !isSettled
  }

  #followerOf(collection: string): Follower {
    return this.#actor.followers.find((each) => each.collection.name === collection) as Follower
  }

  /** While the link is down, a plain write replaces the last set of its key that waits; a clear replaces all such sets. */
  #add(write: Queued, collection: string): void {
    if (!this.#isUp) {
      const sets = new Map<string, Queued>()
      for (const [each, where] of this.#waiting) {
        if (where !== collection || each.kind === 'check') continue
        if (each.kind === 'clear') sets.clear()
        else if (each.kind === 'transaction') for (const { key } of each.writes) sets.delete(key)
        else if (each.kind === 'set' && each.if === undefined) sets.set(each.key, each)
        else sets.delete(each.key)
      }
      if (write.kind === 'clear') for (const set of sets.values()) this.#waiting.delete(set)
      const keeps = write.kind === 'set' && write.ttlMs === 'keep'
      const replaced = 'key' in write && write.if === undefined && !keeps ? sets.get(write.key) : undefined
      if (replaced !== undefined) this.#waiting.delete(replaced)
    }
    this.#waiting.set(write, collection)
  }

  #checkRefusal(call: Call, error: MemisError, before: number): void {
    if (error.code !== 'TOO_MANY_PENDING' || before >= this.#world.settings.maxPending) return
    this.#world.fail('pending', `${call.text}: ${error.message}, but only ${before} wait`)
  }
}

const partsOf = (write: Queued): readonly Write[] => (write.kind === 'transaction' ? write.writes : [write])

function textOf(write: Write): string {
  if (write.kind === 'clear') return 'clear'
  const condition =
    write.if === undefined ? '' : ` if ${write.if === null ? 'absent' : `${write.if.epoch}.${write.if.n}`}`
  const item = write.kind === 'set' ? `=${(write.item.item as { v: number }).v} ttl ${write.ttlMs}` : ''
  return `${write.kind} ${write.key}${item}${condition}`
}
