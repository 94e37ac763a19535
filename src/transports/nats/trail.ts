/** A memory of messages of a stream, by which it is recognised after an outage. */
import { decodeHeaders } from './decode'
import type { Question, StoredMessage } from './wire'

/** A message of the stream: its place, its subject if that is known, and its time (ms since 1970) or the id that it was published with. */
export interface Stamp {
  readonly n: number
  readonly subject?: string | undefined
  readonly time?: number
  readonly id?: string
}

/**
 * The subject of a message as a stamp holds it. One that expires soon leaves nothing behind that is as young, and a server that was
 * killed may have an older one again: that says nothing of the stream.
 */
export const lastingSubject = (
  subject: string,
  ttlMs: number,
  { tombstoneTtl }: { readonly tombstoneTtl: number },
): string | undefined => (ttlMs < tombstoneTtl ? undefined : subject)

type Read = (question: Question) => Promise<StoredMessage | undefined>

const mostStamps = 256

export class Trail {
  #stamps: Stamp[] = []
  /** The highest place of all: nothing that the stream accepts from now on can have one up to this. */
  highest = 0

  add(stamp: Stamp): void {
    this.highest = Math.max(this.highest, stamp.n)
    this.#stamps.push(stamp)
    if (this.#stamps.length >= 2 * mostStamps) this.#stamps.splice(0, mostStamps)
  }

  /** Stamps above `floor` are of messages that the stream has lost. */
  cut(floor: number): void {
    this.#stamps = this.#stamps.filter(({ n }) => n <= floor)
    this.highest = Math.min(this.highest, floor)
  }

  /**
   * The last place up to which the stream is as it was; null if it has lost nothing. A stream that lost its end, or was brought back
   * from a backup, has fewer messages, or others at the same places, or older ones of the same subjects. `readHead` asks for its last place.
   */
  async floor(readHead: () => Promise<number>, read: Read): Promise<number | null> {
    // Before the question: what is delivered meanwhile may be beyond the answer.
    const stamps = this.#stamps.toSorted((one, other) => one.n - other.n)
    const head = await readHead()
    const known = stamps.filter(({ n }) => n <= head)
    const ask = async ({ n, subject }: Stamp) =>
      (await read({ seq: n })) ?? (subject === undefined ? undefined : read({ last_by_subj: subject }))
    let isBroken = known.length < stamps.length
    let same = 0
    let end = head
    // Most often the last one is there, and nothing else is read.
    for (let size = 1; same === 0 && known.length > 0; size *= 2) {
      const some = known.splice(-size).reverse()
      const messages = await Promise.all(some.map(ask))
      for (const [i, stamp] of some.entries()) {
        const message = messages[i]
        // A newer message of its subject has replaced it.
        if (same > 0 || message === undefined || message.seq > stamp.n) continue
        if (message.seq === stamp.n && isSame(stamp, message)) same = stamp.n
        else {
          isBroken = true
          end = stamp.n - 1
        }
      }
    }
    if (!isBroken) return null
    return lastUntil(Math.max(...stamps.map(({ time = 0 }) => time)), same, end, read)
  }
}

const isSame = ({ time, id }: Stamp, message: StoredMessage): boolean =>
  time === undefined ? decodeHeaders(message.hdrs).id === id : Math.abs(Date.parse(message.time) - time) < 1

/** The place of the last message that is no younger than that; it lies from `low` to `high`. Whatever was written after a loss is younger. */
async function lastUntil(time: number, low: number, high: number, read: Read): Promise<number> {
  let [from, to] = [low, high]
  while (from < to) {
    const middle = Math.ceil((from + to) / 2)
    const message = await read({ seq: middle, next_by_subj: '>' })
    if (message !== undefined && message.seq <= to && Date.parse(message.time) <= time + 1) from = message.seq
    else to = middle - 1
  }
  return from
}
