/** The calls of one user on one collection that take several steps: each step is judged as it takes effect, and here what the call says in the end. */
import type { MemisError } from '../../src/core/errors'
import type { Call } from './calls'
import type { Follower } from './follower'
import type { Taken } from './ledger'
import type { Item, Operation } from './operations'
import type { World } from './world'

type Current = Readonly<Item> | undefined

export class Changer {
  /** Calls that have not settled. */
  readonly open = new Set<string>()
  /** The attempts of the call that is being made. */
  #attempts: Call[] = []
  #replacing = 0
  readonly #world: World
  readonly #follower: Follower

  constructor(world: World, follower: Follower) {
    this.#world = world
    this.#follower = follower
  }

  /** A step of a call was queued. */
  attempted(call: Call, isPlainDelete: boolean): void {
    this.#attempts.push(call)
    if (isPlainDelete && this.#replacing === 0) this.#follower.fail('C4', `${call.text} has no condition`)
  }

  /** Writes new contents, at times none, the same or nothing; or the function throws. */
  update(key: string, ttlMs: number | 'keep', what: 'item' | 'same' | 'nothing' | 'throw'): void {
    const { operations } = this.#world
    const operation = operations.change('update', key, `update of ${key}: ${what}`)
    const { v } = operation
    const change = (current: Current) => {
      operation.base = current ?? null
      if (what === 'throw') throw new Error('mischief')
      if (what === 'same') return current
      return what === 'nothing' ? undefined : { k: key, v, t: v }
    }
    const options = ttlMs === 'keep' ? {} : { ttl: ttlMs / 1000 }
    const { ledger } = this.#follower
    const { order } = ledger
    this.#run(operation, this.#follower.collection.update(key, change, options), (item: Current) => {
      if (what === 'same') return item?.v === operation.base?.v && ledger.explains(key, item?.v ?? null, order)
      if (what === 'nothing') return item === undefined && ledger.explains(key, null, order)
      return item?.v === v && operation.taken.length > 0
    })
  }

  patch(key: string): void {
    const operation = this.#world.operations.change('patch', key, `patch of ${key}`)
    const { ledger, collection } = this.#follower
    const { order } = ledger
    this.#run(operation, collection.patch(key, { v: operation.v }), (isDone: boolean) =>
      isDone ? operation.taken.length > 0 : ledger.explains(key, null, order),
    )
  }

  increment(key: string): void {
    const { operations, random } = this.#world
    const operation = operations.increment(key, `increment of ${key}`, random.next())
    const { ledger, collection } = this.#follower
    const { order } = ledger
    this.#run(operation, collection.increment(key, 'v', operation.v), (sum: number) => {
      const isThere = ledger.since(key, order).some(({ how, v }) => how === 'write' && v === sum)
      return isThere && operation.taken.length > 0
    })
  }

  /** The contents stay, which is judged as it takes effect, and the ttl is new. */
  touch(key: string, ttlMs: number): void {
    const { collection, ledger } = this.#follower
    const { order } = ledger
    const text = `touch ${key} ttl ${ttlMs}`
    this.#run({ key, text, taken: [] }, collection.touch(key, ttlMs / 1000), (isDone: boolean) => {
      const isTouched = ledger
        .since(key, order)
        .some(({ how, v, at, deadline }) => how === 'write' && v !== null && deadline === Math.ceil(at + ttlMs))
      return isDone ? isTouched : ledger.explains(key, null, order)
    })
  }

  setMany(items: ReadonlyMap<string, Item>, ttlMs: number | null): void {
    const text = `setMany of ${[...items].map(([key, { v }]) => `${key}=${v}`)}`
    const options = ttlMs === null ? {} : { ttl: ttlMs / 1000 }
    const attempts: Call[] = []
    this.#attempts = attempts
    const promise = this.#follower.collection.setMany(items, options)
    this.#attempts = []
    this.#run({ key: null, text, taken: [] }, promise, () => attempts.every(({ settled }) => settled === 1))
  }

  replaceAll(items: ReadonlyMap<string, Item>): void {
    const { collection, ledger, shadow, expected } = this.#follower
    const { order } = ledger
    const text = `replaceAll by ${[...items].map(([key, { v }]) => `${key}=${v}`)}`
    const isSame = (key: string, other: Pick<Taken, 'v' | 't'> | undefined) =>
      other?.v === items.get(key)?.v && other?.t === items.get(key)?.t
    const expires = (key: string) => (collection.entry(key)?.expiresIn ?? null) !== null
    // As the replica knows it, or the store.
    const isKnown = (key: string) => expected !== 'idle' && isSame(key, shadow.get(key)) && !expires(key)
    const isStored = (key: string) => isSame(key, ledger.item(key)) && ledger.item(key)?.deadline === Infinity
    const there = new Set([...items.keys()].filter((key) => isKnown(key) || isStored(key)))
    const extra = [...shadow.keys()].filter((key) => !items.has(key))
    for (const { v } of items.values()) this.#world.operations.bringBack(v)
    this.#replacing++
    const promise = collection.replaceAll(items).finally(() => this.#replacing--)
    this.#run({ key: null, text, taken: [] }, promise, ({ set, unchanged }) => {
      if (set + unchanged !== items.size) return false
      // A replica that is not live is caught up with before.
      if (expected !== 'live') return true
      // An item that is as it should be may stay. All others are written: even an equal one shall not expire any more.
      const areWritten = [...items.keys()].every((key) => there.has(key) || ledger.writtenSince(key, order))
      return areWritten && extra.every((key) => ledger.explains(key, null, order))
    })
  }

  #run<R>(
    { text, key, taken }: Pick<Operation, 'text' | 'taken'> & { key: string | null },
    promise: Promise<R>,
    isRight: (result: R) => boolean,
  ): void {
    const { ledger, name } = this.#follower
    const { order } = ledger
    const shown = `${name} ${text}`
    this.open.add(shown)
    this.#world.trace(() => shown)
    promise.then(
      (result) => {
        this.open.delete(shown)
        this.#world.trace(() => `${shown}: ${JSON.stringify(result)}`)
        if (!isRight(result) && ledger.lostAt <= order)
          this.#follower.fail('C5', `${shown} gave ${JSON.stringify(result)}`)
      },
      (error: MemisError) => {
        this.open.delete(shown)
        this.#world.trace(() => `${shown}: ${error.message}`)
        const isTaken = taken.some((each) => each > ledger.lostAt)
        if (error.stored === 'no' && isTaken) this.#follower.fail('refused', `${shown} took effect`)
        if (error.message === 'mischief' && taken.length > 0) this.#follower.fail('C4', `${shown} wrote and threw`)
        if (error.code === 'NOT_FOUND' && this.#follower.expected === 'live' && key !== null)
          if (!ledger.explains(key, null, order)) this.#follower.fail('C5', `${shown} found nothing`)
        if (error.code === 'STORE_REFUSED' && !this.#world.settings.faults.has('refuse'))
          this.#follower.fail('W6', `${shown}: ${error.message}`)
        if (error.code === 'CONFLICT') this.#follower.fail('C4', `${shown}: ${error.message}`)
      },
    )
  }
}
