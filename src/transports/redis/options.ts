/** The options of the Redis transport. */
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where the package is missing
// @ts-ignore: redis is an optional peer; without it these types are any
import type { RedisClientOptions, RedisClientType } from 'redis'
import { MemisError, quote } from '../../core/errors'
import { loadPackage } from '../../core/packages'
import type { Address, NodeAddressMap } from './nodes'

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

/** The way to a server: the options of node-redis's createClient, except for those that memis sets itself. */
export type NodeOptions = Native

/** The options of node-redis's createCluster that matter here. */
export interface ClusterOptions {
  /** Some of the nodes, at least one. They tell which others there are, and are never forgotten. */
  rootNodes: NodeOptions[]
  /** For all nodes: user, password, `socket.tls` … The first of `rootNodes` stands in for what is not given. */
  defaults?: Omit<NodeOptions, 'url'>
  /** From the addresses that the nodes name each other by to those that this process reaches them by. */
  nodeAddressMap?: NodeAddressMap
  RESP?: 2 | 3
}

/** The options of node-redis's createSentinel that matter here. */
export interface SentinelOptions {
  /** The name of the group of servers: `mymaster` in most configurations. */
  name: string
  /** Sentinels, at least one. They tell which others there are. */
  sentinelRootNodes: Address[]
  /** For the servers: user, password, `socket.tls`, `database` … */
  nodeClientOptions?: Omit<NodeOptions, 'url'>
  /** For the sentinels. They have users and passwords of their own. */
  sentinelClientOptions?: Omit<NodeOptions, 'url'>
  /** From the addresses that the sentinels name to those that this process reaches the servers by. */
  nodeAddressMap?: NodeAddressMap
  RESP?: 2 | 3
}

export type RedisOptions =
  /** Everything that node-redis's createClient takes, but for what memis must own. Default: localhost:6379. */
  | ({ transport: 'redis'; client?: undefined; cluster?: undefined; sentinel?: undefined } & Native)
  /** A Redis Cluster. */
  | { transport: 'redis'; cluster: ClusterOptions }
  /** The master of a group of servers that Sentinel watches. */
  | { transport: 'redis'; sentinel: SentinelOptions }
  /** A client, cluster or sentinel of node-redis. memis reads its options, sends it no commands and does not close it. */
  // biome-ignore lint/suspicious/noExplicitAny: of whatever modules and scripts
  | { transport: 'redis'; client: RedisClientType<any, any, any, any, any> | GroupClient }

/** A cluster or sentinel of node-redis, of whatever modules and scripts. */
export type GroupClient = { duplicate(...overrides: never[]): unknown } & (
  | { readonly nodeByAddress: unknown }
  | { getMasterNode(): unknown }
)

/** Options of a group of servers, given as such or as a client of node-redis that has them. */
export function optionsOfGroup(options: object): { cluster?: ClusterOptions; sentinel?: SentinelOptions } {
  const { client, cluster, sentinel } = options as {
    client?: object
    cluster?: ClusterOptions
    sentinel?: SentinelOptions
  }
  if (cluster !== undefined || sentinel !== undefined)
    return { ...(cluster && { cluster }), ...(sentinel && { sentinel }) }
  // The sentinel of version 5.0 cannot be duplicated: it is refused below.
  if (client === undefined || isSingle(client) || !('duplicate' in client)) return {}
  const given = readOptions(client as { duplicate(): unknown })
  if (given.keyPrefix !== undefined) throw invalid("a client with a keyPrefix cannot serve: use memis's prefix")
  const isOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, given[name]]))
  if ('rootNodes' in given) {
    const { defaults = {}, rootNodes, ...rest } = isOf(['rootNodes', 'defaults', 'nodeAddressMap', 'RESP'])
    const roots = (rootNodes as object[]).map(withoutOwned)
    return { cluster: { ...rest, rootNodes: roots, defaults: withoutOwned(defaults as object) } as ClusterOptions }
  }
  if (!('sentinelRootNodes' in given)) return {}
  const {
    nodeClientOptions = {},
    sentinelClientOptions = {},
    ...rest
  } = isOf([...['name', 'sentinelRootNodes', 'nodeClientOptions', 'sentinelClientOptions', 'nodeAddressMap', 'RESP']])
  return {
    sentinel: {
      ...rest,
      nodeClientOptions: withoutOwned(nodeClientOptions as object),
      sentinelClientOptions: withoutOwned(sentinelClientOptions as object),
    } as SentinelOptions,
  }
}

/** A client of one server. Version 5.0 of node-redis has no `socketEpoch`. */
const isSingle = (client: object): boolean => 'isWatching' in client && 'destroy' in client

/** A client that serves others too may have these: they do not count here. */
function withoutOwned(options: { socket?: object }): object {
  const strip = (from: object, names: readonly string[]) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)))
  const { socket = {}, ...rest } = options
  return { ...strip(rest, owned), socket: strip(socket, ownedBySocket) }
}

/** The options that a cluster or sentinel of node-redis was made with: it hands them to the constructor of a duplicate. */
function readOptions(client: { duplicate(): unknown }): Record<string, unknown> {
  let options: unknown
  class Spy {
    constructor(given: unknown) {
      options = given
    }
  }
  const shadow = Object.create(Object.create(client, { constructor: { value: Spy } }))
  client.duplicate.call(shadow)
  return { ...(options as object) }
}

/**
 * A client that is never connected, only duplicated; or why there is none: the package is missing, or too old.
 * @throws MemisError `INVALID_OPTION`
 */
export function prototypeOf(options: Omit<RedisOptions, 'transport'> | NodeOptions): RedisClientType | MemisError {
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
  if (typeof client?.duplicate !== 'function' || !isSingle(client)) {
    throw invalid('client must be what createClient, createCluster or createSentinel of the package redis gives')
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
