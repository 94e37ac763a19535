/** The one place that knows all transports: chooses one by the options, and refuses what would be ignored or misread. */
import { Client } from './core/client'
import { MemisError } from './core/errors'
import { nearest } from './core/nearest'
import { type MemisOptions, takeSettings } from './core/options'
import { kindOf } from './core/text'
import type { Transport } from './core/transport'
import { type ClientKind, kindOfClient } from './options/clients'
import { guessTransport, refuseUnknown } from './options/known'
import { checkGroup } from './options/redis-groups'
import { readServers, readUrl } from './options/url'
import type { MemoryHub } from './transports/memory/hub'
import { MemoryTransport, namedMemoryTransport } from './transports/memory/transport'
import { type BucketOptions, type NatsOptions, natsTransport } from './transports/nats/transport'
import { type RedisOptions, redisTransport } from './transports/redis/transport'

export type { BucketOptions, NatsOptions, RedisOptions }

export interface MemoryOptions {
  transport: 'memory'
  /** Clients that are given the same hub share their data. Default: a hub of the client's own. */
  hub?: MemoryHub
}

export interface UrlOptions {
  /**
   * The scheme chooses the transport: `redis:`, `rediss:` (TLS), `valkey:`, `valkeys:` (TLS), `nats:`, `tls:` (NATS, TLS
   * required) or `memory:`. All clients of this process that are given `memory:name` share the hub of that name.
   */
  url: string
  transport?: undefined
}

export interface CustomOptions {
  /** Any object that implements {@link Transport}. The client owns it: it opens it, and closes it with itself. */
  transport: Transport
}

export type ClientOptions = (RedisOptions | NatsOptions | MemoryOptions | UrlOptions | CustomOptions) & MemisOptions

type Options = Readonly<Record<string, unknown>>

/**
 * Makes a client, which connects by itself and goes on trying for ever.
 *
 * Without an argument: Redis on localhost:6379. With a URL: its scheme chooses the transport. With options: `transport` or
 * `url` chooses, and options that are not memis's own go to the client of the store. Options that are not known are refused.
 *
 * @throws MemisError `INVALID_OPTION`
 */
export function createClient(): Client
export function createClient(options: string | ClientOptions): Client
export function createClient(...args: unknown[]): Client {
  const { settings, rest } = takeSettings(args.length === 0 ? { transport: 'redis' } : optionsOf(args))
  return new Client(chooseTransport(rest), settings)
}

function optionsOf([given, ...more]: unknown[]): Options {
  if (more.length > 0) throw invalid('createClient takes one argument; options beside a URL go with it: { url, … }')
  if (given === undefined) {
    throw invalid(
      'createClient was given undefined: is an environment variable not set? Without an argument, it is Redis on localhost:6379',
    )
  }
  if (typeof given === 'string') return { url: given }
  const kind = kindOfClient(given)
  if (kind !== undefined) throw invalid(`createClient was given ${kind}: ${adviceOn(kind)}`)
  if (given instanceof URL) throw invalid('createClient was given a URL object: give its href')
  if (isOptions(given)) return given
  throw invalid(`createClient takes nothing, a URL or an object of options; this is ${kindOf(given)}`)
}

/** A plain object, or an instance of a class of the user's. */
const isOptions = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && /^an (object|instance)/.test(kindOf(value))

function chooseTransport(options: Options): Transport {
  const { transport, ...rest } = options
  if (typeof transport === 'object' && transport !== null) return checkCustom(transport, rest)
  const url = 'url' in rest ? readUrl(rest.url) : undefined
  const name = transport ?? url?.transport
  if (url !== undefined && isTransportName(name) && url.transport !== name) {
    throw invalid(
      `transport is '${name}', and the url is of '${url.transport}': leave one of them out, or make them agree`,
    )
  }
  const native = { ...rest, ...(url === undefined ? {} : { url: url.url }) }
  switch (name) {
    case 'redis':
      return chooseRedis(native)
    case 'nats':
      return chooseNats(native, url?.needsTls === true)
    case 'memory':
      return chooseMemory(native)
  }
  throw invalid(transport === undefined ? noTransport(rest) : wrongTransport(transport))
}

const transportNames = ['redis', 'nats', 'memory'] as const

const isTransportName = (name: unknown) => (transportNames as readonly unknown[]).includes(name)

function noTransport(rest: Options): string {
  const guess = guessTransport(rest)
  const names = guess === undefined ? "'redis', 'nats' or 'memory'" : `'${guess}'`
  return `neither transport nor url is given: add transport: ${names}`
}

function wrongTransport(transport: unknown): string {
  const known = "transport must be 'redis', 'nats', 'memory' or an object that implements Transport"
  if (typeof transport !== 'string') return `${known}; this is ${kindOf(transport)}`
  if (transport.includes(':')) return `${known}; a URL is given as url`
  const meant = /^(valkey|rediss|keydb|dragonfly)/i.test(transport) ? 'redis' : nearest(transport, transportNames)
  return meant === undefined ? known : `${known}; did you mean '${meant}'?`
}

function chooseRedis(options: Options): Transport {
  refuseUnknown('redis', options)
  checkGroup(options)
  const { client, url } = options
  const socket = options.socket as Options | undefined
  if ('client' in options) checkClient(client)
  if (socket !== undefined && 'host' in socket && socket.host === undefined && socket.path === undefined) {
    throw invalid('socket.host is undefined: is an environment variable not set?')
  }
  if (url !== undefined && ['host', 'port', 'path'].some((name) => socket?.[name] !== undefined)) {
    throw invalid('url and socket both say where Redis is: leave url, or host, port and path of socket, out')
  }
  return redisTransport(options as Omit<RedisOptions, 'transport'>)
}

const clientKinds: readonly ClientKind[] = [
  'a client of node-redis',
  'a cluster client of node-redis',
  'a sentinel client of node-redis',
]

function checkClient(client: unknown): void {
  const kind = kindOfClient(client)
  if (kind !== undefined && clientKinds.includes(kind)) return
  const given = kind ?? kindOf(client)
  const advice = kind === undefined ? 'give what createClient of the package redis (5 or 6) returns' : adviceOn(kind)
  throw invalid(`client is ${given}: ${advice}`)
}

function chooseNats(options: Options, urlNeedsTls: boolean): Transport {
  refuseUnknown('nats', options)
  const places = ['url', 'servers', 'port'].filter((name) => options[name] !== undefined)
  if (places.length > 1) throw invalid(`${places.join(' and ')} each say where NATS is: give one of them`)
  if ('connection' in options) checkConnection(options.connection)
  const { servers, needsTls, login } = 'servers' in options ? readServers(options.servers) : noServers
  if (login !== undefined && ['user', 'pass', 'token', 'authenticator'].some((name) => name in options)) {
    throw invalid('servers and options both have a user, password or token: leave it out of servers')
  }
  const isTls = needsTls || urlNeedsTls
  if (isTls && options.tls === null) throw invalid('tls: null turns TLS off, and a tls:// URL asks for it')
  return natsTransport({
    ...options,
    ...(servers === undefined ? {} : { servers }),
    ...login,
    // With an object, even an empty one, the client of NATS sends nothing before the handshake.
    ...(isTls ? { tls: options.tls ?? {} } : {}),
  } as Omit<NatsOptions, 'transport'>)
}

const noServers = { servers: undefined, needsTls: false, login: undefined }

function checkConnection(connection: unknown): void {
  const kind = kindOfClient(connection)
  if (kind === 'a connection of NATS') return
  const advice =
    kind === undefined ? 'give what connect() of the package nats or @nats-io/transport-node returns' : adviceOn(kind)
  throw invalid(`connection is ${kind ?? kindOf(connection)}: ${advice}`)
}

function adviceOn(kind: ClientKind): string {
  switch (kind) {
    case 'a client of node-redis':
    case 'a cluster client of node-redis':
    case 'a sentinel client of node-redis':
      return "give it as { transport: 'redis', client }"
    case 'a connection of NATS':
      return "give it as { transport: 'nats', connection }"
    case 'a hub of the memory transport':
      return "give it as { transport: 'memory', hub }"
    case 'a client of node-redis 4':
      return 'memis needs redis 5 or 6: npm install redis@6'
    case 'a client of ioredis':
      return 'memis works with clients of the package redis (5 or 6): give one of these, or its options'
    case 'a pool of node-redis':
      return 'a pool has no connection of its own: give what createClient, createCluster or createSentinel of the package redis returns'
    case 'a client of memis':
      return 'give options or a client of the store'
    case 'a promise':
      return 'await it first'
  }
}

function chooseMemory(options: Options): Transport {
  refuseUnknown('memory', options)
  const { hub, url } = options
  const name = String(url ?? '').replace(/^memory:(\/\/)?/, '')
  if (hub !== undefined && !isHub(hub)) throw invalid(`hub must be a MemoryHub, this is ${kindOf(hub)}`)
  if (hub !== undefined && name !== '') throw invalid('a hub and the name in a memory: url exclude each other')
  return name === '' ? new MemoryTransport(hub) : namedMemoryTransport(name)
}

/** Also a hub of another copy of memis. */
const isHub = (value: unknown): value is MemoryHub => kindOfClient(value) === 'a hub of the memory transport'

const methods = ['open', 'write', 'merge', 'watch', 'beginEpoch', 'close'] as const
const clockMethods = ['now', 'setTimeout', 'clearTimeout'] as const

function checkCustom(transport: object, rest: Options): Transport {
  const kind = kindOfClient(transport)
  if (kind !== undefined) throw invalid(`transport is ${kind}: ${adviceOn(kind)}`)
  const lacking = [
    ...methods.filter((name) => !isFunction(transport, name)),
    ...clockMethods.filter((name) => !isFunction((transport as Transport).clock, name)).map((name) => `clock.${name}`),
  ]
  if (lacking.length > 0) throw invalid(`transport does not implement Transport: it has no ${lacking.join(', ')}`)
  refuseUnknown('custom', rest)
  return transport as Transport
}

const isFunction = (of: unknown, name: string): boolean =>
  typeof of === 'object' && of !== null && typeof (of as Options)[name] === 'function'

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
