/** Checks replicas against their own events and against the store. */
import assert from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Client, Collection, MemisError } from '../../src'
import { dice, until } from './testing'

// biome-ignore lint/suspicious/noExplicitAny: a collection of any items
export type AnyCollection = Collection<any>

/** The first few keys under which two Maps differ: a short report, made quickly. */
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

/** Waits until each replica holds what `read` finds in the store under its name; returns the ms. Fails with the differences. */
export async function untilEqualTo(
  read: (collection: string) => Promise<Map<string, unknown>>,
  replicas: readonly AnyCollection[],
  deadline = 20_000,
): Promise<number> {
  let differ: string[] = []
  const equal = async () => {
    const stores = new Map<string, Map<string, unknown>>()
    for (const replica of replicas) {
      const store = stores.get(replica.name) ?? (await read(replica.name))
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

/** Replays a collection's events into a Map, and notes each event that does not fit (E2). */
export class Replay {
  readonly items = new Map<string, unknown>()
  readonly faults: string[] = []
  /** The revisions of the events of each key, in order. */
  readonly revisions = new Map<string, string[]>()
  readonly #collection: AnyCollection
  events = 0

  constructor(collection: AnyCollection) {
    this.#collection = collection
    collection.on('set', (key, item, { previous, revision }) => {
      this.#note(key, revision)
      if (collection.get(key) !== item) this.#fault(`set ${key}: the replica holds something else`)
      if (this.items.get(key) !== previous) this.#fault(`set ${key}: the previous item is another`)
      if (isDeepStrictEqual(item, previous)) this.#fault(`set ${key}: emitted twice`)
      this.items.set(key, item)
    })
    collection.multi('expire delete', (key, last, { previous, revision }) => {
      this.#note(key, revision)
      if (collection.has(key)) this.#fault(`${key} is gone, but the replica holds it`)
      if (this.items.get(key) !== last || last !== previous) this.#fault(`${key} is gone, but last was another`)
      if (!this.items.delete(key)) this.#fault(`${key} is gone that was not there`)
    })
  }

  /** Fails unless all events fitted, and the result is what the replica holds. */
  check(): void {
    assert.deepStrictEqual(this.faults, [])
    assert.strictEqual(this.items.size, this.#collection.size)
    for (const [key, item] of this.#collection) assert.strictEqual(this.items.get(key), item)
  }

  /** To be called after `unsubscribe()`, which empties the replica without events. */
  reset(): void {
    this.items.clear()
  }

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

/** Everything that a client reports about faults, in order. */
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

/** Writes to keys of its own until it is stopped, in bursts, and knows what each key must be in the end. */
export class Load {
  /** How many writes the store has confirmed. */
  confirmed = 0
  readonly refused: MemisError[] = []
  /** The item of the last call for each key; undefined for a delete. */
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

  /** Waits until the store has confirmed so many more writes. */
  async more(count: number): Promise<void> {
    const enough = this.confirmed + count
    await until(`${count} more writes of ${this.#name}`, () => this.confirmed >= enough, 120_000)
  }

  /** Resolves when every write has settled. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** Fails unless all calls were accepted, and each key is what its last call asked for. */
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
