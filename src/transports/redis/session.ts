/**
 * One unbroken session of following a collection.
 *
 *     opening ──first part──> filling ──joined──> live ──contents too large to be sent──> filling
 *
 * Only answers of the store end it, or let it go on. A notification that the store signed and that follows on carries changes; any other
 * may provoke one cheap question.
 */
import { MemisError, outOfTouch } from '../../core/errors'
import { currentEpoch, lastCommon } from '../../core/history'
import type { Cursor, Epoch, Sink } from '../../core/transport'
import { turn } from '../../core/turn'
import { auditRefused } from './auditor'
import type { Page } from './decode'
import { readFirstPage } from './first-page'
import { type Notification, type Rejected, readEntries, readNotification } from './notification'
import { Reader } from './reader'
import type { Route } from './route'
import { Scrub } from './scrub'
import type { Found, SessionContext, Standing } from './session-context'
import { type Current, historyOf, noHistory } from './store-record'

/** Messages that arrive before the first part, when nothing tells a true one from others; what is dropped is read again. */
const mostEarly = { count: 1000, length: 8 * 1024 * 1024 }
/** Notifications that wait while the contents are read, up to so many characters; beyond, the store is read again instead. */
const mostWaiting = 32 * 1024 * 1024

type State =
  | { readonly kind: 'opening'; readonly early: string[]; length: number }
  | { readonly kind: 'filling'; waiting: Notification[]; length: number }
  | { readonly kind: 'live' }
  | { readonly kind: 'over' }

export class Session {
  readonly route: Route
  readonly #context: SessionContext
  readonly #sink: Sink
  readonly #reader: Reader
  readonly #scrub: Scrub
  readonly #listener = (message: string) => this.#receive(message)
  #state: State = { kind: 'opening', early: [], length: 0 }
  /** The epoch and history that the session began with; null if nobody has begun an epoch. */
  #current: Current | null = null
  #history: readonly Epoch[] = noHistory
  /** An epoch is due, and this client may not begin it. */
  #toleratesDue = false
  /** Everything up to here has been told, and the store's signature there. */
  #position = 0
  #sign = ''
  #provedAt = 0 // the last answer of the store
  /** A signed notification says that there are places up to here which were not told. */
  #missing = 0
  /** The place that the last audit found, if no notification had told of it yet. */
  #expected = 0
  /** A message of another epoch arrived, which the store has not confirmed yet. */
  #isStrange = false

  constructor(context: SessionContext, sink: Sink) {
    this.#context = context
    this.route = context.route
    this.#sink = sink
    this.#reader = new Reader(context.route, context.keys, context.host)
    this.#scrub = new Scrub(this.#reader)
  }

  async start(from: Cursor | null): Promise<void> {
    try {
      // Subscribed first: what is written while the contents are read is told after them.
      const { route, keys } = this.#context
      await route.subscribe(keys.channel, this.#listener, (error) => this.fail(error))
      // On a cluster, `close` may have come before the way to the node was known.
      if (this.#isOver) return route.unsubscribe(keys.channel, this.#listener)
      await this.#open(from)
    } catch (error) {
      this.fail(error as MemisError)
    }
  }

  fail(error: MemisError): void {
    if (this.#isOver) return
    this.close()
    this.#sink.stale(error)
  }

  close(): void {
    if (this.#isOver) return
    this.#state = { kind: 'over' }
    this.#context.route.unsubscribe(this.#context.keys.channel, this.#listener)
  }

  /** The place that it has reached; undefined while the contents are read. */
  get state(): Standing | undefined {
    if (this.#state.kind !== 'live') return undefined
    const { keys } = this.#context
    return { keys, current: this.#current?.text ?? '', n: this.#position, sign: this.#sign }
  }

  /** The answer of the store: it has something else than what was asked, or (undefined) the same. */
  audited(asked: Standing, found: Found | undefined, isQuestion: boolean): void {
    const { record, host } = this.#context
    if (this.#state.kind !== 'live' || asked.current !== (this.#current?.text ?? '')) return
    if (found !== undefined && found.error !== '') return host.report(auditRefused(found.error))
    const { head, sign } = found ?? { head: asked.n, sign: asked.sign }
    if (found !== undefined && found.current !== asked.current && !(found.current === '' && this.#toleratesDue)) {
      return this.fail(outOfTouch('the store began another epoch'))
    }
    if (head < asked.n || (head === asked.n && sign !== asked.sign)) return this.#wentBack(head, sign)
    if (this.#isStrange) this.#report('UNTRUSTED', 'a notification of an epoch that the store does not confirm')
    this.#isStrange = false
    if (this.#current !== null) record.learn({ epoch: this.#current.id, n: head, sign })
    this.#provedAt = this.#context.clock.now()
    const isGap = this.#position < this.#missing || (!isQuestion && this.#position < this.#expected)
    if (isGap) return this.fail(outOfTouch('a notification was lost'))
    // A notification may be on its way: it was lost only if the next audit comes, and it has not.
    if (!isQuestion) this.#expected = head
    if (found?.hasOverdue && !host.readOnly) this.#context.keep().catch(() => {})
    if (this.#position >= head) this.#sink.live(this.#cursor)
  }

  /** Looks for a part of the items that the server may have evicted. */
  async scrub(): Promise<void> {
    if (this.#state.kind !== 'live') return
    try {
      const news = await this.#scrub.next(this.#history)
      if (!this.#isOver && news.length > 0) this.#sink.entries(news)
    } catch {
      // The audit tells of what fails.
    }
  }

  get #isOver(): boolean {
    return this.#state.kind === 'over'
  }

  get #cursor(): Cursor {
    return { epoch: currentEpoch(this.#history).id, n: this.#position, memo: this.#history }
  }

  async #open(from: Cursor | null): Promise<void> {
    const { record } = this.#context
    const known = historyOf(from)
    const page = await readFirstPage(this.#context, this.#reader, from, known)
    if (this.#isOver) return
    record.setHistory(page.current, page.epochs)
    this.#history = page.current === '' ? noHistory : record.history
    this.#current = page.current === '' ? null : record.current
    this.#toleratesDue = page.isDue
    if (this.#current !== null) record.accept({ epoch: this.#current.id, n: page.head, sign: page.sign })
    const common = from === null ? null : (lastCommon(this.#history, known, from.n)?.n ?? 0)
    const isDelta = from !== null && common === from.n && from.n >= page.forgotten && from.n <= page.head
    // A snapshot need not tell tombstones, except those that are placed after it began.
    const present = common === null ? page.head : isDelta ? 0 : common
    const first = from === null || isDelta ? page : await this.#reader.page(0, present)
    if (this.#isOver) return
    this.#becomeFilling()
    this.#sink.begin(isDelta ? 'delta' : 'snapshot', this.#history)
    await this.#fill(first, present)
  }

  /** From now on messages can be told from others: those that waited unread are read. */
  #becomeFilling(): void {
    const early = this.#state.kind === 'opening' ? this.#state.early : []
    this.#state = { kind: 'filling', waiting: [], length: 0 }
    for (const message of early) this.#receive(message)
  }

  /** Tells a part and those after it, up to the end of the log, and what waits behind it. */
  async #fill(first: Page | null, present: number): Promise<void> {
    let page = first ?? (await this.#reader.page(this.#position, present))
    for (;;) {
      if (this.#isOver) return
      if (page.current !== (this.#current?.text ?? '')) return this.fail(outOfTouch('the store began another epoch'))
      // The server reads on while this part is told: node-redis sends in the next turn of the event loop.
      const next = page.reached < page.head ? this.#reader.page(page.reached, present) : null
      next?.catch(() => {}) // awaited below, unless this part ends the session
      if (next !== null) await turn()
      if (this.#isOver) return
      this.#sink.entries(this.#reader.entries(page, this.#history))
      if (this.#isOver) return
      this.#position = page.reached
      this.#provedAt = this.#context.clock.now()
      if (next === null && this.#join(page)) return
      page = await (next ?? this.#reader.page(this.#position, present))
    }
  }

  /** Ends the filling, unless what waits does not follow on: then there is more to read first. */
  #join({ head, sign }: Page): boolean {
    const state = this.#state
    if (state.kind !== 'filling') return true
    const waiting = state.waiting.filter(({ last }) => last > head)
    const isComplete = state.length <= mostWaiting // otherwise the last of them are missing
    const follows = isComplete && waiting.every(({ first }, i) => first <= (waiting[i - 1]?.last ?? head) + 1)
    state.waiting = []
    state.length = 0
    if (!follows) return false
    this.#sign = sign
    this.#expected = 0
    this.#missing = 0
    this.#state = { kind: 'live' }
    this.#context.route.proved()
    this.#sink.live(this.#cursor)
    for (const notification of waiting) this.#tell(notification)
    return true
  }

  /** Called by node-redis: a throw would lose the messages that came with this one. */
  #receive(message: string): void {
    try {
      const state = this.#state
      if (state.kind === 'over' || this.#context.route.overslept()) return
      if (state.kind === 'opening') {
        if (state.early.length >= mostEarly.count || state.length >= mostEarly.length) return
        state.early.push(message)
        state.length += message.length
        return
      }
      const notification = this.#current === null ? 'strange' : readNotification(message, this.#current)
      if (typeof notification === 'string') return this.#reject(notification)
      if (state.kind === 'live') return this.#tell(notification)
      if (state.length <= mostWaiting && notification.last > this.#position) {
        state.waiting.push(notification)
        state.length += message.length
      }
    } catch (error) {
      this.fail(outOfTouch('a notification could not be handled', error))
    }
  }

  #reject(why: Rejected): void {
    if (why === 'foreign') return this.#report('UNDECODABLE', 'a message that is not a notification of memis')
    if (why === 'unsigned') return this.#report('UNTRUSTED', 'a notification that the store did not sign')
    this.#isStrange = true // only the store can tell whether it began that epoch
    this.#ask()
  }

  /** A notification that the store signed. */
  #tell(notification: Notification): void {
    if (this.#isOver || this.#current === null) return
    const { record, host } = this.#context
    const { first, last, sign, before } = notification
    // A true one comes only after somebody began the epoch that is due.
    if (this.#toleratesDue) return this.#ask()
    if (first <= this.#position) return this.#tellOld(notification)
    if (first > this.#position + 1) {
      this.#missing = Math.max(this.#missing, first - 1)
      return this.#ask()
    }
    if (before !== this.#sign.slice(0, 16)) return this.#wentBack(this.#position, `${before}…`)
    if (notification.isQuiet) return this.#readOn()
    const entries = readEntries(notification, this.#current.id, host.maxItemBytes)
    if (entries === undefined) {
      this.#report('UNDECODABLE', 'a notification that is not in the form of memis')
      return this.fail(outOfTouch('a notification could not be decoded'))
    }
    this.#position = last
    this.#sign = sign
    record.remember(this.#current.id, first, last, sign, entries.at(-1))
    record.learn({ epoch: this.#current.id, n: last, sign })
    this.#scrub.told(entries)
    this.#sink.entries(entries, notification.isAtomic)
    // Notifications prove nothing if the store no longer answers.
    if (this.#isOver || this.#context.clock.now() - this.#provedAt > host.livenessTimeout) return
    this.#sink.live(this.#cursor)
  }

  /** It is of places that were told before: a replay, or the store went back and takes them a second time. */
  #tellOld({ first, last, sign }: Notification): void {
    const { record } = this.#context
    const relation = record.compare(first, last, sign)
    if (relation === 'replay') return
    if (relation === undefined) return this.#ask()
    record.common = Math.min(record.common ?? Infinity, relation.common)
    this.fail(outOfTouch(`the store took the place ${first} a second time`))
  }

  /** The contents were too large to be sent. */
  #readOn(): void {
    this.#state = { kind: 'filling', waiting: [], length: 0 }
    this.#fill(null, 0).catch((error: MemisError) => this.fail(error))
  }

  /** The store has less than it told, or something else. */
  #wentBack(head: number, sign: string): void {
    const { record } = this.#context
    record.wentBack({ epoch: this.#current?.id ?? '', n: head, sign })
    this.fail(outOfTouch(`the store is at ${head}, and had told ${this.#position}`))
  }

  #ask(): void {
    if (this.#state.kind !== 'live') return
    const { record, clock } = this.#context
    if (record.mayAsk(clock.now())) this.#context.ask()
  }

  #report(code: 'UNDECODABLE' | 'UNTRUSTED', what: string): void {
    const { host, keys } = this.#context
    host.report(new MemisError(code, `${what} arrived; it was ignored`, { collection: keys.channel }))
  }
}
