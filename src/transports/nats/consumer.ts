/** An ordered push consumer: delivers a collection's messages in the order of the stream, and counts them without a gap. */
import { MemisError, outOfTouch } from '../../core/errors'
import type { Bucket, StreamState } from './bucket'
import { type Headers, headersOf, type Message, type Subscription } from './client'
import { nsPerMs } from './config'
import { type Delivery, decodeDelivery } from './decode'
import { code, refusal } from './errors'

export interface ConsumerListener {
  delivered(message: Message, delivery: Delivery): void
  /** Somebody says that a message was lost. It may be the server. */
  suspect(): void
  failed(error: MemisError): void
}

/**
 * The server says so often (ms) that the consumer is there. It is seldom needed, since audits find what was not delivered; but
 * flow control cannot do without.
 */
const heartbeat = 600_000
/** A consumer is made within a few ms, unless the server that shall have it is away: then another one is made (ms). */
const longestMaking = 1000

export class Consumer {
  readonly #bucket: Bucket
  readonly #listener: ConsumerListener
  /** How the subjects begin that it delivers. */
  readonly #start: string
  #name = ''
  /** Stands in the reply subject of each message that it delivers. */
  #reply = ''
  #subscription: Subscription | null = null
  #isClosed = false
  #count = 0

  constructor(bucket: Bucket, start: string, listener: ConsumerListener) {
    this.#bucket = bucket
    this.#start = start
    this.#listener = listener
  }

  /** Begins after a place; null: with the last message of each subject. Resolves once the server has it. */
  async open(after: number | null, state: StreamState): Promise<void> {
    const { patience: longest } = this.#bucket.wire
    const patience = state.isReplicated ? Math.min(longestMaking, longest) : longest
    await this.#bucket.deleteAbandoned()
    for (let left = longest; !this.#isClosed; left -= patience) {
      try {
        return await this.#make(after, state, patience)
      } catch (error) {
        this.#leave()
        const { code, stored } = error as MemisError
        // A refusal would come again. A replicated stream puts the next one on another server, perhaps.
        if (this.#isClosed || left <= patience || code !== 'DISCONNECTED' || stored === 'no') throw error
      }
    }
  }

  close(): void {
    this.#isClosed = true
    this.#leave()
  }

  #leave(): void {
    this.#subscription?.unsubscribe()
    if (this.#subscription !== null) this.#bucket.leave(this.#name)
    this.#subscription = null
  }

  async #make(after: number | null, { isLastOnly }: StreamState, patience: number): Promise<void> {
    const { wire, names, context } = this.#bucket
    const inbox = wire.newInbox()
    // With a name, it is the same one if the question is repeated.
    const name = crypto.randomUUID().slice(0, 18)
    this.#name = name
    this.#reply = `.${names.stream}.${name}.1.`
    this.#count = 0
    this.#subscription = wire.subscribe(inbox, (message) => this.#name === name && this.#hear(message))
    const begin =
      after === null
        ? { deliver_policy: isLastOnly ? 'all' : 'last_per_subject' }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: after + 1 }
    const config = {
      ...begin,
      name,
      deliver_subject: inbox,
      filter_subject: `${this.#start}>`,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: heartbeat * nsPerMs,
      // If memis cannot delete it, the server does.
      inactive_threshold: Math.max(5000, 2 * context.host.livenessTimeout) * nsPerMs,
      mem_storage: true,
      num_replicas: 1,
    }
    const question = { stream_name: names.stream, config }
    const { error } = await wire.ask(`CONSUMER.CREATE.${names.stream}.${name}`, question, patience)
    if (error?.err_code === code.noStream) this.#bucket.forget()
    if (error !== undefined) throw refusal(error)
  }

  /** Called by the client, where a throw would end the connection. */
  #hear(message: Message): void {
    if (this.#subscription === null) return
    try {
      const { reply = '', subject } = message
      const delivery = decodeDelivery(reply, this.#reply)
      if (delivery !== undefined && subject.startsWith(this.#start)) this.#deliver(message, delivery)
      else {
        const headers = delivery === undefined ? headersOf(message) : undefined
        if (headers?.code === 100) this.#hearStatus(message, headers)
        else this.#distrust(subject)
      }
    } catch (error) {
      this.#listener.failed(outOfTouch('a message could not be handled', error))
    }
  }

  #deliver(message: Message, delivery: Delivery): void {
    const { count } = delivery
    const lost = count - this.#count - 1
    if (lost !== 0) return this.#listener.failed(outOfTouch(`${lost} messages were not delivered`))
    this.#count = count
    this.#listener.delivered(message, delivery)
  }

  /** A heartbeat, or a question of the flow control. Anyone who knows the inbox can send these. */
  #hearStatus({ subject, reply = '' }: Message, headers: Headers): void {
    let last = 0
    let answer = reply
    for (const [name, [value = '']] of headers) {
      if (name === 'Nats-Last-Consumer') last = Number(value)
      else if (name === 'Nats-Consumer-Stalled') answer ||= value
    }
    const { wire, names } = this.#bucket
    if (answer !== '') {
      const start = `$JS.FC.${names.stream}.${this.#name}.`
      // More than a single token could be more than a subject for the server.
      const isOwn = answer.startsWith(start) && /^[\w-]{1,64}$/.test(answer.slice(start.length))
      if (!isOwn) return this.#distrust(subject)
      wire.connection.publish(answer)
    }
    if (last > this.#count) this.#listener.suspect()
  }

  #distrust(subject: string): void {
    const { host } = this.#bucket.context
    host.report(new MemisError('UNTRUSTED', `a message at ${subject} that is not of this consumer was ignored`))
  }
}
