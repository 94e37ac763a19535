import { sharedNow } from './actor'

/** Notes when changes arrive, until there are so many. */
export class Arrivals {
  readonly moments: number[] = []
  readonly last: Promise<number>
  readonly #count: number
  #done = (_: number) => {}

  constructor(count: number) {
    this.#count = count
    this.last = new Promise((resolve) => {
      this.#done = resolve
    })
  }

  add(): void {
    const now = sharedNow()
    this.moments.push(now)
    if (this.moments.length === this.#count) this.#done(now)
  }
}
