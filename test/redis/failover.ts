/**
 * Three clients, each with a replica, write while something happens to the servers. Nothing that was acknowledged may be missing in the end,
 * all replicas equal the store, and it is told how many were lost and restored meanwhile.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Client, Collection, ReadyInfo } from '../../src'
import * as scripts from '../../src/transports/redis/scripts'
import type { RedisNode } from '../support/redis-node'
import { note, Raw, Replay, readStore, until, untilEqual } from './support'

interface Item {
  n: number
}

/** A write of each client each so many ms. */
const interval = 10

/**
 * The scripts may not ask for the identity of the server, as in some managed services. Where `isOn` is false they are given an error, until the
 * function that is returned is called.
 */
export function identity(isOn: boolean): () => void {
  if (isOn) return () => {}
  const changed = Object.values(scripts) as unknown as { text: string; sha: string }[]
  const versions = changed.flatMap((script) => [script, (script as unknown as { clustered: typeof script }).clustered])
  const texts = versions.map(({ text }) => text)
  const set = (i: number, text: string) =>
    Object.assign(versions[i] as object, { text, sha: createHash('sha1').update(text).digest('hex') })
  for (const [i, text] of texts.entries()) set(i, text.replace("redis.pcall('INFO'", "redis.pcall('NONE'"))
  return () => {
    for (const [i, text] of texts.entries()) set(i, text)
  }
}

export interface Limits {
  /** The longest time without an acknowledgement (ms). */
  readonly most: number
  /** So many items, counted in each replica, must be lost and restored: otherwise the trial has shown nothing. */
  readonly least?: number
}

export class Trial implements AsyncDisposable {
  readonly collections: Collection<Item>[]
  readonly replays: Replay[]
  readonly readies: ReadyInfo[] = []
  readonly refusals = new Map<string, number>()
  acknowledged = 0
  /** The longest time without an acknowledgement for any of the clients (ms). */
  gap = 0
  readonly #clients: Client[]
  /** The item that each key must have; undefined: none. */
  readonly #expected = new Map<string, Item | undefined>()
  readonly #unsure = new Set<string>()
  readonly #timers: NodeJS.Timeout[] = []
  #pending = 0
  #n = 0

  private constructor(clients: Client[], name: string) {
    this.#clients = clients
    this.collections = clients.map((client) => client.database('test').collection<Item>(name))
    this.replays = this.collections.map((collection) => new Replay(collection))
    for (const collection of this.collections) collection.on('ready', (info) => void this.readies.push(info))
    for (const client of clients) client.on('error', ({ code, message }) => this.errors.push(`${code} ${message}`))
  }

  readonly errors: string[] = []

  /** Begins to write. */
  static async start(connect: () => Client, name = 'items'): Promise<Trial> {
    const trial = new Trial([connect(), connect(), connect()], name)
    await Promise.all(trial.collections.map((collection) => collection.subscribe()))
    trial.readies.length = 0
    for (const [i, collection] of trial.collections.entries()) trial.#write(collection, i)
    await trial.more(100)
    trial.gap = 0
    return trial
  }

  async more(count: number): Promise<void> {
    const enough = this.acknowledged + count
    await until(`${count} more writes`, () => this.acknowledged >= enough, 60_000)
  }

  /** Ends the writing. Fails unless all is well: `read` finds what the store holds. */
  async finish(title: string, store: () => Promise<RedisNode>, { most, least = 0 }: Limits): Promise<void> {
    await this.more(100)
    for (const timer of this.#timers) clearInterval(timer)
    await until('all writes are settled', () => this.#pending === 0, 30_000)
    const told = () =>
      this.collections.map(({ freshness: { state, reason } }) => `${state} ${reason?.message ?? ''}`).join('; ')
    await until(
      `all are live: ${told()}`,
      () => this.collections.every(({ freshness }) => freshness.state === 'live'),
      30_000,
    ).catch((error) => assert.fail(`${(error as Error).message}, now ${told()}; ${this.errors.slice(-5).join('; ')}`))
    const { server } = await store()
    await using raw = await Raw.connect(server.url)
    await untilEqual(raw, this.collections)
    const held = await readStore(raw, (this.collections[0] as Collection<Item>).name)
    const missing = [...this.#expected].filter(
      ([key, item]) => !this.#unsure.has(key) && !isDeepStrictEqual(held.get(key), item),
    )
    const lost = this.readies.reduce((sum, each) => sum + each.lost, 0)
    const restored = this.readies.reduce((sum, each) => sum + each.restored, 0)
    const refused = [...this.refusals].map(([code, count]) => `, ${count} × ${code}`).join('')
    note(
      `${title}: ${this.acknowledged} acknowledged, ${lost} found lost and ${restored} restored by three replicas, ${missing.length} missing, longest gap ${Math.round(this.gap)} ms${refused}`,
    )
    assert.deepStrictEqual(missing.slice(0, 5), [], `${missing.length} acknowledged writes are missing`)
    // A lost write that never was acknowledged may be made anew instead.
    assert.ok(restored <= lost && restored >= least, `${restored} restored of ${lost}, at least ${least} expected`)
    for (const replay of this.replays) replay.check()
    assert.ok(this.gap <= most, `${Math.round(this.gap)} ms without an acknowledgement, at most ${most} expected`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  #write(collection: Collection<Item>, i: number): void {
    let last = performance.now()
    let own = 0
    const settle = (key: string, item: Item | undefined, done: Promise<unknown>) => {
      this.#pending++
      done
        .then(
          () => {
            this.acknowledged++
            // The newest counts of those writes that were overwritten while they waited.
            if (item === undefined || (this.#expected.get(key)?.n ?? 0) < item.n) this.#expected.set(key, item)
            const now = performance.now()
            this.gap = Math.max(this.gap, now - last)
            last = now
          },
          ({ code, stored }) => {
            if (stored !== 'no') this.#unsure.add(key)
            const what = `${code} ${stored}`
            this.refusals.set(what, (this.refusals.get(what) ?? 0) + 1)
          },
        )
        .finally(() => this.#pending--)
    }
    const write = () => {
      own++
      const item = { n: ++this.#n }
      // Some have a ttl, some are deleted again, and one key is written again and again.
      const key = own % 10 === 0 ? `${i} ${own - 5}` : own % 4 === 1 ? `${i} again` : `${i} ${own}`
      if (own % 10 === 0) settle(key, undefined, collection.delete(key))
      else settle(key, item, collection.set(key, item, own % 3 === 0 ? 3600 : undefined))
    }
    this.#timers.push(setInterval(write, interval))
  }
}

/** A master goes on without its replica, which does not get what is written from now on. Call the result to let the replica go on. */
export async function lag(master: RedisNode, replica: RedisNode): Promise<() => void> {
  replica.server.pause()
  await master.send('CLIENT', 'KILL', 'TYPE', 'replica')
  return () => replica.server.resume()
}
