/** The stage of a case: its clients and replicas, and what is asked of every replica. */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../core/client'
import type { Collection } from '../core/collection'
import type { ErrorCode, MemisError } from '../core/errors'
import type { MemisOptions } from '../core/options'
import type { ChangeInfo } from '../core/replica'
import type { ReadyInfo } from '../core/subscription'
import assert from './assert'
import { same, within } from './support'

/** What `setup` gives to a case: a store that is empty and that nobody else uses, and ways to it. */
export interface Environment {
  /** Makes a client as a process of its own would; it is given `options` and nothing in place of them. */
  client(options?: MemisOptions): Client | Promise<Client>
  /** Leave it out where clients cannot be cut off, and say why in `withoutOutage`. */
  readonly outage?: Outage
  /** Gives back what `setup` took. By then all clients are closed and no outage lasts. */
  teardown(): Promise<void> | void
}

/** Keeps clients from the store. Both resolve when it is so, whether or not the clients have noticed. */
export interface Outage {
  /** Cuts a client off; or the store, and with it all clients, those that are made meanwhile included. */
  begin(client?: Client): Promise<void> | void
  /** Lets the client, or all clients, through to the store again. */
  end(client?: Client): Promise<void> | void
}

/** Takes the cases of an area. The title begins with the clauses that the case shows. */
export interface Define {
  (title: string, run: (scene: Scene) => Promise<void>): void
  /** A case that takes an outage. */
  outage(title: string, run: (scene: Scene) => Promise<void>): void
}

// biome-ignore lint/suspicious/noExplicitAny: the cases put everything there is into items
export type Item = Record<string, any>

/** An event of a collection that a replica told, and when: ms of `performance.now()`. */
export interface Told {
  readonly event: 'set' | 'expire' | 'delete'
  readonly key: string
  readonly item: Item
  readonly change: ChangeInfo<Item>
  readonly at: number
}

export const database = 'region-nl'
export const collection = 'artists'

/** The stage of one case. Whatever it makes is closed at the case's end. */
export class Scene {
  readonly patience: number
  /** What the clients' `error` events told. */
  readonly errors: MemisError[] = []
  readonly #environment: Environment
  readonly #another: () => Promise<Environment>
  readonly #clients: Client[] = []
  readonly #others: Scene[] = []
  readonly #expected = new Set<ErrorCode>(['DISCONNECTED'])
  #hadOutage = false

  constructor(environment: Environment, another: () => Promise<Environment>, patience: number) {
    this.#environment = environment
    this.#another = another
    this.patience = patience
  }

  async client(options?: MemisOptions): Promise<Client> {
    return (await this.clientNotHeard(options)).on('error', (error) => void this.errors.push(error))
  }

  /** A client that nobody listens to: not even for errors. */
  async clientNotHeard(options?: MemisOptions): Promise<Client> {
    const client = await this.#environment.client(options)
    this.#clients.push(client)
    return client
  }

  /** A replica in a client of its own, not subscribed yet. */
  async unsubscribed(options?: MemisOptions): Promise<Replica> {
    return new Replica(await this.client(options))
  }

  /** A replica in a client of its own, subscribed. */
  async replica(options?: MemisOptions): Promise<Replica> {
    const replica = await this.unsubscribed(options)
    await replica.items.subscribe()
    return replica
  }

  async two(): Promise<[Replica, Replica]> {
    return [await this.replica(), await this.replica()]
  }

  /** Another store, as another case would have it. */
  async elsewhere(): Promise<Scene> {
    const scene = new Scene(await this.#another(), this.#another, this.patience)
    this.#others.push(scene)
    return scene
  }

  /** Cuts a replica's client off, and waits until it knows. */
  async cut({ client }: Replica): Promise<void> {
    const gone = new Promise<void>((resolve) => client.once('disconnect', () => resolve()))
    this.#hadOutage = true
    await this.#outage.begin(client)
    await gone
  }

  /** Lets a replica's client through again, and waits until the replica has caught up. */
  async heal(replica: Replica): Promise<void> {
    const ready = new Promise<void>((resolve) => replica.items.once('ready', () => resolve()))
    await this.reconnect(replica)
    await ready
  }

  /** Lets a replica's client through again. */
  async reconnect({ client }: Replica): Promise<void> {
    await this.#outage.end(client)
  }

  /** Takes the store away from all. */
  async takeDown(): Promise<void> {
    this.#hadOutage = true
    await this.#outage.begin()
  }

  async bringBack(): Promise<void> {
    await this.#outage.end()
  }

  /** Errors of that code on a client's `error` are part of the case; all others but `DISCONNECTED` make it fail. */
  expect(code: ErrorCode): void {
    this.#expected.add(code)
  }

  /** Throws where a client told an error that the case does not expect. */
  check(): void {
    const error = this.errors.find(({ code }) => !this.#expected.has(code))
    // What a listener of ours threw is what the case has to say.
    if (error !== undefined) throw error.code === 'LISTENER_FAILED' ? error.cause : error
  }

  /** Waits until `holds` throws no more, for as long as patience lasts. */
  async eventually(holds: () => void): Promise<void> {
    const deadline = performance.now() + this.patience
    for (let wait = 1; ; wait = Math.min(20, wait * 2)) {
      this.check()
      try {
        return holds()
      } catch (error) {
        if (performance.now() > deadline) throw error
      }
      await pause(wait)
    }
  }

  /** Waits until all replicas hold the same, which is `expected` where that is given. */
  async eventuallyEqual(replicas: readonly Replica[], expected?: ReadonlyMap<string, Item>): Promise<void> {
    await this.eventually(() => {
      const contents = expected ?? new Map(replicas[0]?.items)
      for (const { items } of replicas) same(new Map(items), contents)
    })
  }

  async close(): Promise<void> {
    if (this.#hadOutage) await this.#outage.end()
    // A client that does not close is a matter of the cases on closing.
    await within(Promise.allSettled(this.#clients.map((client) => client.close())), this.patience).catch(() => {})
    await this.#environment.teardown()
    for (const scene of this.#others) await scene.close()
  }

  get #outage(): Outage {
    assert(this.#environment.outage, 'setup() gave no outage; say in `withoutOutage` why there is none')
    return this.#environment.outage
  }
}

/**
 * A collection in a client, and a record of all that it told. At every event it asks what must be true of every
 * event of every replica; what is not reaches the client's `error`, and fails the case.
 */
export class Replica {
  readonly client: Client
  readonly items: Collection<Item>
  readonly events: Told[] = []
  readonly readies: ReadyInfo[] = []
  readonly stales: MemisError[] = []
  /** What replaying the events gives. */
  readonly #replayed = new Map<string, Item>()

  constructor(client: Client, name = collection) {
    this.client = client
    this.items = client.database(database).collection<Item>(name)
    for (const event of ['set', 'expire', 'delete'] as const) {
      this.items.on(event, (key, item, change) => this.#record({ event, key, item, change, at: performance.now() }))
    }
    this.items.on('ready', (info) => {
      this.readies.push(info)
      this.#compare()
    })
    this.items.on('stale', (error) => void this.stales.push(error))
  }

  /** The events of a key, in order, without their items: `['set snapshot', 'expire live']`. */
  told(key: string): string[] {
    return this.of(key).map(({ event, change }) => `${event} ${change.cause}`)
  }

  /** The events of a key, in order. */
  of(key: string): Told[] {
    return this.events.filter((told) => told.key === key)
  }

  /** Of items with a number `n` that its one writer counts up: asserts that no key went back, or was told twice. */
  assertRising(): void {
    const newest = new Map<string, number>()
    for (const { event, key, item } of this.events) {
      if (event !== 'set') continue
      const before = newest.get(key) ?? -1
      assert(item.n > before, `${key} went back from ${before} to ${item.n}`)
      newest.set(key, item.n)
    }
  }

  /** Unsubscribes, and forgets what was told. */
  leave(): void {
    this.items.unsubscribe()
    this.events.length = 0
    this.#replayed.clear()
  }

  #record(told: Told): void {
    const { event, key, item, change } = told
    this.events.push(told)
    const before = this.#replayed.get(key)
    assert.equal(change.previous, before, `${event} ${key}: change.previous is not the item that was there`)
    assert.match(change.revision, /./, `${event} ${key}: no revision`)
    assert(['snapshot', 'live', 'resync'].includes(change.cause), `${event} ${key}: cause ${change.cause}`)
    if (event === 'set') {
      assert.equal(this.items.get(key), item, `set ${key}: get() gives another item in the listener`)
      assert(!isDeepStrictEqual(item, before), `set ${key}: nothing changed`)
      this.#replayed.set(key, item)
    } else {
      assert.equal(item, before, `${event} ${key}: the last item is not the object that get() gave`)
      assert(!this.items.has(key) && this.items.get(key) === undefined, `${event} ${key}: still there in the listener`)
      this.#replayed.delete(key)
    }
    // Large ones are compared at every 'ready' only, or it would take a while.
    if (this.#replayed.size <= 100) this.#compare()
    else assert.equal(this.items.size, this.#replayed.size, `${event} ${key}: the events do not give the replica`)
  }

  #compare(): void {
    const entries = this.items.entries()
    for (const [key, item] of this.#replayed) {
      const { value } = entries.next()
      assert(value?.[0] === key && value[1] === item, `at ${key}, the events replayed do not give the replica`)
    }
    assert(entries.next().done, 'the replica holds more than its events told')
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
