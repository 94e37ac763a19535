/** How both suites register their cases with a runner, and what they need of a store. */
import { MemisError, quote } from '../core/errors'
import type { CollectionId, Lack, Transport } from '../core/transport'
import { within } from './waiting'

/** The runner's own: of uvu, node:test, vitest or Jest. */
export interface TestFunction {
  (title: string, run: () => Promise<void>): unknown
  skip(title: string, run: () => Promise<void>): unknown
}

/** What `setup` gives to a case: a store, or a part of one, that is empty and that nobody else uses. */
export interface Store {
  /** Keeps the cases apart if they share a store. */
  readonly prefix?: string
  /** Makes a transport as another process would; the suite opens and closes it. */
  transport(): Transport | Promise<Transport>
  /** Gives back what `setup` took. By then all transports are closed, and no link is cut. */
  teardown?(): Promise<void> | void
}

type Done = Promise<void> | void

/**
 * What the suites can do to a store. Each is optional: the cases that take it are skipped without it, and reported. Each
 * resolves once it has been done, whether or not the transports have noticed.
 */
export interface Hooks<S extends Store> {
  /** Cuts the link of a transport; or of all, those that are made meanwhile included. */
  cut?(store: S, transport?: Transport): Done
  /** The link of a transport stays open, but nothing passes any more. */
  silence?(store: S, transport: Transport): Done
  /** Undoes `cut` and `silence`. Required with either. */
  heal?(store: S, transport?: Transport): Done
  /** The next notification of a change is not delivered to this transport. */
  dropNotification?(store: S, transport: Transport): Done
  /** The store loses everything, as one that restarts without persistence. */
  lose?(store: S): Done
  /** The store loses everything, and comes back with a clock that is behind by an hour. */
  loseWithClockBehind?(store: S): Done
  /** Copies the store. The function that is returned puts the copy in place of the store, as a failover to an old replica would. */
  backUp?(store: S): Promise<() => Done> | (() => Done)
  /** The item vanishes from the store without a tombstone, as if it was evicted. */
  evict?(store: S, id: CollectionId, key: string): Done
  /** What the store holds under the key is no JSON any more. */
  damage?(store: S, id: CollectionId, key: string): Done
  /** The store refuses all writes, and then accepts them again. */
  refuseWrites?(store: S, refuse: boolean): Done
  /** How many records the store keeps for the collection: items, tombstones, and whatever else grows with the keys. */
  countRecords?(store: S, id: CollectionId): Promise<number> | number
  /** Moves the time of the store and its transports ahead by so many ms. Without it, the suites wait as long. */
  advance?(store: S, ms: number): Done
}

export type HookName = keyof Hooks<Store>

/** What each hook does, for messages. */
const hookNames: Readonly<Record<HookName, string>> = {
  cut: 'cuts a link',
  silence: 'silences a link',
  heal: 'heals a link',
  dropNotification: 'drops a notification',
  lose: 'empties the store',
  loseWithClockBehind: 'empties the store and sets its clock back',
  backUp: 'rolls the store back',
  evict: 'makes an item vanish',
  damage: 'damages an item',
  refuseWrites: 'has the store refuse writes',
  countRecords: 'counts what the store keeps',
  advance: 'moves the time',
}

export interface ConformanceOptions<S extends Store = Store> {
  /** What is tested, for what is printed. */
  readonly name: string
  readonly test: TestFunction
  /** What the transport declares: the cases of these clauses are skipped, with the reason. */
  readonly lacks?: readonly Lack[]
  /** Default: none. */
  readonly hooks?: Hooks<S>
  /**
   * How long a case waits (ms) for what must come to pass; it fails after three times as long. A runner with time limits of
   * its own must allow for that. Default 20,000.
   */
  readonly patience?: number
  /** Called for each case. */
  setup(): S | Promise<S>
}

/** What a case is given to make its stage of. */
export interface Play {
  readonly store: Store
  readonly hooks: Hooks<Store>
  /** ms */
  readonly patience: number
  /** Another store, as another case would get it. */
  another(): Promise<Store>
}

/** Takes a case. Its title begins with the clauses that it shows. */
export interface Define<Stage> {
  (title: string, run: (stage: Stage) => Promise<void>): void
  (title: string, hooks: readonly HookName[], run: (stage: Stage) => Promise<void>): void
}

/** Makes and ends the stage of a case. */
export interface Theatre<Stage> {
  open(play: Play): Stage
  /** Fails if the case passed but something went wrong beside it. */
  check(stage: Stage): void
  close(stage: Stage): Promise<void>
  /** What went wrong beside a case that failed, and may be the cause. */
  describe(stage: Stage): string
}

/** What the cases of a suite have in common while they run. */
interface Run {
  /** What the first case ended with. */
  first: Promise<Error | undefined> | undefined
  failed: number
}

/** The first case has this part of the patience. Within two fifths of that, the store must be reached. */
const firstShare = 4

/** After so many failed cases, nobody waits as long as before: a broken store must not take hours. */
const patienceForFailures = 5

/**
 * Registers every case of the areas. The first one shows that anything works at all, with less patience: if it fails, all
 * others fail at once.
 */
export function register<Stage, S extends Store>(
  options: ConformanceOptions<S>,
  theatre: Theatre<Stage>,
  areas: readonly ((test: Define<Stage>) => void)[],
): void {
  const { name, test, lacks = [], patience = 20_000, setup } = options
  const hooks = checkHooks(options.hooks ?? {}) as unknown as Hooks<Store>
  const run: Run = { first: undefined, failed: 0 }
  let firstCase: { title: string; play(): Promise<void> } | undefined

  const play = async (perform: (stage: Stage) => Promise<void>, patience: number) => {
    const another = async () => setup()
    const store = await another()
    const stage = theatre.open({ store, hooks, patience, another })
    try {
      await within(perform(stage), 3 * patience)
      theatre.check(stage)
    } catch (error) {
      throw withContext(error, theatre.describe(stage))
    } finally {
      await theatre.close(stage)
      await store.teardown?.()
    }
  }

  const skip = (title: string, reason: string) => {
    console.log(`skip: ${name}: ${title}: ${reason}`)
    test.skip(`${title}: ${reason}`, async () => {})
  }

  const define = (title: string, ...rest: unknown[]) => {
    const perform = rest.at(-1) as (stage: Stage) => Promise<void>
    const needed = rest.length > 1 ? (rest[0] as readonly HookName[]) : []
    const lack = lacks.find(({ clause }) => clausesOf(title).includes(clause))
    const absent = needed.find((hook) => hooks[hook] === undefined)
    if (lack !== undefined) return skip(title, lack.reason)
    if (absent !== undefined) return skip(title, `no hook ${absent} (${hookNames[absent]})`)
    if (firstCase === undefined) {
      const first = { title, play: () => play(perform, patience / firstShare) }
      firstCase = first
      return void test(title, async () => {
        const error = await outcomeOf(run, first)
        if (error !== undefined) throw error
      })
    }
    const { title: firstTitle } = firstCase
    test(title, async () => {
      const error = await outcomeOf(run, firstCase as NonNullable<typeof firstCase>)
      if (error !== undefined) {
        throw new Error(`not run, because this case failed: ${firstTitle}\n${error.message}`, { cause: error })
      }
      try {
        await play(perform, run.failed < patienceForFailures ? patience : patience / 10)
      } catch (error) {
        run.failed++
        throw error
      }
    })
  }
  for (const area of areas) area(define)
}

/** The clauses at the beginning of a title. */
export const clausesOf = (title: string): readonly string[] =>
  /^(?:[A-Z]\d+ )+/.exec(title)?.[0].trim().split(' ') ?? []

function outcomeOf(run: Run, first: { play(): Promise<void> }): Promise<Error | undefined> {
  run.first ??= first.play().then(
    () => undefined,
    (error) => (error instanceof Error ? error : new Error(String(error))),
  )
  return run.first
}

function checkHooks<S extends Store>(hooks: Hooks<S>): Hooks<S> {
  for (const [name, hook] of Object.entries(hooks)) {
    if (!Object.hasOwn(hookNames, name)) {
      throw invalid(`there is no hook ${quote(name)}; there are ${Object.keys(hookNames).join(', ')}`)
    }
    if (typeof hook !== 'function') throw invalid(`the hook ${name} is no function but ${quote(hook)}`)
  }
  if ((hooks.cut ?? hooks.silence) && !hooks.heal) throw invalid('the hooks cut and silence need the hook heal')
  return hooks
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)

/** The same error, with what else went wrong at the end of its message. */
function withContext(error: unknown, context: string): unknown {
  if (!(error instanceof Error) || context === '') return error
  error.message = `${error.message}\n${context}`
  return error
}
