/**
 * What the tests on real NATS servers share. Whatever reads the store here knows the layout by itself, or leaves it to the
 * official KV client: none of memis's code takes part, so that memis and its tests cannot be wrong in the same way.
 */
import assert from 'node:assert'
import { Kvm } from '@nats-io/kv'
import { connect, type Msg, type NatsConnection, headers as newHeaders, TimeoutError } from '@nats-io/transport-node'
import type { NatsConnection as UsersConnection } from 'nats'
import { createClient } from '../../src'
import type { Site } from '../scenarios/site'
import { type AnyCollection, untilEqualTo } from '../support/replicas'
import { type NatsOptions, type Server, startNats } from '../support/servers'
import { type Disposable, until } from '../support/testing'

export * from '../support/replicas'
export * from '../support/testing'

/** A server that is stopped at the end of the block. */
export async function natsServer(options: NatsOptions = {}): Promise<Disposable<Server>> {
  const server = await startNats(options)
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() })
}

/** A server for what is played on other stores, too. */
export async function natsSite(options: NatsOptions = {}): Promise<Site & { raw: Raw }> {
  const server = await natsServer(options)
  const raw = await Raw.connect(server.url)
  return {
    server,
    raw,
    client: (options, port = server.port) =>
      createClient({ transport: 'nats', servers: `127.0.0.1:${port}`, ...options }),
    read: (collection) => readStore(raw, collection),
    async [Symbol.asyncDispose]() {
      await raw[Symbol.asyncDispose]()
      await server.stop()
    },
  }
}

/** The last message of a subject, as it lies in the stream. */
export interface Message {
  readonly subject: string
  readonly sequence: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
}

/** 'JetStream system temporarily unavailable' */
const unavailable = 10008

/** A connection of the official client, which asks JetStream in the words of its API. */
export class Raw {
  readonly kvm: Kvm
  /** Settles when the stream that was asked for has a leader again. */
  #led: Promise<unknown> | null = null

  private constructor(readonly connection: NatsConnection) {
    this.kvm = new Kvm(connection)
  }

  static async connect(servers: string | string[], options: object = {}): Promise<Raw> {
    const forEver = { maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 }
    return new Raw(await connect({ servers, ...forEver, ...options }))
  }

  // biome-ignore lint/suspicious/noExplicitAny: each question has an answer of its own
  async ask(subject: string, question?: object): Promise<any> {
    const text = question === undefined ? '' : JSON.stringify(question)
    // One that was on its way to a server that died is lost; what changes nothing is asked again.
    const isHarmless = /\.(INFO|LIST|NAMES|GET)(\.|$)/.test(subject)
    // A cluster waits 4 s itself for those of its servers that do not answer.
    const timeout = isHarmless ? 10_000 : 30_000
    const request = (tries: number): Promise<Msg> =>
      this.connection.request(`$JS.API.${subject}`, text, { timeout }).catch((error: Error) => {
        if (!isHarmless || tries === 3 || !(error instanceof TimeoutError)) throw error
        return request(tries + 1)
      })
    type Answer = { error?: { err_code: number; description: string } }
    let answer = (await request(1)).json<Answer>()
    // Where a leader is being elected, one of the others answers that nobody can: of all who ask, one asks until somebody does.
    const isUnled = () => answer.error?.err_code === unavailable && isHarmless
    while (isUnled()) {
      this.#led ??= until('somebody leads', async () => {
        answer = (await request(1)).json<Answer>()
        return !isUnled()
      }).finally(() => {
        this.#led = null
      })
      await this.#led
      answer = (await request(1)).json<Answer>()
    }
    if (answer.error) throw new Error(`${subject}: ${answer.error.description}`)
    return answer
  }

  /** Where no answer is an answer, since the server is just not there. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async askInVain(subject: string, question?: object): Promise<any> {
    return this.ask(subject, question).catch(() => undefined)
  }

  /** Publishes to a stream; resolves to the sequence. */
  async publish(subject: string, text: string | Uint8Array, headers: Record<string, string> = {}): Promise<number> {
    const list = newHeaders()
    for (const [name, value] of Object.entries(headers)) list.set(name, value)
    const answer = (await this.connection.request(subject, text, { headers: list, timeout: 30_000 })).json<{
      seq: number
      error?: { description: string }
    }>()
    assert.ok(!answer.error, answer.error?.description)
    return answer.seq
  }

  /** The last message of each subject of the database that begins so, in the order of the stream. */
  async messages(database: string, start: string): Promise<Message[]> {
    const info = await this.ask(`STREAM.INFO.KV_${bucketOf(database)}`, { subjects_filter: `${start}>` })
    const subjects = Object.keys(info.state.subjects ?? {})
    const found: Message[] = []
    while (subjects.length > 0) {
      await Promise.all(
        subjects.splice(-500).map(async (subject) => {
          const message = await this.last(database, subject)
          if (message !== undefined) found.push(message)
        }),
      )
    }
    return found.sort((a, b) => a.sequence - b.sequence)
  }

  /** The last message of a subject, by the word of the stream's leader. */
  async last(database: string, subject: string): Promise<Message | undefined> {
    const answer = await this.ask(`STREAM.MSG.GET.KV_${bucketOf(database)}`, { last_by_subj: subject }).catch(
      (error: Error) => {
        if (/no message found/.test(error.message)) return undefined
        throw error
      },
    )
    if (answer === undefined) return undefined
    const { seq, hdrs = '', data = '' } = answer.message
    const lines = Buffer.from(hdrs, 'base64').toString().split('\r\n').slice(1)
    const headers = lines.map((line) => /^(.*?): ?(.*)$/.exec(line)).flatMap((parts) => (parts ? [parts] : []))
    return {
      subject: answer.message.subject,
      sequence: seq,
      headers: new Map(headers.map(([, name, value]) => [name as string, value as string])),
      text: Buffer.from(data, 'base64').toString(),
    }
  }

  /** The consumers of a bucket's stream. */
  async consumers(bucket = 'memis-test'): Promise<{ name: string; config: { filter_subject: string } }[]> {
    const { consumers } = await this.ask(`CONSUMER.LIST.KV_${bucket}`)
    return consumers ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close()
  }
}

/** From now on, the acknowledgements that a user's connection hears are told on by `pass`: at once, later, or never. */
export function passAcks(connection: UsersConnection, pass: (tell: () => void) => void): void {
  const subscribe = connection.subscribe.bind(connection)
  connection.subscribe = (subject, options) =>
    subscribe(subject, {
      ...options,
      callback: (error, message) => {
        const tell = () => options?.callback?.(error, message)
        if (/^{"stream":"[^"]+", *"seq":/.test(message.string())) pass(tell)
        else tell()
      },
    })
}

/** No replica of that connection begins another session before what is returned is called. */
export function holdSessions(connection: UsersConnection): () => void {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const publish = connection.publish.bind(connection)
  connection.publish = (subject, ...rest) => {
    if (/CONSUMER\.CREATE\./.test(subject)) opened.then(() => publish(subject, ...rest))
    else publish(subject, ...rest)
  }
  return open
}

const escaped = (text: string, allowed: RegExp, mark: string) =>
  [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return byte < 0x80 && allowed.test(character)
        ? character
        : mark + byte.toString(16).toUpperCase().padStart(2, '0')
    })
    .join('')

/** Of names in which the layout sees nothing special: those of the tests. */
const bucketOf = (database: string): string => `memis-${escaped(database, /[A-Za-z0-9_-]/, '_')}`
export const startOf = (database: string, collection: string): string =>
  `$KV.${bucketOf(database)}.${escaped(collection, /[\w/-]/, '=')}.`
export const subjectOf = (database: string, collection: string, key: string): string =>
  startOf(database, collection) + escaped(key, /[\w/.-]/, '=')

const unescaped = (text: string) =>
  Buffer.from(
    text.replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString()

/** The item that a message is; undefined where it tells that there is none, or is no item. */
export function itemOf({ headers, text }: Message): unknown {
  if (headers.has('KV-Operation') || headers.has('Nats-Marker-Reason')) return undefined
  try {
    const item: unknown = JSON.parse(text)
    return typeof item === 'object' && item !== null && !Array.isArray(item) ? item : undefined
  } catch {
    return undefined
  }
}

/** What a collection holds. */
export async function readStore(raw: Raw, collection: string, database = 'test'): Promise<Map<string, unknown>> {
  const start = startOf(database, collection)
  const items = new Map<string, unknown>()
  for (const message of await raw.messages(database, start)) {
    const item = itemOf(message)
    if (item !== undefined) items.set(unescaped(message.subject.slice(start.length)), item)
  }
  return items
}

/** Waits until each replica holds what the store holds; returns the ms. */
export function untilEqual(
  raw: Raw,
  replicas: readonly AnyCollection[],
  { deadline = 20_000, database = 'test' } = {},
): Promise<number> {
  // A stream that is just being made anew is one that is not there.
  const read = (name: string) => readStore(raw, name, database).catch(() => new Map([['the store', 'cannot be read']]))
  return untilEqualTo(read, replicas, deadline)
}

/** Waits until the stream has so many consumers; fails with those that it has. */
export async function untilConsumers(
  raw: Raw,
  count: number,
  bucket = 'memis-test',
  deadline = 20_000,
): Promise<number> {
  let names: string[] = []
  return until(
    `${count} consumers`,
    async () => {
      // Where nobody leads just now, nobody answers.
      const found = await raw.consumers(bucket).catch(() => undefined)
      names = found?.map(({ name }) => name) ?? []
      return found?.length === count
    },
    deadline,
  ).catch((error: Error) => assert.fail(`${error.message}; the last that were seen: ${names}`))
}
