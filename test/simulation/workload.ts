/** What users of the world do: they write and follow, and their listeners misbehave. */
import type { Follower } from './follower'
import type { Item } from './operations'
import type { World } from './world'

export class Workload {
  /** No listener misbehaves. */
  calm = false
  readonly #world: World

  constructor(world: World) {
    this.#world = world
    for (const actor of world.actors) for (const follower of actor.followers) follower.subscribe()
  }

  /** Somebody does something. */
  act(): void {
    const { random, settings } = this.#world
    const readers = this.#world.actors.filter(({ awake }) => awake)
    const writers = readers.filter(({ rights }) => rights !== 'readOnly')
    const isFine = random.chance(settings.finesse)
    if (isFine && readers.length > 0 && random.chance(0.3)) this.#follow(random.pick(random.pick(readers).followers))
    if (writers.length === 0) return
    const follower = random.pick(random.pick(writers).followers)
    if (isFine) this.#change(follower)
    else this.#write(follower)
    if (!this.calm && settings.faults.has('mischief') && random.chance(0.05)) this.#plan(follower)
  }

  /** Writes as they are. */
  #write(follower: Follower): void {
    const { random } = this.#world
    const kind = random.weighted([
      [50, 'set'],
      [8, 'same'],
      [15, 'delete'],
      [1, 'clear'],
      [6, 'burst'],
    ] as const)
    if (kind === 'burst')
      for (let i = 2 + random.int(6); i > 0; i--) this.#writeOne(follower, random.pick(['set', 'delete']))
    else this.#writeOne(follower, kind)
  }

  /** Each set has contents of its own, unless they are to be the same as before. */
  #writeOne(follower: Follower, kind: 'set' | 'same' | 'delete' | 'clear'): void {
    if (kind === 'clear') return follower.caller.clear()
    const key = this.#key
    if (kind === 'delete') return follower.caller.delete(key)
    const before = kind === 'same' ? follower.ledger.item(key) : undefined
    const item = this.#world.operations.item(key)
    follower.caller.set(key, before === undefined ? item : { k: key, v: before.v as number, t: before.t }, this.#ttl)
  }

  /** Writes that take a condition, several steps, or several keys. */
  #change(follower: Follower): void {
    const { random, operations } = this.#world
    const { caller, changer } = follower
    const key = this.#key
    const kind = random.weighted([
      [4, 'set'],
      [2, 'delete'],
      [4, 'update'],
      [3, 'patch'],
      [5, 'increment'],
      [3, 'touch'],
      [1, 'setMany'],
      [1, 'replaceAll'],
      [5, 'transaction'],
    ] as const)
    switch (kind) {
      case 'set':
        return caller.set(key, operations.item(key), this.#ttlOrKeep, this.#condition(follower, key))
      case 'delete': {
        const wanted = this.#condition(follower, key)
        return wanted === null ? caller.delete(key) : caller.delete(key, wanted)
      }
      case 'update':
        return changer.update(key, this.#ttlOrKeep ?? 'keep', this.#outcome)
      case 'patch':
        return changer.patch(key)
      case 'increment':
        // Several at a time, since each counts.
        for (let i = random.int(3); i >= 0; i--) changer.increment(key)
        return
      case 'touch':
        return changer.touch(key, this.#someTtl)
      case 'setMany':
        return changer.setMany(this.#items, this.#ttl)
      case 'replaceAll':
        return changer.replaceAll(this.#withSome(follower))
      case 'transaction':
        return this.#transact(follower)
    }
  }

  #transact(follower: Follower): void {
    const { random, operations } = this.#world
    const keys = [...this.#items.keys()]
    follower.caller.transaction(keys, (writes) => {
      for (const key of keys) {
        const kind = random.weighted([
          [6, 'set'],
          [2, 'delete'],
          [1, 'check'],
        ] as const)
        if (kind === 'check' || random.chance(0.3)) writes.check(key, this.#condition(follower, key))
        if (kind === 'set') writes.set(key, operations.item(key), this.#ttlOfTransaction)
        if (kind === 'delete') writes.delete(key)
      }
    })
  }

  /** Follows a collection in other ways than by events. */
  #follow(follower: Follower): void {
    if (follower.expected === 'idle') return
    const { random } = this.#world
    const { observer, ledger } = follower
    const kind = random.pick(['waitFor', 'reached', 'read', 'read', 'read'])
    if (kind === 'waitFor') return observer.waitFor(this.#key, random.chance(0.7))
    if (kind === 'read') return observer.read()
    const last = ledger.model.get(this.#key)
    if (last?.how === 'write') observer.reached(last)
  }

  /** Mostly the version that there is, as the user or the store knows it. */
  #condition(follower: Follower, key: string): string | null {
    const { random } = this.#world
    if (random.chance(0.2)) return null
    const known = follower.expected === 'idle' ? undefined : follower.collection.entry(key)?.revision
    return known ?? follower.lastRevision(key)
  }

  get #key(): string {
    return this.#world.random.pick(this.#world.settings.keys)
  }

  /** Some keys, with new contents. */
  get #items(): Map<string, Item> {
    const { random, settings, operations } = this.#world
    const items = new Map<string, Item>()
    for (let i = 1 + random.int(settings.keys.length); i > 0; i--) {
      const key = this.#key
      items.set(key, operations.item(key))
    }
    return items
  }

  /** Some keys, with contents that are partly those of the replica. */
  #withSome({ shadow }: Follower): Map<string, Item> {
    const { random } = this.#world
    return new Map([...this.#items].map(([key, item]) => [key, random.chance(0.5) ? (shadow.get(key) ?? item) : item]))
  }

  get #outcome(): 'item' | 'same' | 'nothing' | 'throw' {
    return this.#world.random.weighted([
      [10, 'item'],
      [1, 'same'],
      [2, 'nothing'],
      [1, 'throw'],
    ] as const)
  }

  get #someTtl(): number {
    return 1 + this.#world.random.int(this.#world.settings.longestTtl)
  }

  get #ttl(): number | null {
    return this.#world.random.chance(this.#world.settings.ttlRate) ? this.#someTtl : null
  }

  get #ttlOrKeep(): number | 'keep' | null {
    return this.#world.random.chance(0.3) ? 'keep' : this.#ttl
  }

  /** In seconds, as users give it. */
  get #ttlOfTransaction(): number | 'keep' | undefined {
    const ttl = this.#ttlOrKeep
    return typeof ttl === 'number' ? ttl / 1000 : (ttl ?? undefined)
  }

  /** At its next event, a listener throws, rejects, writes, unsubscribes or closes the client. */
  #plan(follower: Follower): void {
    const { random } = this.#world
    const kind = random.pick(['throw', 'reject', 'set', 'set', 'delete', 'clear', 'change', 'unsubscribe', 'close'])
    follower.mischief = () => {
      follower.mischief = null
      if (follower.actor.state !== 'open') return
      this.#world.trace(() => `${follower.name} in its listener: ${kind}`)
      if (kind === 'throw') throw new Error('mischief')
      if (kind === 'reject') return Promise.reject(new Error('mischief'))
      if (kind === 'unsubscribe') return follower.unsubscribe()
      if (kind === 'close') return random.chance(0.2) ? follower.actor.close() : undefined
      if (kind === 'change') return this.#transact(follower)
      this.#writeOne(follower, kind as 'set' | 'delete' | 'clear')
    }
  }
}
