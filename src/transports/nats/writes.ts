/** How the writes of a batch become messages: in order for each key, and otherwise all at once. */
import { currentEpoch } from '../../core/epochs'
import { disconnected, MemisError } from '../../core/errors'
import type { Batch, KeyWrite, Outcome, Write, Written } from '../../core/transport'
import { type Attempt, Attempts, type Try } from './attempts'
import { type Bucket, type BucketState, epochOf } from './bucket'
import { Clears } from './clears'
import { header } from './decode'
import { Flight } from './flight'
import type { Link } from './link'
import { contended, Messages, mostTries, nothing, nothingFound, type Stored, withTtl } from './messages'
import { type Names, subjectOf } from './names'
import { type Ack, Headers, type Publisher } from './publisher'
import { restoreAll } from './restores'
import { runsOf } from './runs'
import type { Sweeper } from './sweeper'
import type { Trail } from './trail'

type SetWrite = Extract<Write, { kind: 'set' }>

/** By key: the last write that the stream has taken of a batch, counted on into the one that follows it, and its number; or what lies over all of them. */
type Landed = ReadonlyMap<string, { readonly index: number; readonly n: number }>

export class Writes {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #sweeper: Sweeper
  readonly #bucket: Bucket
  readonly #names: Names
  readonly #trail: Trail
  readonly #messages: Messages
  readonly #clears: Clears
  /** What the ids of a writer's messages begin with: they must differ in all of the stream, and cost less if they are short. */
  readonly #ids = new Map<string, string>()
  readonly #attempts = new Attempts()

  constructor(
    link: Link,
    publisher: Publisher,
    sweeper: Sweeper,
    bucket: Bucket,
    names: Names,
    trail: Trail,
    retention: number,
  ) {
    this.#link = link
    this.#publisher = publisher
    this.#sweeper = sweeper
    this.#bucket = bucket
    this.#names = names
    this.#trail = trail
    this.#messages = new Messages(bucket, publisher, sweeper, retention)
    this.#clears = new Clears(link, bucket, this.#messages, names)
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

  async #take(tried: Try): Promise<Written> {
    // While some of that is on its way, what the stream has is not all.
    if (tried.isGivenAgain) await tried.after?.taking.catch(() => {})
    return this.#bucket.room.with(tried.attempt.batch.writes.length, () => this.#publish(tried))
  }

  async #publish(tried: Try): Promise<Written> {
    const { attempt, isGivenAgain, after } = tried
    const { batch } = attempt
    let state = await (isGivenAgain ? this.#bucket.refresh() : this.#bucket.open())
    this.#checkNewest(batch)
    const last = this.#messages.lastAcked
    const { restores, kind } = batch.writes[0] ?? {}
    let outcomes: readonly Outcome[]
    if (kind === 'clear') {
      const newer = isGivenAgain ? await this.#newerThan(attempt) : Infinity
      outcomes = [await this.#clears.take(batch, this.#idOf(batch), state, newer, () => this.#checkNewest(batch))]
    } else if (restores !== undefined) outcomes = await restoreAll(this.#messages, this.#names, batch, state)
    else {
      attempt.begin(epochOf(state))
      const landed = isGivenAgain ? await this.#landed(attempt, after) : undefined
      this.#checkNewest(batch)
      const taking = this.#takeAll(tried, state, landed)
      attempt.publish()
      outcomes = await taking
    }
    // Numbers that began anew are another stream's, and of another epoch.
    const { lastAcked } = this.#messages
    if (lastAcked !== last && lastAcked < Math.max(last, state.head)) {
      state = await this.#bucket.refresh()
      // Some may be of the former stream, and nobody knows which: all go again, and what this one has is known by its id. (What is
      // put back is in doubt until the next session, which ends with this epoch.)
      if (restores === undefined) throw disconnected('the stream was made anew')
    }
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
    /** The first delete of a key that was never published: whatever others wrote, it is yet to come. */
    const unpublished = new Map<string, number>()
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
        const isUnpublished = each === attempt && kind === 'delete' && outcome === undefined && !attempt.found.has(i)
        if (isUnpublished && !unpublished.has(key)) unpublished.set(key, index)
      }
    }
    const ask = async (key: string, index: number) => {
      const stored = (await this.#messages.read(subjectOf(this.#names, key))) ?? nothing
      const { id, n, time, gone, found } = stored
      const own = indexes.get(id)
      if (own !== undefined) landed.set(key, { index: own, n })
      // Taken or not, what was published counts as taken before that: nobody can tell. But a delete that found nothing came before it.
      else if (time > newer && gone !== 'expire' && found && this.#isOfOthers(stored, attempt))
        landed.set(key, { index: unpublished.get(key) ?? index + 1, n })
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

  #takeAll({ attempt, isGivenAgain, after }: Try, state: BucketState, landed?: Landed): Promise<readonly Outcome[]> {
    return new Promise((resolve, reject) => {
      const { batch } = attempt
      const id = this.#idOf(batch)
      const writes = batch.writes as readonly KeyWrite[]
      const flight = new Flight(attempt.outcomes, resolve, reject, (ack, i) => this.#setTaken(attempt, i, ack, state))
      const runs = isGivenAgain ? runsOf(attempt, after) : null
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
        if (later !== undefined && i < later.index) {
          const found = attempt.found.get(i)
          const existed = found !== undefined && found.gone === undefined
          flight.settle({ n: justBefore(later.n, i, later.index), existed }, i)
          return
        }
        const subject = subjectOf(this.#names, write.key)
        const take = () => {
          if (this.#attempts.isGivenUp(batch)) return flight.failed(givenUp(), i)
          if (!isDelete) {
            const headers = withTtl(write, new Headers().with(header.id, `${id}.${i}`), state)
            return this.#publisher.send(subject, write.item.json, headers, flight, i)
          }
          this.#delete(subject, `${id}.${i}`, attempt, i, state).then(
            (outcome) => flight.settle(outcome, i),
            (error) => flight.failed(error, i),
          )
        }
        const last = runs?.lastOf.get(i)
        if (last !== undefined) {
          // Not published: where the last of the run was taken before, under what others wrote since, this would lie over both.
          const inherit = () => {
            const outcome = attempt.outcomes[last]
            if (outcome === undefined || !('n' in outcome)) take()
            else flight.settle({ n: justBefore(outcome.n, i, last), existed: false }, i)
          }
          flight.after(last).then(inherit, (error) => flight.failed(error, i))
          return
        }
        const before = lastOf.get(write.key)
        if (hasDeletes) lastOf.set(write.key, i)
        const mustWait = before !== undefined && (isDelete || late.has(before))
        if (isDelete || mustWait) late.add(i)
        const next = runs?.nextOf.get(i)
        const begin =
          after === undefined || next === undefined ? take : () => this.#takeNext(after, next, state, flight, i, take)
        if (mustWait) flight.after(before).then(begin, (error) => flight.failed(error, i))
        else begin()
      })
    })
  }

  /** In the place of a set, publishes one of the batch that follows, which goes on its run; only where that is refused, the set itself. */
  #takeNext(after: Attempt, next: number, state: BucketState, flight: Flight, i: number, take: () => void): void {
    const write = after.batch.writes[next] as SetWrite
    const headers = withTtl(write, new Headers().with(header.id, `${this.#idOf(after.batch)}.${next}`), state)
    const acked = async (ack: Ack) => this.#setTaken(after, next, ack, state)
    const taken = (outcome: Outcome) => {
      after.outcomes[next] = outcome
      if ('n' in outcome) flight.settle({ n: justBefore(outcome.n, 0, 1), existed: false }, i)
    }
    const failed = (error: MemisError) => {
      if (error.code === 'DISCONNECTED') return flight.failed(error, i)
      after.outcomes[next] = { error }
      take()
    }
    const waiter = { acked: (ack: Ack) => void acked(ack).then(taken, failed), failed }
    this.#publisher.send(subjectOf(this.#names, write.key), write.item.json, headers, waiter, next)
  }

  #idOf({ writer, sequence }: Batch): string {
    return `${this.#prefixOf(writer)}${sequence}`
  }

  #prefixOf(writer: string): string {
    const prefix = this.#ids.get(writer) ?? `${crypto.randomUUID().slice(0, 13)}.`
    this.#ids.set(writer, prefix)
    return prefix
  }

  /** Not of this writer, nor put back after a loss: that was written before. */
  #isOfOthers({ origin, id }: Stored, { batch }: Attempt): boolean {
    return origin === '' && !id.startsWith(this.#prefixOf(batch.writer))
  }

  /** What it means that a set was taken: at once where nothing more is to be asked. */
  #setTaken(attempt: Attempt, i: number, ack: Ack, state: BucketState): Outcome | Promise<Outcome> {
    const { seq: n, duplicate } = this.#messages.taken(ack)
    const write = attempt.batch.writes[i] as SetWrite
    const ttlMs = Math.min(write.ttlMs ?? Infinity, state.maxAge)
    if (!duplicate) this.#trail.taken(write.key, n, ttlMs)
    if (ttlMs === Infinity) return { n, existed: false }
    const timed = (age: number): Outcome => {
      const leftMs = ttlMs - age
      attempt.timed(i, leftMs)
      if (!state.expires) this.#sweeper.add(this.#bucket.stream, subjectOf(this.#names, write.key), n, 'item', leftMs)
      return { n, existed: false, leftMs }
    }
    // Where it was taken before, its ttl counts from then.
    return duplicate ? this.#messages.ageOf(n).then(timed) : timed(0)
  }

  #checkNewest(batch: Batch): void {
    if (this.#attempts.isGivenUp(batch)) throw givenUp()
  }

  async #delete(subject: string, id: string, attempt: Attempt, i: number, state: BucketState): Promise<Outcome> {
    const { floor } = currentEpoch(state.epochs)
    for (let tries = 0; tries < mostTries; tries++) {
      const stored = (await this.#messages.read(subject)) ?? nothing
      const { n, gone, id: lastId, origin, found, over } = stored
      if (lastId === id) return { n, existed: found } // it was taken before
      const before = attempt.found.get(i)
      // Others have written since it was published, without an answer: taken or not, it counts as taken before that; but not before
      // a mark on what it had found, or what may be the end of that.
      const isOver = before !== undefined && n > before.n && over !== before.n && !(gone === 'expire' && before.expires)
      if (isOver && this.#isOfOthers(stored, attempt))
        return { n: justBefore(n, 0, 1), existed: before.gone === undefined }
      // What this epoch knows to be gone stays as it is. Else a mark is left, even where nothing was found: after a loss, a
      // replica may be about to put the item back, also over a mark that was put back itself.
      if (gone !== undefined && n > floor && !origin) return { n, existed: false, gone }
      this.#checkNewest(attempt.batch)
      const existed = gone === undefined
      attempt.found.set(i, stored)
      const plain = new Headers().with(header.id, id).with(header.expected, n)
      const headers = existed ? plain : plain.with(header.gone, nothingFound)
      const ack = await this.#messages.publishMark(subject, headers, state)
      if (ack !== null) return { n: ack.seq, existed }
      attempt.found.delete(i)
    }
    throw contended()
  }
}

/** A number for what was taken just before another one: greater than the one before that, and than those of a lower index. */
const justBefore = (n: number, i: number, index: number): number => n - 1 + (i + 1) / (index + 1)

/** Sets follow each other by the order of the connection, once they are on it; a delete has to know what is there. */
const turnAfter = (before: Attempt, batch: Batch): Promise<unknown> =>
  isSetsOnly(batch) && isSetsOnly(before.batch) ? Promise.race([before.published, before.taking]) : before.taking

const isSetsOnly = ({ writes }: Batch): boolean => writes.every(({ kind }) => kind === 'set')

const notTaken = (): Promise<never> =>
  Promise.reject(new MemisError('DISCONNECTED', 'the batch before this one was not taken', { stored: 'no' }))

const givenUp = () => disconnected('given up for a newer batch of the same writer')
