/** One seed, from its first step to the end of its world. */
import { abruptDrill, answerDrill, cutDrill, drill, dropDrill, lateDrill } from './drill'
import { Faults } from './faults'
import { checkAlive, checkEnd, checkHorizon, checkStep, converge } from './invariants'
import { withSeededGlobals } from './random'
import { Workload } from './workload'
import { type Violation, World } from './world'

export interface Verdict {
  readonly seed: number
  readonly violation: Violation | null
  /** In which step it was violated. */
  readonly step: number
  readonly lines: readonly string[]
  /** How long it took, after all was healed, until all replicas were right (virtual ms). */
  readonly repair: number
  readonly injected: Readonly<Record<string, number>>
}

/**
 * After all is healed (ms): the longest ttl, which a process that was stalled counts from when it reads the message, and time for
 * messages. It is more than the longest pause between two sessions and the time to restore what was lost.
 */
const bound = 21_000

export function run(seed: number, steps: number, traced = false): Promise<Verdict> {
  return withSeededGlobals(seed, traced, async () => {
    const world = new World(seed, traced)
    const { random, settings } = world
    const workload = new Workload(world)
    const faults = new Faults(world)
    let repair = 0
    try {
      await world.pass(0)
      for (world.step = 1; world.step <= steps && world.violation === null; world.step++) {
        if (random.chance(settings.faultRate)) faults.act()
        else if (random.chance(0.6)) workload.act()
        await world.pass(pause(random.next()))
        checkStep(world)
      }
      if (world.violation === null) {
        faults.healAll()
        workload.calm = true
        repair = await converge(world, bound + settings.writeTimeout)
        await checkAlive(world)
        for (let i = 0; i < 2; i++) await drill(world, workload, faults)
        await abruptDrill(world, workload, faults)
        await cutDrill(world)
        await dropDrill(world)
        await answerDrill(world)
        await lateDrill(world)
        await checkHorizon(world)
        await checkEnd(world)
      }
    } catch (error) {
      world.fail('crash', (error as Error).stack ?? String(error))
    }
    // What the core leaves for the next turn of the event loop is still of this world.
    await new Promise((resolve) => setImmediate(resolve))
    const { violation, step, lines } = world
    return { seed, violation, step, lines, repair, injected: faults.injected }
  })
}

/** Mostly short, seldom seconds (ms). */
function pause(x: number): number {
  if (x < 0.4) return 0
  if (x < 0.8) return (x - 0.4) * 20
  if (x < 0.97) return (x - 0.8) * 600
  return x < 0.995 ? (x - 0.97) * 40_000 : (x - 0.995) * 4_000_000
}
