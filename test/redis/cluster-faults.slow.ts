/** Everything that can happen to a Redis Cluster, under load, with and without the identity of its servers. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient } from '../../src'
import { RedisCluster } from '../support/redis-cluster'
import type { RedisNode } from '../support/redis-node'
import { identity, type Limits, lag, Trial } from './failover'
import { baseOf, note, suite, until } from './support'

const test = suite('cluster faults', 120_000)

const nodeTimeout = 2000
/** An election takes the node timeout and some more; the machine may be busy. */
const election = 10_000
/** Nothing is lost and nobody is elected: a turn or two of the loop, on a busy machine. */
const planned = 2000

let cluster: RedisCluster
test.before(async () => {
  cluster = await RedisCluster.start({ nodeTimeout })
})
test.after(async () => cluster?.stop())

const connect = (): Client =>
  createClient({ transport: 'redis', cluster: { rootNodes: cluster.addresses.slice(0, 3) }, auditInterval: 500 })

let trials = 0

/** Writes to a collection of its own, while `harm` is done to the node that has it. */
async function trial(
  title: string,
  limits: Limits,
  isOn: boolean,
  harm: (owner: RedisNode, running: Trial, slot: number) => Promise<unknown>,
): Promise<void> {
  const undo = identity(isOn)
  try {
    const name = `items ${++trials}`
    const slot = await cluster.slotOf(baseOf('test', name))
    const owner = await cluster.ownerOf(slot)
    await using running = await Trial.start(connect, name)
    await harm(owner, running, slot)
    await running.finish(`${title}, identity ${isOn ? 'on' : 'off'}`, () => cluster.ownerOf(slot), limits)
    await cluster.isWhole()
  } finally {
    undo()
  }
}

function fault(title: string, limits: Limits, harm: Parameters<typeof trial>[3]): void {
  for (const isOn of [true, false]) {
    test(`${title}, identity ${isOn ? 'on' : 'off'}`, () => trial(title, limits, isOn, harm))
  }
}

const isMaster = (node: RedisNode) => () =>
  node.info('replication', 'role').then(
    (role) => role === 'master',
    () => false,
  )

fault('a slot moves slowly, and back fast', { most: 8000 }, async (owner, running, slot) => {
  const other = cluster.nodes.slice(0, 3).find((node) => node !== owner) as RedisNode
  const target = (await isMaster(other)()) ? other : await cluster.ownerOf((slot + 5461) % 16384)
  const moved = await cluster.migrate(slot, owner, target, { batch: 5, pause: 20 })
  assert.ok(moved > 50, `${moved} keys moved`)
  await running.more(100)
  await cluster.migrate(slot, target, owner, { batch: 100 })
})

fault('a planned failover', { most: planned }, async (owner) => {
  const replica = await cluster.replicaOf(owner)
  await replica.send('CLUSTER', 'FAILOVER')
  await until('the replica is master', isMaster(replica))
})

fault('the master is killed', { most: election }, async (owner, running) => {
  const replica = await cluster.replicaOf(owner)
  await owner.server.kill()
  await until('the replica is master', isMaster(replica))
  await running.more(200)
  await owner.server.restart()
})

fault('the master stands still and returns', { most: election }, async (owner, running) => {
  const replica = await cluster.replicaOf(owner)
  owner.server.pause()
  await until('the replica is master', isMaster(replica))
  await running.more(200)
  owner.server.resume()
})

fault('the master is killed, and its replica lags', { most: election, least: 200 }, async (owner, running) => {
  const replica = await cluster.replicaOf(owner)
  const resume = await lag(owner, replica)
  await running.more(300)
  await owner.server.kill()
  resume()
  await until('the replica is master', isMaster(replica))
  await running.more(200)
  await owner.server.restart()
})

fault(
  'a replica that lags takes over while the master stands still',
  { most: election, least: 200 },
  async (owner, running) => {
    const replica = await cluster.replicaOf(owner)
    const resume = await lag(owner, replica)
    await running.more(300)
    owner.server.pause()
    resume()
    await replica.send('CLUSTER', 'FAILOVER', 'TAKEOVER')
    await until('the replica is master', isMaster(replica))
    await running.more(200)
    owner.server.resume()
  },
)

fault('a shard dies and comes back empty', { most: election, least: 200 }, async (owner, running) => {
  const replica = await cluster.replicaOf(owner)
  await Promise.all([owner.server.kill(), replica.server.kill()])
  await sleep(1000)
  await Promise.all([owner.server.restart(), replica.server.restart()])
  await running.more(200)
})

test('a dead shard harms its own collections only (P3)', async () => {
  await using client = connect()
  const names = Array.from({ length: 40 }, (_, i) => `many ${i}`)
  const collections = names.map((name) => client.database('test').collection<{ n: number }>(name))
  await Promise.all(collections.map((collection) => collection.subscribe()))
  const owners = await Promise.all(
    names.map(async (name) => cluster.ownerOf(await cluster.slotOf(baseOf('test', name)))),
  )
  const [dead] = owners as [RedisNode]
  const replica = await cluster.replicaOf(dead)
  const alive = collections.filter((_, i) => owners[i] !== dead)
  const down: string[] = []
  client.on('disconnect', ({ message }) => void down.push(message))
  for (const collection of alive)
    collection.on('stale', ({ message }) => void down.push(`${collection.name}: ${message}`))
  for (const node of [dead, replica]) node.server.pause()
  let longest = 0
  const end = performance.now() + 6000
  while (performance.now() < end) {
    const start = performance.now()
    await Promise.all(alive.map((collection) => collection.set('k', { n: start })))
    longest = Math.max(longest, performance.now() - start)
  }
  for (const node of [dead, replica]) node.server.resume()
  note(
    `P3: ${alive.length} of 40 collections on live shards, longest round of awaited writes ${Math.round(longest)} ms`,
  )
  assert.deepStrictEqual(down, [])
  assert.ok(alive.every(({ freshness: { state, age } }) => state === 'live' && (age ?? Infinity) < 3000))
  assert.ok(longest < 2000, `${longest} ms`)
  await until('all are live', () => collections.every(({ freshness }) => freshness.state === 'live'), 30_000)
  await cluster.isWhole()
})

test.run()
