/**
 * A collection under attack: one true writer, replicas behind a proxy that counts what they are sent, and a joiner. Whatever the attacker
 * does, the store keeps what the true writer wrote, and replicas come to hold exactly that.
 */
import assert from 'node:assert'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Client, Collection, MemisOptions } from '../../src'
import type { Site } from '../scenarios/site'
import { startProxy, type TcpProxy } from '../support/proxy'
import { Complaints, differences, Replay, untilEqualTo } from '../support/replicas'
import { type Disposable, dice, until } from '../support/testing'

export interface Item {
  /** Numbers the writes of the true writer. */
  true: number
}

/** A store that collections of many tests share. */
export interface Ground<S extends Site = Site> {
  readonly site: S
  readonly proxy: TcpProxy
}

export async function groundOf<S extends Site>(site: S): Promise<Disposable<Ground<S>>> {
  const proxy = await startProxy(site.server.port)
  return {
    site,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy.close()
      await site[Symbol.asyncDispose]()
    },
  }
}

export interface SiegeOptions {
  /** The attacker may write to the collection: replicas may be told a lie, until the store is asked. */
  readonly isWriter?: boolean
  readonly options?: MemisOptions
}

/** The cost of an attack to the victims. */
export interface Cost {
  /** Bytes that replicas were sent. */
  readonly bytes: number
  /** CPU time of this process (ms): victims, and the attacker. */
  readonly cpuMs: number
  /** The longest time that the event loop stood still (ms). */
  readonly blockMs: number
}

/** Whoever joins is in within so many ms. */
const longestJoin = 5000
/** A whole attack by forged messages must not keep the process busy for longer (ms of CPU time). */
const mostCpu = 4000

export class Siege implements AsyncDisposable {
  readonly name: string
  readonly items: Collection<Item>
  readonly replicas: readonly Collection<Item>[]
  readonly complaints: readonly Complaints[]
  /** The contents of the store, by its answers to the true writer. */
  readonly truth = new Map<string, Item>()
  readonly stales: string[] = []
  readonly #ground: Ground
  readonly #clients: Client[] = []
  readonly #replays: readonly Replay[]
  readonly #lies: string[] = []
  readonly #options: MemisOptions
  #count = 0

  private constructor(ground: Ground, name: string, { isWriter, options }: SiegeOptions) {
    this.#ground = ground
    this.name = name
    this.#options = { auditInterval: 50, ...options }
    this.items = this.#collectionOf(ground.site.client({ auditInterval: 50 }))
    this.replicas = (['restore', 'accept'] as const).map((dataLoss) => this.#open({ dataLoss }))
    this.complaints = this.#clients.map((client) => new Complaints(client))
    this.#replays = this.replicas.map((replica) => new Replay(replica))
    for (const replica of this.replicas) {
      replica.on('stale', ({ message }) => void this.stales.push(message))
      if (isWriter) continue
      replica.on('set', (key, item) => {
        if (!(item.true > 0 && item.true <= this.#count) || 'lie' in item) this.#lies.push(`set ${key}`)
      })
    }
  }

  /** Two replicas are live, and hold ten items. One restores what the store loses, the other one does not. */
  static async begin(ground: Ground, name: string, options: SiegeOptions = {}): Promise<Siege> {
    const siege = new Siege(ground, name, options)
    await Promise.all(siege.replicas.map((replica) => replica.subscribe()))
    for (let i = 0; i < 10; i++) await siege.write(`key ${i}`)
    await until('replicas hold ten items', () => siege.replicas.every(({ size }) => size === 10))
    return siege
  }

  async write(key: string): Promise<void> {
    const item = { true: ++this.#count }
    await this.items.set(key, item)
    this.truth.set(key, item)
  }

  /** Attacks while nobody writes, then while the true writer does. Resolves to what both cost. */
  async endure(strike: (round: number) => Promise<unknown>): Promise<Cost> {
    const { proxy } = this.#ground
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const cpu = process.cpuUsage()
    const received = proxy.received
    delay.enable()
    await strike(0)
    await this.#stands()
    let isOver = false
    const writing = this.#writeUntil(() => isOver)
    try {
      await strike(1)
    } finally {
      isOver = true
      await writing
    }
    delay.disable()
    const { user, system } = process.cpuUsage(cpu)
    const cost = { bytes: proxy.received - received, cpuMs: (user + system) / 1000, blockMs: delay.max / 1e6 }
    await this.#stands()
    assert.ok(cost.cpuMs < mostCpu, `the attack cost ${cost.cpuMs} ms of CPU time`)
    return cost
  }

  /** A client of somebody else, at whatever distance, gets in while `strike` goes on. */
  async admits(client: Client, strike: () => Promise<unknown>): Promise<number> {
    let isOver = false
    const striking = (async () => {
      while (!isOver) await strike()
    })()
    const from = performance.now()
    try {
      new Complaints(client)
      const joiner = this.#collectionOf(client)
      await joiner.subscribe()
      const took = performance.now() - from
      await this.write('while a joiner joins')
      await until('the joiner hears of true writes', () => joiner.has('while a joiner joins'), longestJoin)
      assert.ok(took < longestJoin, `a joiner needed ${took} ms`)
      return took
    } finally {
      isOver = true
      await striking
    }
  }

  /** Replicas come to hold what the store holds, be it the truth or not. */
  async settles(): Promise<void> {
    await untilEqualTo(this.#ground.site.read, this.replicas, 5000)
  }

  /** Replicas have been told everything that was there before. */
  async fence(): Promise<void> {
    await this.write('fence')
    const { true: number } = this.truth.get('fence') as Item
    await until('replicas hear of it', () => this.replicas.every((each) => each.get('fence')?.true === number), 5000)
  }

  async untilAbsent(replica: Collection<Item>, key: string): Promise<void> {
    await until(`${key} is absent`, () => !replica.has(key), 5000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  #collectionOf(client: Client): Collection<Item> {
    this.#clients.push(client)
    return client.database('test').collection<Item>(this.name)
  }

  #open(options: MemisOptions = {}): Collection<Item> {
    return this.#collectionOf(this.#ground.site.client({ ...this.#options, ...options }, this.#ground.proxy.port))
  }

  async #writeUntil(isOver: () => boolean): Promise<void> {
    const random = dice(this.#count)
    for (let i = 0; i < 20 || !isOver(); i++) {
      const key = `key ${random(15)}`
      if (random(5) > 0) await this.write(key)
      else {
        await this.items.delete(key)
        this.truth.delete(key)
      }
    }
  }

  /** The store has the truth, and so have the replicas and whoever joins. */
  async #stands(): Promise<void> {
    await this.write('the next true write')
    const joiner = this.#open()
    const from = performance.now()
    new Complaints(this.#clients.at(-1) as Client)
    await joiner.subscribe()
    assert.ok(performance.now() - from < longestJoin, `a joiner needed ${performance.now() - from} ms`)
    assert.deepStrictEqual(differences(await this.#ground.site.read(this.name), this.truth), [])
    const all = [...this.replicas, joiner]
    await untilEqualTo(this.#ground.site.read, all, 5000)
    await until('all are live', () => all.every(({ freshness }) => freshness.state === 'live'), 5000)
    // A replica that is live now must be right now.
    for (const each of all) assert.deepStrictEqual(differences(new Map(each), this.truth), [], 'wrong while live')
    for (const replay of this.#replays) replay.check()
    assert.deepStrictEqual(this.#lies, [])
    await (this.#clients.pop() as Client).close()
  }
}
