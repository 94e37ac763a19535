/** What lies under the subjects of a bucket: its last messages, read and written on condition. */
import { disconnected } from '../../core/errors'
import type { Gone, Write } from '../../core/transport'
import { type Bucket, type BucketState, wholeSeconds } from './bucket'
import { decodeHeaders, decodeMessage, header, ttlOf } from './decode'
import { isOvertaken, noStream, translate } from './errors'
import type { Ack, Headers, Publisher } from './publisher'
import type { Sweeper } from './sweeper'

/** The last message of a subject, as the stream's leader has it. */
export interface Stored {
  readonly n: number
  /** What took the item; undefined where it is there. */
  readonly gone: Gone | undefined
  /** Of a mark: whether there was something to delete. */
  readonly found: boolean
  readonly id: string
  readonly origin: string
  /** The number of what it lies over; -1 where it does not say. */
  readonly over: number
  /** It has a ttl. */
  readonly expires: boolean
  /** When the stream took it, by its server's clock (ms since 1970). */
  readonly time: number
}

export const nothing: Stored = {
  n: 0,
  gone: 'delete',
  found: false,
  id: '',
  origin: '',
  over: -1,
  expires: false,
  time: 0,
}
/** Said on the mark of a delete, for the case that it is tried again. */
export const nothingFound = 'nothing'

/** So often a write is tried on a key that others write to at the same time. */
export const mostTries = 100
export const contended = () => disconnected('others write to that key all the time')

type SetWrite = Extract<Write, { kind: 'set' }>

export class Messages {
  readonly #bucket: Bucket
  readonly #publisher: Publisher
  readonly #sweeper: Sweeper
  readonly #retention: number
  /** The number that was acknowledged last: lower than the one before only where the stream was made anew, or lost its end. */
  #lastAcked = 0

  constructor(bucket: Bucket, publisher: Publisher, sweeper: Sweeper, retention: number) {
    this.#bucket = bucket
    this.#publisher = publisher
    this.#sweeper = sweeper
    this.#retention = retention
  }

  get lastAcked(): number {
    return this.#lastAcked
  }

  /** The last message of a subject; undefined where there is none. */
  async read(subject: string): Promise<Stored | undefined> {
    const message = await this.#bucket.message({ last_by_subj: subject })
    if (message === undefined) return undefined
    const { seq: n, hdrs, time } = message
    const headers = decodeHeaders(hdrs)
    const expires = ttlOf(headers) < Infinity
    if (expires) await this.#bucket.clock.learn()
    const at = Date.parse(time)
    const age = this.#bucket.clock.ageOf(at)
    const { kind } = decodeMessage({ key: subject, n, age, maxAge: Infinity, headers, text: () => '' })
    const gone = kind === 'set' ? undefined : kind
    return {
      n,
      gone,
      found: headers.get(header.gone) !== nothingFound,
      id: headers.get(header.id),
      origin: headers.get(header.origin),
      over: Number(headers.get(header.expected) || -1),
      expires,
      time: at,
    }
  }

  /** For how long (ms) the stream has had a message; 0 where it is gone from it: more would be too early where others have replaced it. */
  async ageOf(n: number): Promise<number> {
    await this.#bucket.clock.learn()
    const message = await this.#bucket.message({ seq: n })
    return message === undefined ? 0 : this.#bucket.clock.ageOf(Date.parse(message.time))
  }

  /** Null where what is in its place is not what was expected. */
  async publish(subject: string, text: string, headers: Headers): Promise<Ack | null> {
    const ack = await this.#publisher.publish(subject, text, headers)
    return ack.error !== undefined && isOvertaken(ack.error) ? null : this.taken(ack)
  }

  /** Leaves a mark that what was there is gone; null where what is there is not what was expected. */
  async publishMark(subject: string, headers: Headers, state: BucketState): Promise<Ack | null> {
    // Of a DEL, the server would leave a second mark when the ttl of the first is over.
    const mark = headers.with(header.operation, 'PURGE')
    const all = state.expires ? mark.with(header.ttl, `${wholeSeconds(state.markTtl)}s`) : mark
    const ack = await this.publish(subject, '', all)
    if (ack !== null && !state.expires) {
      this.#sweeper.add(this.#bucket.stream, subject, ack.seq, 'mark', this.#retention)
    }
    return ack
  }

  /** @throws MemisError where the stream has refused it */
  taken(ack: Ack): Ack {
    const { error, seq, duplicate } = ack
    if (error !== undefined) {
      if (error.err_code === noStream) this.#bucket.forget()
      throw translate(error)
    }
    if (!duplicate) this.#lastAcked = seq
    return ack
  }
}

/** Adds those that say when a set expires. */
export function withTtl({ ttlMs, restores }: SetWrite, headers: Headers, state: BucketState): Headers {
  if (ttlMs === null) return headers
  const exact = headers.with(header.exactTtl, ttlMs)
  // The server's mark of what expired does not tell where that had come from: of what is put back, the sweeper leaves it.
  return state.expires && restores === undefined ? exact.with(header.ttl, `${wholeSeconds(ttlMs)}s`) : exact
}
