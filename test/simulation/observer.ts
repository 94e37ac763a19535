/** How else one user follows a collection: `watch`, `waitFor`, `reached` and `changes`, held against the events. */
import type { Change } from '../../src/core/contents'
import type { MemisError } from '../../src/core/errors'
import { encodeRevision } from '../../src/core/history'
import type { Follower } from './follower'
import type { Taken } from './ledger'
import type { Item } from './operations'
import { Reader } from './reader'
import type { World } from './world'

type Current = Readonly<Item> | undefined

/** A call of `waitFor` or `reached` that has not settled. */
interface Wait {
  readonly kind: 'waitFor' | 'reached'
  readonly text: string
  readonly abort: AbortController
  /** Whether it must settle: at once, or as soon as the replica has caught up. */
  isDue(): boolean
}

/** The most readers of changes at a time. */
const mostReaders = 2

export class Observer {
  readonly #world: World
  readonly #follower: Follower
  readonly #waits = new Set<Wait>()
  #readers: Reader[] = []
  /** The last change of which an event told, until the watchers are told as well. */
  #told: Change<Item> | null = null
  #untold = new Set<string>()

  constructor(world: World, follower: Follower) {
    this.#world = world
    this.#follower = follower
    const { collection } = follower
    for (const event of ['set', 'expire', 'delete'] as const) {
      collection.on(event, (_, __, change) => this.#event(change))
    }
    const [key] = world.settings.keys as [string]
    collection.watch(key, (item, name, change) => this.#watched('key', item, name, change))
    collection.watch({ prefix: '' }, (item, name, change) => this.#watched('prefix', item, name, change))
    collection.watch({ prefix: 'no key begins so' }, (_, name) => follower.fail('S1', `${name} has another prefix`))
  }

  /** Resolves to an item that was there, with contents that are not those of now, or to none. */
  waitFor(key: string, wantsItem: boolean): void {
    const { collection, shadow } = this.#follower
    const now = shadow.get(key)
    const isWanted = (item: Current) => (wantsItem ? item !== undefined && item !== now : item === undefined)
    const seen = new Set<Current>()
    const predicate = (item: Current) => {
      if (collection.get(key) !== item) this.#follower.fail('S2', `waitFor(${key}) was asked about ${item?.v}`)
      if (isWanted(item)) seen.add(item)
      return isWanted(item)
    }
    // While the first contents are on their way, nothing is known of a key that is not there.
    const isDue = () => this.#follower.expected === 'live' && isWanted(shadow.get(key))
    this.#wait('waitFor', `${key}: ${wantsItem ? 'an item' : 'none'}`, isDue, (signal) =>
      collection.waitFor(key, predicate, { signal }).then((item) => {
        if (!seen.has(item)) this.#follower.fail('S2', `waitFor(${key}) gave ${item?.v}`)
      }),
    )
  }

  /** Waits for a write of anybody. */
  reached({ key, revision, order }: Taken): void {
    const { collection, ledger, shadow } = this.#follower
    // A declared limit, as for a user's own writes: see `Caller`.
    if (ledger.lineage.isBehind(revision.epoch)) return
    const isDue = () => ledger.lostAt < order
    this.#wait('reached', encodeRevision(revision), isDue, (signal) =>
      collection.reached(encodeRevision(revision), { signal }).then(() => {
        const v = shadow.get(key)?.v ?? null
        if (!ledger.explains(key, v, order))
          this.#follower.fail('S4', `has reached ${encodeRevision(revision)}, and ${key} is ${v}`)
      }),
    )
  }

  /** Begins to read the changes, reads on, or stops reading. */
  read(): void {
    const { random } = this.#world
    this.#readers = this.#readers.filter(({ isEnded }) => !isEnded)
    const reader = this.#readers[random.int(mostReaders)]
    if (reader === undefined) this.#readers.push(new Reader(this.#world, this.#follower, random.chance(0.3)))
    else if (random.chance(0.1)) reader.leave()
    else reader.read()
  }

  /** A revision that it must reach and has not reached yet, or undefined. */
  get unreached(): string | undefined {
    for (const { kind, text, isDue } of this.#waits) if (kind === 'reached' && isDue()) return text
    return undefined
  }

  /** Whoever waits for an item is let go, and the readers read on as fast as they can. */
  calm(): void {
    for (const { kind, abort } of this.#waits) if (kind === 'waitFor') abort.abort()
    for (const reader of this.#readers) {
      reader.isEager = true
      reader.read()
    }
  }

  check(): void {
    for (const reader of this.#readers) reader.check()
    for (const { kind, text, isDue } of this.#waits) {
      if (kind === 'waitFor' && isDue()) this.#follower.fail('S2', `${text} has not settled`)
    }
    this.#checkTold()
  }

  /** The subscription is over: whoever watches is told no more. */
  ended(): void {
    this.#untold.clear()
  }

  #event(change: Change<Item>): void {
    this.#checkTold()
    this.#told = change
    this.#untold.add('prefix')
    if (change.key === this.#world.settings.keys[0]) this.#untold.add('key')
  }

  #watched(by: 'key' | 'prefix', item: Current, key: string, change: Change<Item>): void {
    const isRight =
      change === this.#told && key === change.key && item === (change.kind === 'set' ? change.item : undefined)
    if (!isRight || !this.#untold.delete(by)) this.#follower.fail('S1', `watch by ${by}: ${change.kind} of ${key}`)
  }

  #checkTold(): void {
    if (this.#untold.size > 0) this.#follower.fail('S1', `the watchers of ${[...this.#untold]} were not told`)
  }

  #wait(kind: Wait['kind'], what: string, isDue: () => boolean, begin: (signal: AbortSignal) => Promise<void>): void {
    const abort = new AbortController()
    const text = `${kind} ${what}`
    const wait: Wait = { kind, text, abort, isDue }
    this.#world.trace(() => `${this.#follower.name} ${text}`)
    const { generation } = this.#follower
    this.#waits.add(wait)
    const over = (how: string) => {
      this.#waits.delete(wait)
      this.#world.trace(() => `${this.#follower.name} ${text}: ${how}`)
    }
    begin(abort.signal).then(
      () => over('done'),
      ({ code, message }: MemisError) => {
        over(message)
        const isEnded = this.#follower.generation !== generation && (code === 'UNSUBSCRIBED' || code === 'CLOSED')
        if (!isEnded && !(code === 'ABORTED' && abort.signal.aborted)) this.#follower.fail('S2', `${text}: ${message}`)
      },
    )
  }
}
