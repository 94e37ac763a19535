/** Everything that the store told a client about one collection. No I/O. */
import { currentEpoch } from '../../core/history'
import type { Cursor, Entry, Epoch, Revision } from '../../core/transport'

/** The current epoch as `epoch` of meta holds it. */
export interface Current {
  /** The field as it is. */
  readonly text: string
  readonly id: string
  readonly floor: number
  /** Signs the notifications of this epoch. */
  readonly secret: string
}

/** A place that the store named, and its signature there: two histories with the same places differ in it. */
export interface Point extends Revision {
  readonly sign: string
}

/** Notifications whose signatures are remembered, to recognise a replay, and a store that takes places a second time. */
const mostRemembered = 100
/** The store is asked of so many notifications whether it has their last entry. */
const mostWitnesses = 8
/** Questions that messages may provoke: so many at once, and one more each so many ms. */
const budget = { most: 10, refill: 3000 }

export function parseCurrent(text: string): Current | null {
  const match = /^([0-9a-f]{11}-[0-9a-f]{8}) (\d{1,16}) ([0-9A-Za-z-]{1,60}) ([0-9a-f]{40})$/.exec(text)
  if (match === null) return null
  const [, id = '', floor, , secret = ''] = match
  return { text, id, floor: Number(floor), secret }
}

/** The epochs before the current one as `epochs` of meta holds them; none if they are malformed, or do not sort before it. */
export function parseEpochs(text: string, current: Epoch): Epoch[] {
  const epochs: Epoch[] = []
  let last: Epoch = { id: '', floor: 0 }
  for (const each of text.split(' ').filter(Boolean)) {
    const [, id = '', floor] = /^([0-9a-f]{11}-[0-9a-f]{8}):(\d{1,16})$/.exec(each) ?? []
    const epoch = { id, floor: Number(floor) }
    if (!(epoch.id > last.id && epoch.floor >= last.floor)) return []
    epochs.push(epoch)
    last = epoch
  }
  return last.id < current.id && last.floor <= current.floor ? epochs : []
}

/** The id of the epoch in `epoch` of meta; '' if there is none. */
export const idOf = (text: string): string => text.slice(0, 20)

/** Before the first write of a collection that nobody may begin an epoch of. It sorts before every real epoch. */
export const noHistory: readonly Epoch[] = [{ id: '0', floor: 0 }]

/** The history that the reader followed up to its cursor. */
export function historyOf(from: Cursor | null): readonly Epoch[] {
  if (from === null) return noHistory
  const memo = from.memo as readonly Epoch[] | undefined
  return memo !== undefined && currentEpoch(memo).id === from.epoch ? memo : [{ id: from.epoch, floor: 0 }]
}

/** A batch of this client that the store accepted. */
interface Acknowledged {
  readonly writer: string
  readonly sequence: number
  readonly epoch: string
  /** Until when the store surely remembers the writer, by this client's clock. */
  readonly until: number
}

interface Remembered {
  readonly first: number
  readonly last: number
  readonly sign: string
  /** The key of the last entry, and its place. */
  readonly key: string
  readonly n: number
}

export class StoreRecord {
  current: Current | null = null
  history: readonly Epoch[] = noHistory
  /** The newest place that the store itself named: in an answer, or in a notification that it signed. */
  newest: Point = { epoch: '', n: 0, sign: '-' }
  /** The store still has the same history up to here, although it named later places of this epoch; null if it has all of them. */
  common: number | null = null
  /** Until when the shortened script may be used, and on which connection. */
  readonly checked = { until: 0, generation: -1 }
  /** How many sessions follow the collection. */
  sessions = 0
  #tokens = budget.most
  #refilledAt = 0
  #acknowledged: Acknowledged | null = null
  /** First and last places of recent notifications, and their signatures; oldest first. */
  readonly #remembered: Remembered[] = []

  /** Takes what `epoch` and `epochs` of meta hold. */
  setHistory(text: string, epochs: string): void {
    if (text === '' || text === this.current?.text) return
    this.current = parseCurrent(text)
    this.history =
      this.current === null
        ? noHistory
        : [...parseEpochs(epochs, this.current), { id: this.current.id, floor: this.current.floor }]
    this.#remembered.length = 0
  }

  /** The store named a place. */
  learn(point: Point): void {
    const { newest } = this
    if (point.epoch > newest.epoch) this.accept(point)
    else if (point.epoch === newest.epoch && point.n >= newest.n) this.newest = point
  }

  /**
   * The store itself said that it is at this place, with this signature, although it had named a later one, or another signature there. Up to
   * which place its history is the same, only a remembered signature tells; if that is another one, nothing of this epoch is sure.
   */
  wentBack({ epoch, n, sign }: Point): void {
    const known = n === this.newest.n ? this.newest.sign : this.signAt(n)
    const isApart = known !== undefined && known !== '-' && known !== sign
    const common = isApart && epoch === this.current?.id ? this.current.floor : n
    this.common = Math.min(this.common ?? Infinity, common)
  }

  /** The store has answered with everything that it knows: claims about more are settled. */
  accept(point: Point): void {
    this.newest = point
    this.common = null
  }

  /**
   * Whether an epoch is due that nobody has begun: the store has less than it had told (`told`: the newest place when it was asked), or something else.
   */
  isOutdone({ epoch, n, sign }: Point, told: Point): boolean {
    const isSame = told.epoch === epoch
    const hasOther = isSame && n === told.n && told.sign !== '-' && sign !== told.sign
    if (isSame && (n < told.n || hasOther)) this.wentBack({ epoch, n, sign })
    return this.common !== null || told.epoch > epoch
  }

  /** The store acknowledged a batch in this epoch, which may be over, and remembers its writer until then. */
  acknowledge(acknowledged: Acknowledged): void {
    this.#acknowledged = acknowledged
  }

  /** The newest place, and the last batch that was acknowledged, as scripts are told of them: a store that knows less went back. */
  claim(now: number): string {
    const { epoch, n, sign } = this.newest
    if (epoch === '') return ''
    const last = this.#acknowledged
    const isSure = last !== null && last.epoch === epoch && now < last.until
    return `${epoch} ${n} ${sign} ${this.common ?? '-'}${isSure ? ` ${last.writer} ${last.sequence}` : ''}`
  }

  /**
   * Keys and places that notifications of the current epoch told of last, as a list. A store that took other writes in these places may be
   * as far as this client: it went back, and then on. The keys tell.
   */
  get witnesses(): readonly (string | number)[] {
    const found: (string | number)[] = []
    for (const { key, n } of this.#remembered.slice(-mostWitnesses)) if (n > 0) found.push(key, n)
    return found
  }

  /** The store lacks what it had told, though it is as far. If nobody knows more, nothing of its epoch is sure. */
  lacks(): void {
    this.common ??= this.current?.floor ?? null
  }

  /** The ids of the epochs that the store told of, newest last. */
  get epochIds(): string {
    return this.history
      .slice(-64)
      .map(({ id }) => id)
      .join(' ')
  }

  get epoch(): string {
    return currentEpoch(this.history).id
  }

  /** A session of that epoch was told of these places. */
  remember(epoch: string, first: number, last: number, sign: string, entry?: Entry): void {
    // A session may outlive its epoch for a moment, and these places mean something else in the next one.
    if (epoch !== this.current?.id) return
    // The entry itself would keep its item in memory. Nobody has checked its key yet.
    const isWitness = typeof entry?.key === 'string'
    this.#remembered.push({
      first,
      last,
      sign,
      key: isWitness ? entry.key : '',
      n: isWitness ? (entry.place ?? entry).n : 0,
    })
    if (this.#remembered.length > 2 * mostRemembered) this.#remembered.splice(0, mostRemembered)
  }

  /**
   * How a signed notification of places that were told before compares with what was told: a replay; another one of the same places,
   * of which up to a place nothing differs; or undefined if it is too old to tell.
   */
  compare(first: number, last: number, sign: string): 'replay' | { common: number } | undefined {
    const overlapping = this.#remembered.filter((each) => each.first <= last && each.last >= first)
    if (overlapping.length === 0) return undefined
    if (overlapping.some((each) => each.first === first && each.last === last && each.sign === sign)) return 'replay'
    return { common: Math.min(first, (overlapping[0] as { first: number }).first) - 1 }
  }

  /** The signature that was told at the end of this place, if it is remembered. */
  signAt(place: number): string | undefined {
    return this.#remembered.findLast(({ last }) => last === place)?.sign
  }

  /** Whether a message may provoke another question to the store. */
  mayAsk(now: number): boolean {
    const refills = Math.floor((now - this.#refilledAt) / budget.refill)
    if (refills > 0) {
      this.#tokens = Math.min(budget.most, this.#tokens + refills)
      this.#refilledAt = now
    }
    if (this.#tokens === 0) return false
    this.#tokens--
    return true
  }
}
