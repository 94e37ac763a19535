/** Ways to a Redis Cluster and to Sentinel: clients of the package, one endpoint for all nodes, addresses that are mapped, users, many collections. */
import assert from 'node:assert'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createCluster, createSentinel } from 'redis'
import { type Client, type ClientOptions, createClient } from '../../src'
import { freePort } from '../support/free-port'
import { startProxy, type TcpProxy } from '../support/proxy'
import { RedisCluster } from '../support/redis-cluster'
import type { RedisNode } from '../support/redis-node'
import { groupName, SentinelGroup } from '../support/redis-sentinel'
import { baseOf, Complaints, note, rejection, suite, until, within } from './support'

const test = suite('groups', 120_000)

let cluster: RedisCluster
let group: SentinelGroup
test.before(async () => {
  ;[cluster, group] = await Promise.all([RedisCluster.start(), SentinelGroup.start()])
})
test.after(async () => {
  await Promise.all([cluster?.stop(), group?.stop()])
})

const roots = () => cluster.addresses.slice(0, 3)

/** Collections on each of the three shards are written by one client, and read by another. */
async function works(
  options: ClientOptions,
  others: ClientOptions = options,
  allowed: readonly string[] = [],
): Promise<Client> {
  const [one, two] = [createClient(options), createClient(others)]
  const complaints = [one, two].map((client) => new Complaints(client))
  for (let i = 0; i < 12; i++) {
    const [written, read] = [one, two].map((client) => client.database('test').collection<object>(`some ${i}`))
    await Promise.all([written?.subscribe(), read?.subscribe()])
    const item = { n: Math.random() }
    await written?.set('key', item)
    await until('it is heard of', () => JSON.stringify(read?.get('key')) === JSON.stringify(item))
  }
  const codes = complaints.flatMap((each) => each.codes)
  assert.deepStrictEqual(
    codes.filter((code) => !allowed.includes(code)),
    [],
  )
  await two.close()
  return one
}

test('a cluster client of the package is read, never commanded and never closed', async () => {
  const given = createCluster({ rootNodes: roots(), defaults: { socket: { reconnectStrategy: () => 50 } } })
  await using client = await works(
    { transport: 'redis', client: given },
    { transport: 'redis', cluster: { rootNodes: roots() } },
  )
  assert.strictEqual(given.isOpen, false)
  await given.connect()
  await client.close()
  assert.strictEqual(await given.get('none'), null)
  given.destroy()
})

test('a sentinel client of the package is read, never commanded and never closed', async () => {
  const sentinel = { name: groupName, sentinelRootNodes: group.addresses }
  const given = createSentinel(sentinel)
  await using client = await works({ transport: 'redis', client: given }, { transport: 'redis', sentinel })
  assert.strictEqual(given.isOpen, false)
  await given.connect()
  await client.close()
  assert.strictEqual(await given.get('none'), null)
  given.destroy()
})

test('one node of a cluster, given by its url, is refused at once with the remedy', async () => {
  await using client = createClient({ url: cluster.nodes[0]?.server.url as string })
  for (const call of [client.connect(), client.database('test').collection('items').subscribe()]) {
    const error = await within(rejection(call), 5000)
    assert.strictEqual(error.code, 'UNSUPPORTED_STORE')
    assert.match(error.message, /cluster: \{ rootNodes: \[\{ url \}\] \}/)
  }
})

test('a single server, given as a cluster, is refused at once with the remedy', async () => {
  await using client = createClient({
    transport: 'redis',
    cluster: { rootNodes: [{ url: group.servers[0]?.server.url as string }] },
  })
  const error = await within(rejection(client.connect()), 5000)
  assert.strictEqual(error.code, 'UNSUPPORTED_STORE')
  assert.match(error.message, /url or socket/)
})

test('a name that the sentinels do not know is refused at once', async () => {
  await using client = createClient({
    transport: 'redis',
    sentinel: { name: 'other', sentinelRootNodes: group.addresses },
  })
  const error = await within(rejection(client.connect()), 5000)
  assert.strictEqual(error.code, 'INVALID_OPTION')
  assert.match(error.message, /sentinel\.name/)
})

test('a seed that is one endpoint for all nodes, some of which are dead', async () => {
  const sockets = new Set<Socket>()
  let next = 0
  const targets: number[] = []
  const endpoint = createServer((near) => {
    const far = connectTo(targets[next++ % targets.length] as number, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => [near, far].forEach((each) => void each.destroy()))
    }
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  const url = `redis://127.0.0.1:${(endpoint.address() as AddressInfo).port}`
  // Every third connection leads nowhere.
  for (const [i, { port }] of cluster.nodes.entries()) targets.push(...(i % 2 ? [port] : [1, port]))
  const options: ClientOptions = { transport: 'redis', cluster: { rootNodes: [{ url }] } }
  // An attempt that led nowhere is told of.
  await using _ = await works(options, options, ['DISCONNECTED'])
  endpoint.close()
  for (const socket of sockets) socket.destroy()
})

test('a node that one client cannot reach harms its collections in that client only', async () => {
  const proxies = new Map<string, TcpProxy>()
  for (const node of cluster.nodes) proxies.set(node.address, await startProxy(node.port))
  const nodeAddressMap = (address: string) => ({ host: '127.0.0.1', port: proxies.get(address)?.port ?? 1 })
  const rootNodes = [...proxies.values()].slice(0, 3).map(({ port }) => ({ url: `redis://127.0.0.1:${port}` }))
  await using cut = createClient({ transport: 'redis', cluster: { rootNodes, nodeAddressMap }, livenessTimeout: 3000 })
  await using well = createClient({ transport: 'redis', cluster: { rootNodes: roots() } })
  const names = Array.from({ length: 12 }, (_, i) => `reach ${i}`)
  const owners = await Promise.all(
    names.map(async (name) => cluster.ownerOf(await cluster.slotOf(baseOf('test', name)))),
  )
  const [mine, theirs] = [cut, well].map((client) =>
    names.map((name) => client.database('test').collection<{ n: number }>(name)),
  )
  await Promise.all([...(mine ?? []), ...(theirs ?? [])].map((collection) => collection.subscribe()))
  const [lost] = owners as [RedisNode]
  const stales = new Set<string>()
  for (const collection of mine ?? []) collection.on('stale', () => void stales.add(collection.name))
  proxies.get(lost.address)?.freeze()
  const affected = names.filter((_, i) => owners[i] === lost)
  await until('its collections are stale', () => stales.size === affected.length)
  for (const collection of theirs ?? []) await collection.set('k', { n: 1 })
  assert.deepStrictEqual([...stales].sort(), affected.sort())
  for (const [i, collection] of (mine ?? []).entries())
    if (owners[i] !== lost) await until('it is heard of', () => collection.has('k'))
  await proxies.get(lost.address)?.heal()
  await until('all are live again', () =>
    (mine ?? []).every(({ freshness, size }) => freshness.state === 'live' && size === 1),
  )
  await cut.close()
  for (const proxy of proxies.values()) await proxy.close()
})

test('a node that is added takes a slot, and is removed again', async () => {
  const added = await cluster.add()
  const slot = await cluster.slotOf(baseOf('test', 'moved'))
  const owner = await cluster.ownerOf(slot)
  await using client = createClient({ transport: 'redis', cluster: { rootNodes: roots() }, auditInterval: 300 })
  const collection = client.database('test').collection<{ n: number }>('moved')
  await collection.subscribe()
  for (let n = 0; n < 50; n++) await collection.set(`k${n}`, { n }, n % 2 ? 600 : undefined)
  await cluster.migrate(slot, owner, added)
  await collection.set('there', { n: 1 })
  await cluster.migrate(slot, added, owner)
  await collection.set('back', { n: 2 })
  await Promise.all(
    cluster.nodes.filter((node) => node !== added).map((node) => node.send('CLUSTER', 'FORGET', added.id)),
  )
  await added.stop()
  ;(cluster.nodes as RedisNode[]).splice(cluster.nodes.indexOf(added), 1)
  await collection.set('after', { n: 3 })
  await until('it is live', () => collection.freshness.state === 'live' && collection.size === 53)
  assert.strictEqual(collection.entry('k1')?.expiresIn !== null, true)
})

test('users with a password and least rights, on the cluster', async () => {
  const rights =
    '~memis:* &memis:* +ping +info +evalsha +eval +ssubscribe +sunsubscribe +spublish +cluster|slots +cluster|info +time +hget +hmget +hlen +hgetall +zrangebyscore +zscore +zcount +zcard +pttl +get +set +hset +hdel +del +exists +pexpireat +persist +zrevrange +zrevrangebyscore +zadd +zrem'
  for (const node of cluster.nodes) await node.send('ACL', 'SETUSER', 'shop', 'on', '>secret', ...rights.split(' '))
  const defaults = { username: 'shop', password: 'secret' }
  const rootNodes = cluster.nodes.slice(0, 3).map(({ port }) => ({ socket: { host: '127.0.0.1', port } }))
  await using _ = await works({ transport: 'redis', cluster: { rootNodes, defaults } })
  await using wrong = createClient({
    transport: 'redis',
    cluster: { rootNodes, defaults: { ...defaults, password: 'other' } },
  })
  const error = await within(rejection(wrong.connect()), 5000)
  assert.strictEqual(error.code, 'UNAUTHORIZED')
})

test('users with passwords of their own, of the servers and of the sentinels', async () => {
  for (const { server } of group.servers) void server
  for (const node of group.servers)
    await node.send('ACL', 'SETUSER', 'shop', 'on', '>secret', 'allkeys', 'allchannels', '+@all')
  for (const node of group.sentinels)
    await node.send('ACL', 'SETUSER', 'asker', 'on', '>hidden', 'allchannels', '+@all')
  const sentinel = { name: groupName, sentinelRootNodes: group.addresses }
  const sentinelClientOptions = { username: 'asker', password: 'hidden' }
  const nodeClientOptions = { username: 'shop', password: 'secret' }
  await using _ = await works({
    transport: 'redis',
    sentinel: { ...sentinel, sentinelClientOptions, nodeClientOptions },
  })
  const wrong = { ...sentinelClientOptions, password: 'other' }
  await using client = createClient({ transport: 'redis', sentinel: { ...sentinel, sentinelClientOptions: wrong } })
  const error = await within(rejection(client.connect()), 5000)
  assert.strictEqual(error.code, 'UNAUTHORIZED')
})

const files = join(__dirname, '../support/tls')
const ca = readFileSync(join(files, 'cert.pem'))

/** Arguments of a server that takes TLS on a port of its own, beside the usual one, from clients without a certificate. */
const tls = (port: number) => [
  ...['--tls-port', String(port), '--tls-auth-clients', 'no', '--tls-ca-cert-file', join(files, 'cert.pem')],
  ...['--tls-cert-file', join(files, 'cert.pem'), '--tls-key-file', join(files, 'key.pem')],
]

test('TLS on the cluster: to the nodes that are named, and to those that they name', async () => {
  const ports = await Promise.all(Array.from({ length: 3 }, freePort))
  let started = 0
  // Redis 7.0 names the ports of TLS only if its nodes use it among themselves.
  const args = () => ['--tls-cluster', 'yes', ...tls(ports[started++] as number)]
  await using encrypted = await RedisCluster.start({ replicas: 0, args })
  const [port] = ports
  const own = { transport: 'redis', cluster: { rootNodes: [{ url: `rediss://127.0.0.1:${port}`, socket: { ca } }] } }
  await using _ = await works(own as ClientOptions)
  assert.strictEqual(encrypted.nodes.length, 3)
  const stranger = createClient({ transport: 'redis', cluster: { rootNodes: [{ url: `rediss://127.0.0.1:${port}` }] } })
  const complaints = new Complaints(stranger)
  await until('the certificate is refused', () => complaints.errors.some(({ message }) => /certificate/.test(message)))
  await stranger.close()
})

test('TLS behind Sentinel: to the servers, at the ports that a map names', async () => {
  const ports = await Promise.all(Array.from({ length: 3 }, freePort))
  let started = 0
  await using encrypted = await SentinelGroup.start({ args: () => tls(ports[started++] as number) })
  const nodeAddressMap = Object.fromEntries(
    encrypted.servers.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: ports[i] as number }]),
  )
  const sentinel = {
    ...{ name: groupName, sentinelRootNodes: encrypted.addresses, nodeAddressMap },
    nodeClientOptions: { socket: { tls: true, ca } },
  } as const
  await using _ = await works({ transport: 'redis', sentinel })
})

test('a thousand collections open at once on the cluster (P4)', async () => {
  await using client = createClient({ transport: 'redis', cluster: { rootNodes: roots() } })
  const complaints = new Complaints(client)
  await client.connect()
  const collections = Array.from({ length: 1000 }, (_, i) => client.database('test').collection<object>(`c${i}`))
  const start = performance.now()
  await Promise.all(collections.map((collection) => collection.subscribe()))
  const opened = performance.now() - start
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 6000))
  const { user, system } = process.cpuUsage(before)
  note(
    `a thousand collections on a cluster: opened in ${Math.round(opened)} ms, idle CPU ${((user + system) / 60_000).toFixed(2)} %`,
  )
  // On a calm machine it is less than one second; here others may be at work.
  assert.ok(opened < 10_000, `${opened} ms`)
  assert.deepStrictEqual(complaints.codes, [])
  assert.ok(collections.every(({ freshness: { state, age } }) => state === 'live' && (age ?? Infinity) < 5000))
})

test.run()
