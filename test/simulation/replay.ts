/** The events of one replica, replayed into a map: each is held against the replica, and against what really happened in the store. */
import type { Change } from '../../src/core/contents'
import { decodeRevision, encodeRevision, precedes } from '../../src/core/history'
import type { Revision } from '../../src/core/transport'
import type { Follower } from './follower'
import type { Taken } from './ledger'
import type { Item } from './operations'
import type { World } from './world'

/** When an item expires, as the replica knew after the last step. */
interface Deadline {
  readonly at: number
  readonly revision: string
}

export class Replay {
  readonly items = new Map<string, Readonly<Item>>()
  readonly #world: World
  readonly #follower: Follower
  readonly #newest = new Map<string, Revision>()
  /** Keys that the store did not have when it was read: the same version may come back. */
  readonly #goneByWord = new Set<string>()
  readonly #deadlines = new Map<string, Deadline>()
  /** The last clear of this user that was accepted. */
  #cleared: Revision | null = null

  constructor(world: World, follower: Follower) {
    this.#world = world
    this.#follower = follower
  }

  clear(): void {
    this.items.clear()
    this.#newest.clear()
    this.#goneByWord.clear()
    this.#deadlines.clear()
    this.#cleared = null
  }

  /** A clear of this user was accepted. */
  clearedBy(revision: Revision): void {
    this.#cleared = revision
  }

  /** The events, replayed, must be the replica. */
  check(): void {
    const { items } = this
    const { collection } = this.#follower
    const { now } = this.#world.time
    if (collection.size !== items.size)
      this.#fail('replay', `holds ${[...collection.keys()]}, not ${[...items.keys()]}`)
    for (const [key, item] of items) {
      const entry = collection.entry(key)
      if (entry?.item !== item) this.#fail('replay', `${key} is ${collection.get(key)?.v}, not ${item.v}`)
      if (entry === undefined || entry.expiresIn === null) this.#deadlines.delete(key)
      // Once its time is over, it has a last ms for ever.
      else if (entry.revision !== this.#deadlines.get(key)?.revision)
        this.#deadlines.set(key, { at: now + 1000 * entry.expiresIn, revision: entry.revision })
    }
  }

  set(key: string, item: Readonly<Item>, change: Change<Item>): void {
    const { ledger, collection } = this.#follower
    const revision = revisionOf(change)
    this.#told('set', key, item, change)
    if (collection.get(key) !== item) this.#fail('E2', `in its event, ${key} is not yet the item`)
    const before = this.items.get(key)
    if (before?.v === item.v && before.t === item.t) this.#fail('E3', `${key} was told, though it is as before`)
    const taken = ledger.find(revision, key)
    if (taken === undefined || taken.v !== item.v || taken.t !== item.t || item.k !== key)
      this.#fail('invented', `${key} is ${item.v}, but ${change.revision} was ${taken?.v}`)
    if (before !== undefined) this.#checkOverdue(key, before.v)
    if (this.#isCleared(revision)) this.#fail('W3', `${key}=${item.v} is older than a clear of its own`)
    this.#rises('set', key, revision)
    if (taken !== undefined && change.cause === 'live') this.#checkGroup(taken)
    this.items.set(key, item)
    this.#deadlines.delete(key)
  }

  gone(kind: 'expire' | 'delete', key: string, last: Readonly<Item>, change: Change<Item>): void {
    const { ledger, collection, name } = this.#follower
    const revision = revisionOf(change)
    this.#told(kind, key, last, change)
    if (collection.has(key)) this.#fail('E2', `in its ${kind} event, ${key} is still there`)
    if (!this.items.has(key)) this.#fail('E2', `${kind} of ${key}, which was not there`)
    if (last !== this.items.get(key)) this.#fail('E1', `${kind} of ${key}: last is not what get gave`)
    if (kind === 'expire') this.#checkExpiry(key, last.v, change)
    else if (!this.#mayBeDeleted(key, revision)) this.#fail('false delete', `${key}=${last.v}`)
    const taken = ledger.find(revision, key)
    const isOwn = this.#world.calls.foundNothing(name, key, revision)
    if (taken?.v === null && change.cause === 'live' && !isOwn) this.#checkGroup(taken)
    this.#rises(kind, key, revision)
    this.items.delete(key)
    this.#deadlines.delete(key)
  }

  #told(kind: string, key: string, item: Readonly<Item>, { revision, cause, previous }: Change<Item>): void {
    const { name, expected } = this.#follower
    this.#world.trace(() => `${name} ${kind} ${key}=${item.v} ${revision} ${cause}`)
    if (expected === 'idle') this.#fail('R3', `${kind} of ${key} after it was unsubscribed`)
    if (previous !== this.items.get(key)) this.#fail('E1', `${kind} of ${key}: previous is ${previous?.v}`)
    const wrong = expected === 'syncing' ? 'resync' : 'snapshot'
    if (kind === 'set' && cause === wrong) this.#fail('E4', `${kind} of ${key}: cause is ${cause} while ${expected}`)
  }

  /** Never early against the deadline of the very write that the revision names. */
  #checkExpiry(key: string, v: number, change: Change<Item>): void {
    const { ledger, actor, expected } = this.#follower
    const taken = ledger.find(revisionOf(change), key)
    const { now } = this.#world.time
    const early =
      taken !== undefined && taken.v !== null ? taken.deadline > now + 1 : !ledger.hasExpired(key, this.#orderOf(key))
    // A declared limit: what was written to a store whose clock is behind sorts before what it lost, an expiry among that.
    const held = this.#newest.get(key)
    const isBehind = held !== undefined && ledger.lineage.isBehind(held.epoch)
    if (early && !isBehind) this.#fail('X1', `${key}=${v} expired ${(taken?.deadline ?? Infinity) - now} ms too early`)
    // E7: cut off, it knows only that the time is over.
    if (actor.isOut && change.cause !== 'stale') this.#fail('E7', `${key} expired out of touch: ${change.cause}`)
    if (expected === 'live' && change.cause !== 'live') this.#fail('E7', `${key} expired while live: ${change.cause}`)
  }

  /** An item is replaced that should have expired before. What gave it a new ttl meanwhile was no event. */
  #checkOverdue(key: string, v: number): void {
    const deadline = this.#deadlines.get(key)
    if (deadline === undefined || deadline.at >= this.#world.time.now - 1) return
    const { ledger } = this.#follower
    const known = decodeRevision(deadline.revision)
    const order = (known && ledger.find(known, key)?.order) ?? 0
    const wasRenewed = ledger.since(key, order).some((taken) => taken.v === v)
    if (!wasRenewed) this.#fail('X3', `${key}=${v} was replaced, though its time was over`)
  }

  /** Older than an own clear. Where replicas accept losses, they accept that of a clear. */
  #isCleared(revision: Revision): boolean {
    const { lineage } = this.#follower.ledger
    const cleared = this.#cleared
    if (cleared === null || (!this.#world.isStrict && lineage.wasLost(cleared))) return false
    return lineage.compare(cleared, revision) > 0
  }

  /** Revisions of a key rise. Only where the store lost the newer one may its word count instead. */
  #rises(kind: Change<Item>['kind'], key: string, revision: Revision): void {
    const { ledger } = this.#follower
    const { lineage } = ledger
    const { isStrict } = this.#world
    const newest = this.#newest.get(key)
    const isLost = !isStrict && newest !== undefined && lineage.wasLost(newest)
    // The store's word that it has nothing makes nothing newer, as of whatever place: another replica may restore an older item.
    const isSame = newest !== undefined && lineage.compare(newest, revision) === 0
    const isNowhere = !isStrict && ledger.find(revision, key) === undefined
    const isWord = kind !== 'set' && (isLost || isNowhere || (kind === 'delete' && isSame))
    const isBack = this.#goneByWord.has(key)
    if (isWord) this.#goneByWord.add(key)
    else {
      this.#newest.set(key, revision)
      this.#goneByWord.delete(key)
    }
    if (newest === undefined || isLost) return
    const step = lineage.compare(newest, revision)
    // A replica that has not heard that an epoch was renamed goes by its former id.
    if (step < 0 || precedes(newest, revision)) return
    if (kind === 'set' && isBack) return
    if (step === 0 && (kind !== 'set' || ledger.wasEvicted(key, revision))) return
    this.#fail('K1', `${key} went from ${encodeRevision(newest)} back to ${encodeRevision(revision)}`)
  }

  /** Somebody deleted it, as far as this replica can know; or the store lost it for good. */
  #mayBeDeleted(key: string, revision: Revision): boolean {
    const { ledger } = this.#follower
    const newest = this.#newest.get(key)
    const order = this.#orderOf(key)
    if (!this.#world.isStrict || newest === undefined) {
      return ledger.explains(key, null, order) || this.#isLateDelete(key, revision)
    }
    return ledger.wasDeletedAfter(key, newest) || ledger.hasExpired(key, order)
  }

  /**
   * Its answer came after the store had lost it, and its revision sorts after what was written since: the clock of the store was
   * behind, and nobody asked for a later epoch. The rule is that the newer revision counts, until a session tells what the store has.
   */
  #isLateDelete(key: string, revision: Revision): boolean {
    const { lineage } = this.#follower.ledger
    return lineage.wasLost(revision) && this.#follower.ledger.find(revision, key)?.v === null
  }

  /** C7: with one change of a transaction, all of it is there, or something newer. */
  #checkGroup({ group, order }: Taken): void {
    const { expected, ledger, collection } = this.#follower
    if (expected !== 'live' || ledger.lostAt > order) return
    for (const { key, order } of group) {
      const v = collection.get(key)?.v ?? null
      if (!ledger.explains(key, v, order)) this.#fail('C7', `in the event of a transaction, ${key} is still ${v}`)
    }
  }

  #orderOf(key: string): number {
    const newest = this.#newest.get(key)
    return (newest && this.#follower.ledger.find(newest, key)?.order) ?? 0
  }

  #fail(invariant: string, detail: string): void {
    this.#follower.fail(invariant, detail)
  }
}

const revisionOf = ({ revision }: Change<Item>): Revision => decodeRevision(revision) ?? { epoch: revision, n: 0 }
