/** What users of the world do: they write, and their listeners misbehave. */
import type { Follower } from './follower'
import type { World } from './world'

export class Workload {
  /** No listener misbehaves. */
  calm = false
  readonly #world: World
  #contents = 0

  constructor(world: World) {
    this.#world = world
    for (const actor of world.actors) for (const follower of actor.followers) follower.subscribe()
  }

  /** Somebody writes something. */
  act(): void {
    const { random, settings } = this.#world
    const writers = this.#world.actors.filter((actor) => actor.awake)
    if (writers.length === 0) return
    const follower = random.pick(random.pick(writers).followers)
    const kind = random.weighted([
      [50, 'set'],
      [8, 'same'],
      [15, 'delete'],
      [1, 'clear'],
      [6, 'burst'],
    ] as const)
    if (kind === 'burst')
      for (let i = 2 + random.int(6); i > 0; i--) this.#write(follower, random.pick(['set', 'delete']))
    else this.#write(follower, kind)
    if (!this.calm && settings.faults.has('mischief') && random.chance(0.05)) this.#plan(follower)
  }

  /** Each set has contents of its own, unless they are to be the same as before. */
  #write(follower: Follower, kind: 'set' | 'same' | 'delete' | 'clear'): void {
    const { random, settings } = this.#world
    const key = random.pick(settings.keys)
    if (kind === 'clear') return follower.caller.clear()
    if (kind === 'delete') return follower.caller.delete(key)
    const before = kind === 'same' ? follower.ledger.item(key)?.v : undefined
    const ttl = random.chance(settings.ttlRate) ? 1 + random.int(settings.longestTtl) : null
    follower.caller.set(key, before ?? ++this.#contents, ttl)
  }

  /** At its next event, a listener throws, rejects, writes, unsubscribes or closes the client. */
  #plan(follower: Follower): void {
    const { random } = this.#world
    const kind = random.pick(['throw', 'reject', 'set', 'set', 'delete', 'clear', 'unsubscribe', 'close'])
    follower.mischief = () => {
      follower.mischief = null
      if (follower.actor.state !== 'open') return
      this.#world.trace(() => `${follower.name} in its listener: ${kind}`)
      if (kind === 'throw') throw new Error('mischief')
      if (kind === 'reject') return Promise.reject(new Error('mischief'))
      if (kind === 'unsubscribe') return follower.unsubscribe()
      if (kind === 'close') return random.chance(0.2) ? follower.actor.close() : undefined
      this.#write(follower, kind as 'set' | 'delete' | 'clear')
    }
  }
}
