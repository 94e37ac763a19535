/** What waits to be sent in one client, counted from outside: it must stay within `maxPending`. */
import type { MemisError } from '../../src/core/errors'
import type { Place, Write } from '../../src/core/transport'
import type { Actor } from './actor'
import type { Call } from './calls'
import type { World } from './world'

export class Backlog {
  readonly #waiting = new Map<Write, Place>()
  readonly #world: World
  readonly #actor: Actor
  #up = false

  constructor(world: World, actor: Actor) {
    this.#world = world
    this.#actor = actor
    const { writer, transport } = actor.client
    const up = writer.up.bind(writer)
    const down = writer.down.bind(writer)
    const send = transport.write.bind(transport)
    const lane = writer.lane.bind(writer)
    writer.up = () => {
      this.#up = true
      up()
    }
    writer.down = () => {
      this.#up = false
      down()
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const [write, place] of waiting) this.#add(write, place)
    }
    transport.write = (place, batch) => {
      for (const write of batch.writes) this.#waiting.delete(write)
      return send(place, batch)
    }
    writer.lane = (place, written) => {
      const made = lane(place, written)
      const push = made.push.bind(made)
      made.push = (write, bytes, caller) => {
        const call = world.calls.current as Call
        world.calls.bind(write, call)
        const before = this.#waiting.size
        let refused = false
        const taken = caller.taken.bind(caller)
        const refuse = caller.refused.bind(caller)
        caller.taken = (existed) => {
          this.#settled(call)
          taken(existed)
        }
        caller.refused = (error) => {
          refused = true
          this.#waiting.delete(write)
          this.#settled(call)
          this.#checkRefusal(call, error, before)
          refuse(error)
        }
        push(write, bytes, caller)
        if (!refused) this.#add(write, place)
      }
      return made
    }
  }

  get size(): number {
    return this.#waiting.size
  }

  check(): void {
    const { maxPending } = this.#world.settings
    if (this.size > maxPending) this.#world.fail('pending', `${this.#actor.name}: ${this.size} writes wait`)
  }

  /** While the link is down, a write takes the place of an older one of its key, a clear that of all but deletes. */
  #add(write: Write, place: Place): void {
    if (!this.#up) {
      let older: Write[] = []
      for (const [each, where] of this.#waiting) {
        if (where !== place) continue
        if (write.kind === 'clear') {
          if (each.kind !== 'delete') older.push(each)
        } else if (each.kind === 'clear') older = []
        else if (each.key === write.key) older.push(each)
      }
      for (const each of older) this.#waiting.delete(each)
    }
    this.#waiting.set(write, place)
  }

  #settled(call: Call): void {
    if (++call.settled > 1) this.#world.fail('once', `${call.text} settled twice`)
  }

  #checkRefusal(call: Call, error: MemisError, before: number): void {
    if (error.code !== 'TOO_MANY_PENDING' || before >= this.#world.settings.maxPending) return
    this.#world.fail('pending', `${call.text}: ${error.message}, but only ${before} wait`)
  }
}
