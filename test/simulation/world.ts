/** A hub, the processes around it, and time: everything in it is decided by the seed. */
import type { CollectionId } from '../../src/core/transport'
import { MemoryHub } from '../../src/transports/memory/hub'
import { Actor } from './actor'
import { Calls } from './calls'
import { Judge } from './judge'
import { Ledger } from './ledger'
import { Operations } from './operations'
import { Random } from './random'
import { chooseSettings, longRetention, type Rights, type WorldSettings } from './settings'
import { jobs, VirtualTime } from './time'

export interface Violation {
  readonly invariant: string
  readonly detail: string
}

/** How many of the last steps are shown. */
const traceLength = Number(process.env.TRACE ?? 100)

export class World {
  readonly seed: number
  readonly random: Random
  readonly settings: WorldSettings
  readonly time = new VirtualTime()
  readonly calls = new Calls(this.time)
  readonly hub: MemoryHub
  readonly operations = new Operations()
  /** By collection. */
  readonly judges = new Map<string, Judge>()
  readonly actors: Actor[] = []
  violation: Violation | null = null
  /** Nothing goes wrong, and nothing from before is in flight. */
  isQuiet = false
  /** Since when there are no faults but those of drills. */
  calmSince = Infinity
  step = 0
  readonly #lines: string[] | null
  #made = 0

  constructor(seed: number, traced: boolean) {
    this.seed = seed
    this.#lines = traced ? [] : null
    this.random = new Random(seed)
    this.settings = chooseSettings(this.random)
    const clock = { now: () => this.time.now, setTimeout: () => undefined, clearTimeout: () => {} }
    this.hub = new MemoryHub(clock, (_, deliver) => deliver())
    for (let i = 0; i < this.settings.clients; i++) this.enter()
  }

  /** All replicas restore, and nothing is ever forgotten: none may go back to an older version, whatever the store loses. */
  get isStrict(): boolean {
    const { policies, rights, retention, faults } = this.settings
    // No later epoch can be asked for: the store is believed.
    if (faults.has('loseFarBehind')) return false
    return !(policies as readonly string[]).includes('accept') && rights.length === 1 && retention > longRetention
  }

  /** One more process. */
  enter(): Actor {
    const { policies, rights } = this.settings
    const name = String.fromCharCode(65 + (this.#made % 26)) + (this.#made >= 26 ? Math.floor(this.#made / 26) : '')
    const i = this.#made++
    const policy = policies[i % policies.length] as 'restore' | 'accept'
    const actor = new Actor(this, name, policy, rights[i % rights.length] as Rights)
    this.actors.push(actor)
    return actor
  }

  judgeOf(id: CollectionId): Judge {
    let judge = this.judges.get(id.collection)
    if (judge === undefined) {
      judge = new Judge(this, this.hub.collection(id), new Ledger(this.time))
      this.judges.set(id.collection, judge)
    }
    return judge
  }

  get ledgers(): Ledger[] {
    return [...this.judges.values()].map(({ ledger }) => ledger)
  }

  /** What is violated first counts; nothing is thrown, since listeners may throw. */
  fail(invariant: string, detail: string): void {
    if (this.violation !== null) return
    this.trace(() => `VIOLATED ${invariant}: ${detail}`)
    this.violation = { invariant, detail }
  }

  trace(line: () => string): void {
    if (this.#lines === null || this.violation !== null) return
    this.#lines.push(`${this.step} ${this.time.now.toFixed(2)} ${line()}`)
    if (this.#lines.length > traceLength) this.#lines.shift()
  }

  get lines(): readonly string[] {
    return this.#lines ?? []
  }

  /** Lets so many ms go by, with all that falls due, or ends at the first violation. */
  async pass(ms: number): Promise<void> {
    const { time } = this
    const end = time.now + ms
    await jobs()
    while (time.next <= end && this.violation === null) {
      time.step()
      await jobs()
    }
    if (this.violation === null) time.now = end
  }
}
