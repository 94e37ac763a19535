/** One unbroken session of following a collection: first what was missed, then what comes. */
import { MemisError, outOfTouch } from '../../core/errors'
import { contains, currentEpoch } from '../../core/history'
import type { Cursor, Entry, Sink } from '../../core/transport'
import { Anchors } from './anchors'
import type { Bucket, StreamState } from './bucket'
import type { Message } from './client'
import { Consumer, type ConsumerListener } from './consumer'
import { type Delivery, entryOf, type Facts, factsOf } from './decode'
import { translate } from './errors'
import { Groups } from './groups'
import { keyOf, type Names } from './names'
import { lastingSubject } from './trail'
import { Undelivered } from './undelivered'
import { textOf } from './wire'

/** What a cursor carries beside the place. */
interface Memo {
  /** When the replica was current last (the clock's time). */
  readonly provedAt: number
  readonly anchors: Anchors
}

type State =
  /** The consumer is being made. What it delivers waits until it is known of which history it is. */
  | { readonly kind: 'opening'; readonly early: [Message, Delivery][] }
  /** What was there when it was made is delivered up to `target`. */
  | { readonly kind: 'filling'; target: number }
  | { readonly kind: 'live'; provedAt: number }
  | { readonly kind: 'over' }

/** So many sessions of a bucket may ask the leader at each audit; of more, each asks so often within the liveness timeout. */
const fewSessions = 50
const asksWithinLiveness = 4
/** So often a session begins anew before it has told anything. */
const mostTries = 3
/**
 * A message that the leader has is lost if it was not delivered within so many ms, and nothing else was. For what was there when the
 * session began, it is the liveness timeout: a busy server has much to deliver.
 */
const longestDelivery = 2000

export class Session implements ConsumerListener {
  readonly #bucket: Bucket
  readonly #names: Names
  readonly #sink: Sink
  #consumer: Consumer | null = null
  readonly #groups: Groups
  #state: State = { kind: 'opening', early: [] }
  /** The stream as the session began with it. */
  #stream!: StreamState
  /** The last place that was delivered, and the one up to which everything of the collection was. */
  #reached = 0
  #complete = 0
  /** Up to this place, atomic batches are not kept together. */
  #ungrouped = 0
  /** The place of a clear whose tombstones are still to come; 0 if there is none. */
  #clearing = 0
  #anchors: Anchors
  readonly #undelivered = new Undelivered()
  /** Somebody says that a message was lost. */
  #isSuspicious = false
  #isComparing = false
  /** What has been delivered and not yet told. */
  #entries: Entry[] = []
  #flushes = false

  constructor(bucket: Bucket, names: Names, sink: Sink) {
    this.#bucket = bucket
    this.#names = names
    this.#sink = sink
    this.#groups = new Groups((list) => this.#tellGroup(list))
    this.#anchors = new Anchors(bucket.context.clock)
  }

  async start(from: Cursor | null): Promise<void> {
    try {
      let state = await this.#bucket.open()
      for (let tries = 0; !this.#isOver; tries++) {
        const after = from === null ? null : await this.#resumeAfter(from, state)
        if (this.#isOver) return
        this.#consumer = new Consumer(this.#bucket, this.#names.start, this)
        if (state.exists) await this.#consumer.open(after, state)
        const begun = state
        state = await this.#bucket.refresh()
        if (state.head < (after ?? 0)) this.#bucket.distrust(after as number, begun)
        else if (state.history === begun.history) return await this.#begin(state, after)
        // The stream was recreated meanwhile, has lost its end, or came into being.
        if (tries === mostTries) throw outOfTouch('the stream changes all the time')
        this.#consumer.close()
        if (!this.#isOver) this.#state = { kind: 'opening', early: [] }
        state = await this.#bucket.open()
      }
    } catch (error) {
      this.fail(translate(error))
    }
  }

  fail(error: MemisError): void {
    if (this.#isOver) return
    this.close()
    this.#sink.stale(error)
  }

  failed(error: MemisError): void {
    this.fail(error)
  }

  close(): void {
    if (this.#isOver) return
    this.#state = { kind: 'over' }
    this.#entries = []
    this.#consumer?.close()
  }

  suspect(): void {
    this.#isSuspicious = true
  }

  delivered(message: Message, delivery: Delivery): void {
    if (this.#state.kind === 'opening') this.#state.early.push([message, delivery])
    else if (!this.#isOver) this.#deliver(message, delivery)
  }

  /** Compares what was told with what the stream's leader says. */
  audited(stream: StreamState): void {
    const state = this.#state
    if (state.kind === 'over' || state.kind === 'opening') return
    if (stream.history !== this.#stream.history) return this.fail(outOfTouch('another epoch began'))
    if (this.#anchors.areGone(stream.first)) return this.fail(outOfTouch('the bucket was purged'))
    if (state.kind === 'live' && stream.head <= this.#complete && !this.#isSuspicious && this.#isWhole) {
      this.#prove()
    } else if (state.kind === 'filling' || this.#isAskDue(state)) this.#compare(stream.head)
  }

  /** No part of an atomic batch or of a clear is still to come. */
  get #isWhole(): boolean {
    return this.#groups.isEmpty && this.#clearing === 0
  }

  get #isOver(): boolean {
    return this.#state.kind === 'over'
  }

  /** The place to go on from; null to be told everything. */
  async #resumeAfter(from: Cursor, { history, retention, first }: StreamState): Promise<number | null> {
    if (from.memo === undefined) return null
    const { provedAt, anchors } = from.memo as Memo
    const away = this.#bucket.context.clock.now() - provedAt
    // A margin for the time that the tombstones take to arrive.
    if (!contains(history, from) || away >= 0.9 * retention) return null
    if (await anchors.werePurged(this.#bucket, first)) return null
    this.#anchors = anchors
    return from.n
  }

  async #begin(stream: StreamState, after: number | null): Promise<void> {
    // Asked after the consumer was made: when this is delivered, so is everything that was there by then.
    const target = stream.exists ? await this.#last() : 0
    if (this.#state.kind !== 'opening') return
    const { early } = this.#state
    this.#stream = stream
    this.#reached = after ?? 0
    this.#complete = this.#reached
    // What a snapshot tells is incomplete anyway.
    this.#ungrouped = after === null ? target : 0
    this.#state = { kind: 'filling', target }
    this.#sink.begin(after === null ? 'snapshot' : 'delta', stream.history)
    for (const [message, delivery] of early) if (!this.#isOver) this.#deliver(message, delivery)
    this.#flush()
  }

  /** The place of the collection's last message; 0 if there is none. */
  async #last(): Promise<number> {
    return (await this.#bucket.read({ last_by_subj: `${this.#names.start}>` }))?.seq ?? 0
  }

  #deliver(message: Message, { n, time, pending }: Delivery): void {
    const { subject } = message
    this.#reached = n
    const facts = factsOf(message)
    this.#stream.trail.add({ n, time, subject: lastingSubject(subject, facts.ttlMs, this.#stream) })
    if (subject === this.#names.cleared) this.#heardClear(n, facts)
    const entry = this.#entryOf(message, n, time, facts)
    if (!this.#groups.add(entry, n, pending, n > this.#ungrouped ? facts : null) && entry !== null)
      this.#entries.push(entry)
    if (entry !== null) this.#anchors.told(subject, entry, n)
    this.#flushSoon()
  }

  #entryOf(message: Message, n: number, time: number, facts: Facts): Entry | null {
    const { subject, data } = message
    if (subject === this.#names.cleared || subject === this.#names.checked) return null
    const [{ host }, key] = [this.#bucket.context, keyOf(this.#names, subject)]
    if (key === undefined) {
      host.report(new MemisError('UNDECODABLE', `${subject}: no key that memis would write so`))
      return null
    }
    const isTooLarge = data.byteLength > host.maxItemBytes
    if (isTooLarge && facts.gone === undefined) {
      const text = `the item has ${data.byteLength} bytes, ${host.maxItemBytes} are allowed: it is ignored`
      host.report(new MemisError('LIMIT_EXCEEDED', text, { key }))
    }
    const text = () => (isTooLarge ? '' : textOf(data))
    return entryOf(key, { n, time, facts, text }, this.#stream, this.#bucket.now(), this.#state.kind === 'live')
  }

  /** A clear's mark comes twice: before its tombstones, and after them with the clear's revision. */
  #heardClear(n: number, { revision }: Facts): void {
    if (revision === undefined) this.#clearing = n
    else if (revision.n >= this.#clearing) this.#clearing = 0
  }

  /** An atomic batch is told as one, after what came before it. */
  #tellGroup(list: readonly Entry[]): void {
    this.#tellEntries()
    if (!this.#isOver) this.#sink.entries(list, true)
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

  #tellEntries(): void {
    const entries = this.#entries
    this.#entries = []
    if (entries.length > 0) this.#sink.entries(entries)
  }

  #flush(): void {
    if (this.#isOver) return
    this.#tellEntries()
    if (this.#isOver || !this.#isWhole) return
    this.#complete = Math.max(this.#complete, this.#reached)
    if (this.#state.kind === 'filling') {
      if (this.#reached < this.#state.target) return
      this.#complete = Math.max(this.#complete, this.#stream.head)
      this.#state = { kind: 'live', provedAt: 0 }
      this.#undelivered.arrived()
    }
    this.#prove()
  }

  #prove(): void {
    if (this.#state.kind !== 'live') return
    const { clock, link } = this.#bucket.context
    const provedAt = clock.now()
    this.#state.provedAt = provedAt
    link.succeeded()
    const memo: Memo = { provedAt, anchors: this.#anchors }
    this.#sink.live({ epoch: currentEpoch(this.#stream.history).id, n: this.#complete, memo })
  }

  #isAskDue(state: Extract<State, { kind: 'live' }>): boolean {
    const { host, clock } = this.#bucket.context
    if (this.#bucket.sessions.size <= fewSessions || this.#undelivered.isAwaited) return true
    return clock.now() - state.provedAt >= host.livenessTimeout / asksWithinLiveness
  }

  /** Asks the leader for the collection's last message. `head` is the stream's last one, as of before. */
  async #compare(head: number): Promise<void> {
    if (this.#isComparing) return
    this.#isComparing = true
    try {
      const last = await this.#last()
      const state = this.#state
      // What was awaited may have been replaced or removed.
      if (state.kind === 'filling') state.target = last
      if (last > this.#reached) return this.#miss()
      this.#undelivered.arrived()
      this.#isSuspicious = false
      this.#clearing = 0
      this.#groups.release()
      this.#complete = Math.max(this.#complete, head)
      this.#flush()
    } catch (error) {
      // A dead link finds itself.
      if ((error as MemisError).code !== 'DISCONNECTED') this.#bucket.context.host.report(error as MemisError)
    } finally {
      this.#isComparing = false
    }
  }

  /** The leader has a message that was not delivered. It may be on its way. */
  #miss(): void {
    const { kind } = this.#state
    if (kind !== 'filling' && kind !== 'live') return
    const { clock, host } = this.#bucket.context
    const patience = kind === 'live' ? Math.min(longestDelivery, host.livenessTimeout / 4) : host.livenessTimeout
    if (!this.#undelivered.isLost(this.#reached, clock.now(), patience)) return
    this.fail(outOfTouch('a message was not delivered'))
  }
}
