/**
 * One unbroken session of following a collection: a consumer of memis's own, which delivers first what was missed and then
 * what comes, in the order of the stream, and numbers it without a gap.
 */
import type { Msg, Subscription } from 'nats'
import { type Resumption, resume } from '../../core/epochs'
import { MemisError, outOfTouch } from '../../core/errors'
import type { Change, Host, Position, Revision, Sink } from '../../core/transport'
import { setImmediate } from '../../core/turn'
import { type Bucket, type BucketState, epochOf } from './bucket'
import { decodeMessage, decodeStamp, type Headers, header, headersOf, type Stamp, textOf, ttlOf } from './decode'
import { noStream, translate } from './errors'
import type { Link } from './link'
import { keyOf, type Names } from './names'
import { nsPerMs } from './server-clock'
import type { Sweeper } from './sweeper'
import type { Trail } from './trail'

/** So many beats without a word, and the consumer is gone. */
const mostSilentBeats = 3

export class Session {
  readonly #link: Link
  readonly #bucket: Bucket
  readonly #names: Names
  readonly #host: Host
  readonly #sink: Sink
  readonly #sweeper: Sweeper
  readonly #trail: Trail
  /** The consumer says so often (ms) that it is there, when it has nothing else to say. */
  readonly #beat: number
  #state!: BucketState
  #subscription: Subscription | null = null
  #consumer = ''
  /** What comes before the answer that the consumer is made, and with it the server's time. */
  #early: Msg[] | null = []
  /** How many messages the consumer has delivered. */
  #count = 0
  /** The number of the last of them, or that after which they begin. */
  #reached = 0
  /** What is to be delivered before the replica is current; null until it is known. */
  #target: number | null = null
  #isLive = false
  /** The number that the last audit found. */
  #expected = 0
  #isAuditing = false
  /** Since when (performance.now()) audits are without an answer; null where they have one. */
  #unansweredSince: number | null = null
  /** What has been delivered and not yet told. */
  #changes: Change[] = []
  #flushes = false
  #heardAt = performance.now()
  #checkedAt = performance.now()
  #over = false

  constructor(link: Link, bucket: Bucket, names: Names, host: Host, sink: Sink, sweeper: Sweeper, trail: Trail) {
    this.#link = link
    this.#bucket = bucket
    this.#names = names
    this.#host = host
    this.#sink = sink
    this.#sweeper = sweeper
    this.#trail = trail
    this.#beat = Math.max(100, Math.min(host.auditInterval, host.livenessTimeout / 5))
  }

  async start(from: Position | null): Promise<void> {
    try {
      await this.#trail.deleteConsumers().catch(() => {}) // who may not, leaves them to the server
      const { after, common } = await this.#resume(from)
      if (this.#over) return
      const epoch = epochOf(this.#state)
      this.#trail.begin(epoch, after === null)
      if (after === null) this.#sweeper.forget(this.#names.start)
      this.#reached = after ?? 0
      this.#sink.begin(after === null ? 'whole' : 'delta', epoch, common)
      if (this.#over) return
      await this.#follow(after)
      if (this.#over) return
      // Asked after the consumer was made: all that was there at that time is delivered when this one is.
      const target = await this.#last()
      // Of a stream that was made anew meanwhile, the contents are not those that the session began with.
      if (!(await this.#bucket.isStill(this.#state))) throw outOfTouch('the stream was made anew')
      if (this.#over) return
      this.#target = target
      this.#flushSoon()
    } catch (error) {
      this.fail(translate(error))
    }
  }

  fail(error: MemisError): void {
    if (this.#over) return
    this.close()
    this.#sink.stale(error)
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    this.#changes = []
    this.#subscription?.unsubscribe()
    if (this.#consumer === '') return
    this.#trail.leave(this.#consumer)
  }

  /** Looks whether the consumer is still there, and, where it may follow another server than the stream's leader, whether that is. */
  check(): void {
    if (this.#over) return
    // Silence counts while the process has its turn; how long it may stand still is the link's to judge.
    const now = performance.now()
    if (now - this.#checkedAt > this.#beat) this.#heardAt = Math.min(now, this.#heardAt + now - this.#checkedAt)
    this.#checkedAt = now
    if (this.#early !== null || this.#doubt() === null) return
    // Where the process stood still, what it has not heard of is waiting in the socket.
    setImmediate(() => {
      const doubt = this.#doubt()
      if (doubt === null) return
      this.#bucket.forget()
      this.fail(outOfTouch(doubt))
    })
  }

  /** Why nothing can be vouched for any more. */
  #doubt(): string | null {
    const now = performance.now()
    if (now - this.#heardAt >= mostSilentBeats * this.#beat) return 'the consumer is gone'
    const { livenessTimeout, auditInterval } = this.#host
    // A server that is cut off from the others goes on with its consumers, and knows nothing of what those others take.
    const since = this.#unansweredSince ?? now
    return now - since >= Math.max(livenessTimeout / 2, livenessTimeout - auditInterval)
      ? 'the leader of the stream does not answer'
      : null
  }

  /** Asks the stream's leader, where the consumer may follow another server. */
  async audit(): Promise<void> {
    // One at a time: answers that come together would count a message on its way as lost.
    if (!this.#isLive || !this.#state.isReplicated || this.#isAuditing) return
    this.#isAuditing = true
    this.#unansweredSince ??= performance.now()
    try {
      const last = await this.#last()
      this.#unansweredSince = null
      if (this.#over) return
      // A message may be on its way: only when the next audit comes and it has not, was it lost.
      if (this.#reached < this.#expected) return this.fail(outOfTouch('a message was not delivered'))
      this.#expected = last
      if (this.#reached >= last) this.#prove()
    } catch (error) {
      // A dead link is the heartbeat's to find.
      if ((error as MemisError).code !== 'DISCONNECTED') this.#host.report(error as MemisError)
    } finally {
      this.#isAuditing = false
    }
  }

  /** Where to go on from, once it is known whether the stream still is what it was. */
  async #resume(from: Position | null): Promise<Resumption> {
    this.#state = await this.#bucket.refresh()
    if (from !== null && from.epoch === epochOf(this.#state)) {
      // An answer that others were waiting for may be older than what was told.
      if (from.n > this.#state.head) this.#state = await this.#bucket.refresh()
      const floor = await this.#trail.broken(from, this.#state)
      if (floor !== null) this.#state = await this.#bucket.fork(from.epoch, floor)
    }
    const forgotten = this.#trail.keepsMarks(this.#state) ? 0 : Infinity
    return resume(from, { ...this.#state, forgotten })
  }

  /** Of a stream that lies on several servers, the consumer lies on one of them: where that does not answer, another is made. */
  async #follow(after: number | null): Promise<void> {
    const { patience: longest, consumerPatience } = this.#link
    const patience = this.#state.isReplicated ? consumerPatience : longest
    for (let left = longest; ; left -= patience) {
      try {
        return await this.#consume(after, patience)
      } catch (error) {
        // What the server answers has a cause.
        const { code, stored } = error as MemisError
        if (this.#over || left <= patience || code !== 'DISCONNECTED' || stored === 'no') throw error
        this.#subscription?.unsubscribe()
        this.#trail.leave(this.#consumer)
        this.#early = []
      }
    }
  }

  async #consume(after: number | null, patience: number): Promise<void> {
    const inbox = this.#link.newInbox()
    this.#subscription = this.#link.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) this.fail(translate(error))
        else this.#hear(message)
      },
    })
    const start =
      after === null
        ? { deliver_policy: this.#state.isLastOnly ? 'all' : 'last_per_subject' }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: after + 1 }
    // With a name, it is the same one when the question is asked again; and it can be deleted though no answer came.
    const name = crypto.randomUUID().slice(0, 18)
    this.#consumer = name
    const config = {
      ...start,
      name,
      deliver_subject: inbox,
      filter_subject: `${this.#names.start}>`,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      flow_control: true,
      idle_heartbeat: Math.round(this.#beat) * nsPerMs,
      // If memis cannot delete it, the server does.
      inactive_threshold: Math.max(5000, 2 * this.#host.livenessTimeout) * nsPerMs,
      mem_storage: true,
      num_replicas: 1,
    }
    const question = { stream_name: this.#bucket.stream, config }
    const asked = performance.now()
    const made = await this.#link.ask(`CONSUMER.CREATE.${this.#bucket.stream}.${name}`, question, patience)
    if (made.error?.err_code === noStream) this.#bucket.forget()
    if (made.error !== undefined) throw translate(made.error)
    this.#bucket.clock.set(made, asked)
    this.#heardAt = performance.now()
    if (this.#over) return this.#trail.leave(name)
    const early = this.#early as Msg[]
    this.#early = null
    for (const message of early) this.#hear(message)
  }

  /** The number of the collection's last message, by the word of the stream's leader; 0 where there is none. */
  async #last(): Promise<number> {
    return (await this.#bucket.message({ last_by_subj: `${this.#names.start}>` }))?.seq ?? 0
  }

  /** Called by the client, where a throw would end the connection. */
  #hear(message: Msg): void {
    if (this.#over) return
    if (this.#early !== null) return void this.#early.push(message)
    try {
      this.#heardAt = performance.now()
      const { reply } = message
      const stamp = reply ? decodeStamp(reply) : undefined
      if (stamp !== undefined) this.#deliver(message, stamp)
      else if (message.headers?.code === 100) this.#hearBeat(message)
      else this.#host.report(new MemisError('UNDECODABLE', `${this.#names.start}: a message that is no consumer's`))
    } catch (error) {
      this.fail(outOfTouch('a message could not be handled', error))
    }
  }

  #deliver(message: Msg, stamp: Stamp): void {
    const { n, count, time } = stamp
    if (count !== this.#count + 1)
      return this.fail(outOfTouch(`${count - this.#count - 1} messages were not delivered`))
    this.#count = count
    this.#reached = n
    this.#trail.add(stamp)
    this.#flushSoon()
    const { subject } = message
    const headers = headersOf(message)
    if (subject === this.#names.cleared) return this.#sweepLater(subject, n, true, headers, 0)
    const key = keyOf(this.#names, subject)
    if (key === undefined) {
      this.#host.report(new MemisError('UNDECODABLE', `${subject}: a key that memis would write in another way`))
      return
    }
    const age = this.#bucket.clock.ageOf(time)
    const { maxAge } = this.#state
    const change = decodeMessage({ key, n, age, maxAge, headers, text: () => textOf(message) })
    this.#changes.push(change)
    this.#sweepLater(subject, n, change.kind !== 'set' && isMark(headers), headers, age, change.origin)
  }

  /** What the server does not remove by itself. */
  #sweepLater(
    subject: string,
    n: number,
    mark: boolean,
    headers: Headers | undefined,
    age: number,
    origin?: Revision,
  ): void {
    const { stream } = this.#bucket
    if (this.#state.expires && headers?.get(header.ttl)) return void this.#sweeper.drop(subject, n)
    if (mark) return this.#sweeper.add(stream, subject, n, 'mark', this.#host.retention - age)
    const ttl = headers === undefined ? Infinity : ttlOf(headers)
    if (ttl < Infinity) this.#sweeper.add(stream, subject, n, 'item', ttl - age, origin)
    else this.#sweeper.drop(subject, n)
  }

  #hearBeat(message: Msg): void {
    // A question of the flow control; in a beat, a header names whom to answer.
    const answered = message.reply || message.headers?.get('Nats-Consumer-Stalled')
    if (answered) this.#link.connection.publish(answered)
    if (message.reply) return
    const count = Number(message.headers?.get('Nats-Last-Consumer'))
    if (count > this.#count) return this.fail(outOfTouch(`${count - this.#count} messages were not delivered`))
    if (this.#isLive) this.#prove()
    else if (this.#target !== null) this.#retarget()
  }

  /** What is waited for may have been replaced or removed before it was delivered. */
  async #retarget(): Promise<void> {
    try {
      this.#target = await this.#last()
      this.#flushSoon()
    } catch (error) {
      this.fail(translate(error))
    }
  }

  /** What comes in one piece from the socket is told in one. */
  #flushSoon(): void {
    if (this.#flushes) return
    this.#flushes = true
    // A promise job: fake timers replace queueMicrotask.
    Promise.resolve().then(() => {
      this.#flushes = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#over) return
    const changes = this.#changes
    this.#changes = []
    if (changes.length > 0) this.#sink.changes(changes)
    if (this.#over) return
    if (!this.#isLive && this.#target !== null && this.#reached >= this.#target) {
      this.#isLive = true
      // What the stream had when the session began has been delivered, as far as it is the collection's.
      this.#reached = Math.max(this.#reached, this.#state.head)
    }
    if (this.#isLive) this.#prove()
  }

  #prove(): void {
    if (this.#changes.length > 0) return // told in a moment
    this.#trail.prove()
    this.#sink.live(this.#reached)
  }
}

const isMark = (headers: Headers | undefined): boolean =>
  Boolean(headers?.get(header.operation) || headers?.get(header.marker))
