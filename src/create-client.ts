/** The one place that knows all transports: chooses one by the options. */
import { Client } from './core/client'
import { MemisError, quote } from './core/errors'
import { type MemisOptions, takeSettings } from './core/options'
import type { Transport } from './core/transport'
import { MemoryHub } from './transports/memory/hub'
import { MemoryTransport, namedMemoryTransport } from './transports/memory/transport'
import { type BucketOptions, type NatsOptions, natsTransport } from './transports/nats/transport'
import { type RedisOptions, redisTransport } from './transports/redis/transport'

export type { BucketOptions, NatsOptions, RedisOptions }

export interface MemoryOptions {
  transport: 'memory'
  /** Clients that are given the same hub share their data. Default: a hub of the client's own. */
  hub?: MemoryHub
}

/** `memory:name`, for a hub that all who use the name share in this process. */
export interface UrlOptions {
  /** `redis:`, `rediss:`, `nats:` or `memory:`; the scheme chooses the transport. */
  url: string
  transport?: undefined
}

/** Anything that implements {@link Transport}: a client's own, opened and closed with it. */
export interface CustomOptions {
  transport: Transport
}

export type ClientOptions = (RedisOptions | NatsOptions | MemoryOptions | UrlOptions | CustomOptions) & MemisOptions

/**
 * Makes a client, which connects by itself and goes on trying for ever.
 *
 * Without options: Redis on localhost:6379. A URL: its scheme chooses the transport. Otherwise `transport` chooses, and
 * everything that is not memis's own goes to the client underneath.
 *
 * @throws MemisError `INVALID_OPTION`
 */
export function createClient(options: string | ClientOptions = { transport: 'redis' }, ...more: []): Client {
  const given: unknown = typeof options === 'string' ? { url: options } : options
  if (more.length > 0) throw invalid('createClient takes one argument; options beside a URL go with it: { url, … }')
  if (typeof given !== 'object' || given === null) {
    throw invalid('createClient takes nothing, a URL or an object of options')
  }
  const { settings, rest } = takeSettings(given as Record<string, unknown>)
  return new Client(chooseTransport(rest), settings)
}

function chooseTransport(options: Record<string, unknown>): Transport {
  const { transport = schemeOf(options.url), ...rest } = options
  switch (transport) {
    case 'redis':
      return redisTransport(rest as Omit<RedisOptions, 'transport'>)
    case 'nats':
      return natsTransport(rest as Omit<NatsOptions, 'transport'>)
    case 'memory':
      return chooseMemory(rest)
  }
  if (!isTransport(transport)) {
    throw invalid(
      "transport must be 'redis', 'nats', 'memory' or an object with the methods and the clock of Transport",
    )
  }
  refuseOthers(rest, [])
  return transport
}

function chooseMemory(options: Record<string, unknown>): Transport {
  const { hub, url } = options
  refuseOthers(options, ['hub', 'url'])
  if (hub !== undefined && !(hub instanceof MemoryHub)) throw invalid('hub must be a MemoryHub')
  if (url !== undefined && schemeOf(url) !== 'memory') throw invalid('the url of the memory transport is memory:name')
  const name = url === undefined ? '' : String(url).replace(/^memory:(\/\/)?/, '')
  if (hub !== undefined && name !== '') throw invalid('hub and the name in a memory: URL exclude each other')
  return name === '' ? new MemoryTransport(hub) : namedMemoryTransport(name)
}

/** The transport that a URL's scheme chooses. The URL itself is in no message: it may hold a password. */
function schemeOf(url: unknown): string {
  const scheme = typeof url === 'string' ? /^([a-z]+):/.exec(url)?.[1] : undefined
  if (scheme === 'redis' || scheme === 'rediss') return 'redis'
  if (scheme === 'memory' || scheme === 'nats') return scheme
  const schemes = 'the schemes are redis:, rediss:, nats: and memory:'
  throw invalid(
    url === undefined ? `neither transport nor url is given; ${schemes}` : `that url chooses no transport; ${schemes}`,
  )
}

function isTransport(value: unknown): value is Transport {
  const has = (of: unknown, names: readonly string[]) =>
    typeof of === 'object' && of !== null && names.every((name) => typeof of[name as keyof typeof of] === 'function')
  return (
    has(value, ['open', 'write', 'watch', 'close']) &&
    has((value as Transport).clock, ['now', 'setTimeout', 'clearTimeout'])
  )
}

function refuseOthers(options: Record<string, unknown>, known: readonly string[]): void {
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw invalid(`there is no option ${quote(name)} here`)
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
