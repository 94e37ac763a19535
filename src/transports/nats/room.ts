/** How much may be in flight at once. No I/O. */
export class Room {
  readonly #most: number
  #taken = 0
  readonly #waiting: { readonly count: number; enter(): void }[] = []

  constructor(most: number) {
    this.#most = most
  }

  get isEmpty(): boolean {
    return this.#taken === 0
  }

  /** Calls once there is room for so many, in the order of asking. Settles as the call does. */
  async with<R>(count: number, call: () => Promise<R>): Promise<R> {
    if (this.#waiting.length > 0 || !this.#has(count)) {
      await new Promise<void>((enter) => this.#waiting.push({ count, enter }))
    } else this.#taken += count
    try {
      return await call()
    } finally {
      this.#taken -= count
      for (let [next] = this.#waiting; next !== undefined && this.#has(next.count); [next] = this.#waiting) {
        this.#waiting.shift()
        this.#taken += next.count
        next.enter()
      }
    }
  }

  #has(count: number): boolean {
    return this.#taken === 0 || this.#taken + count <= this.#most
  }
}
