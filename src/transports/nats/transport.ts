/** The transport to NATS 2.9 or newer, with JetStream. */
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where the package is missing
// @ts-ignore: nats is an optional peer; without it these types are any
import type { ConnectionOptions, NatsConnection } from 'nats'
import { systemClock } from '../../core/clock'
import { disconnected, MemisError, quote } from '../../core/errors'
import type { Batch, Host, Lack, Place, Position, Sink, Transport, Watch, Written } from '../../core/transport'
import { Bucket, type BucketOptions } from './bucket'
import { loadNats, type Nats } from './library'
import { Link, type Source } from './link'
import { type Names, namesOf } from './names'
import { Publisher } from './publisher'
import { Session } from './session'
import { Sweeper } from './sweeper'
import { Trail } from './trail'
import { Writes } from './writes'

export type { BucketOptions }

/** What memis must own: its own reconnecting, its own look at the connection's health. */
const owned = [
  'reconnect',
  'maxReconnectAttempts',
  'reconnectTimeWait',
  'reconnectJitter',
  'reconnectJitterTLS',
  'reconnectDelayHandler',
  'waitOnFirstConnect',
  'ignoreAuthErrorAbort',
  'pingInterval',
  'maxPingOut',
] as const

type Native = Omit<ConnectionOptions, (typeof owned)[number]>

export type NatsOptions =
  /** Everything that `connect()` of the package `nats` takes, but for what memis must own. Default: localhost:4222. */
  | ({ transport: 'nats'; connection?: undefined; bucket?: BucketOptions } & Native)
  /** A connection of the package `nats` that the user has made, which memis does not close. */
  | { transport: 'nats'; connection: NatsConnection; bucket?: BucketOptions }

/** What a message holds beside the item: headers. */
const headerBytes = 1024
const standardPayload = 1024 * 1024

const { setInterval, clearInterval } = globalThis

/** All that belongs to one collection. */
interface Lane {
  readonly names: Names
  readonly bucket: Bucket
  readonly writes: Writes
  readonly trail: Trail
}

/** What there is once the transport is open. */
interface Parts {
  readonly link: Link
  readonly publisher: Publisher
  readonly sweeper: Sweeper
}

class NatsTransport implements Transport {
  readonly name = 'nats'
  readonly lacks: readonly Lack[] = []
  readonly clock = systemClock
  readonly pipelines = true
  /** Null where the package is missing. */
  readonly #nats: Nats | null
  readonly #source: Source | NatsConnection
  readonly #options: BucketOptions
  readonly #buckets = new Map<string, Bucket>()
  readonly #lanes = new Map<string, Lane>()
  readonly #sessions = new Set<Session>()
  #host!: Host
  #parts: Parts | null = null
  #timers: NodeJS.Timeout[] = []
  #maxPayload = standardPayload

  constructor(nats: Nats | null, source: Source | NatsConnection, options: BucketOptions) {
    this.#nats = nats
    this.#source = source
    this.#options = options
  }

  get maxItemBytes(): number {
    return this.#maxPayload - headerBytes
  }

  open(host: Host): void {
    this.#host = host
    const nats = this.#nats
    if (nats === null) {
      const error = new MemisError('MISSING_PACKAGE', "the package 'nats' is not installed: npm install nats@2")
      // A promise job: fake timers replace queueMicrotask.
      Promise.resolve().then(() => host.down(error))
      return
    }
    const link: Link = new Link(nats, this.#source, host, {
      up: () => this.#up(link),
      down: (error) => this.#down(error),
      forbidden: (subject) => publisher.forbid(subject),
    })
    const publisher = new Publisher(link)
    this.#parts = { link, publisher, sweeper: new Sweeper(link, publisher) }
  }

  async write(place: Place, batch: Batch): Promise<Written> {
    // Where the package is missing the link is never up, and nobody calls.
    const { bucket, writes } = this.#lane(place, this.#parts as Parts)
    return writes.take(batch).catch((error: MemisError) => {
      // Nobody may have answered because the stream is gone: then it is made again.
      if (error.code === 'DISCONNECTED') bucket.forget()
      throw error
    })
  }

  watch(place: Place, from: Position | null, sink: Sink): Watch {
    const { link, sweeper } = this.#parts as Parts
    let session: Session | null = null
    try {
      const { bucket, names, trail } = this.#lane(place, this.#parts as Parts)
      session = new Session(link, bucket, names, this.#host, sink, sweeper, trail)
      this.#sessions.add(session)
      session.start(from)
    } catch (error) {
      sink.stale(error as MemisError)
    }
    return {
      close: () => {
        if (session === null) return
        this.#sessions.delete(session)
        session.close()
      },
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#parts?.sweeper.close()
    // What ended just now has its consumers deleted yet.
    await Promise.all([...this.#lanes.values()].map(({ trail }) => trail.ending))
    this.#parts?.publisher.lost(disconnected('the client is closed'))
    this.#parts?.link.close()
  }

  #up(link: Link): void {
    this.#maxPayload = link.connection.info?.max_payload ?? standardPayload
    const { auditInterval, livenessTimeout } = this.#host
    this.#timers = [
      setInterval(() => this.#each((session) => session.check()), Math.max(50, livenessTimeout / 20)),
      setInterval(() => this.#each((session) => session.audit()), auditInterval),
    ]
    this.#parts?.sweeper.up()
    this.#host.up()
  }

  #down(error: MemisError): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#parts?.sweeper.down()
    this.#parts?.publisher.lost(error)
    // What it says when it is back may be another thing.
    for (const bucket of this.#buckets.values()) bucket.forget()
    this.#each((session) => session.fail(error))
    this.#host.down(error)
  }

  #each(call: (session: Session) => unknown): void {
    for (const session of [...this.#sessions]) call(session)
  }

  #lane(place: Place, { link, publisher, sweeper }: Parts): Lane {
    const names = namesOf(place)
    let lane = this.#lanes.get(names.start)
    if (lane === undefined) {
      const bucket = this.#buckets.get(names.bucket) ?? new Bucket(names, link, this.#host, publisher, this.#options)
      this.#buckets.set(names.bucket, bucket)
      const trail = new Trail(link, bucket, names)
      const writes = new Writes(link, publisher, sweeper, bucket, names, trail, this.#host.retention)
      lane = { names, bucket, writes, trail }
      this.#lanes.set(names.start, lane)
    }
    return lane
  }
}

/** @throws MemisError `INVALID_OPTION` */
export function natsTransport(options: Omit<NatsOptions, 'transport'> & { url?: unknown }): Transport {
  const {
    connection,
    bucket = {},
    url,
    ...native
  } = options as { connection?: NatsConnection; bucket?: BucketOptions; url?: unknown } & Native
  checkBucket(bucket)
  for (const name of owned) if (name in native) throw invalid(`the option ${name} of nats is memis's own to set`)
  const nats = loadNats() ?? null
  if (connection !== undefined) {
    if (Object.keys(native).length > 0 || url !== undefined) {
      throw invalid(
        `with a connection of your own, nats takes no other option; there is ${Object.keys({ ...native, ...(url === undefined ? {} : { url }) }).map(quote)}`,
      )
    }
    if (typeof connection?.subscribe !== 'function' || typeof connection?.status !== 'function') {
      throw invalid("connection must be what connect() of the package 'nats' gives")
    }
    return new NatsTransport(nats, connection, bucket)
  }
  const whole = { ...fromUrl(url), ...native }
  const dial = (timeout: number) => {
    const patience = Math.min(whole.timeout ?? Infinity, timeout)
    return (nats as Nats).connect({ ...whole, reconnect: false, timeout: patience })
  }
  return new NatsTransport(nats, { dial }, bucket)
}

/** A URL's user and password stand in options of their own, since the client does not look for them there. */
function fromUrl(url: unknown): ConnectionOptions {
  if (url === undefined) return {}
  let parsed: { user: string; pass: string; host: string }
  try {
    const { username, password, host } = new URL(String(url))
    parsed = { user: decodeURIComponent(username), pass: decodeURIComponent(password), host }
  } catch {
    throw invalid('that URL is none; one of NATS is like nats://user:password@host:4222')
  }
  const { user, pass, host } = parsed
  const login = pass !== '' ? { user, pass } : user !== '' ? { token: user } : {}
  return { servers: host, ...login }
}

const storages: readonly unknown[] = [undefined, 'file', 'memory']

function checkBucket(bucket: BucketOptions): void {
  if (typeof bucket !== 'object' || bucket === null) throw invalid(`bucket must be an object, this is ${quote(bucket)}`)
  const { replicas = 1, storage, maxBytes = -1, placement, description = '', ...others } = bucket
  for (const name of Object.keys(others)) throw invalid(`there is no option bucket.${name}`)
  if (!Number.isSafeInteger(replicas) || replicas < 1 || replicas > 5)
    throw invalid(`bucket.replicas must be 1 to 5, this is ${quote(replicas)}`)
  if (!storages.includes(storage)) throw invalid(`bucket.storage must be 'file' or 'memory', this is ${quote(storage)}`)
  if (!Number.isSafeInteger(maxBytes))
    throw invalid(`bucket.maxBytes must be a number of bytes, this is ${quote(maxBytes)}`)
  if (placement !== undefined && typeof placement !== 'object')
    throw invalid(`bucket.placement must be an object, this is ${quote(placement)}`)
  if (typeof description !== 'string')
    throw invalid(`bucket.description must be a string, this is ${quote(description)}`)
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
