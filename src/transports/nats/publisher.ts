/**
 * Publishes to JetStream and hears the acknowledgements at a reply subject of its own: many under way at once, where the client's
 * own way waits for each.
 */
import type { Msg, MsgHdrs, NatsConnection, Subscription } from 'nats'
import { disconnected, type MemisError } from '../../core/errors'
import { forbidden, translate } from './errors'
import type { ApiError, Link } from './link'

const { setTimeout, clearTimeout } = globalThis

/** The stream's answer: the message's number, or why it was not taken. */
export interface Ack {
  readonly seq: number
  /** It was taken before, by the same id. */
  readonly duplicate?: boolean
  readonly error?: ApiError
}

/** Who waits for acknowledgements: of many messages, told apart by an index, since a promise for each would cost more than the rest. */
export interface Waiter {
  acked(ack: Ack, index: number): void
  /** No acknowledgement came, or none can. */
  failed(error: MemisError, index: number): void
}

/** So often within the time that an acknowledgement may take it is looked whether any came. */
const looks = 4

interface Waiting {
  readonly subject: string
  /** Counts what was published. */
  readonly number: number
  readonly since: number
  readonly waiter: Waiter
  readonly index: number
}

/** Headers as they go over the wire. */
export class Headers {
  readonly #lines: string

  constructor(lines = '') {
    this.#lines = lines
  }

  with(name: string, value: string | number): Headers {
    return new Headers(`${this.#lines}${name}: ${value}\r\n`)
  }

  /** All that the client asks of headers that it sends; its own are checked and copied one by one. */
  encode(): Uint8Array {
    return Buffer.from(`NATS/1.0\r\n${this.#lines}\r\n`, 'latin1')
  }
}

export class Publisher {
  readonly #link: Link
  #connection: NatsConnection | null = null
  #inbox = ''
  #subscription: Subscription | null = null
  #count = 0
  /** In the order of their publishing. */
  readonly #waiting = new Map<string, Waiting>()
  #timer: NodeJS.Timeout | undefined
  /** The highest number that an acknowledgement came of, and for how many looks none has come. A process that is busy does not look. */
  #reached = 0
  #silence = 0

  constructor(link: Link) {
    this.#link = link
  }

  /** Publishes, and tells the waiter what came of it. */
  send(subject: string, text: string, headers: Headers, waiter: Waiter, index: number): void {
    try {
      const connection = this.#link.connection
      if (connection !== this.#connection) this.#listen(connection)
      const id = (++this.#count).toString(36)
      const options = { reply: this.#inbox + id, headers: headers as unknown as MsgHdrs }
      connection.publish(subject, Buffer.from(text), options)
      this.#waiting.set(id, { subject, number: this.#count, since: performance.now(), waiter, index })
      this.#timer ??= this.#look()
    } catch (error) {
      waiter.failed(translate(error), index)
    }
  }

  /** Resolves to the acknowledgement, an error of the stream included; rejects where none came, or none can. */
  publish(subject: string, text: string, headers: Headers): Promise<Ack> {
    return new Promise((acked, failed) => this.send(subject, text, headers, { acked, failed }, 0))
  }

  /** The user may not publish there. */
  forbid(subject: string): void {
    this.#rejectAll((each) => each.subject === subject, forbidden(subject))
  }

  /** The connection is lost: of what was under way nobody knows. */
  lost(error: MemisError): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#connection = null
    // A connection of the user's goes on.
    this.#subscription?.unsubscribe()
    this.#subscription = null
    this.#rejectAll(() => true, disconnected(error.message, error))
  }

  #listen(connection: NatsConnection): void {
    this.#connection = connection
    this.#inbox = `${this.#link.newInbox()}.`
    this.#subscription = connection.subscribe(`${this.#inbox}*`, { callback: (_, message) => this.#hear(message) })
  }

  /** Called by the client, where a throw would end the connection. */
  #hear(message: Msg): void {
    const id = message.subject?.slice(this.#inbox.length)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    const { waiter, index, number } = waiting
    this.#silence = 0
    this.#reached = Math.max(this.#reached, number)
    // Nobody takes that subject: the stream is gone, or has no leader.
    if (message.headers?.code === 503) return waiter.failed(translate({ code: '503' }), index)
    let ack: Ack
    try {
      ack = JSON.parse(message.string())
    } catch (error) {
      return waiter.failed(disconnected('an acknowledgement that cannot be read', error), index)
    }
    waiter.acked(ack, index)
  }

  /**
   * What has no answer by now will have none, since the leader has changed, or a message was lost: unless the server is busy with what
   * came before, of which answers come. To publish all that again would keep it busier.
   */
  #expire(): void {
    this.#timer = undefined
    const { ackPatience: patience } = this.#link
    const before = performance.now() - patience
    const isSilent = ++this.#silence >= looks
    const isLost = ({ since, number }: Waiting) => since <= before && (isSilent || number < this.#reached)
    this.#rejectAll(isLost, disconnected(`NATS did not answer within ${patience} ms`))
    if (this.#waiting.size > 0) this.#timer = this.#look()
    else this.#silence = 0
  }

  #look(): NodeJS.Timeout {
    return setTimeout(() => this.#expire(), this.#link.ackPatience / looks)
  }

  #rejectAll(matches: (waiting: Waiting) => boolean, error: MemisError): void {
    for (const [id, waiting] of this.#waiting) {
      if (!matches(waiting)) continue
      this.#waiting.delete(id)
      waiting.waiter.failed(error, waiting.index)
    }
  }
}
