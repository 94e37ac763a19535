/** Checks the options of a Redis Cluster and of Sentinel, which say where several servers are. */
import { MemisError } from '../core/errors'
import { kindOf } from '../core/text'
import { check, ofRedis, type Scope, socketScope } from './known'
import { readUrl } from './url'

type Options = Readonly<Record<string, unknown>>

const ofNode = ofRedis.filter((name) => !['client', 'cluster', 'sentinel'].includes(name))
const reads = 'memis reads from masters only'
const redirects = 'memis follows slots and masters by itself'
const belongs = (place: string): Scope['advice'][number] => [`give it as ${place}.$`, ...ofNode]

const clusterScope: Scope = {
  of: 'of a cluster',
  known: ['rootNodes', 'defaults', 'nodeAddressMap', 'RESP'],
  advice: [
    ['use rootNodes', 'nodes', 'clusterNodes', 'startupNodes', 'servers', 'seeds'],
    ['use nodeAddressMap', 'natMap'],
    ['use defaults', 'redisOptions', 'options'],
    [reads, 'useReplicas', 'scaleReads'],
    [redirects, 'maxCommandRedirections', 'minimizeConnections', 'slotsRefreshTimeout', 'slotsRefreshInterval'],
    [redirects, 'topologyRefreshOnReconnectionAttemptStrategy', 'clusterRetryStrategy'],
    ["use memis's prefix, which stands beside cluster", 'keyPrefix'],
    belongs('cluster.defaults'),
  ],
}

const sentinelScope: Scope = {
  of: 'of sentinel',
  known: ['name', 'sentinelRootNodes', 'nodeClientOptions', 'sentinelClientOptions', 'nodeAddressMap', 'RESP'],
  advice: [
    ['use sentinelRootNodes', 'sentinels', 'nodes', 'rootNodes', 'servers'],
    ['use name', 'masterName', 'group', 'service', 'master'],
    ['use nodeAddressMap', 'natMap'],
    ['give it as sentinelClientOptions.password', 'sentinelPassword'],
    ['give it as sentinelClientOptions.username', 'sentinelUsername'],
    [reads, 'replicaPoolSize', 'role', 'preferredSlaves'],
    [redirects, 'masterPoolSize', 'reserveClient', 'scanInterval', 'maxCommandRediscovers', 'sentinelRetryStrategy'],
    ['memis reports errors by its own events', 'passthroughClientErrorEvents'],
    ["use memis's prefix, which stands beside sentinel", 'keyPrefix'],
    belongs('sentinel.nodeClientOptions'),
  ],
}

const nodeScope: Scope = {
  of: 'of a node',
  known: ofNode,
  advice: [['give it as socket.$', 'host', 'port', 'path', 'tls']],
}

/** @throws MemisError `INVALID_OPTION` */
export function checkGroup(options: Options): void {
  const { cluster, sentinel } = options
  const [kind] = (['cluster', 'sentinel'] as const).filter((name) => name in options)
  if (kind === undefined) return
  const others = Object.keys(options).filter((name) => name !== kind && options[name] !== undefined)
  if (others.length > 0) {
    const place = kind === 'cluster' ? 'cluster.defaults' : 'sentinel.nodeClientOptions'
    const isPlace = others.some((name) => ['url', 'client', 'cluster', 'sentinel'].includes(name))
    throw invalid(
      isPlace
        ? `${kind} and ${others[0]} both say where Redis is: give one of them`
        : `beside ${kind}, ${others[0]} would be ignored: give it as ${place}.${others[0]}`,
    )
  }
  if (kind === 'cluster') checkCluster(asObject(cluster, 'cluster'))
  else checkSentinel(asObject(sentinel, 'sentinel'))
}

function checkCluster(cluster: Options): void {
  check(clusterScope, 'cluster.', cluster)
  const { rootNodes, defaults, nodeAddressMap, RESP } = cluster
  for (const [i, root] of listOf(rootNodes, 'cluster.rootNodes', '{ url }').entries()) {
    const path = `cluster.rootNodes[${i}]`
    const node = asObject(root, path)
    checkNode(node, path)
    if ('url' in node && readUrl(node.url).transport !== 'redis') throw invalid(`${path}.url is not the URL of a Redis`)
  }
  if (defaults !== undefined) checkShared(defaults, 'cluster.defaults')
  if (asDatabase(defaults) > 0) throw invalid('cluster.defaults.database: a cluster has no numbered databases')
  checkMap(nodeAddressMap, 'cluster.nodeAddressMap')
  checkProtocol(RESP, 'cluster.RESP')
}

function checkSentinel(sentinel: Options): void {
  check(sentinelScope, 'sentinel.', sentinel)
  const { name, sentinelRootNodes, nodeClientOptions, sentinelClientOptions, nodeAddressMap, RESP } = sentinel
  if (typeof name !== 'string' || name === '' || /\s/.test(name)) {
    throw invalid(`sentinel.name must be the name of the group, such as mymaster; this is ${kindOf(name)}`)
  }
  for (const [i, root] of listOf(sentinelRootNodes, 'sentinel.sentinelRootNodes', '{ host, port }').entries()) {
    checkAddress(root, `sentinel.sentinelRootNodes[${i}]`)
  }
  if (nodeClientOptions !== undefined) checkShared(nodeClientOptions, 'sentinel.nodeClientOptions')
  if (sentinelClientOptions !== undefined) checkShared(sentinelClientOptions, 'sentinel.sentinelClientOptions')
  checkMap(nodeAddressMap, 'sentinel.nodeAddressMap')
  checkProtocol(RESP, 'sentinel.RESP')
}

/** Options of several servers: none of them may say where a server is. */
function checkShared(value: unknown, path: string): void {
  const options = asObject(value, path)
  checkNode(options, path)
  const socket = (options.socket ?? {}) as Options
  const [place] = [
    'url' in options ? 'url' : '',
    ...['host', 'port', 'path'].map((name) => (name in socket ? `socket.${name}` : '')),
  ].filter(Boolean)
  if (place !== undefined)
    throw invalid(`${path}.${place}: these options are for all servers, and cannot say where one is`)
}

function checkNode(node: Options, path: string): void {
  check(nodeScope, `${path}.`, node)
  if (node.socket === undefined) return
  const socket = asObject(node.socket, `${path}.socket`)
  check(socketScope, `${path}.socket.`, socket)
  if ('host' in socket && socket.host === undefined) {
    throw invalid(`${path}.socket.host is undefined: is an environment variable not set?`)
  }
}

function checkMap(map: unknown, path: string): void {
  if (map === undefined || typeof map === 'function') return
  for (const address of Object.values(asObject(map, path))) checkAddress(address, `an address in ${path}`)
}

function checkAddress(value: unknown, path: string): void {
  const { host, port, ...more } = asObject(value, path)
  const [other] = Object.keys(more)
  if (other !== undefined) {
    throw invalid(
      `${path} has more than host and port: users, passwords and TLS are given as sentinelClientOptions or nodeClientOptions`,
    )
  }
  if (typeof host !== 'string' || host === '') throw invalid(`${path}.host must be a host, this is ${kindOf(host)}`)
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) {
    throw invalid(`${path}.port must be a whole number from 1 to 65535, this is ${kindOf(port)}`)
  }
}

function checkProtocol(value: unknown, path: string): void {
  if (value !== undefined && value !== 2 && value !== 3)
    throw invalid(`${path} must be 2 or 3, this is ${kindOf(value)}`)
}

function listOf(value: unknown, path: string, example: string): readonly unknown[] {
  if (value === undefined) throw invalid(`${path} is undefined: give [${example}]`)
  if (!Array.isArray(value)) throw invalid(`${path} must be a list, as in [${example}]; this is ${kindOf(value)}`)
  if (value.length === 0) throw invalid(`${path} is empty: give [${example}]`)
  return value
}

function asObject(value: unknown, path: string): Options {
  if (/^an (object|instance)/.test(kindOf(value))) return value as Options
  throw invalid(`${path} must be an object, this is ${kindOf(value)}`)
}

const asDatabase = (defaults: unknown): number => Number((defaults as Options | undefined)?.database ?? 0)

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
