/**
 * Publishes to JetStream and hears the acknowledgements at a reply subject of its own: many under way at once, where the client's
 * own way waits for each.
 */
import type { Msg, NatsConnection } from 'nats'
import { MemisError } from '../../core/errors'
import { disconnected, forbidden, translate } from './errors'
import type { Nats } from './library'
import type { ApiError, Link } from './link'

const { setTimeout, clearTimeout } = globalThis

/** The stream's answer: the message's number, or why it was not taken. */
export interface Ack {
  readonly seq: number
  /** It was taken before, by the same id. */
  readonly duplicate?: boolean
  readonly error?: ApiError
}

interface Waiting {
  readonly subject: string
  readonly since: number
  readonly resolve: (ack: Ack) => void
  readonly reject: (error: MemisError) => void
}

export class Publisher {
  readonly #nats: Nats
  readonly #link: Link
  #connection: NatsConnection | null = null
  #inbox = ''
  #count = 0
  /** In the order of their publishing. */
  readonly #waiting = new Map<string, Waiting>()
  #timer: NodeJS.Timeout | undefined

  constructor(nats: Nats, link: Link) {
    this.#nats = nats
    this.#link = link
  }

  /** Resolves to the acknowledgement, an error of the stream included; rejects where none came, or none can. */
  publish(subject: string, text: string, headers: Readonly<Record<string, string>>): Promise<Ack> {
    return new Promise((resolve, reject) => {
      try {
        const connection = this.#link.connection
        if (connection !== this.#connection) this.#listen(connection)
        const id = (++this.#count).toString(36)
        const list = this.#nats.headers()
        for (const name of Object.keys(headers)) list.set(name, headers[name] as string)
        connection.publish(subject, text, { reply: this.#inbox + id, headers: list })
        this.#waiting.set(id, { subject, since: performance.now(), resolve, reject })
        this.#timer ??= setTimeout(() => this.#expire(), this.#link.patience)
      } catch (error) {
        reject(error instanceof MemisError ? error : translate(error))
      }
    })
  }

  /** The user may not publish there. */
  forbid(subject: string): void {
    this.#rejectAll(
      (each) => each.subject === subject,
      () => forbidden(subject),
    )
  }

  /** The connection is lost: of what was under way nobody knows. */
  lost(error: MemisError): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#connection = null
    this.#rejectAll(
      () => true,
      () => disconnected(error.message, error),
    )
  }

  #listen(connection: NatsConnection): void {
    this.#connection = connection
    this.#inbox = `${this.#link.newInbox()}.`
    connection.subscribe(`${this.#inbox}*`, { callback: (_, message) => this.#hear(message) })
  }

  /** Called by the client, where a throw would end the connection. */
  #hear(message: Msg): void {
    const id = message.subject?.slice(this.#inbox.length)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    // Nobody takes that subject: the stream is gone, or has no leader.
    if (message.headers?.code === 503) return waiting.reject(translate({ code: '503' }))
    try {
      waiting.resolve(JSON.parse(message.string()))
    } catch (error) {
      waiting.reject(disconnected('an acknowledgement that cannot be read', error))
    }
  }

  /** What has no answer by now will have none: the leader has changed, or a message was lost. */
  #expire(): void {
    this.#timer = undefined
    const { patience } = this.#link
    const before = performance.now() - patience
    this.#rejectAll(
      ({ since }) => since <= before,
      () => disconnected(`NATS did not answer within ${patience} ms`),
    )
    const [next] = this.#waiting.values()
    if (next !== undefined) this.#timer = setTimeout(() => this.#expire(), Math.max(1, next.since - before))
  }

  #rejectAll(matches: (waiting: Waiting) => boolean, error: () => MemisError): void {
    for (const [id, waiting] of this.#waiting) {
      if (!matches(waiting)) continue
      this.#waiting.delete(id)
      waiting.reject(error())
    }
  }
}
