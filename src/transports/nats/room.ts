/** How much may be under way to a stream at once. No I/O. */

/**
 * More messages than this wait for those before them. The server drops what comes while 10,000 of a stream wait in it, of whatever client
 * (its `streamDefaultMaxQueueMsgs`; 100,000 in the newest), and what it is silent about is published once more. And what one turn
 * of the event loop publishes holds up all else in the process.
 */
const most = 4000

export class Room {
  #taken = 0
  readonly #waiting: { count: number; enter(): void }[] = []

  /** Calls once there is room for so many messages, in the order of asking. Settles as the call does. */
  async with<R>(count: number, call: () => Promise<R>): Promise<R> {
    if (this.#waiting.length > 0 || !this.#has(count)) {
      await new Promise<void>((enter) => this.#waiting.push({ count, enter }))
    } else this.#taken += count
    return call().finally(() => this.#leave(count))
  }

  #has(count: number): boolean {
    return this.#taken === 0 || this.#taken + count <= most
  }

  #leave(count: number): void {
    this.#taken -= count
    for (let [next] = this.#waiting; next !== undefined && this.#has(next.count); [next] = this.#waiting) {
      this.#waiting.shift()
      this.#taken += next.count
      next.enter()
    }
  }
}
