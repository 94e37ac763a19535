/** The ids that a hub gives to epochs: `<time>-<count>`. No I/O. */
import { epochTolerance } from '../../transport-kit'

/** The time (ms) at which a hub's clock stood at 0: so far back that a clock which is behind still has a positive time. */
const origin = 1e12

/** Gives ids that sort by the store's clock, and by their order within a millisecond. */
export class EpochIds {
  #count = 0
  readonly #now: () => number
  /** How much the store's clock is behind (ms). */
  behind = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** An id that sorts after `previous`. An emptied store knows of none before. */
  next(previous?: string): string {
    const time = Math.max(this.#time, previous === undefined ? 0 : timeOf(previous) + 1)
    return `${String(time).padStart(15, '0')}-${String(++this.#count).padStart(6, '0')}`
  }

  /** Whether an epoch can follow the one with this id: it is well-formed, and not too far ahead of the store's clock. */
  canFollow(id: string): boolean {
    return /^\d{15}-\d{6}$/.test(id) && timeOf(id) <= this.#time + epochTolerance
  }

  get #time(): number {
    return Math.floor(origin + this.#now() - this.behind)
  }
}

const timeOf = (id: string): number => Number(id.slice(0, 15))
