/** A subscription on a transport that a test answers, and all that it tells. */
import { Subscription, type SubscriptionSettings } from '../../src/core/subscription'
import type { Entry } from '../../src/core/transport'
import { deleteOf, disconnected, entry, FakeTransport, setOf, things } from './fake-transport'
import type { Item } from './replica-bench'
import { type At, at } from './revisions'

const standard: SubscriptionSettings = {
  retention: 60_000,
  livenessTimeout: 15_000,
  dataLoss: 'restore',
  maxItems: Infinity,
}

type Options = Partial<SubscriptionSettings> & { up?: boolean }

export class SubscriptionBench {
  readonly transport = new FakeTransport()
  readonly subscription: Subscription<Item>
  /** Called with each line of the log, as a listener is. */
  told: (line: string) => void = () => {}
  readonly #log: string[] = []

  /** The link is up, unless said otherwise. */
  constructor({ up = true, ...settings }: Options = {}) {
    const { transport } = this
    this.subscription = new Subscription<Item>(
      transport,
      things,
      { ...standard, ...settings },
      {
        changed: ({ kind, key, cause }) => this.#note(`${kind} ${key} ${cause}`),
        report: ({ code }) => this.#note(`report ${code}`),
        ready: ({ cause, size, lost, restored }) =>
          this.#note(`ready ${cause} ${size}${lost > 0 ? `, lost ${lost}, restored ${restored}` : ''}`),
        stale: ({ code }) => this.#note(`stale ${code}`),
        refused: ({ code }) => this.#note(`refused ${code}`),
        progressed: () => {},
      },
    )
    if (up) this.subscription.linkUp()
  }

  get clock() {
    return this.transport.clock
  }

  get session() {
    return this.transport.session
  }

  /** What was told since it was last asked for. */
  log(): string[] {
    return this.#log.splice(0)
  }

  get state() {
    return this.subscription.freshness.state
  }

  get contents(): Record<string, unknown> {
    return Object.fromEntries(this.subscription.replica.items)
  }

  acceptSet(key: string, v: unknown, revision: At): void {
    this.subscription.written([setOf(key, { v })], [{ ...at(revision), existed: false }])
  }

  acceptDelete(key: string, revision: At): void {
    this.subscription.written([deleteOf(key)], [{ ...at(revision), existed: true }])
  }

  /** Lets time go by until the next session begins. */
  nextSession(): void {
    const { length } = this.transport.sessions
    while (this.transport.sessions.length === length) if (!this.clock.step()) throw new Error('no session is to come')
  }

  #note(line: string): void {
    this.#log.push(line)
    this.told(line)
  }
}

const two = [entry('a', 1, { v: 1 }), entry('b', 2, { v: 2 })]

/** One that is live in the epoch `e1`, with `a` and `b`, unless said otherwise. */
export function liveSubscription(list: readonly Entry[] = two, options: Options = {}): SubscriptionBench {
  const bench = new SubscriptionBench(options)
  bench.session.snapshot(list)
  bench.log()
  return bench
}

/** One whose store has begun anew, with nothing of what it had; its link was down for `away` ms. */
export function afterLoss(list: readonly Entry[] = two, { away = 0, ...options }: Options & { away?: number } = {}) {
  const bench = liveSubscription(list, options)
  bench.session.sink.stale(disconnected())
  bench.subscription.linkDown(disconnected())
  bench.clock.advance(away)
  bench.subscription.linkUp()
  bench.clock.advance(250)
  bench.log()
  bench.session.snapshot([], 'e2.0')
  // A moment at random, so that replicas do not all begin to restore at once.
  bench.clock.advance(250)
  return bench
}
