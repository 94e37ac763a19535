/** How the options lead to servers: to a single one, the nodes of a cluster, or the master that Sentinel names. */
import type { RedisClientType } from 'redis'
import type { Clock } from '../../core/clock'
import { MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { Cluster } from './cluster'
import { singleServer } from './destination'
import { Link } from './link'
import { leadTo, mapped, textOf } from './nodes'
import { type ClusterOptions, type NodeOptions, optionsOfGroup, prototypeOf, type RedisOptions } from './options'
import type { Routes, RoutesListener } from './route'
import { SentinelRoutes } from './sentinel-routes'

export interface Routing {
  /** The numbered database. */
  readonly database: number
  open(clock: Clock, host: Host, listener: RoutesListener): Routes
}

/**
 * Or why there is none: the package is missing, or too old.
 * @throws MemisError `INVALID_OPTION`
 */
export function routingOf(options: Omit<RedisOptions, 'transport'>): Routing | MemisError {
  const { cluster, sentinel } = optionsOfGroup(options)
  if (cluster !== undefined) return toCluster(cluster)
  if (sentinel === undefined) return toServer(prototypeOf(options))
  const { nodeClientOptions = {}, sentinelClientOptions = {}, RESP, ...group } = sentinel
  const node = prototypeOf({ ...(RESP && { RESP }), ...nodeClientOptions } as NodeOptions)
  const asker = prototypeOf({ ...sentinelClientOptions } as NodeOptions)
  if (node instanceof MemisError) return node
  if (asker instanceof MemisError) return asker
  return {
    database: node.options.database ?? 0,
    open: (clock, host, listener) => new SentinelRoutes({ ...group, node, asker }, clock, host, listener),
  }
}

function toServer(prototype: RedisClientType | MemisError): Routing | MemisError {
  if (prototype instanceof MemisError) return prototype
  return {
    database: prototype.options.database ?? 0,
    open: (clock, host, listener) => new Link(singleServer(prototype), clock, host, listener),
  }
}

function toCluster({ rootNodes, defaults = {}, nodeAddressMap, RESP }: ClusterOptions): Routing | MemisError {
  const seeds = new Map<string, RedisClientType>()
  for (const root of rootNodes) {
    const socket = { ...defaults.socket, ...root.socket }
    const client = prototypeOf({ ...(RESP && { RESP }), ...defaults, ...root, socket } as NodeOptions)
    if (client instanceof MemisError) return client
    const { host = 'localhost', port = 6379 } = (client.options.socket ?? {}) as { host?: string; port?: number }
    seeds.set(textOf({ host, port }), client)
  }
  const [first] = seeds.values() as unknown as [RedisClientType]
  // Nodes that nobody named are reached like the first one that somebody named, unless `defaults` says otherwise.
  const { socket, ...others } = defaults
  const nodes = first.duplicate({
    ...others,
    url: undefined,
    socket: { ...first.options.socket, ...socket },
  } as never) as RedisClientType
  return {
    database: 0,
    open: (clock, host, listener) => {
      const prototype = (address: string, isSeed: boolean) =>
        (isSeed ? seeds.get(address) : undefined) ?? leadTo(nodes, mapped(nodeAddressMap, address))
      return new Cluster({ seeds: [...seeds.keys()], prototype }, clock, host, listener)
    },
  }
}
