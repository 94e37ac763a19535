/** One client of the run, its replicas, and a user who writes without end and checks what comes of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type MemisError } from '../../src'
import { Random } from '../simulation/random'
import { Follower, type Mode } from './follower'
import { isSteady, makeItem, ownerOf } from './item'
import { Journal, type Kind } from './journal'

/** What a member is made of; it goes over to other processes. */
export interface Spec {
  readonly name: string
  readonly seed: number
  readonly mode: Mode
  /** What createClient takes. */
  readonly client: { readonly writeTimeout: number; readonly maxPending: number } & Record<string, unknown>
  readonly journal: string
  /** It pauses for up to so many ms between bursts of writes. */
  readonly pause: number
}

export interface Status {
  readonly violations: readonly string[]
  readonly states: readonly string[]
  /** The last item of the probe's key that has arrived. */
  readonly probe: number
  readonly open: number
  readonly lost: number
  readonly restored: number
  /** The last few complaints, for whoever looks for the reason. */
  readonly complaints: readonly string[]
}

export interface Report {
  readonly seen: readonly string[]
  readonly events: number
  readonly readies: number
  readonly calls: number
  readonly refused: Readonly<Record<string, number>>
}

export const probeKey = 'prober/steady/probe'
/** In the first, most keys have an owner, who alone writes them; in the other, all write all, and clear it now and then. */
export const collections = ['mine', 'ours'] as const

const steadyKeys = 6
const ownKeys = 10
const commonKeys = 12
/** How long a call may take beyond `writeTimeout` on a machine that is busy (ms). */
const slack = 3000

interface Open {
  readonly text: string
  readonly key: string
  /** For how long its process had its turn meanwhile (ms). */
  age: number
}

export class Member {
  readonly violations: string[] = []
  readonly #spec: Spec
  readonly #client: Client
  readonly #followers: Follower[]
  readonly #journal: Journal
  readonly #random: Random
  readonly #open = new Set<Open>()
  readonly #refused: Record<string, number> = {}
  readonly #ticking: NodeJS.Timeout
  readonly #complaints: string[] = []
  #n = 0
  #calls = 0
  #writing = false
  #working: Promise<void> = Promise.resolve()
  /** Deletes that were called, by key: what was set before them may be gone. */
  readonly #deletes = new Map<string, number>()

  constructor(spec: Spec) {
    this.#spec = spec
    this.#random = new Random(spec.seed)
    this.#journal = new Journal(spec.journal)
    this.#client = createClient(spec.client as unknown as { transport: 'memory' })
    // With small batches, two of them are under way now and then.
    this.#client.writer.batchWrites = this.#random.pick([2, 5, 1000])
    this.#client.on('error', (error) => this.#heed(error))
    this.#client.on('disconnect', (error) => this.#complain(error))
    this.#followers = collections.map((name) => {
      const collection = this.#client.database('chaos').collection<ReturnType<typeof makeItem>>(name)
      collection.on('stale', (error) => this.#complain(error))
      return new Follower(collection, spec.mode, `${spec.name}/${name}`, spec.client.transport === 'nats', this.fail)
    })
    let last = performance.now()
    this.#ticking = setInterval(() => {
      const now = performance.now()
      this.#tick(Math.min(now - last, 200))
      last = now
    }, 100)
  }

  async start(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.subscribe()))
  }

  status(): Status {
    for (const follower of this.#followers) follower.check()
    const [mine] = this.#followers as [Follower]
    const sum = (of: (follower: Follower) => number) => this.#followers.reduce((total, each) => total + of(each), 0)
    return {
      violations: this.violations,
      states: this.#followers.map(({ collection }) => collection.freshness.state),
      probe: mine.expected === 'idle' ? -1 : (mine.collection.get(probeKey)?.n ?? -1),
      open: this.#open.size,
      lost: sum(({ lost }) => lost),
      restored: sum(({ restored }) => restored),
      complaints: this.#complaints,
    }
  }

  contents(): [string, unknown][][] {
    return this.#followers.map(({ collection }) => [...collection])
  }

  report(): Report {
    return {
      seen: this.#followers.flatMap(({ seen }) => [...seen]),
      events: this.#followers.reduce((sum, { events }) => sum + events, 0),
      readies: this.#followers.reduce((sum, { readies }) => sum + readies, 0),
      calls: this.#calls,
      refused: this.#refused,
    }
  }

  async write(on: boolean): Promise<void> {
    if (on === this.#writing) return
    this.#writing = on
    await this.#working
    if (on) this.#working = this.#work()
  }

  /** Sets what is heard of by everybody who is in touch. Resolves to the number of its item once the store has it. */
  async probe(): Promise<number> {
    return (await this.#call(0, 'set', probeKey, null)) ? this.#n : -1
  }

  /** Writes something once more, so that who is cut off for good would show. */
  async touch(): Promise<boolean> {
    return this.#call(0, 'set', `${this.#spec.name}/steady/0`, null)
  }

  async resubscribe(): Promise<void> {
    for (const follower of this.#followers) follower.unsubscribe()
    await sleep(this.#random.int(50))
    // It resolves when the store is there again.
    this.start().catch((error) => this.fail('R2', `subscribe was refused: ${error.message}`))
  }

  async close(): Promise<void> {
    this.#writing = false
    for (const follower of this.#followers) follower.check()
    const closing = this.#client.close()
    for (const follower of this.#followers) follower.ended()
    const start = performance.now()
    await closing
    const took = performance.now() - start
    const most = Math.min(5000, this.#spec.client.writeTimeout)
    if (took > most + slack) this.fail('W7', `${this.#spec.name}: close took ${Math.round(took)} ms`)
    await this.#working
    await sleep(1) // what was refused by close() has settled
    if (this.#open.size > 0) this.fail('W6', `${[...this.#open][0]?.text} never settled`)
    clearInterval(this.#ticking)
    this.#journal.close()
  }

  readonly fail = (invariant: string, detail: string): void => {
    // The first few tell enough.
    if (this.violations.length < 10) this.violations.push(`${invariant}: ${detail}`)
  }

  async #work(): Promise<void> {
    const random = this.#random
    while (this.#writing) {
      const burst: Promise<unknown>[] = []
      for (let i = random.chance(0.3) ? 1 + random.int(12) : 1; i > 0; i--) burst.push(this.#act())
      if (random.chance(0.2)) await Promise.race([Promise.all(burst), sleep(500)])
      await sleep(random.int(this.#spec.pause))
    }
  }

  #act(): Promise<unknown> {
    const random = this.#random
    const { name } = this.#spec
    const kind = random.weighted([
      [25, 'steady'],
      [40, 'own'],
      [35, 'ours'],
    ] as const)
    if (kind === 'steady') return this.#call(0, 'set', `${name}/steady/${random.int(steadyKeys)}`, null)
    const where = kind === 'own' ? 0 : 1
    const key = kind === 'own' ? `${name}/own/${random.int(ownKeys)}` : `key ${random.int(commonKeys)}`
    if (where === 1 && random.chance(0.01)) return this.#call(1, 'clear', '', null)
    if (random.chance(0.25)) return this.#call(where, 'delete', key, null)
    const ttl = random.chance(0.35) ? random.pick([20, 200, 1000, 3000]) + random.int(500) : null
    return this.#call(where, 'set', key, ttl)
  }

  /** Resolves to whether the store took it. */
  async #call(where: number, kind: Kind, key: string, ttl: number | null): Promise<boolean> {
    const { name } = this.#spec
    const follower = this.#followers[where] as Follower
    const { collection } = follower
    const n = kind === 'set' ? ++this.#n : 0
    const item = makeItem(key, name, n, ttl)
    const { at } = item
    this.#calls++
    if (kind === 'delete') this.#deletes.set(key, (this.#deletes.get(key) ?? 0) + 1)
    const deletes = this.#deletes.get(key)
    const id = this.#journal.called({ collection: collection.name, key, kind, n, ttl, at })
    const call: Open = { text: `${name}: ${kind} ${key} ${n}`, key: `${where} ${key}`, age: 0 }
    this.#open.add(call)
    try {
      if (kind === 'set') await collection.set(key, item, ttl === null ? undefined : ttl / 1000)
      else if (kind === 'delete') await collection.delete(key)
      else await collection.clear()
    } catch (error) {
      const { stored, code, message } = error as MemisError
      this.#open.delete(call)
      this.#refused[code] = (this.#refused[code] ?? 0) + 1
      this.#journal.settled(id, stored)
      if (stored !== 'no' && stored !== 'unknown')
        this.fail('W6', `${call.text} was refused without 'stored': ${message}`)
      else if (!['WRITE_TIMEOUT', 'TOO_MANY_PENDING', 'CLOSED'].includes(code))
        this.fail('W6', `${call.text}: ${message}`)
      return false
    }
    this.#open.delete(call)
    this.#journal.settled(id, 'ok')
    const gone = this.#deletes.get(key) !== deletes || (ttl !== null && Date.now() > at + ttl - 5)
    if (this.#spec.mode === 'kept' && ownerOf(key) === name) this.#checkOwn(follower, key, n, kind === 'delete' || gone)
    return true
  }

  /** Read your writes: of a key that nobody else writes, this item or a newer one. */
  #checkOwn(follower: Follower, key: string, n: number, mayBeGone: boolean): void {
    const { collection, expected } = follower
    if (expected === 'idle') return
    const held = collection.get(key)
    if (held === undefined ? !mayBeGone : held.n < n) {
      // Set again with a ttl since, it may have expired.
      if (held === undefined && !isSteady(key) && this.#n > n) return
      const told = `${expected}, at ${Date.now() % 100_000}: ${follower.historyOf(key)}`
      this.fail('W3', `${this.#spec.name}: ${key} is ${held?.n} once item ${n} was acknowledged; ${told}`)
    }
  }

  #tick(ms: number): void {
    const { writeTimeout, maxPending } = this.#spec.client
    for (const call of this.#open) {
      call.age += ms
      if (call.age < writeTimeout * 1.1 + slack) continue
      this.fail('W6', `${call.text} has not settled after ${Math.round(call.age)} ms`)
      this.#open.delete(call)
    }
    // What waits, and one batch under way of each collection, which waited before.
    const waiting = new Set([...this.#open].map(({ key }) => key)).size
    const most = maxPending * (1 + collections.length)
    if (waiting > most)
      this.fail('pending', `${this.#spec.name}: writes of ${waiting} keys wait, maxPending is ${maxPending}`)
    for (const follower of this.#followers) follower.check()
  }

  #complain({ message }: MemisError): void {
    this.#complaints.push(`${new Date().toISOString().slice(17, 23)} ${message}`)
    if (this.#complaints.length > 8) this.#complaints.shift()
  }

  #heed(error: MemisError): void {
    const { code, message, cause } = error
    this.#complain(error)
    if (code !== 'DISCONNECTED' && code !== 'OUT_OF_TOUCH') {
      this.fail('error', `${this.#spec.name}: ${code} ${message} ${(cause as Error | undefined)?.stack ?? ''}`)
    }
  }
}
