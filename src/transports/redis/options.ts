/** The options of the Redis transport. */
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where the package is missing
// @ts-ignore: redis is an optional peer; without it these types are any
import type { RedisClientOptions, RedisClientType } from 'redis'
import { MemisError, quote } from '../../core/errors'
import { loadPackage } from '../../core/packages'

/** memis needs its own: its queue, its reconnecting, its names of keys, replies as they come. */
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
  /** A client of node-redis. memis duplicates it, sends it no commands and does not close it. */
  // biome-ignore lint/suspicious/noExplicitAny: of whatever modules and scripts
  | { transport: 'redis'; client: RedisClientType<any, any, any, any, any> }

/**
 * A client that is never connected, only duplicated; or why there is none: the package is missing, or too old.
 * @throws MemisError `INVALID_OPTION`
 */
export function prototypeOf(options: Omit<RedisOptions, 'transport'>): RedisClientType | MemisError {
  const { client, ...native } = options as { client?: RedisClientType } & Native & { socket?: object }
  for (const name of owned) if (name in native) throw invalid(`the option ${name} of node-redis is memis's own to set`)
  if (native.socket !== undefined && (typeof native.socket !== 'object' || native.socket === null)) {
    throw invalid('the option socket of node-redis must be an object')
  }
  for (const name of ownedBySocket) {
    if (name in (native.socket ?? {})) throw invalid(`the option socket.${name} of node-redis is memis's own to set`)
  }
  if (client === undefined) return make(native)
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
  return client
}

function make(options: Native): RedisClientType | MemisError {
  let redis: typeof import('redis')
  try {
    redis = loadPackage({ name: 'redis', majors: [5, 6], load, version })
  } catch (error) {
    if (error instanceof MemisError) return error
    throw error
  }
  try {
    return redis.createClient(options as RedisClientOptions) as unknown as RedisClientType
  } catch (error) {
    // Neither the error nor its cause is passed on: they hold the URL, which may hold a password.
    throw invalid(`node-redis does not take these options (${(error as NodeJS.ErrnoException).code ?? 'no code'})`)
  }
}

// Bundlers go on without a missing package only if its name stands within `try`.
function load(): typeof import('redis') {
  try {
    return require('redis')
  } catch (error) {
    // biome-ignore lint/complexity/noUselessCatch: loadPackage tells what it means
    throw error
  }
}

function version(): unknown {
  try {
    return require('redis/package.json').version
  } catch {
    return undefined
  }
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
