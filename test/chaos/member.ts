/** A client of the run with its replicas, and a user who writes without end and checks what comes of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type MemisError } from '../../src'
import { Random } from '../simulation/random'
import { type CallLimits, Calls } from './calls'
import type { Follower, Mode } from './follower'
import { type Item, isSteady, makeItem, ownerOf } from './item'
import { ItemFollower } from './item-follower'
import type { Entry } from './journal'
import { type Shared, SharedFollower } from './shared'
import { SharedWrites } from './shared-writes'

/** What a member is made of. It is sent to other processes. */
export interface Spec {
  readonly name: string
  readonly seed: number
  readonly mode: Mode
  /** The options of createClient. */
  readonly client: CallLimits & Record<string, unknown>
  readonly journal: string
  /** It pauses for up to so many ms between bursts of writes. */
  readonly pause: number
}

export interface Status {
  readonly violations: readonly string[]
  readonly states: readonly string[]
  /** The number of the last item of the probe's key that has arrived. */
  readonly probe: number
  readonly open: number
  readonly lost: number
  readonly restored: number
  /** The last few errors, for reports. */
  readonly complaints: readonly string[]
}

export interface Report {
  readonly seen: readonly string[]
  readonly events: number
  readonly calls: number
  readonly refused: Readonly<Record<string, number>>
}

export const probeKey = 'prober/steady/probe'
/** In `mine`, most keys have an owner, who alone writes them. In `ours`, all members write all keys, and clear it now and then. See shared.ts for `shared`. */
export const collections = ['mine', 'ours', 'shared'] as const

const steadyKeys = 6
const ownKeys = 10
const commonKeys = 12
/** How long `close()` may take beyond its own limit on a busy machine (ms). */
const slack = 3000

export class Member {
  readonly violations: string[] = []
  readonly #spec: Spec
  readonly #client: Client
  readonly #mine: ItemFollower
  readonly #ours: ItemFollower
  readonly #shared: SharedFollower
  readonly #sharedWrites: SharedWrites
  readonly #calls: Calls
  readonly #random: Random
  readonly #ticking: NodeJS.Timeout
  readonly #complaints: string[] = []
  /** How often each key was deleted: an item that was set before may be gone. */
  readonly #deletes = new Map<string, number>()
  #n = 0
  #isWriting = false
  #working: Promise<void> = Promise.resolve()

  constructor(spec: Spec) {
    const { name, mode, client } = spec
    this.#spec = spec
    this.#random = new Random(spec.seed)
    this.#calls = new Calls(name, spec.journal, client, collections.length, this.fail)
    this.#client = createClient(client as unknown as { transport: 'memory' })
    this.#client.on('error', (error) => this.#heed(error))
    this.#client.on('disconnect', (error) => this.#complain(error))
    const database = this.#client.database('chaos')
    const options = { name, mode, fail: this.fail }
    const mayRepeat = client.transport === 'nats'
    this.#mine = new ItemFollower(database.collection<Item>('mine'), mayRepeat, options)
    this.#ours = new ItemFollower(database.collection<Item>('ours'), mayRepeat, options)
    this.#shared = new SharedFollower(database.collection<Shared>('shared'), options)
    this.#sharedWrites = new SharedWrites(this.#shared.collection, this.#calls, this.#random, options)
    for (const { collection } of [this.#mine, this.#ours]) collection.on('stale', (error) => this.#complain(error))
    let last = performance.now()
    this.#ticking = setInterval(() => {
      const now = performance.now()
      this.#calls.tick(Math.min(now - last, 200))
      for (const follower of this.#followers) follower.check()
      last = now
    }, 100)
  }

  async start(): Promise<void> {
    await Promise.all([this.#mine.subscribe(), this.#ours.subscribe(), this.#shared.subscribe()])
  }

  status(): Status {
    for (const follower of this.#followers) follower.check()
    return {
      violations: this.violations,
      states: this.#followers.map(({ collection }) => collection.freshness.state),
      probe: this.#mine.expected === 'idle' ? -1 : (this.#mine.collection.get(probeKey)?.n ?? -1),
      open: this.#calls.open,
      lost: this.#sum(({ lost }) => lost),
      restored: this.#sum(({ restored }) => restored),
      complaints: this.#complaints,
    }
  }

  contents(): [string, unknown][][] {
    return this.#followers.map(({ collection }) => [...collection])
  }

  report(): Report {
    return {
      seen: [...this.#mine.seen, ...this.#ours.seen],
      events: this.#sum(({ events }) => events),
      calls: this.#calls.count,
      refused: this.#calls.refused,
    }
  }

  async write(isOn: boolean): Promise<void> {
    if (isOn === this.#isWriting) return
    this.#isWriting = isOn
    await this.#working
    if (isOn) this.#working = this.#work()
  }

  /** Makes the counters, so that members can increment them. */
  makeCounters(): Promise<void> {
    return this.#sharedWrites.makeCounters()
  }

  /** Sets the item by which the run sees that everybody is in touch. Resolves to its number once it is accepted, or to -1. */
  async probe(): Promise<number> {
    return (await this.#set(this.#mine, probeKey, null)) ? this.#n : -1
  }

  /** Writes once more: a replica that is cut off for good would show. Resolves to whether it was accepted. */
  touch(): Promise<boolean> {
    return this.#set(this.#mine, `${this.#spec.name}/steady/0`, null)
  }

  async resubscribe(): Promise<void> {
    for (const follower of this.#followers) follower.unsubscribe()
    await sleep(this.#random.int(50))
    // It resolves when the store is back.
    this.start().catch((error) => this.fail('R2', `subscribe was refused: ${error.message}`))
  }

  async close(): Promise<void> {
    this.#isWriting = false
    for (const follower of this.#followers) follower.check()
    const closing = this.#client.close()
    for (const follower of this.#followers) follower.ended()
    const start = performance.now()
    await closing
    const took = performance.now() - start
    const most = Math.min(5000, this.#spec.client.writeTimeout)
    if (took > most + slack) this.fail('W7', `${this.#spec.name}: close took ${Math.round(took)} ms`)
    await this.#working
    await sleep(1) // what close() refused has settled
    this.#calls.close()
    clearInterval(this.#ticking)
  }

  readonly fail = (invariant: string, detail: string): void => {
    if (this.violations.length < 10) this.violations.push(`${invariant}: ${detail}`)
  }

  get #followers(): readonly Follower<object>[] {
    return [this.#mine, this.#ours, this.#shared] as unknown as Follower<object>[]
  }

  #sum(of: (follower: Follower<object>) => number): number {
    return this.#followers.reduce((total, each) => total + of(each), 0)
  }

  async #work(): Promise<void> {
    const random = this.#random
    while (this.#isWriting) {
      const burst: Promise<unknown>[] = []
      for (let i = random.chance(0.3) ? 1 + random.int(12) : 1; i > 0; i--) burst.push(this.#act())
      if (random.chance(0.2)) await Promise.race([Promise.all(burst), sleep(500)])
      await sleep(random.int(this.#spec.pause))
    }
  }

  #act(): Promise<unknown> {
    const random = this.#random
    const { name } = this.#spec
    const what = random.weighted([
      [20, 'steady'],
      [30, 'own'],
      [30, 'ours'],
      [20, 'shared'],
    ] as const)
    if (what === 'shared') return this.#sharedWrites.act()
    if (what === 'steady') return this.#set(this.#mine, `${name}/steady/${random.int(steadyKeys)}`, null)
    const follower = what === 'own' ? this.#mine : this.#ours
    const key = what === 'own' ? `${name}/own/${random.int(ownKeys)}` : `key ${random.int(commonKeys)}`
    if (what === 'ours' && random.chance(0.01)) return this.#clear()
    if (random.chance(0.25)) return this.#delete(follower, key)
    const ttl = random.chance(0.35) ? random.pick([20, 200, 1000, 3000]) + random.int(500) : null
    return this.#set(follower, key, ttl)
  }

  /** Resolves to whether it was accepted. */
  async #set(follower: ItemFollower, key: string, ttl: number | null): Promise<boolean> {
    const { collection } = follower
    const n = ++this.#n
    const item = makeItem(key, this.#spec.name, n, ttl)
    const { at } = item
    const deletes = this.#deletes.get(key)
    const entry: Entry = { collection: collection.name, key, kind: 'set', n, ttl, at }
    const seconds = ttl === null ? undefined : ttl / 1000
    if ((await this.#calls.make(entry, () => collection.set(key, item, seconds))) !== null) return false
    const mayBeGone = this.#deletes.get(key) !== deletes || (ttl !== null && Date.now() > at + ttl - 5)
    this.#checkOwn(follower, key, n, mayBeGone)
    return true
  }

  async #delete(follower: ItemFollower, key: string): Promise<void> {
    const { collection } = follower
    this.#deletes.set(key, (this.#deletes.get(key) ?? 0) + 1)
    const entry: Entry = { collection: collection.name, key, kind: 'delete', n: 0, ttl: null, at: Date.now() }
    const error = await this.#calls.make(entry, () => collection.delete(key))
    if (error === null) this.#checkOwn(follower, key, 0, true)
  }

  async #clear(): Promise<void> {
    const { collection } = this.#ours
    const entry: Entry = { collection: collection.name, key: '', kind: 'clear', n: 0, ttl: null, at: Date.now() }
    await this.#calls.make(entry, () => collection.clear())
  }

  /** Read your writes: of a key that nobody else writes, the replica holds this item or a newer one. */
  #checkOwn(follower: ItemFollower, key: string, n: number, mayBeGone: boolean): void {
    const { collection, expected } = follower
    if (this.#spec.mode !== 'kept' || ownerOf(key) !== this.#spec.name || expected === 'idle') return
    const held = collection.get(key)
    if (held === undefined ? mayBeGone : held.n >= n) return
    // NATS may erase it while it removes an item that has expired: it was told, and then an `expire` of another version.
    if (held === undefined && this.#spec.client.transport === 'nats' && follower.wasErased(key)) return
    // Set again with a ttl since, it may have expired.
    if (held === undefined && !isSteady(key) && this.#n > n) return
    const told = `${expected}, at ${Date.now() % 100_000}: ${follower.historyOf(key)}`
    this.fail('W3', `${this.#spec.name}: ${key} is ${held?.n} once item ${n} was accepted; ${told}`)
  }

  #complain({ code, message }: MemisError): void {
    this.#complaints.push(`${new Date().toISOString().slice(17, 23)} ${code} ${message}`)
    if (this.#complaints.length > 8) this.#complaints.shift()
  }

  #heed(error: MemisError): void {
    const { code, message, cause } = error
    this.#complain(error)
    // A store that lost an epoch does not confirm a notification of it that was still on its way.
    const isExpected =
      code === 'DISCONNECTED' || code === 'OUT_OF_TOUCH' || (code === 'UNTRUSTED' && this.#spec.mode !== 'kept')
    if (!isExpected) {
      this.fail('error', `${this.#spec.name}: ${code} ${message} ${(cause as Error | undefined)?.stack ?? ''}`)
    }
  }
}
