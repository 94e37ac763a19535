/**
 * One collection's copy in one process, and the rules by which it changes. Whatever changes it (a snapshot, a
 * notification, a resync, an own write, a ttl that ran out) passes `#put` or `#drop`, which give the event. No I/O.
 */
import type { Clock } from './clock'
import { decodeItem, encodeItem, equalItems } from './codec'
import { Doubts, type Fate, type Older } from './doubts'
import { MemisError, quote } from './errors'
import { type Due, ExpiryQueue } from './expiry'
import { isKey } from './names'
import type { Change, Gone, KeyWrite, Position, Revision, Taken, Write } from './transport'

/** Why a replica changed: by its first contents, by news, or by catching up after it was out of touch. */
export type Cause = 'snapshot' | 'live' | 'resync'

/** What an event tells beside key and item. */
export interface ChangeInfo<T> {
  /** The store's mark of order on this change; opaque, to be compared for equality only. */
  readonly revision: string
  /** The item that `get` gave before this change. */
  readonly previous: Readonly<T> | undefined
  readonly cause: Cause
}

export interface ReplicaListener<T> {
  changed(event: 'set' | Gone, key: string, item: Readonly<T>, info: ChangeInfo<T>): void
  report(error: MemisError): void
}

/** After so many ms of telling what is due, the event loop gets its turn. */
const sliceMs = 10
/** Timers of Node.js fire at once when they are set for longer than 2^31-1 ms. */
const longestTimer = 2 ** 30
/** So many epochs are remembered: a store remembers as many of its own. */
const maxPast = 32
/** Marks of what is gone are kept for `retention`, and no more of them than this. */
const maxMarks = 100_000
/** However short the retention: for as long as contents may be under way in which what is gone still stands (ms). */
const leastRetention = 10_000

/** What is known of an item that expires, beside itself. */
class Timed implements Due {
  deadline = 0
  slot = -1
  constructor(
    readonly key: string,
    public n: number,
  ) {}
}

const numberOf = (held: number | Timed) => (typeof held === 'number' ? held : held.n)

/** That a key was gone as of `n`: an older change of it that arrives late must not bring it back. */
interface Mark {
  n: number
  readonly since: number
}

export class Replica<T extends object> {
  /** A Map of its own, so that a `get` of memis is one of a Map. */
  readonly items = new Map<string, Readonly<T>>()
  /** The number of each item's revision; an item without a deadline costs no room for one. */
  readonly numbers = new Map<string, number | Timed>()
  /** Up to where everything is known, or null before the first contents. */
  position: Position | null = null

  /** Something is held that the store lost: only the whole contents can tell what it has instead. */
  #incomplete = false
  readonly #clock: Clock
  readonly #retention: number
  readonly #listener: ReplicaListener<T>
  readonly #marks = new Map<string, Mark>()
  /** The marks by age, those that are outdated among them: a Map gets slow when its oldest entries are removed one by one. */
  #markAges: { readonly key: string; readonly mark: Mark }[] = []
  #oldestMark = 0
  readonly #due = new ExpiryQueue<Timed>()
  /** What the store lost, or may have. */
  readonly doubts = new Doubts()
  /** What was put back after a loss, and not written since: the revision that it first had. */
  readonly #origins = new Map<string, Revision>()
  /** The epochs before this one, newest first. */
  #past: readonly Revision[] = []
  /** All that this replica was in and left: an answer that comes from one of them is of a write that was lost. */
  readonly #left = new Set<string>()
  /** The own clear that was last: what was taken before it is gone, whatever is told later. */
  #cleared: Revision | null = null
  /** Own writes of an epoch that no session has begun yet: newer than anything that this one can tell. */
  readonly #ahead = new Map<string, Revision>()
  #epoch: string | null = null
  /** Changes numbered so or lower say nothing new, whatever their key. */
  #floor = 0
  /** So says the floor of old also to own answers that come late while everything is told anew. */
  #settled = 0
  /** While the whole contents are told: what is held, and was not told yet. */
  #untold: Set<string> | null = null
  /** The store lost what came after `common`, and until `at` everything was known: what it has from before and is not held was gone. */
  #lapse: { readonly at: Revision; readonly common: number } | null = null
  #cause: Cause = 'snapshot'
  /** What the store lost is to be put back. */
  #restores = false
  #timer: unknown
  #timerAt = Infinity
  #discarded = false

  constructor(clock: Clock, retention: number, listener: ReplicaListener<T>) {
    this.#clock = clock
    this.#retention = Math.max(retention, leastRetention)
    this.#listener = listener
  }

  /** Where the next session is to go on from. */
  get from(): Position | null {
    return this.#incomplete && this.position !== null ? { ...this.position, whole: true } : this.position
  }

  /** A session begins: see `Sink.begin`. `restores`: what the store lost is to be kept and put back, not dropped. */
  begin(how: 'delta' | 'whole', epoch: string, common: number, restores: boolean): void {
    this.#cause = this.position === null ? 'snapshot' : 'resync'
    this.#restores = restores
    this.#untold = how === 'whole' ? new Set(this.numbers.keys()) : null
    if (how === 'whole') this.doubts.retell()
    this.#lapse = null
    this.#floor = Math.max(
      how === 'whole' ? 0 : (this.position?.n ?? 0),
      this.#cleared?.epoch === epoch ? this.#cleared.n : 0,
    )
    this.#settled = epoch === this.position?.epoch && common === Infinity ? this.position.n : 0
    if (epoch !== this.#epoch || this.#ahead.size > 0) this.#fork(epoch, common)
    else if (epoch === this.position?.epoch && common < Infinity) this.#renumber((_, n) => (n > common ? 0 : n))
  }

  changes(list: readonly Change[]): void {
    for (const change of list) {
      if (this.#discarded) return
      this.#apply(change)
    }
  }

  /** Everything up to `n` has been told. Returns whether that ended a catching up. */
  live(n: number): boolean {
    const caughtUp = this.#cause !== 'live'
    if (this.#untold !== null) {
      this.#dropUntold(this.#untold, n)
      this.#incomplete = false
    }
    this.#untold = null
    this.#cause = 'live'
    this.#floor = Math.max(this.#floor, n)
    this.position = { epoch: this.#epoch as string, n, past: this.#past }
    this.#forget()
    return caughtUp
  }

  /**
   * The outcome of an own write, as soon as it is known: its event comes before its promise settles (W3). Returns whether
   * it comes from another epoch than the session's: then it counts as newest, until another session tells which one is over.
   */
  written(write: Write, epoch: string, outcome: Taken): boolean {
    // Of a store that is no more. Who has subscribed since then knows of none that it left, but names tell which is older.
    if (this.#left.has(epoch) || (this.#epoch !== null && epoch < this.#epoch)) return false
    const ahead = epoch !== this.#epoch
    if (write.kind === 'clear') this.#clear({ epoch, n: outcome.n }, ahead)
    else if (ahead) this.#writtenAhead(write, { epoch, n: outcome.n }, outcome)
    else this.#take(write, outcome.n, outcome)
    return ahead && this.#epoch !== null
  }

  #writtenAhead(write: KeyWrite, at: Revision, outcome: Taken): void {
    const own = this.#ahead.get(write.key)
    if (own?.epoch === at.epoch && own.n >= at.n) return
    this.#current(write.key)
    if (this.#discarded) return
    this.#ahead.set(write.key, at)
    this.#take(write, Infinity, outcome)
  }

  #take(write: KeyWrite, n: number, { gone = 'delete', leftMs }: Taken): void {
    const { key } = write
    const known = this.items.has(key) ? this.#known(key) : Math.max(this.#known(key), this.#settled)
    // Answers come in the order of the calls: one that is ahead counts over all else, until another one comes.
    const later = n === Infinity || this.#ahead.delete(key)
    // A number that is known is the echo's, which came first; of a delete, it may be the item's own.
    if (!later && (write.kind === 'set' ? n <= known : n < known)) return
    // What expired here while it was put back expires there as well: it is not told anew.
    const expired = write.restores !== undefined && !this.items.has(key) && this.doubts.get(key) !== undefined
    this.doubts.resolve(key, n, write.restores !== undefined)
    this.#remember(key, write.restores?.origin)
    if (write.kind === 'delete' || expired) return this.#drop(expired ? 'expire' : gone, key, n, 'live')
    this.#untold?.add(key)
    this.#put(key, n, write.item.item as Readonly<T>, leftMs === undefined ? write.ttlMs : leftMs, 'live')
  }

  /** The write that puts a key back as it was; undefined where that is not in doubt any more. */
  restoration(key: string): KeyWrite | undefined {
    const doubt = this.doubts.get(key)
    if (this.#discarded || doubt === undefined || this.#epoch === null) return undefined
    const restores = { epoch: this.#epoch, floor: doubt.floor, origin: doubt.origin }
    const item = this.items.get(key)
    const held = this.numbers.get(key)
    const leftMs = held instanceof Timed ? Math.round(held.deadline - this.#clock.now()) : null
    // No store takes a ttl of less than a millisecond: that is over.
    const isOver = leftMs !== null && leftMs < 1
    if (isOver) this.#drop('expire', key, 0, 'live')
    if (this.#discarded) return undefined
    if (item === undefined || isOver) return { kind: 'delete', key, restores }
    return { kind: 'set', key, item: encodeItem(key, item, Infinity), ttlMs: leftMs, restores }
  }

  /** Takes the store's word: what is in doubt is as the store has it. */
  giveUp(): void {
    for (const key of this.doubts.keys) {
      if (this.#discarded) return
      const older = this.doubts.giveUp(key)
      if (older === undefined) this.#drop('delete', key, this.#floor, 'resync')
      else this.#accept(waited(older, this.#clock.now()), 'resync')
    }
  }

  /** Empties the replica without events; it is not used again. */
  discard(): void {
    this.#discarded = true
    this.items.clear()
    this.numbers.clear()
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
  }

  /** The newest number that is known for a key. */
  #known(key: string): number {
    const held = this.numbers.get(key)
    return held === undefined ? Math.max(this.#marks.get(key)?.n ?? 0, this.#floor) : numberOf(held)
  }

  #apply(change: Change): void {
    if (!isChange(change)) {
      this.#listener.report(new MemisError('UNDECODABLE', 'a change without proper kind, key, number and time left'))
      return
    }
    const { kind, key, n } = change
    this.#untold?.delete(key)
    if (kind === 'lost') return this.#lose(key, n)
    const lapse = this.#lapse
    if (lapse !== null && kind === 'set' && n <= lapse.common && !this.items.has(key) && n > this.#known(key)) {
      // It was deleted in what the store lost: the mark of that is no more here, or never was. What is no item stays untouched.
      if (decodeItem(change.item) !== undefined) this.doubts.raise(key, lapse.at, lapse.common)
    }
    const doubt = this.doubts.get(key)
    if (doubt !== undefined) {
      if (this.doubts.overrules(change, this.#clock.now())) return
      const { origin } = change
      this.doubts.resolve(key, n, origin !== undefined)
      // What expired here before somebody put it back is over: it is not told anew.
      const isOver = origin !== undefined && isEqual(origin, doubt.origin) && !this.items.has(key)
      if (isOver && n > this.#known(key)) return this.#accept({ kind: 'expire', key, n, origin }, this.#cause)
    }
    if (n > this.#known(key)) this.#accept(change, this.#cause)
  }

  /** The store lost an item that was numbered so: what is held of it, be it older, is the best that there is. */
  #lose(key: string, n: number): void {
    const held = this.numbers.get(key)
    const doubt = this.doubts.get(key)
    if (doubt !== undefined) return this.doubts.raise(key, doubt.origin, n)
    if (held === undefined || numberOf(held) > n) return
    if (!this.#restores) return this.#drop('delete', key, n, this.#cause)
    this.doubts.raise(key, this.#origins.get(key) ?? { epoch: this.#epoch as string, n: numberOf(held) }, n)
  }

  #accept(change: Fate, cause: Cause): void {
    const { kind, key, n } = change
    this.#remember(key, change.origin)
    if (kind !== 'set') return this.#drop(kind, key, n, cause)
    const item = decodeItem(change.item)
    if (item !== undefined) return this.#put(key, n, item as T, change.leftMs, cause)
    this.#listener.report(new MemisError('UNDECODABLE', `${quote(key)}: what the store holds is no item`))
    this.#drop('delete', key, n, cause)
  }

  #put(key: string, n: number, item: Readonly<T>, leftMs: number | null, cause: Cause): void {
    const held = this.#current(key)
    if (this.#discarded) return
    const previous = held === undefined ? undefined : this.items.get(key)
    const same = equalItems(previous, item)
    if (!same) this.items.set(key, item)
    if (leftMs === null) {
      if (held instanceof Timed) this.#due.remove(held)
      this.numbers.set(key, n)
    } else {
      const now = this.#clock.now()
      let timed: Timed
      if (held instanceof Timed) {
        timed = held
        timed.n = n
      } else {
        timed = new Timed(key, n)
        this.numbers.set(key, timed)
      }
      this.#due.put(timed, now + leftMs, now)
      this.#arm()
    }
    if (held === undefined) this.#marks.delete(key)
    if (!same) this.#tell('set', key, n, item, previous, cause)
  }

  #drop(event: Gone, key: string, n: number, cause: Cause): void {
    const held = event === 'expire' ? this.numbers.get(key) : this.#current(key)
    if (this.#discarded) return
    this.#mark(key, n)
    if (held === undefined) return
    if (held instanceof Timed) this.#due.remove(held)
    const last = this.items.get(key) as Readonly<T>
    this.items.delete(key)
    this.numbers.delete(key)
    this.#tell(event, key, n, last, last, cause)
  }

  /** What is held of a key. A timer may be late: what arrives after a deadline finds the item expired all the same. */
  #current(key: string): number | Timed | undefined {
    const held = this.numbers.get(key)
    if (!(held instanceof Timed) || held.deadline > this.#clock.now()) return held
    this.#drop('expire', key, held.n, 'live')
    return this.numbers.get(key)
  }

  #tell(
    event: 'set' | Gone,
    key: string,
    n: number,
    item: Readonly<T>,
    previous: Readonly<T> | undefined,
    cause: Cause,
  ): void {
    const own = n === Infinity ? this.#ahead.get(key) : n === 0 ? this.doubts.get(key)?.origin : undefined
    const at = own ?? { epoch: this.#epoch, n }
    this.#listener.changed(event, key, item, { revision: `${at.epoch}.${at.n}`, previous, cause })
  }

  #mark(key: string, n: number): void {
    const mark = { n, since: this.#clock.now() }
    this.#marks.set(key, mark)
    this.#markAges.push({ key, mark })
    this.#forget()
  }

  /** Removes the marks that are old, or too many. */
  #forget(): void {
    const now = this.#clock.now()
    const known = this.position?.n ?? 0
    for (
      let oldest = this.#markAges[this.#oldestMark];
      oldest !== undefined;
      oldest = this.#markAges[this.#oldestMark]
    ) {
      // One that is ahead of what is known may yet be followed by older changes of its key.
      const isCurrent = this.#marks.get(oldest.key) === oldest.mark
      const isYoung = oldest.mark.since > now - this.#retention && this.#marks.size <= maxMarks
      if (isCurrent && (oldest.mark.n > known || isYoung)) break
      if (isCurrent) this.#marks.delete(oldest.key)
      if (isCurrent && !this.items.has(oldest.key)) this.#remember(oldest.key, undefined)
      this.#oldestMark++
    }
    if (this.#markAges.length < 2 * this.#marks.size + 1000) return
    this.#markAges = this.#markAges.filter(({ key, mark }) => this.#marks.get(key) === mark)
    this.#oldestMark = 0
  }

  /** The whole contents were told: what was not, and is not newer, is gone. */
  #dropUntold(untold: ReadonlySet<string>, n: number): void {
    for (const key of untold) {
      if (this.#discarded) return
      const held = this.numbers.get(key)
      if (held === undefined || this.doubts.get(key) !== undefined || numberOf(held) > n) continue
      this.#remember(key, undefined)
      this.#drop('delete', key, n, this.#cause)
    }
  }

  #clear(cleared: Revision, ahead: boolean): void {
    this.#cleared = cleared
    // What was lost before it is not put back after it.
    this.doubts.clear(cleared.n)
    // Ahead of the session, nothing that it tells is news.
    this.#floor = ahead ? Infinity : Math.max(this.#floor, cleared.n)
    for (const [key, held] of this.numbers) {
      if (this.#discarded) return
      const own = ahead ? this.#ahead.get(key) : undefined
      const newer = ahead ? own?.epoch === cleared.epoch && own.n > cleared.n : numberOf(held) > cleared.n
      if (newer && (ahead || !this.#ahead.delete(key))) continue
      if (ahead) this.#ahead.set(key, cleared)
      this.#remember(key, undefined)
      this.#drop('delete', key, ahead ? Infinity : cleared.n, 'live')
    }
  }

  /**
   * Another epoch: what was taken after `common` belongs to a history that the store no longer has. So do own writes of an
   * epoch that is not this one, which was asked for after they were answered.
   */
  #fork(epoch: string, common: number): void {
    const former = this.#epoch
    if (epoch !== former) {
      this.#epoch = epoch
      this.#past =
        former === null || common === 0 ? [] : [{ epoch: former, n: common }, ...this.#past].slice(0, maxPast)
      this.#leave(former)
      this.#left.delete(epoch)
      this.doubts.lower(common)
      const { position } = this
      if (this.#restores && position !== null && position.n > common)
        this.#lapse = { at: { epoch: position.epoch, n: position.n }, common }
    }
    for (const own of this.#ahead.values()) if (own.epoch !== epoch) this.#leave(own.epoch)
    this.#renumber((key, n) => {
      const own = this.#ahead.get(key)
      if (own?.epoch === epoch) return own.n
      if (own === undefined && n <= common) return n
      const origin = own ?? this.#origins.get(key) ?? (former === null ? undefined : { epoch: former, n })
      // Of an own write of a history that is not known, nothing that the store has is known to be older.
      if (this.#restores && origin !== undefined && n > 0)
        this.doubts.raise(key, origin, own === undefined ? common : 0, own !== undefined)
      this.#incomplete = true
      return 0
    })
    this.#ahead.clear()
    // What was in doubt is as the whole contents tell: the store may have an older state of it.
    if (!this.#restores && this.doubts.clear()) this.#incomplete = true
  }

  #leave(epoch: string | null): void {
    if (epoch !== null) this.#left.add(epoch)
    for (const oldest of this.#left) if (this.#left.size > maxPast) this.#left.delete(oldest)
  }

  #remember(key: string, origin: Revision | undefined): void {
    if (origin !== undefined) this.#origins.set(key, origin)
    else if (this.#origins.size > 0) this.#origins.delete(key)
  }

  #renumber(numbered: (key: string, n: number) => number): void {
    for (const [key, held] of this.numbers) {
      const n = numbered(key, numberOf(held))
      if (typeof held === 'number') this.numbers.set(key, n)
      else held.n = n
    }
    for (const [key, mark] of this.#marks) mark.n = numbered(key, mark.n)
  }

  #arm(): void {
    const next = this.#due.next ?? Infinity
    if (next >= this.#timerAt) return
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timerAt = next
    const wait = Math.max(0, Math.ceil(next - this.#clock.now()))
    this.#timer = this.#clock.setTimeout(() => this.#expire(), Math.min(wait, longestTimer))
  }

  /** Tells what is due, in slices, and sets the timer for what comes next. */
  #expire(): void {
    this.#timer = undefined
    this.#timerAt = Infinity
    const started = this.#clock.now()
    let now = started
    while (!this.#discarded && now - started < sliceMs) {
      const due = this.#due.take(now)
      if (due === undefined) break
      this.#drop('expire', due.key, due.n, 'live')
      now = this.#clock.now()
    }
    if (!this.#discarded) this.#arm()
  }
}

const isEqual = (one: Revision, other: Revision) => one.epoch === other.epoch && one.n === other.n

function isChange(change: Change): boolean {
  if (typeof change !== 'object' || change === null) return false
  const { kind, key, n } = change
  const origin = kind === 'lost' ? undefined : change.origin
  if (origin !== undefined && (typeof origin?.epoch !== 'string' || !Number.isFinite(origin.n))) return false
  if (!isKey(key) || !Number.isSafeInteger(n) || n < 1) return false
  if (kind === 'set') return change.leftMs === null || Number.isFinite(change.leftMs)
  return kind === 'delete' || kind === 'expire' || kind === 'lost'
}

/** A change that was told a while ago, as it would be told now. */
function waited({ change, at }: Older, now: number): Fate {
  if (change.kind !== 'set' || change.leftMs === null) return change
  return { ...change, leftMs: change.leftMs - (now - at) }
}
