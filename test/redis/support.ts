/**
 * What the tests on a real Redis share. Whatever reads the store here knows the layout by itself: none of memis's code
 * takes part, so that memis and its tests cannot be wrong in the same way.
 */
import assert from 'node:assert'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect, isDeepStrictEqual } from 'node:util'
import { createClient as createRedisClient, RESP_TYPES } from 'redis'
import { suite as uvuSuite } from 'uvu'
import type { Client, Collection, MemisError } from '../../src'
import { type RedisOptions, type Server, startRedis } from '../support/servers'

/** A suite of uvu in which a test that hangs fails after so many ms, and does not keep the others from their turn. */
export function suite(name: string, limit = 60_000) {
  const bare = uvuSuite(name)
  const test = (title: string, run: () => Promise<void>) => bare(title, () => within(run(), limit))
  return Object.assign(test, { before: bare.before, after: bare.after, run: bare.run })
}

/** The promise's outcome, unless it takes longer than so many ms. */
export async function within<R>(promise: PromiseLike<R>, ms: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Waits until something holds, and returns how many ms that took. The deadline bounds how long a failing test takes. */
export async function until(what: string, holds: () => unknown, deadline = 20_000): Promise<number> {
  const start = performance.now()
  while (!(await holds())) {
    if (performance.now() - start > deadline) throw new Error(`not so after ${deadline} ms: ${what}`)
    await sleep(2)
  }
  return performance.now() - start
}

/** What a promise was rejected with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<MemisError> {
  return promise.then(
    (value) => assert.fail(`should have been refused, gave ${JSON.stringify(value)}`),
    (error) => error,
  )
}

/** Prints what was measured; the runner of the suites shows such lines. */
export const note = (text: string): void => console.log(`\n# ${text}`)

/** A random number generator that gives the same numbers for the same seed: each is whole, from 0 to below `end`. */
export function dice(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end)
  }
}

export type Disposable<T> = T & AsyncDisposable

/** A server that is stopped at the end of the block. */
export async function redisServer(options: RedisOptions = {}): Promise<Disposable<Server>> {
  const server = await startRedis(options)
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() })
}

/** A client of node-redis that gives replies as they come: texts as strings, maps as lists. */
export class Raw {
  readonly #client
  readonly #binary

  private constructor(url: string, options: object) {
    this.#client = createRedisClient({ url, ...options }).withTypeMapping({ [RESP_TYPES.MAP]: Array })
    this.#client.on('error', () => {}) // a server that is killed; the commands tell
    this.#binary = this.#client.withTypeMapping({ [RESP_TYPES.MAP]: Array, [RESP_TYPES.BLOB_STRING]: Buffer })
  }

  static async connect(url: string, options: object = {}): Promise<Raw> {
    const raw = new Raw(url, options)
    await raw.#client.connect()
    return raw
  }

  // biome-ignore lint/suspicious/noExplicitAny: each command has a reply of its own
  send(...args: (string | number | Buffer)[]): Promise<any> {
    return this.#client.sendCommand(args.map((arg) => (typeof arg === 'number' ? String(arg) : (arg as string))))
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  sendBinary(...args: (string | Buffer)[]): Promise<any> {
    return this.#binary.sendCommand(args as string[])
  }

  /** The names of all keys of which the name begins so, in no order. */
  async keys(start = ''): Promise<string[]> {
    const found = new Set<string>()
    const pattern = `${start.replace(/[[\]*?\\^-]/g, '\\$&')}*`
    let cursor = '0'
    do {
      const [next, keys] = await this.send('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
      for (const key of keys) found.add(key)
      cursor = next
    } while (cursor !== '0')
    return [...found]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }
}

const escaped = (name: string) =>
  name.replace(/%/g, '%25').replace(/\{/g, '%7B').replace(/\}/g, '%7D').replace(/:/g, '%3A')

/** How the names of all keys of a collection begin, and the name of its channel. */
export const baseOf = (database: string, collection: string, prefix = 'memis'): string =>
  `${prefix}:{${escaped(database)}:${escaped(collection)}}`

/** One item, field by field, or undefined where there is none. */
export async function readItem(raw: Raw, name: string): Promise<Record<string, unknown> | undefined> {
  const fields: Buffer[] = await raw.sendBinary('HGETALL', name)
  if (fields.length === 0) return undefined
  const item: Record<string, unknown> = {}
  let numbered = false
  for (let i = 0; i < fields.length; i += 2) {
    const [field, value] = fields.slice(i, i + 2) as [Buffer, Buffer]
    if (field.length === 1 && field[0] === 0xff) numbered = true
    else Object.defineProperty(item, String(field), { value: JSON.parse(String(value)), enumerable: true })
  }
  assert.ok(numbered, `${name} has no number`)
  return item
}

/** What a collection holds, found by the names of its keys and not by its index. */
export async function readStore(raw: Raw, collection: string, database = 'test'): Promise<Map<string, unknown>> {
  const start = `${baseOf(database, collection)}:`
  const items = new Map<string, unknown>()
  const names = await raw.keys(start)
  await Promise.all(
    names.map(async (name) => {
      const item = await readItem(raw, name)
      if (item !== undefined) items.set(name.slice(start.length), item)
    }),
  )
  return items
}

// biome-ignore lint/suspicious/noExplicitAny: of whatever items
type AnyCollection = Collection<any>

/** The first few keys of which two Maps hold something else: a report that can be read, and made in no time. */
export function differences(actual: ReadonlyMap<string, unknown>, expected: ReadonlyMap<string, unknown>): string[] {
  const found: string[] = []
  for (const key of new Set([...expected.keys(), ...actual.keys()])) {
    const [is, should] = [actual.get(key), expected.get(key)]
    if (actual.has(key) === expected.has(key) && isDeepStrictEqual(is, should)) continue
    const show = (value: unknown) =>
      inspect(value, { depth: 3, maxArrayLength: 5, maxStringLength: 80, breakLength: 200 })
    if (found.push(`${inspect(key)} is ${show(is)}, should be ${show(should)}`) === 5) break
  }
  return found
}

/** Waits until each replica holds what the store holds; returns the ms. What differs at the deadline is shown. */
export async function untilEqual(
  raw: Raw,
  replicas: readonly AnyCollection[],
  { deadline = 20_000, database = 'test' } = {},
): Promise<number> {
  let differ: string[] = []
  const equal = async () => {
    const stores = new Map<string, Map<string, unknown>>()
    for (const replica of replicas) {
      const store = stores.get(replica.name) ?? (await readStore(raw, replica.name, database))
      stores.set(replica.name, store)
      differ = differences(new Map(replica), store)
      if (differ.length > 0) return false
    }
    return true
  }
  return until('replicas equal the store', equal, deadline).catch(() =>
    assert.fail(`a replica does not hold what the store holds: ${differ.join('; ')}`),
  )
}

/** Replays a collection's events into a Map, and notes each that does not fit what it holds by then (E2). */
export class Replay {
  readonly items = new Map<string, unknown>()
  readonly faults: string[] = []
  /** The revisions of each key's events, in their order. */
  readonly revisions = new Map<string, string[]>()
  readonly #collection: AnyCollection
  events = 0

  constructor(collection: AnyCollection) {
    this.#collection = collection
    collection.on('set', (key, item, { previous, revision }) => {
      this.#note(key, revision)
      if (collection.get(key) !== item) this.#fault(`set ${key}: the replica holds something else`)
      if (this.items.get(key) !== previous) this.#fault(`set ${key}: the previous item is another`)
      this.items.set(key, item)
    })
    collection.multi('expire delete', (key, last, { previous, revision }) => {
      this.#note(key, revision)
      if (collection.has(key)) this.#fault(`${key} is gone, but the replica holds it`)
      if (this.items.get(key) !== last || last !== previous) this.#fault(`${key} is gone, but last was another`)
      if (!this.items.delete(key)) this.#fault(`${key} is gone that was not there`)
    })
  }

  /** Fails unless all events fitted, and come to what the replica holds. */
  check(): void {
    assert.deepStrictEqual(this.faults, [])
    assert.strictEqual(this.items.size, this.#collection.size)
    for (const [key, item] of this.#collection) assert.strictEqual(this.items.get(key), item)
  }

  /** After `unsubscribe()`, which empties the replica without events. */
  reset(): void {
    this.items.clear()
  }

  /** The first few tell enough. */
  #fault(text: string): void {
    if (this.faults.length < 5) this.faults.push(text)
  }

  #note(key: string, revision: string): void {
    this.events++
    const before = this.revisions.get(key)
    if (before === undefined) this.revisions.set(key, [revision])
    else before.push(revision)
  }
}

/** Everything that a client and its collections say of faults, in order. */
export class Complaints {
  readonly errors: MemisError[] = []
  readonly disconnects: MemisError[] = []
  connects = 0

  constructor(client: Client) {
    client.on('error', (error) => void this.errors.push(error))
    client.on('disconnect', (error) => void this.disconnects.push(error))
    client.on('connect', () => void this.connects++)
  }

  get codes(): string[] {
    return this.errors.map((error) => error.code)
  }
}

/** Writes without end to keys of its own, in bursts, and knows what must become of each. */
export class Load {
  /** How many writes the store has confirmed. */
  confirmed = 0
  readonly refused: MemisError[] = []
  /** What the last call for each key asked for: an item, or undefined for a delete. */
  readonly #asked = new Map<string, unknown>()
  readonly #collection: AnyCollection
  readonly #name: string
  readonly #running: Promise<void>
  #stopped = false

  constructor(collection: AnyCollection, name: string) {
    this.#collection = collection
    this.#name = name
    this.#running = this.#run()
  }

  /** Waits until the store has confirmed so many more. */
  async more(count: number): Promise<void> {
    const enough = this.confirmed + count
    await until(`${count} more writes of ${this.#name}`, () => this.confirmed >= enough, 30_000)
  }

  /** Resolves when every write has settled. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** Fails unless each key is what its last call asked for, and all were taken. */
  check(store: ReadonlyMap<string, unknown>): void {
    assert.deepStrictEqual(this.refused, [])
    const [is, should] = [new Map<string, unknown>(), new Map<string, unknown>()]
    for (const [key, item] of this.#asked) {
      if (item !== undefined) should.set(key, item)
      if (store.has(key)) is.set(key, store.get(key))
    }
    assert.deepStrictEqual(differences(is, should), [])
  }

  async #run(): Promise<void> {
    const random = dice(Date.now())
    for (let n = 0; !this.#stopped; ) {
      const burst = Array.from({ length: 1 + random(10) }, async () => {
        const key = `${this.#name} ${random(50)}`
        const item = random(5) === 0 ? undefined : { n: n++, by: this.#name }
        this.#asked.set(key, item)
        try {
          await (item === undefined ? this.#collection.delete(key) : this.#collection.set(key, item))
          this.confirmed++
        } catch (error) {
          this.refused.push(error as MemisError)
        }
      })
      await Promise.all(burst)
    }
  }
}

/** Another process of Node.js, made from a file in `children`, which answers what it is asked. */
export class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<number | null>
  output = ''

  constructor(file: string, ...args: string[]) {
    this.#process = fork(join(__dirname, 'children', file), args, {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk
      })
    }
    this.#ended = once(this.#process, 'exit').then(([code]) => code)
  }

  // biome-ignore lint/suspicious/noExplicitAny: each question has an answer of its own
  async ask(question: string): Promise<any> {
    const answer = once(this.#process, 'message')
    this.#process.send(question)
    const ended = this.#ended.then((code) => assert.fail(`the process has ended with ${code}: ${this.output}`))
    const [value] = (await Promise.race([answer, ended])) as unknown[]
    return value
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Waits for the process to end by itself. */
  async end(): Promise<number | null> {
    return this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }
}

/** What a file in `children` does: answers each question, one at a time, and ends with its parent. */
export function answer(answers: Record<string, () => unknown>): void {
  process.on('message', async (question: string) => process.send?.((await answers[question]?.()) ?? null))
  process.on('disconnect', () => process.exit())
}
