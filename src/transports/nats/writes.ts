/** How the writes of a batch become messages: in order for each key, and otherwise all at once. */
import { currentEpoch, decodeRevision, encodeRevision, precedes } from '../../core/epochs'
import { disconnected, MemisError } from '../../core/errors'
import type { Batch, Gone, KeyWrite, Outcome, Restores, Write, Written } from '../../core/transport'
import { type Attempt, Attempts, type Try } from './attempts'
import { type Bucket, type BucketState, wholeSeconds } from './bucket'
import { decodeHeaders, decodeMessage, header, ttlOf } from './decode'
import { isOvertaken, noStream, translate } from './errors'
import { Flight } from './flight'
import type { Link } from './link'
import { type Names, subjectOf } from './names'
import { type Ack, Headers, type Publisher } from './publisher'
import type { Sweeper } from './sweeper'

type SetWrite = Extract<Write, { kind: 'set' }>

/** By key: the last write that the stream has taken of a batch, counted on into the one that follows it, and its number; or what lies over all of them. */
type Landed = ReadonlyMap<string, { readonly index: number; readonly n: number }>

/** The last message of a subject, as the stream's leader has it. */
interface Stored {
  readonly n: number
  /** What took the item; undefined where it is there. */
  readonly gone: Gone | undefined
  /** Of a mark: whether there was something to delete. */
  readonly found: boolean
  readonly id: string
  readonly origin: string
  /** When the stream took it, by its server's clock (ms since 1970). */
  readonly time: number
}

const nothing: Stored = { n: 0, gone: 'delete', found: false, id: '', origin: '', time: 0 }
/** Said on the mark of a delete, for the case that it is tried again. */
const nothingFound = 'nothing'

/** So many marks of a clear are under way at a time. */
const clearStep = 500
/** So often a write is tried on a key that others write to at the same time. */
const mostTries = 100

export class Writes {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #sweeper: Sweeper
  readonly #bucket: Bucket
  readonly #names: Names
  readonly #retention: number
  /** The clear of each writer that was last, and its number: given again, it takes nothing that came since. */
  readonly #clears = new Map<string, { readonly sequence: number; readonly epoch: string; readonly n: number }>()
  /** What the ids of a writer's messages begin with: they must differ in all of the stream, and cost less if they are short. */
  readonly #ids = new Map<string, string>()
  readonly #attempts = new Attempts()
  /** The number that was acknowledged last: lower than the one before only where the stream was made anew, or lost its end. */
  #lastAcked = 0

  constructor(link: Link, publisher: Publisher, sweeper: Sweeper, bucket: Bucket, names: Names, retention: number) {
    this.#link = link
    this.#publisher = publisher
    this.#sweeper = sweeper
    this.#bucket = bucket
    this.#names = names
    this.#retention = retention
  }

  take(batch: Batch): Promise<Written> {
    if (this.#attempts.isAhead(batch)) return notTaken()
    const tried = this.#attempts.begin(batch, this.#link.server)
    const { attempt, before } = tried
    const taking =
      before === undefined ? this.#take(tried) : turnAfter(before, batch).then(() => this.#take(tried), notTaken)
    attempt.taking ??= taking
    return taking
  }

  async #take({ attempt, isGivenAgain, after }: Try): Promise<Written> {
    const { batch } = attempt
    // While some of that is on its way, what the stream has is not all.
    if (isGivenAgain) await after?.taking.catch(() => {})
    let state = await (isGivenAgain ? this.#bucket.refresh() : this.#bucket.open())
    this.#checkNewest(batch)
    const last = this.#lastAcked
    const { restores, kind } = batch.writes[0] ?? {}
    let outcomes: readonly Outcome[]
    if (kind === 'clear') outcomes = [await this.#clear(batch, state)]
    else if (restores !== undefined) outcomes = await this.#restoreAll(batch, restores.epoch, state)
    else {
      attempt.begin(epochOf(state))
      const landed = isGivenAgain ? await this.#landed(attempt, after) : undefined
      this.#checkNewest(batch)
      const taking = this.#takeAll(attempt, state, landed)
      attempt.publish()
      outcomes = await taking
    }
    // Numbers that began anew are another stream's, and of another epoch.
    if (this.#lastAcked !== last && this.#lastAcked < Math.max(last, state.head)) state = await this.#bucket.refresh()
    this.#attempts.done(attempt)
    return { epoch: epochOf(state), outcomes }
  }

  /**
   * Of a batch that is given again, and the one that follows it: what was confirmed counts, also where others have written over it, or
   * it has expired. Of a key that they write more than once, the last of which was not confirmed, the stream is asked: a server that
   * has started anew knows ids by the messages that it still has, and what was replaced would come as if it were new, and lie over it.
   * After such a start it is asked of every key, since what was replaced may have been replaced by others.
   */
  async #landed(attempt: Attempt, after: Attempt | undefined): Promise<Landed> {
    const landed = new Map<string, { index: number; n: number }>()
    const indexes = new Map<string, number>()
    const last = new Map<string, { index: number; mustAsk: boolean }>()
    const newer = await this.#newerThan(attempt)
    for (const each of after === undefined ? [attempt] : [attempt, after]) {
      const id = this.#idOf(each.batch)
      const isCounted = each.epoch === attempt.epoch
      for (const [i, { key, kind }] of (each.batch.writes as readonly KeyWrite[]).entries()) {
        const index = indexes.size
        indexes.set(`${id}.${i}`, index)
        const mayBeNew = each === attempt && kind === 'set' && newer < Infinity
        last.set(key, { index, mustAsk: mayBeNew || last.has(key) })
        const outcome = isCounted ? each.outcomes[i] : undefined
        if (outcome !== undefined && 'n' in outcome) landed.set(key, { index, n: outcome.n })
      }
    }
    const ask = async (key: string, index: number) => {
      const stored = (await this.#read(subjectOf(this.#names, key))) ?? nothing
      const { id, n, time } = stored
      const own = indexes.get(id)
      if (own !== undefined) landed.set(key, { index: own, n })
      // Taken or not, it counts as taken before that: nobody can tell.
      else if (time > newer && this.#isOfOthers(stored, attempt)) landed.set(key, { index: index + 1, n })
    }
    const isOpen = (key: string, index: number) => landed.get(key)?.index !== index
    await Promise.all(
      [...last].flatMap(([key, { index, mustAsk }]) => (mustAsk && isOpen(key, index) ? [ask(key, index)] : [])),
    )
    return landed
  }

  /**
   * What the stream took after this time of its server is newer than the batch; Infinity where that is not asked, since the server
   * knows the ids of all that it was given. In a cluster, servers' clocks differ, and each knows them.
   */
  async #newerThan({ server, since }: Attempt): Promise<number> {
    const knowsIds = server === undefined || server === this.#link.server
    return knowsIds ? Infinity : this.#bucket.clock.latestAt(since)
  }

  #takeAll(attempt: Attempt, state: BucketState, landed?: Landed): Promise<readonly Outcome[]> {
    return new Promise((resolve, reject) => {
      const { batch } = attempt
      const id = this.#idOf(batch)
      const writes = batch.writes as readonly KeyWrite[]
      const flight = new Flight(attempt.outcomes, resolve, reject, (ack, i) => this.#setTaken(attempt, i, ack, state))
      // A delete has to know what is there, which takes time; sets follow each other by the order of the connection.
      const hasDeletes = writes.some(({ kind }) => kind === 'delete')
      const lastOf = new Map<string, number>()
      const late = new Set<number>()
      writes.forEach((write, i) => {
        const isDelete = write.kind === 'delete'
        const known = attempt.outcome(i)
        if (known !== undefined) {
          flight.settle(known, i)
          return
        }
        const later = landed?.get(write.key)
        // Whether a delete found something, nobody can tell any more.
        if (later !== undefined && i < later.index) {
          flight.settle({ n: Math.max(1, later.n - (later.index - i)), existed: isDelete }, i)
          return
        }
        const subject = subjectOf(this.#names, write.key)
        const take = () => {
          if (this.#attempts.isGivenUp(batch)) return flight.failed(givenUp(), i)
          if (!isDelete) {
            const headers = this.#headersOf(write, new Headers().with(header.id, `${id}.${i}`), state)
            return this.#publisher.send(subject, write.item.json, headers, flight, i)
          }
          this.#delete(subject, `${id}.${i}`, attempt, i, state).then(
            (outcome) => flight.settle(outcome, i),
            (error) => flight.failed(error, i),
          )
        }
        const before = lastOf.get(write.key)
        if (hasDeletes) lastOf.set(write.key, i)
        const mustWait = before !== undefined && (isDelete || late.has(before))
        if (isDelete || mustWait) late.add(i)
        if (mustWait) flight.after(before).then(take, (error) => flight.failed(error, i))
        else take()
      })
    })
  }

  #idOf({ writer, sequence }: Batch): string {
    return `${this.#prefixOf(writer)}${sequence}`
  }

  #prefixOf(writer: string): string {
    const prefix = this.#ids.get(writer) ?? `${crypto.randomUUID().slice(0, 13)}.`
    this.#ids.set(writer, prefix)
    return prefix
  }

  /** Another writer has written it, and did so as of its number: what expired, or was put back after a loss, was written before. */
  #isOfOthers({ gone, origin, id }: Stored, { batch }: Attempt): boolean {
    return gone !== 'expire' && origin === '' && !id.startsWith(this.#prefixOf(batch.writer))
  }

  /** What it means that a set was taken: at once where nothing more is to be asked. */
  #setTaken(attempt: Attempt, i: number, ack: Ack, state: BucketState): Outcome | Promise<Outcome> {
    const { seq: n, duplicate } = this.#taken(ack)
    const write = attempt.batch.writes[i] as SetWrite
    const ttlMs = Math.min(write.ttlMs ?? Infinity, state.maxAge)
    if (ttlMs === Infinity) return { n, existed: false }
    const timed = (age: number): Outcome => {
      const leftMs = ttlMs - age
      attempt.timed(i, leftMs)
      if (!state.expires) this.#sweeper.add(this.#bucket.stream, subjectOf(this.#names, write.key), n, 'item', leftMs)
      return { n, existed: false, leftMs }
    }
    // Where it was taken before, its ttl counts from then.
    return duplicate ? this.#ageOf(n).then(timed) : timed(0)
  }

  #checkNewest(batch: Batch): void {
    if (this.#attempts.isGivenUp(batch)) throw givenUp()
  }

  async #delete(subject: string, id: string, attempt: Attempt, i: number, state: BucketState): Promise<Outcome> {
    const { floor } = currentEpoch(state.epochs)
    for (let tries = 0; tries < mostTries; tries++) {
      const stored = (await this.#read(subject)) ?? nothing
      const { n, gone, id: lastId, origin, found } = stored
      if (lastId === id) return { n, existed: found } // it was taken before
      const before = attempt.found.get(i)
      // Others have written since it was published, without an answer: taken or not, it counts as taken before that.
      if (before !== undefined && n > before.n && this.#isOfOthers(stored, attempt))
        return { n: n - 1, existed: before.existed }
      // What this epoch knows to be gone stays as it is. Else a mark is left, even where nothing was found: after a loss, a
      // replica may be about to put the item back, also over a mark that was put back itself.
      if (gone !== undefined && n > floor && !origin) return { n, existed: false, gone }
      this.#checkNewest(attempt.batch)
      const existed = gone === undefined
      attempt.found.set(i, { n, existed })
      const plain = new Headers().with(header.id, id).with(header.expected, n)
      const headers = existed ? plain : plain.with(header.gone, nothingFound)
      const ack = await this.#publishMark(subject, headers, state)
      if (ack !== null) return { n: ack.seq, existed }
      attempt.found.delete(i)
    }
    throw contended()
  }

  async #clear(batch: Batch, state: BucketState): Promise<Outcome> {
    const { writer, sequence } = batch
    const { stream } = this.#bucket
    const { cleared, start } = this.#names
    const epoch = epochOf(state)
    const last = this.#clears.get(writer)
    let n = last?.n ?? 0
    // Of a stream that was made anew since, the numbers are others.
    if (last?.sequence !== sequence || last.epoch !== epoch) {
      const ack = await this.#publishMark(cleared, new Headers().with(header.id, this.#idOf(batch)), state)
      n = (ack as Ack).seq
      this.#clears.set(writer, { sequence, epoch, n })
    }
    // In pages, which shift when marks are purged meanwhile: until one round finds nothing more.
    for (let found = true, isPaged = true; found && isPaged; ) {
      found = false
      isPaged = false
      for (let offset = 0; ; ) {
        const info = await this.#link.ask(`STREAM.INFO.${stream}`, { subjects_filter: `${start}>`, offset })
        if (info.error !== undefined) throw translate(info.error)
        const subjects = Object.keys(info.state.subjects ?? {})
        while (subjects.length > 0) {
          const some = subjects.splice(-clearStep)
          const stored = await Promise.all(some.map((subject) => this.#read(subject)))
          const present = some.flatMap((subject, i) => {
            const { gone, n: number } = stored[i] ?? nothing
            return gone === undefined && number <= n ? [{ subject, number }] : []
          })
          if (present.length === 0) continue
          found = true
          if (!(await this.#bucket.isStill(state))) throw disconnected('the stream was made anew')
          this.#checkNewest(batch)
          // Where somebody has written to it since, that is newer than the clear.
          const mark = ({ subject, number }: { subject: string; number: number }) =>
            this.#publishMark(subject, new Headers().with(header.expected, number), state)
          await Promise.all(present.map(mark))
        }
        offset += info.limit ?? Infinity
        if (!(offset < (info.total ?? 0))) break
        isPaged = true
      }
    }
    return { n, existed: false }
  }

  /** Puts back what was lost, but not after a clear. */
  async #restoreAll({ writes }: Batch, epoch: string, state: BucketState): Promise<Outcome[]> {
    const clearedAt = async () => (await this.#read(this.#names.cleared))?.n ?? 0
    // Each has its own number up to which the histories are one.
    const isBarred = (write: KeyWrite, cleared: number) => cleared > (write.restores as Restores).floor
    const before = await clearedAt()
    const outcomes = await Promise.all(
      (writes as readonly KeyWrite[]).map((write): Outcome | Promise<Outcome> => {
        if (epochOf(state) !== epoch || isBarred(write, before)) return { refused: true, asOf: before }
        return this.#restore(write, state).catch(outcomeOf)
      }),
    )
    const after = await clearedAt()
    if (after === before) return outcomes
    // A clear came in between, and did not find all of it.
    return Promise.all(
      (writes as readonly KeyWrite[]).map(async (write, i): Promise<Outcome> => {
        const outcome = outcomes[i] as Outcome
        if (!('n' in outcome) || !isBarred(write, after)) return outcome
        const mark = new Headers().with(header.expected, outcome.n)
        const ack = await this.#publishMark(subjectOf(this.#names, write.key), mark, state)
        return { refused: true, asOf: ack?.seq ?? outcome.n }
      }),
    )
  }

  async #restore(write: KeyWrite, state: BucketState): Promise<Outcome> {
    const { origin, floor } = write.restores as Restores
    const subject = subjectOf(this.#names, write.key)
    let expected = 0
    for (let tries = 0; tries < mostTries; tries++) {
      const headers = new Headers().with(header.origin, encodeRevision(origin)).with(header.expected, expected)
      const ack =
        write.kind === 'set'
          ? await this.#publish(subject, write.item.json, this.#headersOf(write, headers, state))
          : await this.#publishMark(subject, headers, state)
      if (ack !== null) return { n: ack.seq, existed: false }
      const stored = await this.#read(subject)
      const other = decodeRevision(stored?.origin ?? '')
      const isOlder = stored === undefined || stored.n <= floor || (other !== undefined && precedes(other, origin))
      if (!isOlder) return { refused: true, asOf: stored.n }
      expected = stored?.n ?? 0
    }
    throw contended()
  }

  #headersOf({ ttlMs, restores }: SetWrite, headers: Headers, state: BucketState): Headers {
    if (ttlMs === null) return headers
    const exact = headers.with(header.exactTtl, ttlMs)
    // The server's mark of what expired does not tell where that had come from: of what is put back, the sweeper leaves it.
    return state.expires && restores === undefined ? exact.with(header.ttl, `${wholeSeconds(ttlMs)}s`) : exact
  }

  /** Null where what is in its place is not what was expected. */
  async #publish(subject: string, text: string, headers: Headers): Promise<Ack | null> {
    const ack = await this.#publisher.publish(subject, text, headers)
    return ack.error !== undefined && isOvertaken(ack.error) ? null : this.#taken(ack)
  }

  /** Leaves a mark that what was there is gone; null where what is there is not what was expected. */
  async #publishMark(subject: string, headers: Headers, state: BucketState): Promise<Ack | null> {
    // Of a DEL, the server would leave a second mark when the ttl of the first is over.
    const mark = headers.with(header.operation, 'PURGE')
    const all = state.expires ? mark.with(header.ttl, `${wholeSeconds(state.markTtl)}s`) : mark
    const ack = await this.#publish(subject, '', all)
    if (ack !== null && !state.expires) {
      this.#sweeper.add(this.#bucket.stream, subject, ack.seq, 'mark', this.#retention)
    }
    return ack
  }

  #taken(ack: Ack): Ack {
    const { error, seq, duplicate } = ack
    if (error !== undefined) {
      if (error.err_code === noStream) this.#bucket.forget()
      throw translate(error)
    }
    if (!duplicate) this.#lastAcked = seq
    return ack
  }

  /** The last message of a subject; undefined where there is none. */
  async #read(subject: string): Promise<Stored | undefined> {
    const message = await this.#bucket.message({ last_by_subj: subject })
    if (message === undefined) return undefined
    const { seq: n, hdrs, time } = message
    const headers = decodeHeaders(hdrs)
    if (ttlOf(headers) < Infinity) await this.#bucket.clock.learn()
    const at = Date.parse(time)
    const age = this.#bucket.clock.ageOf(at)
    const { kind } = decodeMessage({ key: subject, n, age, maxAge: Infinity, headers, text: () => '' })
    const gone = kind === 'set' ? undefined : kind
    const found = headers.get(header.gone) !== nothingFound
    return { n, gone, found, id: headers.get(header.id), origin: headers.get(header.origin), time: at }
  }

  /** For how long (ms) the stream has had a message; 0 where it is gone from it: more would be too early where others have replaced it. */
  async #ageOf(n: number): Promise<number> {
    await this.#bucket.clock.learn()
    const message = await this.#bucket.message({ seq: n })
    return message === undefined ? 0 : this.#bucket.clock.ageOf(Date.parse(message.time))
  }
}

const epochOf = ({ epochs }: BucketState): string => currentEpoch(epochs).id

/** A refusal is the one write's. Where nobody knows what became of it, the whole batch is given again. */
function outcomeOf(error: MemisError): Outcome {
  if (error.code === 'DISCONNECTED') throw error
  return { error }
}

/** Sets follow each other by the order of the connection, once they are on it; a delete has to know what is there. */
const turnAfter = (before: Attempt, batch: Batch): Promise<unknown> =>
  isSetsOnly(batch) && isSetsOnly(before.batch) ? Promise.race([before.published, before.taking]) : before.taking

const isSetsOnly = ({ writes }: Batch): boolean => writes.every(({ kind }) => kind === 'set')

const notTaken = (): Promise<never> =>
  Promise.reject(new MemisError('DISCONNECTED', 'the batch before this one was not taken', { stored: 'no' }))

const givenUp = () => disconnected('given up for a newer batch of the same writer')

const contended = () => disconnected('others write to that key all the time')
