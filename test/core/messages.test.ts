/**
 * The wrong inputs that users give to createClient: each is refused at once, with a message that names what was given (never a secret,
 * never the URL) and says what to do.
 */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { createClientPool, createCluster, createClient as createNodeRedis, createSentinel } from 'redis'
import { suite } from 'uvu'
import { createClient, type MemisError, MemoryHub } from '../../src/index'
import { FakeTransport } from '../support/fake-transport'

const test = suite('messages')

const secret = 's3cr3t'

/** In order: what is wrong, the arguments of createClient, and words that the message must have. */
type Row = [what: string, args: unknown[], ...words: (string | RegExp)[]]

const options = (given: object): unknown[] => [given]
const redis = (given: object): unknown[] => [{ transport: 'redis', ...given }]
const nats = (given: object): unknown[] => [{ transport: 'nats', ...given }]
const memory = (given: object): unknown[] => [{ transport: 'memory', ...given }]
const url = (text: string): unknown[] => [text.replace('PASS', secret)]

const node = 'redis://127.0.0.1:1'
const nodeRedis4 = { sendCommand() {}, duplicate() {}, isOpen: false, isReady: false, options: { password: secret } }
const ioredis = { sendCommand() {}, duplicate() {}, isCluster: false, status: 'wait', options: { password: secret } }
const natsConnection = { publish() {}, subscribe() {}, status() {}, closed() {}, options: { pass: secret } }

const rows: Row[] = [
  // No options, or something else in their place
  ['undefined, explicitly', [undefined], 'undefined', 'environment variable', 'localhost:6379'],
  ['null', [null], 'null', 'a URL or an object of options'],
  ['a number', [6379], '6379', 'a URL or an object of options'],
  ['an array', [['redis://h', secret]], 'an array', 'a URL or an object of options'],
  ['a URL object', [new URL(`redis://u:${secret}@h`)], 'URL object', 'href'],
  ['a second argument', [node, { password: secret }], 'one argument', '{ url, … }'],
  ['a promise', [Promise.resolve(node)], 'a promise', 'await'],
  ['a client of node-redis in place of options', [createNodeRedis({ url: node })], 'node-redis', 'client }'],
  ['a client of ioredis in place of options', [ioredis], 'ioredis', 'the package redis (5 or 6)'],
  ['a hub in place of options', [new MemoryHub()], 'hub', "transport: 'memory'"],
  ['no transport, no url', options({}), 'neither transport nor url', "'redis', 'nats' or 'memory'"],
  ['options of Redis without a transport', options({ host: 'h', password: secret }), "add transport: 'redis'"],
  ['options of NATS without a transport', options({ servers: ['h'], pass: secret }), "add transport: 'nats'"],
  ['a hub without a transport', options({ hub: new MemoryHub() }), "add transport: 'memory'"],

  // URLs
  ['url: undefined', options({ url: undefined }), 'url is undefined', 'environment variable'],
  ['url: undefined beside a transport', redis({ url: undefined }), 'url is undefined'],
  ['an empty URL', url(''), 'url is empty', 'environment variable'],
  ['white space for a URL', url(' \n'), 'url is empty'],
  ['url: null', options({ url: null }), 'url must be a string', 'null'],
  ['several URLs', options({ url: [`nats://u:${secret}@a`, 'nats://b'] }), 'one string', 'servers:'],
  ['url: an object', options({ url: { toString: () => `redis://:${secret}@h` } }), 'url must be a string', 'an object'],
  ['# in a password', url('redis://:PASS#x@host'), 'percent-encoded', '%23', 'encodeURIComponent'],
  ['/ in a password', url('redis://user:PASS/x@host:6379'), 'percent-encoded', '%2F'],
  ['? in a password', url('nats://user:PASS?x@host:4222'), 'percent-encoded', '%3F'],
  ['% in a password', url('redis://user:PASS%zz@host:6379'), 'percent-encoded', '%25'],
  ['a URL without a scheme', url('localhost:6379'), 'no scheme', 'redis://host:6379'],
  ['a URL of NATS without a scheme', url('localhost:4222'), 'no scheme', 'nats://host:4222'],
  ['a bare host', url('localhost'), 'no scheme', 'redis://'],
  ['a password, host and port without a scheme', url('user:PASS@host:6379'), 'no scheme', 'redis://host:6379'],
  ['an unknown scheme', url('mysql://u:PASS@host'), 'scheme', 'redis:', 'nats:', 'memory:'],
  ['http', url('https://u:PASS@host'), 'https', 'not HTTP', 'redis://'],
  ['WebSocket', url('wss://PASS@host'), 'wss', 'WebSocket', 'nats://'],
  ['a socket file', url('unix:///tmp/PASS.sock'), 'unix', 'socket: { path }'],
  ['Sentinel', url('redis-sentinel://:PASS@host:26379'), 'sentinel: { name, sentinelRootNodes'],
  ['Cluster', url('redis-cluster://:PASS@host'), 'cluster: { rootNodes: [{ url }] }'],
  ['redis+tls', url('redis+tls://:PASS@host'), 'rediss://'],
  ['a scheme without slashes', url('redis:PASS'), 'no //', 'redis://host:port'],
  ['no host', url('redis://:PASS@'), 'names no host', 'environment variable'],
  ['a host from an unset variable', url('redis://:PASS@undefined:6379'), 'the host in the url is undefined'],
  ['a port that is too large', url('redis://:PASS@host:99999'), 'port (0 to 65535)', 'redis://'],
  ['a port that is not a number', url('redis://:PASS@host:port'), 'port (0 to 65535)'],
  ['an unfinished IPv6 address', url('redis://:PASS@[::1'), 'the host or the port'],
  ['several servers in a URL of NATS', url('nats://u:PASS@a:4222,b:4222'), 'several servers', 'servers:'],
  ['several URLs of NATS in one', url('nats://a:4222,nats://u:PASS@b:4222'), 'several servers', 'servers:'],
  ['several servers in a URL of Redis', url('redis://:PASS@a:6379,b:6379'), 'several servers', 'Cluster'],
  ['a query', url('redis://h:6379/0?password=PASS'), 'after ? or #', 'as an option'],
  ['a query in a URL of NATS', url('nats://h:4222?tls=PASS'), 'after ? or #', 'as an option'],
  ['a fragment', url('redis://h:6379/0#PASS'), 'after ? or #'],
  ['a path that is not a database', url('redis://h:6379/PASS'), 'number of a database', '6379/0'],
  ['a path in a URL of NATS', url('nats://h:4222/PASS'), 'has a path'],
  ['white space in a URL', url('redis://h PASS:6379'), 'white space', '%20'],
  ['a URL of NATS for Redis', redis({ url: `nats://u:${secret}@h` }), "transport is 'redis'", "of 'nats'"],
  ['a URL of Redis for NATS', nats({ url: `redis://u:${secret}@h` }), "transport is 'nats'", "of 'redis'"],
  ['a URL of Redis for memory', memory({ url: `redis://u:${secret}@h` }), "transport is 'memory'", "of 'redis'"],

  // Transports
  ['an unknown transport', options({ transport: 'mysql' }), "'redis', 'nats', 'memory'"],
  ['a misspelled transport', options({ transport: 'Redsi' }), "did you mean 'redis'"],
  ['Valkey for a transport', options({ transport: 'valkey' }), "did you mean 'redis'"],
  ['a URL for a transport', options({ transport: `redis://u:${secret}@h` }), 'a URL is given as url'],
  ['null for a transport', options({ transport: null }), 'this is null'],
  ['a client of node-redis for a transport', options({ transport: createNodeRedis({ url: node }) }), 'client }'],
  [
    'a transport without methods',
    options({ transport: { open() {}, write() {} } }),
    'no merge, watch, beginEpoch, close, clock.now',
  ],
  [
    'an option beside a transport of your own',
    options({ transport: new FakeTransport(), url: node }),
    'url',
    'transport',
  ],

  // Options of Redis
  ['host', redis({ host: 'h' }), 'option host', 'socket.host'],
  ['port', redis({ port: 6379 }), 'option port', 'socket.port'],
  ['tls', redis({ tls: true }), 'option tls', 'socket.tls'],
  ['a misspelled option of Redis', redis({ pasword: secret }), 'pasword', 'did you mean password'],
  ['a misspelled option of socket', redis({ socket: { hots: 'h' } }), 'socket.hots', 'did you mean socket.host'],
  ['a password in socket', redis({ socket: { password: secret } }), 'socket.password', 'beside socket'],
  ['a host from an unset variable, in socket', redis({ socket: { host: undefined } }), 'socket.host is undefined'],
  ['socket: a URL', redis({ socket: `redis://u:${secret}@h` }), 'socket must be an object', 'a string'],
  ['a URL and a host', redis({ url: node, socket: { host: 'h' } }), 'both say where Redis is'],
  ['db', redis({ db: 1 }), 'option db', 'database'],
  ['cluster: undefined', redis({ cluster: undefined }), 'cluster must be an object', 'undefined'],
  ['cluster without nodes', redis({ cluster: {} }), 'cluster.rootNodes is undefined', '[{ url }]'],
  ['no node in cluster', redis({ cluster: { rootNodes: [] } }), 'cluster.rootNodes is empty', '[{ url }]'],
  [
    'a node as text',
    redis({ cluster: { rootNodes: [`:${secret}@h:1`] } }),
    'rootNodes[0] must be an object',
    'a string',
  ],
  ['host of a node', redis({ cluster: { rootNodes: [{ host: 'h' }] } }), 'rootNodes[0].host', 'socket.host'],
  ['a node of NATS', redis({ cluster: { rootNodes: [{ url: `nats://u:${secret}@h` }] } }), 'not the URL of a Redis'],
  ['a password in cluster', redis({ cluster: { rootNodes: [{}], password: secret } }), 'cluster.defaults.password'],
  ['a password beside cluster', redis({ cluster: { rootNodes: [{}] }, password: secret }), 'cluster.defaults.password'],
  ['a url beside cluster', redis({ cluster: { rootNodes: [{}] }, url: node }), 'both say where Redis is'],
  ['cluster and sentinel', redis({ cluster: { rootNodes: [{}] }, sentinel: {} }), 'both say where Redis is'],
  ['a database of a cluster', redis({ cluster: { rootNodes: [{}], defaults: { database: 1 } } }), 'numbered databases'],
  [
    'a host in defaults',
    redis({ cluster: { rootNodes: [{}], defaults: { socket: { host: 'h' } } } }),
    'defaults.socket.host',
    'cannot say where',
  ],
  ['reading from replicas', redis({ cluster: { rootNodes: [{}], useReplicas: true } }), 'reads from masters only'],
  ['a misspelled option of cluster', redis({ cluster: { rootNods: [] } }), 'did you mean cluster.rootNodes'],
  [
    'a map that is none',
    redis({ cluster: { rootNodes: [{}], nodeAddressMap: 1 } }),
    'nodeAddressMap must be an object',
  ],
  ['rootNodes', redis({ rootNodes: [{ url: node }] }), 'rootNodes', 'cluster: { rootNodes'],
  ['sentinel without a name', redis({ sentinel: {} }), 'sentinel.name', 'mymaster'],
  ['no sentinels', redis({ sentinel: { name: 'm' } }), 'sentinelRootNodes is undefined', '[{ host, port }]'],
  ['a sentinel without a port', redis({ sentinel: { name: 'm', sentinelRootNodes: [{ host: 'h' }] } }), '[0].port'],
  [
    'a password of a sentinel',
    redis({ sentinel: { name: 'm', sentinelRootNodes: [{ host: 'h', port: 1, password: secret }] } }),
    'sentinelClientOptions',
  ],
  [
    'a misplaced password',
    redis({ sentinel: { name: 'm', sentinelPassword: secret } }),
    'sentinelClientOptions.password',
  ],
  [
    'sentinels, as ioredis has them',
    redis({ sentinels: [], name: 'm' }),
    'sentinels',
    'sentinel: { name, sentinelRootNodes',
  ],
  ['retryStrategy', redis({ retryStrategy() {} }), 'retryStrategy', 'reconnects by itself'],
  ['keyPrefix', redis({ keyPrefix: 'shop:' }), 'keyPrefix', 'use prefix'],
  ['servers', redis({ servers: ['h:4222'] }), 'servers', "transport: 'nats'"],
  ['a queue of node-redis', redis({ disableOfflineQueue: true }), 'disableOfflineQueue', 'queue of its own'],
  ['client: undefined', redis({ client: undefined }), 'client is undefined', 'createClient of the package redis'],
  ['client: null', redis({ client: null }), 'client is null'],
  ['client: the function createClient', redis({ client: createNodeRedis }), 'client is a function', 'returns'],
  ['client: of ioredis', redis({ client: ioredis }), 'a client of ioredis', 'package redis (5 or 6)'],
  ['client: of redis 4', redis({ client: nodeRedis4 }), 'a client of node-redis 4', 'npm install redis@6'],
  ['client: a pool', redis({ client: createClientPool({ url: node }) }), 'a pool of node-redis', 'createCluster'],
  [
    'a cluster client with a prefix',
    redis({ client: createCluster({ rootNodes: [{ url: node }], keyPrefix: 'shop:' }) }),
    'keyPrefix',
    "memis's prefix",
  ],
  [
    'a sentinel client alone',
    [createSentinel({ name: 'm', sentinelRootNodes: [{ host: 'h', port: 1 }] })],
    'a sentinel client',
    "{ transport: 'redis', client }",
  ],
  ['client: a promise of one', redis({ client: Promise.resolve() }), 'a promise', 'await'],
  ['client: a connection of NATS', redis({ client: natsConnection }), 'a connection of NATS', "transport: 'nats'"],

  // Options of NATS
  ['host, for NATS', nats({ host: 'h' }), 'option host', "servers: ['host:4222']"],
  ['username, for NATS', nats({ username: 'u' }), 'option username', 'use user'],
  ['password, for NATS', nats({ password: secret }), 'option password', 'use pass'],
  ['creds', nats({ creds: secret }), 'option creds', 'authenticator'],
  ['client, for NATS', nats({ client: natsConnection }), 'option client', 'connection'],
  ['reconnect', nats({ reconnect: false }), 'reconnect', 'by itself'],
  ['a misspelled option of NATS', nats({ sevrers: ['h'] }), 'sevrers', 'did you mean servers'],
  ['bucket: not an object', nats({ bucket: secret }), 'bucket must be an object', 'a string'],
  ['a misspelled option of bucket', nats({ bucket: { replica: 3 } }), 'bucket.replica', 'did you mean bucket.replicas'],
  ['a name for the bucket', nats({ bucket: { name: 'x' } }), 'bucket.name', 'by prefix and database'],
  ['no servers', nats({ servers: [] }), 'servers is empty'],
  ['servers: undefined', nats({ servers: undefined }), 'servers is undefined', 'environment variable'],
  ['a server from an unset variable', nats({ servers: [undefined] }), 'servers is undefined'],
  ['a server of Redis', nats({ servers: [`redis://u:${secret}@h`] }), 'scheme', 'nats:// or tls://'],
  [
    'two passwords in servers',
    nats({ servers: [`nats://u:${secret}@h`, 'nats://u:p@i'] }),
    'several users',
    'as options',
  ],
  ['a password in servers and options', nats({ servers: `u:${secret}@h`, pass: secret }), 'both have', 'leave it out'],
  ['a list of servers in one string', nats({ servers: 'a:4222,b:4222' }), 'several servers', 'servers:'],
  ['servers and a URL', nats({ servers: ['h'], url: `nats://u:${secret}@h` }), 'url and servers', 'one of them'],
  ['tls:// with TLS off', nats({ url: `tls://u:${secret}@h`, tls: null }), 'tls: null', 'tls:// URL'],
  ['tls:// in servers with TLS off', nats({ servers: ['tls://h:4222'], tls: null }), 'tls: null'],
  [
    'connection: a client of node-redis',
    nats({ connection: createNodeRedis({ url: node }) }),
    'node-redis',
    "transport: 'redis'",
  ],
  ['connection: a promise of one', nats({ connection: Promise.resolve() }), 'a promise', 'await'],
  ['connection: undefined', nats({ connection: undefined }), 'connection is undefined', 'connect()'],

  // The memory transport
  ['a password for memory', memory({ password: secret }), 'password', 'no server'],
  ['a name for memory', memory({ name: 'test' }), 'name', "'memory:name'"],
  ['hub: not a hub', memory({ hub: {} }), 'MemoryHub', 'an object'],
  ['a hub and a name', memory({ hub: new MemoryHub(), url: 'memory:x' }), 'exclude each other'],

  // memis's own options
  ['a misspelled option of memis', memory({ writeTimeOut: 1 }), 'writeTimeOut', 'did you mean writeTimeout'],
  ['another misspelled one', redis({ maxItem: 1 }), 'maxItem', 'did you mean maxItems'],
  ['readonly', redis({ readonly: true }), 'readonly', 'readOnly'],
  ['a ttl', memory({ ttl: 60 }), 'ttl', 'set(key, item, ttl)', 'seconds'],
  ['an option whose name is a URL', memory({ [`redis://u:${secret}@h`]: 1 }), 'not shown'],
  ['a time as text', memory({ writeTimeout: '10 s' }), 'writeTimeout', 'whole number of ms', 'a string'],
  ['a number that is a secret', memory({ maxPending: secret }), 'maxPending', 'a string'],
  ['a prefix that is an object', memory({ prefix: { password: secret } }), 'prefix', 'an object'],
  ['a prefix with braces', memory({ prefix: `{${secret}}` }), 'prefix', 'without braces'],
  ['dataLoss of another kind', memory({ dataLoss: secret }), "'restore' or 'accept'", 'a string'],
]

/** All that can be read of an error, its cause included. */
const all = (error: Error) =>
  [inspect(error, { depth: 9, showHidden: true, getters: true }), error.stack, JSON.stringify(error)].join()

for (const [what, args, ...words] of rows) {
  test(what, () => {
    let error: MemisError | undefined
    try {
      const made = (createClient as (...args: unknown[]) => ReturnType<typeof createClient>)(...args)
      made.on('error', () => {}).close()
    } catch (thrown) {
      error = thrown as MemisError
    }
    assert.ok(error !== undefined, 'it was accepted')
    assert.equal(error.code, 'INVALID_OPTION', error.stack)
    const { message } = error
    for (const word of words) assert.ok(typeof word === 'string' ? message.includes(word) : word.test(message), message)
    assert.ok(message.length < 300, message)
    assert.ok(!all(error).includes(secret), all(error))
  })
}

test('there are enough of them, and each has words of its own to be known by', () => {
  assert.ok(rows.length >= 100)
  assert.equal(new Set(rows.map(([what]) => what)).size, rows.length)
  for (const [what, , ...words] of rows) assert.ok(words.length > 0, what)
})

test.run()
