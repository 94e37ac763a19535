/** A database's stream: made where it is missing, used as it is where it is there, and what its settings mean for memis. */
import { currentEpoch, type Epoch } from '../../core/epochs'
import { disconnected, MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { header } from './decode'
import { isOvertaken, noMessage, noStream, translate } from './errors'
import type { Answer, Link } from './link'
import type { Names } from './names'
import { Headers, type Publisher } from './publisher'
import { Room } from './room'
import { nsPerMs, ServerClock } from './server-clock'

/** How a bucket is made that is not there yet. One that is there stays as it is. */
export interface BucketOptions {
  /** On how many servers of a cluster it lies. Default 1. */
  readonly replicas?: number
  /** Default `file`. */
  readonly storage?: 'file' | 'memory'
  /** The most bytes that it may hold. Default: no limit. */
  readonly maxBytes?: number
  /** On which servers. */
  readonly placement?: { readonly cluster?: string; readonly tags?: readonly string[] }
  readonly description?: string
}

export interface BucketState {
  /** Oldest first: the stream's own, and those that began when it was found to have lost its end. */
  readonly epochs: readonly Epoch[]
  /** The number of its last message. */
  readonly head: number
  /** The server removes what expires, and leaves a mark of it; else memis does. */
  readonly expires: boolean
  /** How long the server keeps its own marks (ms): those of clients are kept as long, whatever their retention. */
  readonly markTtl: number
  /** How long a replica can rely on marks (ms); 0 where some may be missing at any time. */
  readonly retention: number
  /** Everything older is removed (ms). */
  readonly maxAge: number
  /** Only the last message of each subject is kept. */
  readonly isLastOnly: boolean
  /** It lies on more than one server. */
  readonly isReplicated: boolean
}

/** A message as the stream has it. */
export interface StoredMessage {
  readonly seq: number
  readonly time: string
  /** In base64, as is `data`. */
  readonly hdrs?: string
  readonly data?: string
}

/** Ids of messages are remembered for so long (ms), or longer: for as long as any client may write again what it wrote. */
const shortestWindow = 30_000
/**
 * One that vanished is made again after so many ms: nats-server 2.9 goes on deleting the files of a stream that is gone already,
 * and takes with them those of one that is made meanwhile, which goes on as if it had them.
 */
const remakeDelay = 500
/**
 * nats-server 2.9 was seen to die of a question for a message of a stream that is just being made: others are told that it is
 * there before its files are. One that has no message yet is given so long (ms) before it is asked for any.
 */
const makingDelay = 50

/** So often a stream is asked for that is just being made. */
const mostTries = 100

const { setTimeout } = globalThis

export class Bucket {
  readonly stream: string
  readonly clock: ServerClock
  readonly room = new Room()
  readonly #name: string
  readonly #link: Link
  readonly #host: Host
  readonly #publisher: Publisher
  readonly #options: BucketOptions
  #config: Answer | null = null
  #state: BucketState | null = null
  #asking: Promise<BucketState> | null = null

  constructor({ bucket, stream }: Names, link: Link, host: Host, publisher: Publisher, options: BucketOptions) {
    this.#name = bucket
    this.stream = stream
    this.clock = new ServerClock(stream, link)
    this.#link = link
    this.#host = host
    this.#publisher = publisher
    this.#options = options
  }

  /** What is known of it; asks, and makes it where it is missing, where nothing is. */
  async open(): Promise<BucketState> {
    return this.#state ?? this.refresh()
  }

  /** Asks anew; makes the bucket where it is missing. */
  refresh(): Promise<BucketState> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  /** Whether the stream is still that one. */
  async isStill({ epochs }: BucketState): Promise<boolean> {
    const { created } = await this.#link.ask(`STREAM.INFO.${this.stream}`)
    return typeof created === 'string' && nanoseconds(created) === epochs[0]?.id
  }

  /** A message by the word of the stream's leader: by its number, or the last of a subject, which may be a pattern. */
  async message(
    which: { readonly seq: number } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | undefined> {
    const { message, error } = await this.#link.ask(`STREAM.MSG.GET.${this.stream}`, which)
    if (error?.err_code === noMessage) return undefined
    if (error !== undefined) throw translate(error)
    return message
  }

  /** It may not be there any more, or be another one. */
  forget(): void {
    this.#state = null
  }

  /** Another epoch follows on that one: what was numbered above `floor` was lost, and its numbers are used again. */
  async fork(epoch: string, floor: number): Promise<BucketState> {
    const { epochs, seq } = await this.#readForks()
    const state = await this.refresh()
    const last = currentEpoch(state.epochs)
    // Somebody was faster, before or between the two questions.
    if (last.id !== epoch || epochs.length !== state.epochs.length - 1) return state
    // Greater than the epoch it comes from, and less than that of a stream made later.
    const id = `${(state.epochs[0] as Epoch).id}~${Date.now().toString(36)}${crypto.randomUUID().slice(0, 4)}`
    const forks = [...epochs, { id: id > last.id ? id : `${last.id}~`, floor }].slice(-31)
    const headers = new Headers().with(header.expected, seq)
    const ack = await this.#publisher.publish(this.#forksSubject, JSON.stringify(forks), headers)
    if (ack.error !== undefined && !isOvertaken(ack.error)) throw translate(ack.error)
    return this.refresh()
  }

  /** A key of the bucket's own, which no collection's names meet. */
  get #forksSubject(): string {
    return `$KV.${this.#name}.=`
  }

  async #ask(): Promise<BucketState> {
    const asked = performance.now()
    let info = await this.#info()
    if (info.error?.err_code === noStream && this.#config !== null) {
      await pause(remakeDelay)
      info = await this.#info()
    }
    if (info.error?.err_code === noStream) {
      info = await this.#link.ask(`STREAM.CREATE.${this.stream}`, this.#config ?? this.#ownConfig())
      const { error } = info
      if (error !== undefined || isBeingMade(info)) info = await this.#info()
      // Somebody else has made it meanwhile; or it cannot be made, for the reason that was given.
      if (error !== undefined && info.error?.err_code === noStream) throw translate(error)
    }
    if (info.error !== undefined) throw translate(info.error)
    const isEmpty = info.state.last_seq === 0
    if (info.ts !== undefined) this.clock.set(info, asked)
    // Newer servers tell their time.
    else if (isEmpty) await pause(makingDelay)
    const { config } = info
    this.#check(config)
    // Should it vanish, it is made again as it was.
    this.#config = { ...config, metadata: undefined }
    const { epochs } = isEmpty ? { epochs: [] } : await this.#readForks()
    const markTtl: number = (config.subject_delete_marker_ttl ?? 0) / nsPerMs
    const expires = config.allow_msg_ttl === true && markTtl > 0
    const maxAge = config.max_age > 0 ? config.max_age / nsPerMs : Infinity
    const { retention } = this.#host
    this.#state = {
      epochs: [{ id: nanoseconds(info.created), floor: 0 }, ...epochs],
      head: info.state.last_seq,
      expires,
      markTtl,
      retention: expires ? Math.min(retention, markTtl) : maxAge < Infinity ? 0 : retention,
      maxAge,
      isLastOnly: config.max_msgs_per_subject === 1,
      isReplicated: config.num_replicas > 1,
    }
    return this.#state
  }

  async #info(): Promise<Answer> {
    for (let tries = 0; tries < mostTries; tries++) {
      const info = await this.#link.ask(`STREAM.INFO.${this.stream}`)
      if (info.error !== undefined || !isBeingMade(info)) return info
      await pause(makingDelay)
    }
    throw disconnected('the stream is being made, and does not get ready')
  }

  async #readForks(): Promise<{ epochs: Epoch[]; seq: number }> {
    const { seq = 0, data = '' } = (await this.message({ last_by_subj: this.#forksSubject })) ?? {}
    try {
      const epochs: unknown = JSON.parse(Buffer.from(data, 'base64').toString() || '[]')
      if (Array.isArray(epochs) && epochs.every(isEpoch)) return { epochs, seq }
    } catch {
      // As below.
    }
    this.#host.report(new MemisError('UNDECODABLE', `${this.stream}: ${this.#forksSubject} holds no list of epochs`))
    return { epochs: [], seq }
  }

  /** As KV clients make it; and for memis, that repeated writes are known again, and that what expires leaves a mark. */
  #ownConfig(): object {
    const { replicas = 1, storage = 'file', maxBytes = -1, placement, description = 'memis' } = this.#options
    const { retention, writeTimeout } = this.#host
    return {
      name: this.stream,
      description,
      subjects: [`$KV.${this.#name}.>`],
      retention: 'limits',
      discard: 'new',
      storage,
      num_replicas: replicas,
      ...(placement === undefined ? {} : { placement }),
      max_msgs_per_subject: 1,
      max_msgs: -1,
      max_bytes: maxBytes,
      max_msg_size: -1,
      max_consumers: -1,
      max_age: 0,
      duplicate_window: Math.max(shortestWindow, 2 * writeTimeout) * nsPerMs,
      allow_rollup_hdrs: true,
      allow_direct: true,
      deny_delete: true,
      allow_msg_ttl: true,
      subject_delete_marker_ttl: 1000 * wholeSeconds(retention) * nsPerMs,
    }
  }

  #check(config: Answer): void {
    const cannot = (setting: string, why: string) => {
      throw new MemisError('UNSUPPORTED_STORE', `the bucket ${this.#name} cannot serve: ${setting} ${why}`)
    }
    if (!config.subjects?.includes(`$KV.${this.#name}.>`)) cannot('subjects', 'does not hold those of a KV bucket')
    if (config.retention !== 'limits') cannot('retention', `is ${config.retention}, not limits`)
    if (config.mirror) cannot('mirror', 'is set: it takes no writes')
    if (config.sealed) cannot('sealed', 'is set: it takes no writes')
    if (config.no_ack) cannot('no_ack', 'is set: no write would be confirmed')
    if (config.deny_purge) cannot('deny_purge', 'is set: marks of what is gone would pile up')
    if (config.discard !== 'new' && (config.max_bytes > 0 || config.max_msgs > 0)) {
      cannot('discard', 'is old: items would vanish unsaid when it is full')
    }
    if (config.duplicate_window < this.#host.writeTimeout * nsPerMs) {
      cannot('duplicate_window', `is shorter than writeTimeout, ${this.#host.writeTimeout} ms`)
    }
  }
}

/** The epoch that goes on. */
export const epochOf = ({ epochs }: BucketState): string => currentEpoch(epochs).id

/** Of ttls, the server takes whole seconds alone. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000))

/** A time as Go writes it, without its last zeros, in a form that sorts as text. */
function nanoseconds(time: string): string {
  const [, seconds, fraction = ''] = /^(.+?)(?:\.(\d+))?Z$/.exec(time) ?? [time, time]
  return `${seconds}.${fraction.padEnd(9, '0')}Z`
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref())

/** nats-server 2.9 tells others of it before its time is set: that is year 1 then. */
const isBeingMade = ({ created }: Answer): boolean => Date.parse(created) < 0

const isEpoch = (value: Partial<Epoch> | null): value is Epoch =>
  typeof value?.id === 'string' && /^[\w:.~-]{1,100}$/.test(value.id) && Number.isSafeInteger(value.floor)
