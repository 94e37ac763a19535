/** What goes wrong in the world, and how all of it is put right again. */
import { epochTolerance } from '../../src/core/transport'
import type { HubSnapshot } from '../../src/transports/memory/hub'
import type { Actor } from './actor'
import type { Backup as Book, Judge } from './judge'
import type { FaultName } from './settings'
import type { World } from './world'

interface Backup {
  readonly hub: HubSnapshot
  readonly books: ReadonlyMap<Judge, Book>
}

export class Faults {
  readonly #world: World
  readonly #names: readonly FaultName[]
  #backup: Backup | null = null
  /** How many of each were injected. */
  readonly injected: Partial<Record<FaultName, number>> = {}

  constructor(world: World) {
    this.#world = world
    this.#names = [...world.settings.faults]
  }

  act(): void {
    const { random, actors } = this.#world
    if (this.#names.length === 0) return
    const name = random.pick(this.#names)
    const actor = random.pick(actors)
    this.#world.trace(() => `fault ${name} ${actor.name}`)
    this.injected[name] = (this.injected[name] ?? 0) + 1
    this.#inject(name, actor)
  }

  /** Everything is as it should be, and everybody is there and subscribed. */
  healAll(): void {
    const { hub, actors } = this.#world
    this.#world.trace(() => 'all is healed')
    this.#world.calmSince = this.#world.time.now
    hub.refuseWrites(false)
    hub.drop(0)
    hub.duplicate(0)
    hub.reorder(0)
    hub.delay(0)
    for (const actor of actors) {
      actor.wire.heal()
      if (actor.stalled) actor.resume()
      if (actor.state === 'closed') continue
      actor.heal()
      for (const follower of actor.followers) {
        follower.mischief = null
        follower.observer.calm()
        if (actor.state === 'open' && follower.expected === 'idle') follower.subscribe()
      }
    }
    // Somebody must be there who may write.
    while (!actors.some(({ state, rights }) => state === 'open' && rights !== 'readOnly')) {
      for (const follower of this.#world.enter().followers) follower.subscribe()
    }
  }

  #inject(name: FaultName, actor: Actor): void {
    const { hub, random } = this.#world
    const { client, wire } = actor
    const count = random.int(3)
    switch (name) {
      case 'cut':
        if (actor.stalled || actor.state === 'closed') return
        return actor.isCut ? actor.heal() : actor.cut()
      case 'drop':
        return hub.drop(count, client)
      case 'duplicate':
        return hub.duplicate(count, client)
      case 'reorder':
        return hub.reorder(count, client)
      case 'delay':
        return hub.delay(random.chance(0.5) ? 0 : random.int(500), client)
      case 'scramble':
        wire.scrambled = !wire.scrambled
        return
      case 'slow':
        wire.slowness = wire.slowness > 0 ? 0 : random.pick([50, 500, 5000])
        return
      case 'linger':
        wire.lingering = random.pick([0, 20, 2000])
        return
      case 'lose':
        return this.revert(null)
      case 'loseBehind':
        return this.revert(null, random.pick([1, 1000, 3_600_000, 80_000_000]))
      case 'loseFarBehind':
        return this.revert(null, 2 * epochTolerance)
      case 'evict':
        return hub.evict(random.pick(this.#world.settings.keys))
      case 'rollBack':
        if (this.#backup === null || random.chance(0.4)) this.#backup = this.backUp()
        else this.revert(this.#backup)
        return
      case 'refuse':
        return hub.refuseWrites(random.chance(0.4))
      case 'stall':
        if (actor.stalled) return actor.resume()
        actor.stalled = actor.state !== 'closed'
        return
      case 'restart':
        return this.#restart(actor)
      case 'resubscribe': {
        if (!actor.awake) return
        const follower = random.pick(actor.followers)
        return follower.expected === 'idle' ? follower.subscribe() : follower.unsubscribe()
      }
      case 'mischief':
        return
    }
  }

  #restart(actor: Actor): void {
    const { actors, settings, random } = this.#world
    if (actor.awake) actor.close()
    const gone = actors.findIndex(({ state }) => state === 'closed')
    if (gone === -1 || random.chance(0.3)) return
    actors.splice(gone, 1)
    if (actors.length < settings.clients) for (const follower of this.#world.enter().followers) follower.subscribe()
  }

  backUp(): Backup {
    const books = new Map([...this.#world.judges.values()].map((judge) => [judge, judge.backUp()]))
    return { hub: this.#world.hub.snapshot(), books }
  }

  /** The store goes back to a copy, or loses everything, with a clock that is behind by so many ms. */
  revert(backup: Backup | null, clockBehind = 0): void {
    for (const judge of this.#world.judges.values()) judge.revertTo(backup?.books.get(judge))
    if (backup === null) this.#world.hub.lose({ clockBehind })
    else this.#world.hub.rollBack(backup.hub)
  }
}
