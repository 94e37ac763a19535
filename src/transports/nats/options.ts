/** The options of the transport to NATS, checked. */
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only if the package is missing
// @ts-ignore: an optional peer; without it these types are any
import type { NodeConnectionOptions } from '@nats-io/transport-node'
// biome-ignore lint/suspicious/noTsIgnore: as above
// @ts-ignore: as above
import type { ConnectionOptions } from 'nats'
import { MemisError, quote } from '../../core/errors'
import { type Library, loadLibrary, type NatsConnection } from './client'
import type { Source } from './link'
import { standardApi } from './wire'

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

/** Those of the package that is installed. */
type NativeOptions = 0 extends 1 & NodeConnectionOptions ? ConnectionOptions : NodeConnectionOptions
type Native = Omit<NativeOptions, (typeof owned)[number]>

interface OwnOptions {
  bucket?: BucketOptions
  /** JetStream's domain. */
  domain?: string
  /** How JetStream's own subjects begin, if an account imports them under another name. Default `$JS.API`. */
  apiPrefix?: string
}

export type NatsOptions =
  /** Everything that `connect()` of the NATS client takes, but for what memis must own. Default: localhost:4222. */
  | ({ transport: 'nats'; connection?: undefined } & OwnOptions & Native)
  /** A connection of the package `nats` 2 or `@nats-io/transport-node` 3 that the user has made, which memis does not close. */
  | ({ transport: 'nats'; connection: NatsConnection; inboxPrefix?: string } & OwnOptions)

export interface Checked {
  /** Or why there is none: no package is installed. */
  readonly source: Source | MemisError
  readonly bucket: BucketOptions
}

/** @throws MemisError `INVALID_OPTION` */
export function checkOptions(options: Omit<NatsOptions, 'transport'> & { url?: unknown }): Checked {
  const {
    connection,
    bucket = {},
    url,
    domain,
    apiPrefix = domain === undefined ? standardApi : `$JS.${domain}.API`,
    ...native
  } = options as { connection?: NatsConnection; url?: unknown } & OwnOptions & Native
  checkBucket(bucket)
  for (const name of owned) if (name in native) throw invalid(`the option ${name} of nats is memis's own to set`)
  const { inboxPrefix, ...others } = native
  if (connection !== undefined) {
    const more = [...Object.keys(others), ...(url === undefined ? [] : ['url'])]
    if (more.length > 0) {
      throw invalid(`with a connection of your own, nats takes no other option; there is ${more.map(quote)}`)
    }
    if (typeof connection?.subscribe !== 'function' || typeof connection?.status !== 'function') {
      throw invalid("connection must be what connect() of the package 'nats' gives")
    }
  }
  let library: Library
  try {
    library = loadLibrary(connection)
  } catch (error) {
    if (error instanceof MemisError) return { source: error, bucket }
    throw error
  }
  const own = { library, inboxPrefix, api: apiPrefix }
  return {
    source: connection === undefined ? { ...own, dial: dialer(library, url, native) } : { ...own, connection },
    bucket,
  }
}

function dialer(library: Library, url: unknown, native: Native) {
  const all: Native = { ...fromUrl(url), ...native }
  return (timeout: number): Promise<NatsConnection> =>
    library.connect({ ...all, reconnect: false, timeout: Math.min(all.timeout ?? Infinity, timeout) })
}

/** The client looks for user and password in options of their own, and not in the URL. */
function fromUrl(url: unknown): Native {
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
