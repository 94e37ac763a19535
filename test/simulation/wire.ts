/** A client's way to the hub: how long each message takes, and what becomes of it when the way is cut. */
import { MemisError } from '../../src/core/errors'
import type { Message } from '../../src/transports/memory/hub'
import type { Random } from './random'
import type { Scheduled, Stallable, VirtualTime } from './time'

interface Underway {
  readonly message: Message
  readonly scheduled: Scheduled
  readonly reject: (error: Error) => void
}

export class Wire {
  /** Messages overtake each other. */
  scrambled = false
  /** Writes and their answers take up to so many ms more. */
  slowness = 0
  /** A write that was under way when the link broke may arrive so many ms later: after it was sent again. */
  lingering = 0
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #latency: number
  readonly #process: Stallable
  readonly #underway = new Set<Underway>()
  /** Messages of one kind keep their order. */
  #last: Partial<Record<Message, number>> = {}

  constructor(time: VirtualTime, random: Random, latency: number, process: Stallable) {
    this.#time = time
    this.#random = random
    this.#latency = latency
    this.#process = process
  }

  /** What is sent from now on does not wait for what is still under way. */
  heal(): void {
    this.scrambled = false
    this.slowness = 0
    this.lingering = 0
    this.#last = {}
  }

  carry<R>(message: Message, arrive: () => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const toHub = message === 'write' || message === 'read'
      const run = () => {
        this.#underway.delete(underway)
        try {
          resolve(arrive())
        } catch (error) {
          reject(error)
        }
      }
      const scheduled = this.#time.at(this.#arrival(message), run, toHub ? null : this.#process)
      const underway = { message, scheduled, reject }
      this.#underway.add(underway)
    })
  }

  /** What is under way when the link breaks: some of it is lost, some arrives though nobody waits for the answer. */
  cut(): void {
    for (const underway of this.#underway) {
      const { message, scheduled, reject } = underway
      const lost = this.#random.chance(0.6)
      const known = this.#random.chance(0.7)
      if (message === 'write' || message === 'written') {
        // A client may know that nothing of it was sent.
        const stored = lost && known && message === 'write' && this.lingering === 0 ? 'no' : undefined
        if (lost || known) reject(new MemisError('DISCONNECTED', 'the wire broke', { stored }))
        if (lost || this.lingering > 0) scheduled.cancelled = true
        if (!lost && this.lingering > 0)
          this.#time.at(this.#time.now + this.lingering * this.#random.next(), scheduled.run)
      } else scheduled.cancelled = lost
      if (lost) this.#underway.delete(underway)
    }
  }

  #arrival(message: Message): number {
    const spread = this.#random.next()
    let at = this.#time.now + this.#latency * spread * spread
    if (this.slowness > 0 && message.startsWith('writ')) at += this.slowness * this.#random.next()
    if (this.scrambled) return at
    at = Math.max(at, this.#last[message] ?? 0)
    this.#last[message] = at
    return at
  }
}
