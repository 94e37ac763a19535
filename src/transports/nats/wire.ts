/**
 * Publishes on one connection, and hears the answers at one subject of its own: many in flight at once, where the client's
 * own way awaits each. The end of that subject is random for each message, so nobody can answer in the place of the store.
 */
import { randomFillSync } from 'node:crypto'
import type { Clock } from '../../core/clock'
import { disconnected, type MemisError, notSent } from '../../core/errors'
import type { Library, Message, NatsConnection, Subscription } from './client'
import { type ApiError, forbidden, translate } from './errors'
import { Room } from './room'

/** An answer of JetStream: an error, or what was asked for. */
export interface Answer {
  readonly error?: ApiError
  // biome-ignore lint/suspicious/noExplicitAny: each question has an answer of its own
  readonly [name: string]: any
}

/** A message as the stream stores it; headers and data in base64. */
export interface StoredMessage {
  readonly seq: number
  readonly time: string
  readonly hdrs?: string
  readonly data?: string
}

/** A message by its number, the last one of a subject, or the first one from a number on; subjects may be patterns. */
export type Question =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj: string }

/** Who waits for answers. Many are told apart by an index, since a promise for each would cost more than the rest. */
export interface Waiter {
  answered(answer: Answer, index: number): void
  /** No answer came, or none can. */
  failed(error: MemisError, index: number): void
}

export type HeaderList = readonly (readonly [name: string, value: string])[]

export interface WireOptions {
  readonly clock: Clock
  readonly library: Library
  readonly inboxPrefix: string | undefined
  /** How JetStream's own subjects begin. */
  readonly api: string
  /** How long an answer may take (ms). */
  readonly patience: number
}

export const standardApi = '$JS.API'

/** An acknowledgement may take so long (ms): a message that is published again is recognised by its id. */
const longestAck = 2000
/** How often it is checked what is overdue (ms). Questions are repeated then: one that comes while nobody leads is lost without a word. */
const checkInterval = 500
/** After so many checks without any answer, what is overdue is lost. */
const mostSilent = 4
/** So many questions are in flight at once; the others wait. */
const mostAsked = 64

interface Waiting {
  readonly subject: string
  /** Of a question; an acknowledgement is of a message that is not repeated here. */
  readonly question: Uint8Array | null
  readonly number: number
  readonly since: number
  readonly patience: number
  readonly waiter: Waiter
  readonly index: number
}

export class Wire {
  readonly connection: NatsConnection
  readonly #options: WireOptions
  readonly #inbox: string
  readonly #subscription: Subscription
  /** In the order of their publishing. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #questions = new Room(mostAsked)
  readonly #interval: number
  #count = 0
  #timer: unknown
  /** The highest number that was answered, and how many checks in a row found no answer at all. */
  #reached = 0
  #silence = 0
  #closed: MemisError | null = null
  /** Since when (the clock's time) JetStream has answered nothing, or that it cannot; null if it has done what it was asked for last. */
  #unservedSince: number | null = null

  constructor(connection: NatsConnection, options: WireOptions) {
    this.connection = connection
    this.#options = options
    this.#interval = Math.min(checkInterval, options.patience / mostSilent)
    this.#inbox = `${this.newInbox()}.`
    this.#subscription = this.subscribe(`${this.#inbox}*`, (message) => this.#hear(message))
  }

  get patience(): number {
    return this.#options.patience
  }

  /** For how long (ms) JetStream has done nothing of what it was asked for. */
  get unservedFor(): number {
    return this.#unservedSince === null ? 0 : this.#options.clock.now() - this.#unservedSince
  }

  /** A subject that nobody else listens to. */
  newInbox(): string {
    return this.#options.library.createInbox(this.#options.inboxPrefix)
  }

  subscribe(subject: string, hear: (message: Message) => void): Subscription {
    return this.connection.subscribe(subject, { callback: (_, message) => hear(message) })
  }

  /** Publishes to a stream. The waiter gets the acknowledgement. In another domain, subjects of buckets begin as JetStream's own do. */
  send(subject: string, text: string, headers: HeaderList, waiter: Waiter, index: number): void {
    const { api } = this.#options
    const there = api === standardApi ? subject : `${api}.${subject}`
    this.#send(there, Buffer.from(text), headers, null, Math.min(longestAck, this.patience), waiter, index)
  }

  /** The same for one message. Resolves to errors of the stream, too; rejects if no acknowledgement came. */
  publish(subject: string, text: string, headers: HeaderList): Promise<Answer> {
    return new Promise((answered, failed) => this.send(subject, text, headers, { answered, failed }, 0))
  }

  /** Asks JetStream. Resolves to its errors, too; rejects if no answer came. */
  ask(subject: string, question?: object, patience = this.patience): Promise<Answer> {
    const text = Buffer.from(question === undefined ? '' : JSON.stringify(question))
    const ask = (answered: (answer: Answer) => void, failed: (error: MemisError) => void) =>
      this.#send(`${this.#options.api}.${subject}`, text, [], text, patience, { answered, failed }, 0)
    return this.#questions.with(1, () => new Promise(ask))
  }

  /** The user may not publish there. */
  forbid(subject: string): void {
    this.#fail((each) => each.subject === subject, forbidden(subject))
  }

  /** The connection is lost: nobody knows what became of what is in flight. */
  close(error: MemisError): void {
    this.#closed = error
    this.#options.clock.clearTimeout(this.#timer)
    // A connection of the user's goes on.
    this.#subscription.unsubscribe()
    this.#fail(() => true, disconnected(error.message, error))
  }

  #send(
    subject: string,
    payload: Uint8Array,
    headers: HeaderList,
    question: Uint8Array | null,
    patience: number,
    waiter: Waiter,
    index: number,
  ): void {
    const { clock } = this.#options
    try {
      if (this.#closed !== null) throw notSent(this.#closed.message)
      const token = randomToken()
      const reply = this.#inbox + token
      this.connection.publish(
        subject,
        payload,
        headers.length === 0 ? { reply } : { reply, headers: this.#encode(headers) },
      )
      const number = ++this.#count
      this.#waiting.set(token, { subject, question, number, since: clock.now(), patience, waiter, index })
      this.#timer ??= clock.setTimeout(() => this.#check(), this.#interval)
    } catch (error) {
      waiter.failed(translate(error), index)
    }
  }

  #encode(list: HeaderList) {
    const headers = this.#options.library.headers()
    for (const [name, value] of list) headers.append(name, value)
    return headers
  }

  /** Called by the client, where a throw would end the connection. */
  #hear({ subject, headers, data }: Message): void {
    const token = subject.slice(this.#inbox.length)
    const waiting = this.#waiting.get(token)
    if (waiting === undefined) return
    this.#waiting.delete(token)
    const { waiter, index, number } = waiting
    this.#silence = 0
    this.#reached = Math.max(this.#reached, number)
    // Nobody takes that subject: the stream is gone, or has no leader.
    if (headers?.code === 503) return waiter.failed(notSent('no JetStream answers there'), index)
    let answer: Answer
    try {
      // In an atomic batch, only the last message is answered with content.
      answer = data.length === 0 ? {} : JSON.parse(textOf(data))
    } catch (error) {
      return waiter.failed(disconnected('NATS gave an answer that cannot be read', error), index)
    }
    if (answer.error?.code === 503 || isLeaderless(answer)) this.#unservedSince ??= this.#options.clock.now()
    else this.#unservedSince = null
    waiter.answered(answer, index)
  }

  /**
   * An acknowledgement that is overdue is lost, unless the server is still busy with what came before it, whose answers come: to
   * publish all that again would keep it busier.
   */
  #check(): void {
    const now = this.#options.clock.now()
    const isSilent = ++this.#silence >= mostSilent
    const isLost = ({ since, patience, question, number }: Waiting) =>
      now - since >= patience && (question !== null || isSilent || number < this.#reached)
    if (this.#fail(isLost, disconnected('NATS did not answer in time'))) this.#unservedSince ??= now
    this.#timer = undefined
    if (this.#closed !== null) return
    for (const [token, { subject, question, since }] of this.#waiting) {
      if (question === null || now - since < this.#interval) continue
      // A connection that cannot publish is about to say that it is lost.
      attempt(() => this.connection.publish(subject, question, { reply: this.#inbox + token }))
    }
    if (this.#waiting.size === 0) this.#silence = 0
    else this.#timer = this.#options.clock.setTimeout(() => this.#check(), this.#interval)
  }

  #fail(matches: (waiting: Waiting) => boolean, error: MemisError): boolean {
    let hasFailed = false
    for (const [token, waiting] of this.#waiting) {
      if (!matches(waiting)) continue
      hasFailed = true
      this.#waiting.delete(token)
      waiting.waiter.failed(error, waiting.index)
    }
    return hasFailed
  }
}

/** Servers that hold a stream tell of their copy if nobody leads: that may be old. */
export const isLeaderless = ({ cluster }: Answer): boolean => cluster !== undefined && !cluster.leader

const attempt = (call: () => void): void => {
  try {
    call()
  } catch {
    // see the caller
  }
}

/** What came in one piece from the socket, and holds many messages. */
let piece: Buffer = Buffer.alloc(0)

export function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  if (piece.buffer !== buffer) piece = Buffer.from(buffer as ArrayBuffer)
  return piece.toString('utf8', byteOffset, byteOffset + byteLength)
}

/** Random bytes are cheap by the thousand. */
const random = Buffer.alloc(6 * 1024)
let used = random.length

function randomToken(): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  used += 6
  return random.toString('base64url', used - 6, used)
}
