/** One seed: faults come and go for so many seconds while all members write. Then everything is healed and checked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { differences } from '../support/replicas'
import { Book } from './book'
import { choose, type Fault } from './faults'
import type { Mode } from './follower'
import type { Item } from './item'
import { collections, probeKey, type Status } from './member'
import { contradictions } from './shared'
import { stores } from './stores'
import { World } from './world'

export interface Verdict {
  readonly seed: number
  readonly mode: Mode
  readonly violations: readonly string[]
  /** How many of each were injected. */
  readonly injected: Readonly<Record<string, number>>
  /** How long it took after each until every replica was live and had what was written since (ms). */
  readonly repairs: Readonly<Record<string, readonly number[]>>
  /** How long it took after the last write until all replicas held what the store held (ms). */
  readonly converged: number
  readonly calls: number
  readonly accepted: number
  readonly events: number
  readonly losses: number
  readonly restored: number
  readonly trace: readonly string[]
}

/** After faults have ended, everything must be right within so many ms. An idle machine needs a tenth of it. */
const bound = 30_000
/** If a repair takes longer (ms), the trace says why. */
const slow = 3000

/** A store that keeps everything, one that loses it and gets it back (most often), and one that loses it for good. */
export const modes: readonly Mode[] = ['kept', 'lost', 'lost', 'accept']
export const modeOf = (seed: number): Mode => modes[seed % modes.length] as Mode

export async function run(transport: string, seed: number, seconds: number, mode = modeOf(seed)): Promise<Verdict> {
  const start = stores[transport]
  if (start === undefined) throw new Error(`chaos knows ${Object.keys(stores)}, and not ${transport}`)
  const world = new World(seed, mode, await start(mode === 'kept'))
  const chaos = new Run(world)
  const crashed = (error: unknown) => world.fail(`crash: ${(error as Error)?.stack ?? error}`)
  process.on('uncaughtException', crashed)
  process.on('unhandledRejection', crashed)
  try {
    await chaos.play(seconds)
  } catch (error) {
    crashed(error)
  } finally {
    if (world.violations.length > 0) world.tell(await world.store.explain('mine', probeKey).catch(String))
    await world.end()
    process.off('uncaughtException', crashed)
    process.off('unhandledRejection', crashed)
  }
  return chaos.verdict(seed)
}

class Run {
  readonly #world: World
  readonly #injected: Record<string, number> = {}
  readonly #repairs: Record<string, number[]> = {}
  #converged = 0
  #accepted = 0
  #restored = 0

  constructor(world: World) {
    this.#world = world
  }

  async play(seconds: number): Promise<void> {
    const world = this.#world
    const { random } = world
    await world.begin()
    const end = performance.now() + seconds * 1000
    while (performance.now() < end && world.violations.length === 0) {
      const faults = choose(
        world,
        random.weighted([
          [60, 1],
          [30, 2],
          [10, 3],
        ] as const),
      )
      const { losses } = world
      const lost = await this.#lostSoFar()
      await this.#inject(faults)
      // Now and then the next fault begins before this one is repaired.
      if (random.chance(0.3)) await sleep(random.int(400))
      else await this.#repair(faults, world.losses > losses, lost)
    }
    await this.#finish()
  }

  verdict(seed: number): Verdict {
    const { mode, violations, trace, reports, losses, rollbacks } = this.#world
    const sum = (of: 'calls' | 'events') => reports.reduce((total, report) => total + report[of], 0)
    return {
      ...{ seed, mode, violations, trace, losses: losses + rollbacks },
      injected: this.#injected,
      repairs: this.#repairs,
      converged: this.#converged,
      calls: sum('calls'),
      events: sum('events'),
      accepted: this.#accepted,
      restored: this.#restored,
    }
  }

  async #inject(faults: readonly Fault[]): Promise<void> {
    const world = this.#world
    const { random } = world
    for (const fault of faults) {
      world.tell(`${fault.name} begins`)
      this.#injected[fault.name] = (this.#injected[fault.name] ?? 0) + 1
      await fault.begin()
      await sleep(random.int(300))
    }
    await sleep(random.pick([0, 100, 500, 2000]) + random.int(1000))
    // A server that is away would keep a new client waiting: it comes back first.
    for (const fault of [...faults].sort((a, b) => Number(/server/.test(b.name)) - Number(/server/.test(a.name)))) {
      await fault.end()
      world.tell(`${fault.name} is over`)
      await sleep(random.int(100))
    }
  }

  /** Waits until all replicas are live and have what is written now. */
  async #repair(faults: readonly Fault[], hasLost: boolean, lostBefore: ReadonlyMap<string, number>): Promise<void> {
    const world = this.#world
    const start = performance.now()
    const isOver = () => performance.now() - start > bound
    let probe = -1
    let late: { readonly name: string; readonly status: Status } | undefined
    const tellWhy = () => {
      if (late === undefined) return
      world.tell(`${late.name} was late: ${late.status.states}, with probe ${late.status.probe} of ${probe}`)
      for (const complaint of late.status.complaints) world.tell(`  ${complaint}`)
    }
    while (probe < 0 && !isOver()) probe = await world.prober.member.probe()
    for (;;) {
      const all = await this.#statuses()
      const next = all.find(({ status }) => status.states.some((state) => state !== 'live') || status.probe < probe)
      if (next === undefined || world.violations.length > 0) break
      late = next
      if (isOver()) {
        world.fail(`K2: ${late.name} is not right ${bound} ms after ${faults.map(({ name }) => name)}`)
        break
      }
      await sleep(10)
    }
    const took = performance.now() - start
    if (took > slow) tellWhy()
    world.tell(`repaired after ${Math.round(took)} ms`)
    for (const { name } of faults) this.#repairs[name] = [...(this.#repairs[name] ?? []), took]
    const hasToldMore = async () =>
      [...(await this.#lostSoFar())].some(([name, lost]) => lost > (lostBefore.get(name) ?? 0))
    if (hasLost && world.mode === 'lost' && !(await hasToldMore())) {
      world.fail(`K7: the store lost what it held (${faults.map(({ name }) => name)}), and no ready event reported it`)
    }
  }

  async #statuses() {
    const world = this.#world
    const all = await Promise.all(
      [...world.members.map(({ handle }) => handle), world.prober].map(async (handle) => ({
        name: handle.spec.name,
        status: await handle.status(),
      })),
    )
    for (const { status } of all) for (const violation of status.violations) world.fail(violation)
    return all
  }

  /** How many lost items each replica has reported. */
  async #lostSoFar(): Promise<Map<string, number>> {
    return new Map((await this.#statuses()).map(({ name, status }) => [name, status.lost]))
  }

  /** Writing stops. All replicas must come to hold the same, which must be right. Then all members close, and must leave nothing behind. */
  async #finish(): Promise<void> {
    const world = this.#world
    const handles = [world.prober, ...world.members.map(({ handle }) => handle)]
    await Promise.all(handles.map((handle) => handle.write(false)))
    await this.#await('W6: calls have not settled', async () => {
      const open = (await this.#statuses()).filter(({ status }) => status.open > 0)
      return open.length === 0 ? null : open.map(({ name }) => name).join()
    })
    const start = performance.now()
    await this.#await('K1: a replica does not hold what the store holds', () => this.#difference())
    this.#converged = performance.now() - start
    const touched = await Promise.all(handles.map((handle) => handle.touch()))
    if (touched.includes(false)) world.fail('W6: a write was refused, though all is well')
    await this.#await('K1: once more, a replica does not hold what the store holds', () => this.#difference())
    await this.#compare()
    this.#restored = (await this.#statuses()).reduce((sum, { status }) => sum + status.restored, 0)

    for (const { handle } of world.members) {
      const { report, violations } = await handle.close()
      world.reports.push(report)
      for (const violation of violations) world.fail(violation)
    }
    const { report, violations } = await world.prober.close()
    world.reports.push(report)
    for (const violation of violations) world.fail(violation)
    for (const { proxy } of world.members) {
      await this.#await('W7: a connection is left after close', async () =>
        proxy.connections === 0 ? null : `${proxy.connections}`,
      )
      await proxy.close()
    }
    await this.#await(
      'W7: clients left something on the server',
      async () => (await world.store.leftovers())[0] ?? null,
    )
    const seen = new Set(world.reports.flatMap((each) => each.seen))
    const book = this.#book()
    for (const one of seen) {
      const strange = book.strangeness(one)
      if (strange !== null) world.fail(`W6: ${strange}`)
    }
  }

  /** Describes the first replica that holds something else than the store; null if there is none. */
  async #difference(): Promise<string | null> {
    const world = this.#world
    const contents = await Promise.all(
      [world.prober, ...world.members.map(({ handle }) => handle)].map(async (handle) => ({
        name: handle.spec.name,
        held: await handle.contents(),
      })),
    )
    for (const [i, collection] of collections.entries()) {
      const stored = await world.store.read(collection)
      for (const { name, held } of contents) {
        const [differs] = differences(new Map(held[i]), stored)
        if (differs !== undefined) return `${name}: ${differs}`
      }
    }
    return null
  }

  /** What was accepted is there, unless it was overwritten, was deleted, has expired, or was lost and reported. */
  async #compare(): Promise<void> {
    const world = this.#world
    const writers = world.writers()
    const book = this.#book(writers)
    this.#accepted = writers.flatMap(({ entries }) => entries).filter(({ outcome }) => outcome === 'ok').length
    for (const collection of ['mine', 'ours']) {
      const stored = await world.store.read(collection)
      const now = Date.now()
      for (const key of new Set([...book.keys(collection), ...stored.keys()])) {
        const wrong = book.contradiction(collection, key, stored.get(key) as Item | undefined, now)
        if (wrong === null) continue
        world.fail(`accepted: ${wrong}`)
        for (const line of book.story(collection, key)) world.tell(`  ${line}`)
        world.tell(`  ${await world.store.explain(collection, key).catch(String)}`)
      }
    }
    const shared = await world.store.read('shared')
    for (const wrong of contradictions(writers, shared, world.mode)) world.fail(wrong)
  }

  #book(writers = this.#world.writers()): Book {
    const { mode, losses, rollbacks, store } = this.#world
    return new Book(writers, mode, losses + rollbacks, store.mayErase === true)
  }

  /** Waits until nothing is wrong any more; fails with what still is. */
  async #await(what: string, wrong: () => Promise<string | null>): Promise<void> {
    const world = this.#world
    const start = performance.now()
    for (;;) {
      const detail = await wrong()
      if (detail === null) return
      if (performance.now() - start > bound) return world.fail(`${what}: ${detail}`)
      await sleep(20)
    }
  }
}
