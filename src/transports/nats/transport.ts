/** The transport to NATS 2.11 or newer, with JetStream. */
import { systemClock } from '../../core/clock'
import { disconnected, MemisError, withStored } from '../../core/errors'
import { repeat } from '../../core/repeat'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Host,
  Lack,
  Merged,
  Outcome,
  Revision,
  Sink,
  Transport,
  Watch,
} from '../../core/transport'
import { useUp } from './abandoned'
import { writeAtomic } from './atomic'
import { Attempts } from './attempts'
import { Bucket, type Context } from './bucket'
import { clear } from './clear'
import { Flight } from './flight'
import { apiLevel, Link } from './link'
import { merge } from './merge'
import { type Names, namesOf } from './names'
import { type BucketOptions, type Checked, checkOptions, type NatsOptions } from './options'
import type { Scope } from './put-if'
import { Session } from './session'

export type { BucketOptions, NatsOptions }

/** What a message holds beside the item: headers. */
const headerBytes = 1024
const standardPayload = 1024 * 1024
/** A bucket that nobody has used for so long (ms) is forgotten. */
const longestIdle = 60_000
/** A share of the ids' memory that a batch may be repeated in, since clocks differ. */
const safeShare = 0.9

const lacks: readonly Lack[] = [
  {
    clause: 'S2',
    reason: 'a bucket keeps the last value of a key: who reads later, or lags, may miss values in between',
  },
]

class NatsTransport implements Transport {
  readonly name = 'nats'
  readonly clock
  readonly #checked: Checked
  readonly #buckets = new Map<string, Bucket>()
  readonly #names = new WeakMap<CollectionId, Names>()
  #context: Context | null = null
  #attempts!: Attempts
  #maxPayload = standardPayload
  #stopAudits = () => {}
  #isClosed = false

  constructor(checked: Checked, clock = systemClock) {
    this.#checked = checked
    this.clock = clock
  }

  get lacks(): readonly Lack[] {
    const { level = apiLevel.atomic } = this.#context?.link ?? {}
    return level >= apiLevel.atomic ? lacks : [...lacks, { clause: 'C7', reason: 'atomic batches need NATS 2.12' }]
  }

  get maxItemBytes(): number {
    return this.#maxPayload - headerBytes
  }

  open(host: Host): void {
    const { clock } = this
    const { source, bucket: options } = this.#checked
    if (source instanceof MemisError) {
      clock.setTimeout(() => this.#isClosed || host.down(source), 0)
      return
    }
    const link = new Link(source, clock, host, { up: () => this.#up(host), down: (error) => this.#down(host, error) })
    this.#attempts = new Attempts(2 * host.writeTimeout, clock.now())
    this.#context = { link, host, clock, options }
    link.open()
  }

  async write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    const { names, bucket } = this.#find(id, true)
    const writer = `${names.start} ${batch.writer}`
    const attempt = this.#attempts.begin(writer, batch)
    const checkLast = () => {
      if (this.#attempts.isAbandoned(writer, attempt)) throw disconnected('the batch was abandoned for a later one')
    }
    try {
      const state = await bucket.open()
      if (attempt.sentAt !== null) attempt.begin(state.history)
      if (attempt.isSettled) return attempt.result(this.clock.now())
      checkLast()
      if (attempt.sentAt !== null && this.clock.now() - attempt.sentAt > safeShare * state.window) {
        throw forgotten(names, state.window, this.#attempts.memory)
      }
      const scope = { bucket, names, state }
      const options = { scope, attempt, checkLast }
      if (attempt.abandoned.length > 0) await useUp(scope, attempt)
      const [first] = batch.writes
      if (first?.kind === 'clear') attempt.outcomes[0] = await clear(options)
      else if (batch.isAtomic && (batch.writes.length > 1 || first?.kind === 'check')) {
        const outcomes = await bucket.room.with(batch.writes.length, () => writeAtomic(options))
        for (const [i, outcome] of outcomes.entries()) attempt.outcomes[i] = outcome
      } else await bucket.room.with(batch.writes.length, () => new Flight(options).run())
      this.#context?.link.succeeded()
      return attempt.result(this.clock.now())
    } catch (error) {
      // The stream may be gone, and is made again then; or somebody may follow the advice.
      if (['DISCONNECTED', 'UNSUPPORTED_STORE'].includes((error as MemisError).code)) bucket.forget()
      throw attempt.isPartlyStored ? withStored(error, 'unknown') : error
    }
  }

  async merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    const { names, bucket } = this.#find(id, true)
    const state = await bucket.refresh()
    return bucket.room.with(entries.length, () => merge({ bucket, names, state }, base, entries))
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    let found: Omit<Scope, 'state'>
    try {
      found = this.#find(id, false)
    } catch (error) {
      sink.stale(error as MemisError)
      return { close: () => {} }
    }
    const { bucket, names } = found
    const session = new Session(bucket, names, sink)
    bucket.sessions.add(session)
    session.start(from)
    return {
      close: () => {
        bucket.sessions.delete(session)
        session.close()
      },
    }
  }

  async beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    return this.#find(id, true).bucket.beginEpoch(after)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopAudits()
    for (const { sessions } of this.#buckets.values()) for (const session of [...sessions]) session.close()
    await Promise.all([...this.#buckets.values()].map(({ ending }) => ending))
    await this.#context?.link.close()
  }

  #up(host: Host): void {
    const { link } = this.#context as Context
    this.#maxPayload = link.wire.connection.info?.max_payload ?? standardPayload
    this.#stopAudits()
    this.#stopAudits = repeat(this.clock, host.auditInterval, () => this.#audit())
    host.up()
  }

  #down(host: Host, error: MemisError): void {
    this.#stopAudits()
    for (const bucket of this.#buckets.values()) {
      // What it says when it is back may be another thing.
      bucket.forget()
      for (const session of [...bucket.sessions]) session.fail(error)
    }
    host.down(error)
  }

  #audit(): void {
    this.#attempts.forgetOld(this.clock.now())
    this.#context?.link.audit()
    for (const [name, bucket] of this.#buckets) {
      if (bucket.sessions.size > 0) bucket.audit()
      else if (bucket.room.isEmpty && this.clock.now() - bucket.usedAt > longestIdle) this.#buckets.delete(name)
    }
  }

  /** @throws MemisError */
  #find(id: CollectionId, writes: boolean): Omit<Scope, 'state'> {
    const context = this.#context as Context
    if (writes && context.host.readOnly) throw new MemisError('READ_ONLY', 'this client only reads', { stored: 'no' })
    const names = this.#names.get(id) ?? namesOf(id)
    this.#names.set(id, names)
    const bucket = this.#buckets.get(names.bucket) ?? new Bucket(names, context)
    this.#buckets.set(names.bucket, bucket)
    bucket.usedAt = this.clock.now()
    return { names, bucket }
  }
}

/** A write in doubt cannot be repeated any more: the bucket may have forgotten the ids of its messages. */
const forgotten = ({ bucket, stream }: Names, window: number, memory: number): MemisError => {
  const text = `the bucket ${bucket} remembers the ids of messages for ${window} ms only, so that the write cannot be repeated`
  const remedy = `nats stream edit ${stream} --dupe-window ${Math.ceil(memory / 1000)}s`
  return new MemisError('WRITE_TIMEOUT', `${text}: ${remedy}`, { stored: 'unknown' })
}

/** @throws MemisError `INVALID_OPTION` */
export const natsTransport = (options: Omit<NatsOptions, 'transport'> & { url?: unknown }): Transport =>
  new NatsTransport(checkOptions(options))
