/** Everything that can happen to servers behind Sentinel, under load, with and without the identity of the servers. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient } from '../../src'
import type { RedisNode } from '../support/redis-node'
import { groupName, SentinelGroup } from '../support/redis-sentinel'
import { identity, type Limits, lag, Trial } from './failover'
import { startFakeServer } from './fake-server'
import { suite, until } from './support'

const test = suite('sentinel faults', 150_000)

/** The sentinels take 1.5 s to notice, and some more to agree; the machine may be busy. */
const election = 10_000
/** Nobody has to be missed first: a turn or two of the loop, on a busy machine. */
const planned = 2000

let group: SentinelGroup
test.before(async () => {
  group = await SentinelGroup.start()
})
test.after(async () => group?.stop())

type Root = { host: string; port: number }

const connect = (roots: readonly Root[] = group.addresses): Client =>
  createClient({ transport: 'redis', sentinel: { name: groupName, sentinelRootNodes: [...roots] }, auditInterval: 500 })

let trials = 0

async function trial(
  title: string,
  limits: Limits,
  isOn: boolean,
  harm: (master: RedisNode, running: Trial) => Promise<unknown>,
  roots?: readonly Root[],
): Promise<void> {
  const undo = identity(isOn)
  try {
    await using running = await Trial.start(() => connect(roots), `items ${++trials}`)
    await harm(await group.master(), running)
    await running.finish(`${title}, identity ${isOn ? 'on' : 'off'}`, () => group.master(), limits)
    await group.isWhole()
  } finally {
    undo()
  }
}

function fault(title: string, limits: Limits, harm: Parameters<typeof trial>[3]): void {
  for (const isOn of [true, false]) {
    test(`${title}, identity ${isOn ? 'on' : 'off'}`, () => trial(title, limits, isOn, harm))
  }
}

/** Resolves once the sentinels name another master than this one. */
const replaced = (master: RedisNode) =>
  until('another server is master', async () => (await group.master()) !== master, 60_000)

const replicasOf = (master: RedisNode) => group.servers.filter((server) => server !== master)

const failOver = async (master: RedisNode) => {
  // A sentinel refuses for some seconds after the failover before.
  await until(
    'a failover begins',
    () =>
      group.sentinels[0]?.send('SENTINEL', 'FAILOVER', groupName).then(
        () => true,
        () => false,
      ),
    30_000,
  )
  await replaced(master)
}

fault('a planned failover', { most: planned }, failOver)

fault('the master is killed and comes back empty at once', { most: election, least: 150 }, (master) =>
  master.server.restart(),
)

fault('the master is killed, and its replicas lag', { most: election, least: 200 }, async (master, running) => {
  const resumes = await Promise.all(replicasOf(master).map((replica) => lag(master, replica)))
  await running.more(200)
  await master.server.kill()
  for (const resume of resumes) resume()
  await replaced(master)
  await running.more(200)
  await master.server.restart()
})

fault('the master stands still for 20 s and returns', { most: election }, async (master, running) => {
  master.server.pause()
  await replaced(master)
  await sleep(20_000)
  master.server.resume()
  await running.more(200)
})

fault('all sentinels are dead, and the connections break', { most: planned }, async (master, running) => {
  for (const { server } of group.sentinels) await server.kill()
  await running.more(100)
  await master.send('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => {})
  await master.send('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await running.more(100)
  for (const { server } of group.sentinels) await server.restart()
})

fault('the master is made a replica, and its connections stay', { most: election }, async (master, running) => {
  // The sentinels do not know of it, and make it a master again, or follow.
  const [replica] = replicasOf(master) as [RedisNode]
  await replica.send('REPLICAOF', 'NO', 'ONE')
  await master.send('REPLICAOF', '127.0.0.1', replica.port)
  await sleep(500)
  await master.send('REPLICAOF', 'NO', 'ONE')
  await replica.send('REPLICAOF', '127.0.0.1', master.port)
  await running.more(200)
})

test('a sentinel that was out of touch is not believed', async () => {
  const old = await group.master()
  const stale = String(old.port)
  // It knows the configuration of before the failover, and nothing reaches it.
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
  await using fake = await startFakeServer(([name = '', ...words]) => {
    switch (`${name} ${words[0] ?? ''}`.toUpperCase().trim()) {
      case 'SENTINEL MASTER':
        return `*6\r\n${['ip', '127.0.0.1', 'port', stale, 'config-epoch', '0'].map(bulk).join('')}`
      case 'SENTINEL SENTINELS':
        return '*0\r\n'
      case 'SENTINEL MYID':
        return bulk('f'.repeat(40))
      case 'SUBSCRIBE +SWITCH-MASTER':
        return `>3\r\n${bulk('subscribe')}${bulk('+switch-master')}:1\r\n`
    }
    return name.toUpperCase() === 'HELLO' ? `%1\r\n${bulk('proto')}:3\r\n` : '+OK\r\n'
  })
  const roots = [{ host: '127.0.0.1', port: fake.port }, ...group.addresses]
  await trial('a stale sentinel', { most: planned }, true, failOver, roots)
  assert.ok(fake.connections > 0)
})

test.run()
