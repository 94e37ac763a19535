/** One unbroken session of following a collection: the notifications, and before them what was missed. */
import { precedes, resume } from '../../core/epochs'
import { MemisError, outOfTouch } from '../../core/errors'
import type { Host, Position, Revision, Sink } from '../../core/transport'
import { turn } from '../../core/turn'
import { decodeHeader, decodePage, decodePayload, type Header, type Page } from './decode'
import type { Link } from './link'
import type { Keys } from './names'
import { readScript, scrubScript } from './scripts'

/** A part that is read is bounded, so that the server is not held up for long. */
const pageKeys = 1000
const pageBytes = 1024 * 1024
/** What arrives while the past is read waits, up to so many characters; beyond, it is read again instead. */
const mostWaiting = 32 * 1024 * 1024

/** How often a part of the items is looked for that the server may have evicted: so many at each audit. */
const scrubKeys = 500

/** What is known of a collection from one session to the next. */
export interface Trust {
  /** Up to which number a replica can rely on what it was told. */
  upTo: number
  /** Items are missing in the store: what changed is not enough, everything is to be told. */
  whole: boolean
  /** The keys of which that is known, and which nobody has put back. */
  readonly missing: Set<string>
  /** The newest revision that the store itself has named. */
  known: Revision
  /** The store gives numbers above this one anew: it was put back to an older copy of itself while it ran. */
  rewound: number
}

export const newTrust = (): Trust => {
  return { upTo: Infinity, whole: false, missing: new Set(), known: { epoch: '', n: 0 }, rewound: Infinity }
}

/** The store has named a revision. */
export function learn(trust: Trust, known: Revision): void {
  if (precedes(trust.known, known)) trust.known = known
}

/** What a reader has heard of from the store itself, and up to which number that still holds good. */
export interface Known extends Revision {
  readonly floor: number
}

export class Session {
  readonly #link: Link
  readonly #keys: Keys
  readonly #host: Host
  readonly #sink: Sink
  /** Has the store begin an epoch, where it is another than that of the last write, went back, or was never written to. */
  readonly #found: (known?: Known) => Promise<unknown>
  readonly #trust: Trust
  readonly #listener = (message: string) => this.#hear(message)
  #epoch = ''
  /** Everything up to this number has been told. */
  #position = 0
  /** Notifications that came while the past is read; null when they are told at once. */
  #waiting: Header[] | null = []
  #waitingLength = 0
  /** Up to here the contents were read: notifications of it may still be on their way. */
  #readUpTo = 0
  #over = false
  /** The number that the last audit found, where no notification had told of it yet. */
  #expected = 0
  /** Up to which number the scrub has looked. */
  #scrubbed = 0
  #scrubbing = false

  constructor(
    link: Link,
    keys: Keys,
    host: Host,
    sink: Sink,
    found: (known?: Known) => Promise<unknown>,
    trust: Trust,
  ) {
    this.#trust = trust
    this.#link = link
    this.#keys = keys
    this.#host = host
    this.#sink = sink
    this.#found = found
  }

  async start(from: Position | null): Promise<void> {
    try {
      // Subscribed first: what is written while the past is read is heard, and told after it.
      await this.#link.subscribe(this.#keys.channel, this.#listener)
      if (!this.#over) await this.#catchUp(from)
    } catch (error) {
      this.fail(error as MemisError)
    }
  }

  fail(error: MemisError): void {
    if (this.#over) return
    this.close()
    this.#sink.stale(error)
  }

  /** The keys to audit and what it should say; undefined while the past is read. */
  get state(): { keys: Keys; epoch: string; position: number } | undefined {
    if (this.#over || this.#waiting !== null) return undefined
    return { keys: this.#keys, epoch: this.#epoch, position: this.#position }
  }

  /** What the audit found: another state than the one it was sent with, or (undefined) the same. */
  audited(sent: number, found?: { epoch: string; head: number; overdue: number }): void {
    if (this.state === undefined) return
    const head = found?.head ?? sent
    if (found !== undefined && found.epoch !== this.#epoch)
      return this.fail(outOfTouch('the store began another epoch'))
    if (head < sent) {
      this.#distrust(head)
      return this.fail(outOfTouch(`the store is at ${head}, where ${sent} was told`))
    }
    learn(this.#trust, { epoch: this.#epoch, n: head })
    // A notification may be on its way: only when the next audit comes and it has not, was it lost.
    if (this.#position < this.#expected) return this.fail(outOfTouch('a notification was lost'))
    this.#expected = head
    // Who may only read leaves the marks that are due to the others.
    if (found !== undefined && found.overdue > 0) this.#found().catch(() => {})
    if (this.#position >= head) this.#sink.live(this.#position)
  }

  /** Looks for a part of the items that the server may have evicted. */
  async scrub(): Promise<void> {
    if (this.state === undefined || this.#scrubbing) return
    const { log, ttl, items } = this.#keys
    this.#scrubbing = true
    try {
      const args = [String(this.#scrubbed), String(scrubKeys), items]
      const [reached, missing] = (await this.#link.run(scrubScript, [log, ttl], args)) as [number, string[]]
      this.#scrubbed = reached
      const news = missing.filter((key) => !this.#trust.missing.has(key))
      if (news.length === 0 || this.state === undefined) return
      for (const key of news) this.#trust.missing.add(key)
      this.#trust.whole = true
      this.fail(outOfTouch('the store evicted items'))
    } catch {
      // The audit tells of what fails.
    } finally {
      this.#scrubbing = false
    }
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    this.#waiting = null
    this.#link.unsubscribe(this.#keys.channel, this.#listener)
  }

  async #catchUp(since: Position | null): Promise<void> {
    const from: Position | null = since !== null && this.#trust.whole ? { ...since, whole: true } : since
    let page = await this.#read(from?.n ?? 0, from === null ? Infinity : 0)
    const { known, rewound } = this.#trust
    if (page.moved || rewound < Infinity || precedes({ epoch: epochOf(page), n: page.head }, known)) {
      const floor = Math.min(rewound, known.n)
      // Who may only read goes without.
      await this.#found(known.epoch === '' ? undefined : { ...known, floor }).catch(() => {})
      page = await this.#read(from?.n ?? 0, from === null ? Infinity : 0)
    }
    if (this.#over) return
    this.#trust.known = { epoch: epochOf(page), n: page.head }
    this.#trust.rewound = Infinity
    const { after, common } = resume(from, { ...page, head: Math.min(page.head, this.#trust.upTo) })
    // What was gone before the first part need not be told where everything is; what goes from now on must.
    // A replica with a history that parted from this one must know also of what has gone since.
    let present = 0
    if (after === null) present = from === null || common === Infinity ? page.head : common
    if (after === null && from !== null) page = await this.#read(0, present)
    if (this.#over) return
    this.#epoch = epochOf(page)
    this.#sink.begin(after === null ? 'whole' : 'delta', this.#epoch, common)
    for (;;) {
      // The server reads on while this part is told: node-redis sends in the next turn of the event loop.
      const next = page.reached < page.head ? this.#read(page.reached, present) : null
      next?.catch(() => {}) // heard below, unless this part ends the session
      if (next !== null) await turn()
      if (this.#over) return
      this.#sink.changes(page.changes())
      if (this.#over) return
      this.#position = page.reached
      if (next === null && this.#tellWaiting(page.head)) return
      page = await (next ?? this.#read(this.#position, present))
      if (this.#over) return
      if (epochOf(page) !== this.#epoch) return this.fail(outOfTouch('the store began another epoch'))
    }
  }

  /** Ends the catching up, unless what waits does not join on: then there is more to read first. */
  #tellWaiting(head: number): boolean {
    const waiting = (this.#waiting ?? []).filter((header) => header.last > head)
    const whole = this.#waitingLength <= mostWaiting // else the last of them are missing
    const joins = whole && waiting.every((header, i) => header.first <= (waiting[i - 1]?.last ?? head) + 1)
    this.#waiting = joins ? null : []
    this.#waitingLength = 0
    if (!joins) return false
    this.#readUpTo = head
    this.#trust.upTo = Infinity
    this.#trust.whole = false
    this.#sink.live(head)
    for (const header of waiting) this.#tell(header)
    return true
  }

  /** A part of what was written after a number; what is gone is told if its number is above `present`. */
  async #read(after: number, present: number): Promise<Page> {
    const { meta, log, ttl, origins, items } = this.#keys
    const upTo = Math.min(present, Number.MAX_SAFE_INTEGER)
    const args = [String(after), String(upTo), String(pageKeys), String(pageBytes), items]
    const page = decodePage(await this.#link.run(readScript, [meta, log, ttl, origins], args))
    if (page.layout === '1') return page
    throw new MemisError('UNSUPPORTED_STORE', `the collection has layout ${page.layout}, this memis knows layout 1`)
  }

  /** Called by node-redis, where a throw would lose the notifications that came with this one. */
  #hear(message: string): void {
    if (this.#over) return
    try {
      if (this.#link.overslept()) return
      const header = decodeHeader(message)
      if (header === undefined) {
        this.#host.report(new MemisError('UNDECODABLE', `${this.#keys.channel}: a message that is not of memis`))
      } else if (this.#waiting === null) this.#tell(header)
      else if (this.#waitingLength <= mostWaiting) {
        this.#waiting.push(header)
        this.#waitingLength += message.length
      }
    } catch (error) {
      this.fail(outOfTouch('a notification could not be handled', error))
    }
  }

  /**
   * What was told above this number is not what the store has there, or will have by the time that it is read again. Where the
   * store itself has named a number above it, it went back. Else what was told was not the store's, and is not to be relied on.
   */
  #distrust(n: number): void {
    const { known } = this.#trust
    if (this.#epoch === known.epoch && n < known.n) this.#trust.rewound = n
    else this.#trust.upTo = n
  }

  #tell(header: Header): void {
    if (this.#over) return
    const { epoch, first, last } = header
    if (epoch !== this.#epoch) return this.fail(outOfTouch('the store began another epoch'))
    if (last <= this.#readUpTo) return
    if (first <= this.#position) {
      this.#distrust(first - 1)
      return this.fail(outOfTouch(`the change ${first} was told twice`))
    }
    if (first > this.#position + 1) {
      return this.fail(outOfTouch(`the changes ${this.#position + 1} to ${first - 1} were not heard of`))
    }
    const changes = decodePayload(header)
    if (changes === undefined) {
      this.#host.report(new MemisError('UNDECODABLE', `${this.#keys.channel}: a notification that is not of memis`))
      return this.fail(outOfTouch('a notification could not be decoded'))
    }
    this.#position = last
    if (this.#trust.missing.size > 0) for (const { key } of changes) this.#trust.missing.delete(key)
    this.#sink.changes(changes)
    if (!this.#over) this.#sink.live(last)
  }
}

const epochOf = (page: Page): string => page.epochs.at(-1)?.id ?? ''
