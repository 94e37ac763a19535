/** The stage of a case of the api suite: clients and replicas, and what can be done to their store. */
import type { Client } from '../../core/client'
import type { ErrorCode, MemisError } from '../../core/errors'
import type { MemisOptions } from '../../core/options'
import type { CollectionId, Transport } from '../../core/transport'
import { createClient } from '../../create-client'
import { must, same } from '../assert'
import type { HookName, Hooks, Play, Store, Theatre } from '../suite'
import { eventually, pause, within } from '../waiting'
import { Interference } from './interference'
import { collection, database, type Item, Replica } from './replica'

export class Scene {
  readonly patience: number
  /** What the clients' `error` events told. */
  readonly errors: MemisError[] = []
  /** See {@link Replica.seesTransactions}; set it before the replicas are made. */
  seesTransactions = false
  readonly #play: Play
  readonly #clients: Client[] = []
  readonly #others: { readonly scene: Scene; readonly store: Store }[] = []
  readonly #expected = new Set<ErrorCode>(['DISCONNECTED', 'OUT_OF_TOUCH', 'STORE_EVICTS'])
  #isHurt = false

  constructor(play: Play) {
    this.#play = play
    this.patience = play.patience
  }

  async client(options?: MemisOptions): Promise<Client> {
    return this.#heard(await this.clientNotHeard(options))
  }

  /** A client that nobody listens to: not even for errors. */
  async clientNotHeard(options?: MemisOptions): Promise<Client> {
    return this.#make(await this.#play.store.transport(), options)
  }

  /** A replica in a client of its own, not subscribed yet. */
  async unsubscribed(options?: MemisOptions): Promise<Replica> {
    return this.#replicaIn(await this.client(options))
  }

  /** A replica in a client of its own, subscribed. */
  async replica(options?: MemisOptions): Promise<Replica> {
    const replica = await this.unsubscribed(options)
    await this.#subscribed(replica)
    return replica
  }

  /** A replica in a client of its own, subscribed, whose transport the case can interfere with. The hooks know nothing of that transport. */
  async interfered(options?: MemisOptions): Promise<[Replica, Interference]> {
    const transport = new Interference(await this.#play.store.transport())
    const replica = this.#replicaIn(this.#heard(this.#make(transport, options)))
    await this.#subscribed(replica)
    return [replica, transport]
  }

  async two(options?: MemisOptions): Promise<[Replica, Replica]> {
    return [await this.replica(options), await this.replica(options)]
  }

  /** Another store, as another case would get it. */
  async elsewhere(): Promise<Scene> {
    const store = await this.#play.another()
    const scene = new Scene({ ...this.#play, store })
    this.#others.push({ scene, store })
    return scene
  }

  /** Does what a hook does. */
  async do<N extends HookName>(name: N, ...args: HookArguments<N>): Promise<ReturnType<NonNullable<Hooks<Store>[N]>>> {
    const hook = this.#play.hooks[name] as ((store: Store, ...args: unknown[]) => unknown) | undefined
    must(hook !== undefined, `the case needs the hook ${name}`, Object.keys(this.#play.hooks))
    if (name === 'cut' || name === 'silence') this.#isHurt = true
    return (await hook(this.#play.store, ...args)) as never
  }

  /** Cuts a replica's client off, and waits until it knows. */
  async cut({ client }: Replica): Promise<void> {
    const gone = new Promise<void>((resolve) => client.once('disconnect', () => resolve()))
    await this.do('cut', client.transport)
    await within(gone, this.patience, "the client's event disconnect, after its link was cut,")
  }

  /** Lets a replica's client through again, and waits until the replica has caught up. */
  async heal(replica: Replica): Promise<void> {
    const ready = new Promise<void>((resolve) => replica.items.once('ready', () => resolve()))
    await this.reconnect(replica)
    await within(ready, this.patience, "the collection's event ready, after the link was healed,")
  }

  /** Lets a replica's client through again. */
  async reconnect({ client }: Replica): Promise<void> {
    await this.do('heal', client.transport)
  }

  /** Cuts off all clients, those that are made meanwhile included. */
  async takeDown(): Promise<void> {
    await this.do('cut')
  }

  async bringBack(): Promise<void> {
    await this.do('heal')
  }

  /** Lets so many ms go by, for the store and its clients. */
  async pass(ms: number): Promise<void> {
    if (this.#play.hooks.advance !== undefined) await this.do('advance', ms)
    else await pause(ms)
  }

  /** Names the collection of the replicas, for hooks. */
  get id(): CollectionId {
    return { prefix: this.#play.store.prefix ?? 'memis', database, collection }
  }

  /** Errors of that code on a client's `error` are part of the case; others fail it, except for those of a link and warnings. */
  expect(code: ErrorCode): void {
    this.#expected.add(code)
  }

  /** Throws if a client told an error that the case does not expect. */
  check(): void {
    const error = this.errors.find(({ code }) => !this.#expected.has(code))
    // The message of an assertion in a listener is what the case has to say.
    if (error !== undefined) throw error.code === 'LISTENER_FAILED' ? error.cause : error
  }

  /** Waits until `holds` throws no more, for as long as patience lasts. */
  async eventually(holds: () => Promise<void> | void): Promise<void> {
    let fault: unknown
    await eventually(async () => {
      try {
        this.check()
      } catch (error) {
        fault = error
        return // no use in waiting
      }
      await holds()
    }, this.patience)
    if (fault !== undefined) throw fault
  }

  /** The same, if it takes time rather than news: as long as it throws, so many ms go by. */
  async inTime(ms: number, holds: () => Promise<void> | void): Promise<void> {
    await this.eventually(async () => {
      try {
        await holds()
      } catch (error) {
        await this.pass(ms)
        throw error
      }
    })
  }

  /** Waits until all replicas hold the same, which is `expected` if that is given. */
  async eventuallyEqual(replicas: readonly Replica[], expected?: ReadonlyMap<string, Item>): Promise<void> {
    await this.eventually(() => {
      const contents = expected ?? new Map(replicas[0]?.items)
      replicas.forEach(({ items }, i) => {
        same(new Map(items), contents, `the contents of replica ${i + 1} (${items.freshness.state})`)
      })
    })
  }

  /** What the clients told, which may be the cause of a failure. */
  describe(): string {
    const told = this.errors.slice(-5).map(({ code, message }) => `a client told error(${code}: ${message})`)
    const counted = this.#clients.flatMap(({ errorCounts }, i) =>
      Object.keys(errorCounts).length === 0 ? [] : [`client ${i + 1} counted ${JSON.stringify(errorCounts)}`],
    )
    return [...told, ...counted].join('\n')
  }

  #make(transport: Transport, options?: MemisOptions): Client {
    const { prefix } = this.#play.store
    const client = createClient({ transport, ...(prefix === undefined ? {} : { prefix }), ...options })
    this.#clients.push(client)
    return client
  }

  #replicaIn(client: Client): Replica {
    const replica = new Replica(client)
    replica.seesTransactions = this.seesTransactions
    return replica
  }

  #heard(client: Client): Client {
    return client.on('error', (error) => void this.errors.push(error))
  }

  async #subscribed({ items }: Replica): Promise<void> {
    await within(items.subscribe(), this.patience, 'subscribe()')
  }

  async close(): Promise<void> {
    if (this.#isHurt) await this.#play.hooks.heal?.(this.#play.store)
    // A client that does not close is a matter of the cases on closing.
    await within(Promise.allSettled(this.#clients.map((client) => client.close())), this.patience).catch(() => {})
    for (const { scene, store } of this.#others) {
      await scene.close()
      await store.teardown?.()
    }
  }
}

type HookArguments<N extends HookName> =
  NonNullable<Hooks<Store>[N]> extends (store: Store, ...args: infer A) => unknown ? A : never

export const scenes: Theatre<Scene> = {
  open: (play) => new Scene(play),
  check: (scene) => scene.check(),
  close: (scene) => scene.close(),
  describe: (scene) => scene.describe(),
}
