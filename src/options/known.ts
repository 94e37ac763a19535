/**
 * Which options each transport accepts, by name. A name that is not known here would be ignored in silence by the package underneath:
 * it is refused, with the name that was probably meant.
 */
import { MemisError } from '../core/errors'
import { nearest } from '../core/nearest'
import { ownOptions } from '../core/options'
import { kindOf } from '../core/text'

/** Advice on names that are not known here; `$` stands for the name. */
type Advice = readonly [advice: string, ...names: string[]]

export interface Scope {
  /** `of Redis`, in messages. */
  readonly of: string
  readonly known: readonly string[]
  readonly advice: readonly Advice[]
}

const socketOptions = [
  // node-redis's own
  ...['host', 'port', 'path', 'tls', 'connectTimeout'],
  // node:net
  ...['localAddress', 'localPort', 'hints', 'family', 'lookup', 'noDelay', 'keepAlive', 'keepAliveInitialDelay'],
  ...['autoSelectFamily', 'autoSelectFamilyAttemptTimeout', 'blockList', 'fd', 'allowHalfOpen', 'signal', 'onread'],
  ...['readable', 'writable', 'timeout', 'highWaterMark'],
  // node:tls
  ...['socket', 'checkServerIdentity', 'servername', 'session', 'minDHSize', 'pskCallback', 'ALPNCallback'],
  ...['allowPartialTrustChain', 'ca', 'cert', 'sigalgs', 'ciphers', 'clientCertEngine', 'crl', 'dhparam', 'ecdhCurve'],
  ...['honorCipherOrder', 'key', 'privateKeyEngine', 'privateKeyIdentifier', 'maxVersion', 'minVersion', 'passphrase'],
  ...['pfx', 'secureOptions', 'secureProtocol', 'sessionIdContext', 'ticketKeys', 'sessionTimeout', 'secureContext'],
  ...['enableTrace', 'requestCert', 'requestOCSP', 'ALPNProtocols', 'SNICallback', 'rejectUnauthorized'],
]

export const ofRedis = [
  ...['url', 'socket', 'username', 'password', 'credentialsProvider', 'name', 'database', 'RESP', 'client'],
  ...['cluster', 'sentinel'],
  ...['disableClientInfo', 'clientInfoTag', 'maintNotifications', 'maintEndpointType'],
  ...['maintRelaxedCommandTimeout', 'maintRelaxedSocketTimeout'],
  ...['modules', 'functions', 'scripts', 'unstableResp3', 'himportRegistry'],
]

const ofNats = [
  ...['url', 'servers', 'port', 'user', 'pass', 'token', 'authenticator', 'tls', 'name', 'connection', 'bucket'],
  ...['debug', 'verbose', 'pedantic', 'noEcho', 'noRandomize', 'timeout', 'ignoreClusterUpdates', 'inboxPrefix'],
  ...['noAsyncTraces', 'resolve', 'domain', 'apiPrefix'],
]

const reconnects = 'memis reconnects by itself, for ever'
const queues = 'memis has a queue of its own'

/** In every transport. */
const common: readonly Advice[] = [
  ['a ttl belongs to set(key, item, ttl), in seconds', 'ttl', 'defaultTtl', 'expires', 'expiresIn', 'EX', 'PX'],
  ['use maxItems', 'max', 'maxSize', 'maxEntries', 'maxLength'],
  ['use prefix, which is memis by default', 'keyPrefix', 'namespace', 'prefixKey'],
  ["listen to the client's events `error`, `connect` and `disconnect`", 'logger', 'log', 'onError', 'onConnect'],
  ['use writeTimeout', 'commandTimeout', 'requestTimeout'],
]

const scopes = {
  redis: {
    of: 'of Redis',
    known: ofRedis,
    advice: [
      ['use writeTimeout, or socket.connectTimeout', 'timeout', 'connectionTimeout'],
      ['give it as socket.$', ...socketOptions],
      ['use database', 'db', 'dbIndex', 'databaseNumber', 'index'],
      ['use username', 'user'],
      ['use password', 'pass', 'auth', 'auth_pass', 'authPass', 'requirepass'],
      ['use name', 'connectionName', 'clientName'],
      ['use url', 'uri', 'redisUrl', 'connectionString', 'address', 'addr'],
      [
        'it belongs to a cluster: give cluster: { rootNodes: [{ url }], … }',
        ...[
          'rootNodes',
          'nodes',
          'clusterNodes',
          'startupNodes',
          'nodeAddressMap',
          'natMap',
          'defaults',
          'useReplicas',
        ],
        ...['minimizeConnections', 'maxCommandRedirections', 'scaleReads', 'slotsRefreshTimeout'],
      ],
      [
        'it belongs to Sentinel: give sentinel: { name, sentinelRootNodes: [{ host, port }], … }',
        ...['sentinels', 'sentinelRootNodes', 'sentinelClientOptions', 'sentinelPassword', 'masterName', 'role'],
        ...['sentinelUsername', 'nodeClientOptions', 'masterPoolSize', 'replicaPoolSize', 'preferredSlaves'],
      ],
      [
        reconnects,
        ...['reconnectStrategy', 'retryStrategy', 'retry_strategy', 'reconnectOnError', 'maxRetriesPerRequest'],
        ...['autoResubscribe', 'autoResendUnfulfilledCommands', 'lazyConnect', 'enableReadyCheck', 'retry'],
      ],
      [queues, 'disableOfflineQueue', 'commandsQueueMaxLength', 'enableOfflineQueue', 'enableAutoPipelining'],
      ['memis has a heartbeat of its own: use livenessTimeout', 'pingInterval', 'socketTimeout'],
      ['memis reads the store itself, and caches everything', 'clientSideCache', 'emitInvalidate'],
      ['memis has options of its own for its commands', 'commandOptions'],
      ['use readOnly', 'readonly'],
      ['this was an option of redis 4; memis needs redis 5 or 6', 'legacyMode', 'isolationPoolOptions'],
      ["it belongs to NATS: give transport: 'nats'", 'servers', 'bucket', 'connection', 'authenticator', 'inboxPrefix'],
      ["it belongs to the memory transport: give transport: 'memory'", 'hub'],
    ],
  },
  nats: {
    of: 'of NATS',
    known: ofNats,
    advice: [
      [
        "give servers: ['host:4222']",
        ...['host', 'hostname', 'hosts', 'server', 'urls', 'uri', 'address', 'nodes', 'cluster'],
      ],
      ['use user', 'username'],
      ['use pass', 'password'],
      [
        'use authenticator, made by credsAuthenticator, jwtAuthenticator or nkeyAuthenticator of the package',
        ...['creds', 'credsFile', 'credentials', 'userCreds', 'nkey', 'nkeys', 'seed', 'nkeySeed', 'jwt', 'userJWT'],
      ],
      [
        reconnects,
        ...['reconnect', 'maxReconnectAttempts', 'reconnectTimeWait', 'reconnectJitter', 'reconnectJitterTLS'],
        ...['reconnectDelayHandler', 'waitOnFirstConnect', 'ignoreAuthErrorAbort'],
      ],
      ['memis has a heartbeat of its own: use livenessTimeout', 'pingInterval', 'maxPingOut'],
      ['give it in bucket: { … }', 'replicas', 'storage', 'placement', 'description', 'num_replicas'],
      ["it belongs to Redis: give transport: 'redis'; a connection of NATS goes into connection", 'client', 'socket'],
      [
        "it belongs to Redis: give transport: 'redis'",
        ...['database', 'db', 'rootNodes', 'sentinel', 'credentialsProvider'],
      ],
      ["it belongs to the memory transport: give transport: 'memory'", 'hub'],
    ],
  },
  memory: {
    of: 'of the memory transport',
    known: ['hub', 'url'],
    advice: [
      ["a shared hub is named by its url: { url: 'memory:name' }", 'name', 'database', 'db'],
      ['the memory transport has no server: it lives in this process', ...ofRedis, ...ofNats, ...socketOptions],
    ],
  },
  custom: { of: 'beside a transport of your own', known: [], advice: [] },
} as const satisfies Record<string, Scope>

export const socketScope: Scope = {
  of: 'of node-redis',
  known: socketOptions,
  advice: [
    [reconnects, 'reconnectStrategy', 'retryStrategy'],
    ['memis has a heartbeat of its own: use livenessTimeout', 'socketTimeout'],
    ['it stands beside socket, not in it', ...ofRedis, 'db', 'user', 'pass', 'auth'],
  ],
}

/** Options that are objects, whose names are known too. */
const nested: { readonly [path: string]: Scope } = {
  'redis.socket': socketScope,
  'nats.bucket': {
    of: 'of NATS',
    known: ['replicas', 'storage', 'maxBytes', 'placement', 'description'],
    advice: [
      ['use replicas', 'num_replicas', 'replication'],
      ['use maxBytes', 'max_bytes'],
      ['memis names buckets itself, by prefix and database', 'name', 'bucket'],
      ['memis keeps one message per key', 'history', 'max_msgs_per_subject'],
      ['a ttl belongs to set(key, item, ttl), in seconds', 'ttl', 'max_age'],
    ],
  },
}

export type TransportName = 'redis' | 'nats' | 'memory'

/** @throws MemisError `INVALID_OPTION` */
export function refuseUnknown(transport: keyof typeof scopes, options: Readonly<Record<string, unknown>>): void {
  check(scopes[transport], '', options)
  for (const [name, value] of Object.entries(options)) {
    const scope = nested[`${transport}.${name}`]
    if (scope === undefined || value === undefined) continue
    if (!/^an (object|instance)/.test(kindOf(value)))
      throw invalid(`${name} must be an object, this is ${kindOf(value)}`)
    check(scope, `${name}.`, value as object)
  }
}

/** The transport that these options are of, for advice; undefined if they do not tell. */
export function guessTransport(options: object): TransportName | undefined {
  const names = Object.keys(options)
  const has = (known: readonly string[]) => names.some((name) => known.includes(name))
  if (has(['hub'])) return 'memory'
  if (has(['servers', 'bucket', 'connection', 'user', 'pass', 'token', 'authenticator'])) return 'nats'
  return has(ofRedis) || has(['host', 'port', 'db', 'rootNodes', 'sentinels']) ? 'redis' : undefined
}

export function check(scope: Scope, path: string, options: object): void {
  for (const name of Object.keys(options)) {
    if (scope.known.includes(name)) continue
    throw invalid(refusal(scope, path, name))
  }
}

function refusal({ of, known, advice }: Scope, path: string, name: string): string {
  // A name that is none may be a secret in the wrong place.
  if (!/^[\w.-]{1,40}$/.test(name))
    return `there is an option ${of} with an odd name, which is not shown: it may be a secret`
  const all = path === '' ? [...advice, ...common] : advice
  const adviceOn = (wanted: string) => all.find(([, ...names]) => names.includes(wanted))?.[0].replace('$', wanted)
  const found = adviceOn(name)
  if (found !== undefined) return `option ${path}${name}: ${found}`
  const unknown = `there is no option ${path}${name} ${of}`
  const accepted = path === '' ? [...known, ...ownOptions] : known
  const meant = nearest(name, [...accepted, ...all.flatMap(([, ...names]) => names)])
  if (meant === undefined) return unknown
  const remark = accepted.includes(meant) ? '' : ` (${adviceOn(meant)})`
  return `${unknown}; did you mean ${path}${meant}${remark}?`
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
