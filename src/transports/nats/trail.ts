/** What this client knows of the last messages of a stream, to recognise it after an outage. */
import type { StoredMessage } from './bucket'
import { decodeHeaders } from './decode'

/** A message of the stream: its place, and its time (ms since 1970) or the id that it was published with. */
export interface Stamp {
  readonly n: number
  readonly time?: number
  readonly id?: string
}

const mostStamps = 256

export class Trail {
  #stamps: Stamp[] = []

  add(stamp: Stamp): void {
    this.#stamps.push(stamp)
    if (this.#stamps.length >= 2 * mostStamps) this.#stamps.splice(0, mostStamps)
  }

  clear(): void {
    this.#stamps = []
  }

  /** Stamps above `floor` are of messages that the stream has lost. */
  cut(floor: number): void {
    this.#stamps = this.#stamps.filter(({ n }) => n <= floor)
  }

  /**
   * The last place up to which the stream is as it was; null if it has lost nothing. A stream that lost its end, or was brought
   * back from a backup, has fewer messages, or others under the same numbers.
   */
  async floor(head: number, read: (seq: number) => Promise<StoredMessage | undefined>): Promise<number | null> {
    const stamps = [...this.#stamps].sort((one, other) => one.n - other.n)
    let isBroken = (stamps.at(-1)?.n ?? 0) > head
    const known = stamps.filter(({ n }) => n <= head)
    for (let i = known.length - 1, step = 1; i >= 0; i -= step, step *= 2) {
      const stamp = known[i] as Stamp
      const message = await read(stamp.n)
      if (message === undefined) continue // a newer message of its subject has replaced it
      if (isSame(stamp, message)) return isBroken ? stamp.n : null
      isBroken = true
    }
    return isBroken ? 0 : null
  }
}

const isSame = ({ time, id }: Stamp, message: StoredMessage): boolean =>
  time === undefined ? decodeHeaders(message.hdrs).id === id : Math.abs(Date.parse(message.time) - time) < 1
