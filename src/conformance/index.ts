/**
 * The contract of memis as a suite of cases, for whoever writes a transport: one file per area, each case named after
 * the clauses that it shows. What it asks, it asks through the public API.
 */
import type { Lack } from '../core/transport'
import { events } from './events'
import { expiry } from './expiry'
import { items } from './items'
import { keepingUp } from './keeping-up'
import { lifecycle } from './lifecycle'
import { names } from './names'
import { reading } from './reading'
import { type Define, type Environment, Scene } from './scene'
import { within } from './support'
import { writing } from './writing'

export type { Environment, Outage } from './scene'

/** The runner's own: of uvu, node:test or vitest. */
export interface TestFunction {
  (title: string, run: () => Promise<void>): unknown
  skip(title: string, run: () => Promise<void>): unknown
}

export interface ConformanceOptions {
  /** What is under test, for the lines that tell what was skipped. */
  readonly name: string
  readonly test: TestFunction
  /** What the transport declares that its store cannot do: the cases of these clauses are skipped, aloud. */
  readonly lacks?: readonly Lack[]
  /** Why `setup` gives no outage: the cases that take one are skipped, aloud. */
  readonly withoutOutage?: string
  /**
   * For how long a case waits, in ms, for what must come to pass; it fails after three times as long. A runner with
   * time limits of its own must allow for that. Default 20,000.
   */
  readonly patience?: number
  /** Called for each case. */
  setup(): Environment | Promise<Environment>
}

/** Registers every case of the contract with `test`. */
export function conformance({
  name,
  test,
  lacks = [],
  withoutOutage,
  patience = 20_000,
  setup,
}: ConformanceOptions): void {
  const another = async () => setup()

  const register = (title: string, run: (scene: Scene) => Promise<void>, reason: string | undefined) => {
    const play = async () => {
      const scene = new Scene(await another(), another, patience)
      try {
        await within(run(scene), 3 * patience)
        scene.check()
      } finally {
        await scene.close()
      }
    }
    if (reason === undefined) return test(title, play)
    console.log(`skip: ${name}: ${title}: ${reason}`)
    test.skip(`${title}: ${reason}`, play)
  }

  const lackOf = (title: string) => {
    const clauses = /^(?:[A-Z]\d+ )+/.exec(title)?.[0].split(' ') ?? []
    return lacks.find(({ clause }) => clauses.includes(clause))?.reason
  }

  const define: Define = Object.assign(
    (title: string, run: (scene: Scene) => Promise<void>) => void register(title, run, lackOf(title)),
    {
      outage(title: string, run: (scene: Scene) => Promise<void>) {
        register(title, run, lackOf(title) ?? withoutOutage)
      },
    },
  )
  for (const area of [names, items, reading, writing, events, expiry, keepingUp, lifecycle]) area(define)
}
