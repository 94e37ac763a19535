/** A database's stream: made if it is missing, used as it is if it is there; and what its leader says about it. */
import type { Clock } from '../../core/clock'
import { disconnected, type MemisError, notSent } from '../../core/errors'
import { isSameHistory } from '../../core/history'
import type { Epoch, Host } from '../../core/transport'
import { checkConfig, ownConfig, readConfig, type StreamSettings } from './config'
import { decodeStored, header, type Stored } from './decode'
import { EpochList } from './epoch-list'
import { epochOf } from './epochs'
import { code, isOvertaken, refusal } from './errors'
import { apiLevel, type Link } from './link'
import type { Names } from './names'
import type { BucketOptions } from './options'
import { Room } from './room'
import type { Session } from './session'
import { Trail } from './trail'
import { type Answer, type HeaderList, isLeaderless, type Question, type StoredMessage, type Wire } from './wire'

/** What everything that belongs to one transport shares. */
export interface Context {
  readonly link: Link
  readonly host: Host
  readonly clock: Clock
  readonly options: BucketOptions
}

export interface StreamState extends StreamSettings {
  /** When the stream was created: the id of its first epoch, unless the bucket's list says otherwise. */
  readonly created: string
  /** The same object as long as it does not change. */
  readonly history: readonly Epoch[]
  /** The messages that this client saw of it: the same object as long as it is this stream. */
  readonly trail: Trail
  /** The numbers of its last message, and of the first that it still has. */
  readonly head: number
  readonly first: number
}

/**
 * So many messages are in flight to a stream. The server drops what comes while 10,000 wait in it, of whatever client (100,000 in the
 * newest). And what one turn of the event loop publishes holds up everything else in the process.
 */
const mostInFlight = 4000
/** If the leader is silent for so much of the liveness timeout, sessions end. */
const silentShare = 0.8
/** Abandoned consumers that are remembered, to be deleted later. The server removes the others by itself. */
const mostAbandoned = 1000
/** A server that takes longer to delete a consumer (ms) is away. */
const longestDeleting = 1000
/** A history that sorts before all others: of a bucket that does not exist, for a client that must not make it. */
const nothingYet: readonly Epoch[] = [{ id: '0', floor: 0 }]

export class Bucket {
  readonly names: Names
  readonly context: Context
  readonly room = new Room(mostInFlight)
  readonly sessions = new Set<Session>()
  #state: StreamState | null = null
  /** The settings that it had, to make it again if it vanishes. */
  #config: object | null = null
  #asking: Promise<StreamState> | null = null
  #askingNext: Promise<StreamState> | null = null
  /** How often it was said that the stream may have changed, and how often by the last question that was answered. */
  #doubts = 0
  #settled = 0
  readonly #epochs = new EpochList(this)
  /** The time of its server minus the clock's (ms), or a little less. */
  #ahead = 0
  #unansweredSince: number | null = null
  readonly #abandoned = new Set<string>()
  /** Settles when abandoned consumers are deleted, as far as can be. */
  ending: Promise<unknown> = Promise.resolve()
  usedAt: number

  constructor(names: Names, context: Context) {
    this.names = names
    this.context = context
    this.usedAt = context.clock.now()
  }

  get wire(): Wire {
    return this.context.link.wire
  }

  /** What is known of it, asked for if nothing is. */
  async open(): Promise<StreamState> {
    return this.#state !== null && this.#doubts === this.#settled ? this.#state : this.refresh()
  }

  /** Asks the stream's leader. Callers during a question share the next one: what they are told must be newer than their call. */
  refresh(): Promise<StreamState> {
    if (this.#asking === null) {
      this.#asking = this.#ask().finally(() => {
        this.#asking = null
      })
      return this.#asking
    }
    this.#askingNext ??= this.#asking
      .catch(() => {})
      .then(() => {
        this.#askingNext = null
        return this.refresh()
      })
    return this.#askingNext
  }

  /** It may be another stream by now, or have lost something. */
  forget(): void {
    this.#doubts++
  }

  /** A new message got a number that was given before. */
  changed(): MemisError {
    this.forget()
    return disconnected('the stream was recreated, or has lost its end')
  }

  /** A replica knows this place, and the stream does not have it yet. */
  distrust(n: number, { trail }: StreamState): void {
    trail.add({ n })
    this.forget()
  }

  /** By the word of the stream's leader. */
  async read(question: Question): Promise<StoredMessage | undefined> {
    const { message, error } = await this.wire.ask(`STREAM.MSG.GET.${this.names.stream}`, question)
    if (error?.err_code === code.noMessage) return undefined
    if (error !== undefined) throw this.#refusal(error)
    return message
  }

  async readLast(subject: string): Promise<Stored | null> {
    const message = await this.read({ last_by_subj: subject })
    return message === undefined ? null : decodeStored(message)
  }

  /** For how long (ms) the stream has had a message of that time (ms since 1970); rather less than more. */
  readonly ageOf = (time: number): number => Math.max(0, this.now() - time)

  /** The time of the stream's server, or a little earlier (ms since 1970). */
  now(): number {
    return this.context.clock.now() + this.#ahead
  }

  /** Resolves to the number of the message; null if the last message of its subject was not the expected one. */
  async publish(subject: string, text: string, headers: HeaderList): Promise<number | null> {
    const answer = await this.wire.publish(subject, text, headers)
    return isOvertaken(answer.error) ? null : this.accepted(answer)
  }

  /** @throws MemisError if the stream has refused the message */
  accepted({ error, seq }: Answer): number {
    if (error !== undefined) throw this.#refusal(error)
    return seq
  }

  /**
   * The number of the message that was accepted with this id; undefined if the stream knows none. The question is a message that no
   * stream accepts, since there is no such kind of rollup: duplicates are recognised first.
   */
  async known(subject: string, id: string): Promise<number | undefined> {
    const headers = [
      [header.id, id],
      [header.rollup, 'none'],
    ] as const
    const answer = await this.wire.publish(subject, '', headers)
    if (answer.error === undefined) return answer.seq
    const error = this.#refusal(answer.error)
    if (error.code === 'STORE_REFUSED') return undefined
    throw error
  }

  /** @see Transport.beginEpoch */
  async beginEpoch(after: string): Promise<boolean> {
    for (;;) {
      const { history } = await this.refresh()
      const hasBegun = await this.#epochs.begin(history, after)
      if (hasBegun === null) continue
      await this.refresh()
      return hasBegun
    }
  }

  /** Compares sessions with the stream, and has them prove that they are current. */
  async audit(): Promise<void> {
    const { clock, host } = this.context
    const asked = clock.now()
    try {
      const state = await this.refresh()
      this.#unansweredSince = null
      for (const session of [...this.sessions]) session.audited(state)
    } catch (error) {
      this.#unansweredSince ??= asked
      if (clock.now() - this.#unansweredSince < silentShare * host.livenessTimeout) {
        // A dead link finds itself.
        if ((error as MemisError).code !== 'DISCONNECTED') host.report(error as MemisError)
        return
      }
      this.forget()
      for (const session of [...this.sessions]) session.fail(error as MemisError)
    }
  }

  /** A consumer is not needed any more. What cannot be deleted now is deleted later, or by the server. */
  leave(consumer: string): void {
    if (this.#abandoned.size < mostAbandoned) this.#abandoned.add(consumer)
    this.ending = Promise.all([this.ending, this.deleteAbandoned()])
  }

  async deleteAbandoned(): Promise<void> {
    const names = [...this.#abandoned]
    this.#abandoned.clear()
    const remove = async (name: string) => {
      await this.wire.ask(`CONSUMER.DELETE.${this.names.stream}.${name}`, undefined, longestDeleting)
    }
    const failed = (name: string, { code }: MemisError) => {
      if (code === 'DISCONNECTED') this.#abandoned.add(name)
    }
    await Promise.all(names.map((name) => remove(name).catch((error) => failed(name, error))))
  }

  async #ask(): Promise<StreamState> {
    const { link, host, clock, options } = this.context
    const { stream, epochs } = this.names
    const doubts = this.#doubts
    const ask = () => this.wire.ask(`STREAM.INFO.${stream}`, { subjects_filter: epochs })
    let info = await ask()
    if (info.error?.err_code === code.noStream && !host.readOnly) {
      const config = this.#config ?? ownConfig(this.names, options, host, (link.level ?? 0) >= apiLevel.atomic)
      const { error } = await this.wire.ask(`STREAM.CREATE.${stream}`, config)
      // Somebody else may have made it meanwhile.
      info = await ask()
      if (info.error?.err_code === code.noStream && error !== undefined) throw refusal(error)
    }
    const last = this.#state
    let state: StreamState
    if (info.error?.err_code === code.noStream) {
      state = { ...readConfig({}, host), created: '', history: nothingYet, trail: new Trail(), head: 0, first: 1 }
    } else {
      if (info.error !== undefined) throw refusal(info.error)
      if (isLeaderless(info)) throw notSent('nobody leads the stream just now')
      checkConfig(this.names, info.config)
      this.#config = { ...info.config, metadata: undefined }
      this.#ahead = Date.parse(info.ts) - clock.now()
      const { last_seq: head, first_seq: first, last_ts, subjects } = info.state
      const created = epochOf(info.created)
      const known = last?.created === created ? last : null
      // Knowledge of one stream says nothing of another one of its name.
      const trail = known?.trail ?? new Trail()
      let history = known?.history ?? nothingYet
      if (known === null || known.head !== head || doubts !== this.#settled) {
        history = await this.#epochs.read(created, subjects?.[epochs] !== undefined)
        for (const { id, floor } of history) if (!known?.history.some((each) => each.id === id)) trail.cut(floor)
        if (known !== null && (head < known.head || doubts !== this.#settled))
          history = await this.#verify(ask, created, history, trail)
        if (head > 0) trail.add({ n: head, time: Date.parse(last_ts) })
      }
      state = { ...readConfig(info.config, host), created, history, trail, head, first }
    }
    if (last !== null && isSameHistory(last.history, state.history)) state = { ...state, history: last.history }
    this.#settled = doubts
    this.#state = state
    return state
  }

  /** Begins an epoch if the stream has lost something that this client knows of. */
  async #verify(ask: () => Promise<Answer>, madeAt: string, history: readonly Epoch[], trail: Trail) {
    const readHead = async () => {
      const { error, created, state } = await ask()
      if (error !== undefined) throw this.#refusal(error)
      if (epochOf(created) !== madeAt) throw disconnected('the stream was made anew meanwhile')
      return state.last_seq
    }
    const floor = await trail.floor(readHead, (question) => this.read(question))
    if (floor === null) return history
    await readHead()
    const forked = await this.#epochs.fork(history, floor)
    if (forked === null) throw disconnected('another client is writing the list of epochs')
    trail.cut(floor)
    return forked
  }

  #refusal(error: NonNullable<Answer['error']>): MemisError {
    if (error.err_code === code.noStream) this.forget()
    return refusal(error)
  }
}
