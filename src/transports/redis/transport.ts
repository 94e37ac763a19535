/** The transport to Redis 7.0 or newer, or Valkey. */
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where the package is missing
// @ts-ignore: redis is an optional peer; without it these types are any
import type { RedisClientOptions, RedisClientType } from 'redis'
import { systemClock } from '../../core/clock'
import { MemisError, quote, withStored } from '../../core/errors'
import type { Batch, Host, Lack, Place, Position, Sink, Transport, Watch, Written } from '../../core/transport'
import { decodeWritten } from './decode'
import { encodeBatch } from './encode'
import { Link } from './link'
import { type Keys, keysOf } from './names'
import { auditScript, clearScript, writeScript } from './scripts'
import { type Known, learn, newTrust, Session, type Trust } from './session'

/** What memis must own: its own queue, its own reconnecting, its own names of keys, replies as they come. */
const owned = [
  'disableOfflineQueue',
  'commandsQueueMaxLength',
  'pingInterval',
  'keyPrefix',
  'readonly',
  'clientSideCache',
  'emitInvalidate',
  'commandOptions',
] as const
const ownedBySocket = ['reconnectStrategy', 'socketTimeout'] as const

type Native = Omit<RedisClientOptions, (typeof owned)[number]>

export type RedisOptions =
  /** Everything that node-redis's createClient takes, but for what memis must own. Default: localhost:6379. */
  | ({ transport: 'redis'; client?: undefined } & Native)
  /** A client of node-redis, which memis duplicates, never commands and never closes. */
  // biome-ignore lint/suspicious/noExplicitAny: of whatever modules and scripts
  | { transport: 'redis'; client: RedisClientType<any, any, any, any, any> }

/** Deletes of a clear that one call of a script makes. */
const clearStep = 1000

const { setInterval, clearInterval } = globalThis

class RedisTransport implements Transport {
  readonly name = 'redis'
  readonly lacks: readonly Lack[] = []
  readonly clock = systemClock
  /** Redis takes strings of 512 MB, and a notification holds the items of a batch. */
  readonly maxItemBytes = 256 * 1024 * 1024
  readonly pipelines = true
  /** Never connected, only duplicated. Null where the package is missing. */
  readonly #prototype: RedisClientType | null
  readonly #sessions = new Set<Session>()
  readonly #trust = new Map<string, Trust>()
  #host!: Host
  #link: Link | null = null
  #timer: NodeJS.Timeout | undefined
  #isAuditing = false
  /** The audit has to ask for each collection by itself. */
  #isClustered = false

  constructor(prototype: RedisClientType | null) {
    this.#prototype = prototype
  }

  open(host: Host): void {
    this.#host = host
    if (this.#prototype === null) {
      const error = new MemisError('MISSING_PACKAGE', "the package 'redis' is not installed: npm install redis")
      // A promise job: fake timers replace queueMicrotask.
      Promise.resolve().then(() => host.down(error))
      return
    }
    this.#link = new Link(this.#prototype, host, {
      up: () => {
        this.#timer = setInterval(() => this.#audit(), host.auditInterval)
        host.up()
      },
      down: (error) => {
        clearInterval(this.#timer)
        for (const session of [...this.#sessions]) session.fail(error)
        host.down(error)
      },
    })
  }

  async write(place: Place, batch: Batch): Promise<Written> {
    // Where the package is missing the link is never up, and nobody calls.
    const link = this.#link as Link
    const keys = this.#keys(place)
    if (batch.writes[0]?.kind === 'clear') return this.#clear(link, keys, batch)
    const { items, args } = encodeBatch(keys.items, batch)
    const names = [...this.#names(keys, batch), ...items]
    const reply = await link.run(writeScript, names, [...this.#opening(keys, batch), ...args])
    const written = decodeWritten(reply, batch)
    const trust = this.#trust.get(keys.channel)
    if (trust !== undefined) learn(trust, { epoch: written.epoch, n: written.last })
    return written
  }

  watch(place: Place, from: Position | null, sink: Sink): Watch {
    const keys = this.#keys(place)
    const link = this.#link as Link // as above
    const found = (known?: Known) => this.#found(link, keys, known)
    const trust = this.#trust.get(keys.channel) ?? newTrust()
    this.#trust.set(keys.channel, trust)
    const session = new Session(link, keys, this.#host, sink, found, trust)
    this.#sessions.add(session)
    session.start(from)
    return {
      close: () => {
        this.#sessions.delete(session)
        session.close()
      },
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#link?.close()
  }

  /** Finds what no notification tells: one small request for all collections. */
  async #audit(): Promise<void> {
    const asked = [...this.#sessions].flatMap((session) => (session.state ? [{ session, ...session.state }] : []))
    // One at a time: answers that come together would count a notification on its way as lost.
    if (asked.length === 0 || this.#isAuditing) return
    this.#isAuditing = true
    const ask = async (some: typeof asked) => {
      const states = some.map(({ epoch, position }) => `${epoch} ${position}`)
      const names = some.flatMap(({ keys: { meta, log, ttl } }) => [meta, log, ttl])
      const args = [String(this.#host.retention), ...states]
      const differing = (await this.#link?.run(auditScript, names, args)) as [number, string, string, number][]
      const found = new Map(differing.map(([i, epoch, head, overdue]) => [i, { epoch, head: Number(head), overdue }]))
      for (const [i, { session, position }] of some.entries()) {
        session.audited(position, found.get(i))
        if (this.#link?.mayEvict) session.scrub()
      }
    }
    try {
      if (this.#isClustered) await Promise.all(asked.map((one) => ask([one])))
      else await ask(asked)
    } catch (error) {
      // A cluster, even of one node, has no script look at more than one slot.
      this.#isClustered ||= (error as MemisError).message.includes('CROSSSLOT')
      if (this.#isClustered) return
      // Without an answer nothing is proved, and the age in `freshness` tells; a dead link is the heartbeat's to find.
      if ((error as MemisError).code !== 'DISCONNECTED') this.#host.report(error as MemisError)
    } finally {
      this.#isAuditing = false
    }
  }

  /** A batch without writes: the store begins an epoch where one is due, and removes marks that are old. */
  #found(link: Link, keys: Keys, known?: Known): Promise<unknown> {
    const batch = { writer: 'none', sequence: 1, writes: [] }
    const past = known === undefined ? '' : `<${known.epoch} ${known.n} ${known.floor}`
    return link.run(writeScript, this.#names(keys, batch), [...this.#opening(keys, batch), '[]', past])
  }

  async #clear(link: Link, keys: Keys, batch: Batch): Promise<Written> {
    const names = this.#names(keys, batch)
    const opening = this.#opening(keys, batch)
    let upTo = '-1'
    for (let after = '0'; ; ) {
      const part = link.run(clearScript, names, [...opening, keys.items, after, upTo, String(clearStep)])
      const reply = await part.catch((error: MemisError) => {
        // Refused as it may be, the parts before it were taken.
        throw after === '0' ? error : withStored(error, 'unknown')
      })
      const [epoch = '', end = '', reached = ''] = String(reply).split(' ')
      if (reached === end) return { epoch, outcomes: [{ n: Number(end) + 1, existed: false }] }
      upTo = end
      after = reached
    }
  }

  #keys(place: Place): Keys {
    return keysOf(place, this.#prototype?.options.database ?? 0)
  }

  /** The keys that every writing script is given. */
  #names(keys: Keys, { writer }: Batch): string[] {
    return [keys.meta, keys.log, keys.ttl, keys.writer(writer), keys.origins]
  }

  /** The arguments that every writing script is given. */
  #opening(keys: Keys, { sequence, follows }: Batch): string[] {
    const { retention, writeTimeout } = this.#host
    // A batch may come late by as long as a connection holds it back: remember its writer for much longer.
    const remember = Math.max(600_000, 4 * writeTimeout)
    return [
      keys.channel,
      follows === undefined ? String(sequence) : `${sequence} ${follows}`,
      crypto.randomUUID().slice(0, 8),
      String(retention),
      String(remember),
    ]
  }
}

/** @throws MemisError `INVALID_OPTION` */
export function redisTransport(options: Omit<RedisOptions, 'transport'>): Transport {
  const { client, ...native } = options as { client?: RedisClientType } & Native & { socket?: object }
  for (const name of owned) if (name in native) throw invalid(`the option ${name} of node-redis is memis's own to set`)
  if (native.socket !== undefined && (typeof native.socket !== 'object' || native.socket === null)) {
    throw invalid('the option socket of node-redis must be an object')
  }
  for (const name of ownedBySocket) {
    if (name in (native.socket ?? {})) throw invalid(`the option socket.${name} of node-redis is memis's own to set`)
  }
  if (client === undefined) return new RedisTransport(makePrototype(native))
  if (Object.keys(native).length > 0) {
    throw invalid(
      `with a client of your own, node-redis takes no other option; there is ${Object.keys(native).map(quote)}`,
    )
  }
  if (typeof client?.duplicate !== 'function' || !('socketEpoch' in client)) {
    throw invalid("client must be what node-redis's createClient gives; a cluster, pool or sentinel cannot serve yet")
  }
  if (client.options?.keyPrefix !== undefined)
    throw invalid("a client with a keyPrefix cannot serve: use memis's prefix")
  return new RedisTransport(client)
}

function makePrototype(options: Native): RedisClientType | null {
  let redis: typeof import('redis')
  try {
    redis = require('redis')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'MODULE_NOT_FOUND' && message.includes("'redis'")) return null
    throw error
  }
  try {
    return redis.createClient(options as RedisClientOptions) as unknown as RedisClientType
  } catch (error) {
    // Neither the error nor its cause is passed on: they hold the URL, which may hold a password.
    throw invalid(`node-redis does not take these options (${(error as NodeJS.ErrnoException).code ?? 'no code'})`)
  }
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
