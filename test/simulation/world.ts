/** A hub, the processes around it, and time: everything in it is decided by the seed. */
import type { Place } from '../../src/core/transport'
import { MemoryHub } from '../../src/transports/memory/hub'
import { Actor } from './actor'
import { Calls } from './calls'
import { Ledger } from './ledger'
import { Random } from './random'
import { chooseSettings, type WorldSettings } from './settings'
import { jobs, VirtualTime } from './time'

export interface Violation {
  readonly invariant: string
  readonly detail: string
}

const traceLength = 100

export class World {
  readonly seed: number
  readonly random: Random
  readonly settings: WorldSettings
  readonly time = new VirtualTime()
  readonly calls = new Calls(this.time)
  readonly hub: MemoryHub
  readonly ledgers = new Map<string, Ledger>()
  readonly actors: Actor[] = []
  violation: Violation | null = null
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

  /** One more process. */
  enter(): Actor {
    const { policies } = this.settings
    const name = String.fromCharCode(65 + (this.#made % 26)) + (this.#made >= 26 ? Math.floor(this.#made / 26) : '')
    const actor = new Actor(this, name, policies[this.#made++ % policies.length] as 'restore' | 'accept')
    this.actors.push(actor)
    return actor
  }

  ledgerOf = (place: Place): Ledger => {
    let ledger = this.ledgers.get(place.collection)
    if (ledger === undefined) {
      const { retention } = this.settings
      ledger = new Ledger(this.hub.collection(place), this.time, this.calls, retention, (...why) => this.fail(...why))
      this.ledgers.set(place.collection, ledger)
    }
    return ledger
  }

  /** What is violated first counts; nothing is thrown, since listeners may throw. */
  fail(invariant: string, detail: string): void {
    if (this.violation !== null) return
    this.violation = { invariant, detail }
    this.trace(() => `VIOLATED ${invariant}: ${detail}`)
  }

  trace(line: () => string): void {
    if (this.#lines === null) return
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
