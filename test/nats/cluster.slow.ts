/**
 * Three servers, a bucket on all three, three replicas: servers are killed and come back while two clients write. Nothing that was
 * acknowledged is lost, and replicas equal the bucket within 10 s.
 */
import assert from 'node:assert'
import { type Client, createClient } from '../../src'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster'
import type { Server } from '../support/servers'
import {
  awake,
  Complaints,
  differences,
  Load,
  note,
  Raw,
  Replay,
  readStore,
  suite,
  until,
  untilConsumers,
  untilEqual,
} from './support'

const test = suite('cluster, NATS', 600_000)

/** An election can take long if others are at work on the two cores. Writes wait for longer than that. */
const electionDeadline = 150_000

/**
 * Once the cluster has found leaders, or a server has come back, replicas equal the bucket within so many ms: on an idle machine
 * within 10 s, as the times show that are printed; here, others may be at work on the two cores.
 */
const soon = 30_000

/** Three clients, each first at another server, with a replica each; the first two write. */
class Scene implements AsyncDisposable {
  readonly loads: Load[] = []
  readonly replays: Replay[]
  readonly complaints: Complaints[]
  readonly collections

  private constructor(
    readonly cluster: NatsCluster,
    readonly clients: Client[],
  ) {
    this.collections = clients.map((client) => client.database('test').collection<object>('items'))
    this.replays = this.collections.map((collection) => new Replay(collection))
    this.complaints = clients.map((client) => new Complaints(client))
  }

  static async set(config?: string): Promise<Scene> {
    const cluster = await startNatsCluster({ config })
    const addresses = cluster.servers.map(({ port }) => `127.0.0.1:${port}`)
    const clients = addresses.map((first) =>
      createClient({
        transport: 'nats',
        servers: [first, ...addresses.filter((address) => address !== first)],
        noRandomize: true,
        bucket: { replicas: 3 },
        livenessTimeout: 3000,
        writeTimeout: 2 * electionDeadline,
      }),
    )
    const scene = new Scene(cluster, clients)
    await Promise.all(scene.collections.map((collection) => collection.subscribe()))
    scene.loads.push(...scene.collections.slice(0, 2).map((collection, i) => new Load(collection, `load ${i}`)))
    return scene
  }

  /** So many more writes of each are confirmed. */
  async more(count: number): Promise<void> {
    await Promise.all(this.loads.map((load) => load.more(count)))
  }

  async leader(): Promise<Server> {
    let leader: Server | undefined
    await until(
      'the stream has a leader',
      async () => (leader = await this.cluster.leader('KV_memis-test')),
      electionDeadline,
    )
    return leader as Server
  }

  /** Kills the stream's leader, and waits until the two that are left have found others. Returns how many ms that took. */
  async killLeader(): Promise<{ killed: Server; took: number }> {
    const killed = await this.leader()
    await killed.kill()
    const took = await until(
      'others lead',
      async () => {
        const leaders = await Promise.all([this.cluster.leader('KV_memis-test'), this.cluster.leader()])
        return leaders.every((leader) => leader !== undefined && leader !== killed)
      },
      electionDeadline,
    )
    return { killed, took }
  }

  /** Waits until all replicas are live and equal the bucket, which holds what was acknowledged. Returns the ms since `from`. */
  async settle(from: number): Promise<number> {
    await Promise.all(this.loads.map((load) => load.stop()))
    await using raw = await this.raw()
    await untilEqual(raw, this.collections, { deadline: electionDeadline })
    const took = awake() - from
    await this.untilLive()
    const store = await readStore(raw, 'items')
    for (const load of this.loads) load.check(store)
    for (const replay of this.replays) replay.check()
    await untilConsumers(raw, 3, 'memis-test', electionDeadline)
    return took
  }

  async untilLive(deadline = electionDeadline): Promise<void> {
    const areLive = () => this.collections.every(({ freshness }) => freshness.state === 'live')
    await until('all are live', areLive, deadline)
  }

  /** Waits until the stream's leader has two followers that are up to date. */
  async untilWhole(): Promise<void> {
    const isWhole = async () => {
      await using raw = await this.raw()
      const info = await raw.askInVain('STREAM.INFO.KV_memis-test')
      const replicas: { current: boolean; offline?: boolean }[] = info?.cluster?.replicas ?? []
      return replicas.length === 2 && replicas.every(({ current, offline }) => current && !offline)
    }
    await until('the cluster is whole again', isWhole, electionDeadline)
  }

  raw(): Promise<Raw> {
    return Raw.connect(this.cluster.servers.map(({ url }) => url))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const load of this.loads) load.stop().catch(() => {})
    await Promise.all(this.clients.map((client) => client.close()))
    await this.cluster.stop()
  }
}

test('kill -9 of the leader, three times, during writes: nothing acknowledged is lost, replicas equal the bucket within 10 s', async () => {
  await using scene = await Scene.set()
  const elections: number[] = []
  const tooks: number[] = []
  for (let i = 0; i < 3; i++) {
    await scene.more(300)
    const { killed, took } = await scene.killLeader()
    const from = awake()
    // Two of three go on without it, also who was connected to it.
    await scene.more(100)
    await scene.untilLive(soon)
    elections.push(took)
    tooks.push(awake() - from)
    await killed.restart()
    await scene.untilWhole()
    await scene.untilLive()
  }
  await scene.more(100)
  const from = awake()
  const took = await scene.settle(from)
  note(
    `kill -9 of the leader: the cluster has another after ${elections.map(Math.round).join(', ')} ms; all live and ` +
      `200 writes confirmed ${tooks.map(Math.round).join(', ')} ms later; ` +
      `equal ${took.toFixed(0)} ms after the last write; confirmed ${scene.loads.map(({ confirmed }) => confirmed).join(' and ')}`,
  )
  // On a machine that is busy with other things, a leader that was just found may be lost again: not in most of the rounds.
  assert.ok((tooks.sort((a, b) => a - b)[1] as number) <= soon, `${tooks}`)
  assert.ok(took <= soon, `${took}`)
})

test('kill -9 of the leader, and the writes end at once: replicas equal the bucket within 10 s, while it stays away', async () => {
  await using scene = await Scene.set()
  await scene.more(500)
  const { took: elected } = await scene.killLeader()
  const took = await scene.settle(awake())
  note(
    `kill -9 of the leader: another after ${elected.toFixed(0)} ms, replicas equal the bucket ${took.toFixed(0)} ms later`,
  )
  assert.ok(took <= soon, `${took}`)
})

test('each server in turn is killed and comes back, the one that follows a consumer included', async () => {
  await using scene = await Scene.set()
  for (const server of scene.cluster.servers) {
    await scene.more(200)
    await server.kill()
    await scene.more(50)
    await server.restart()
    await scene.untilWhole()
  }
  const took = await scene.settle(awake())
  note(`each server in turn: equal ${took.toFixed(0)} ms after the last was back`)
  assert.ok(took <= soon, `${took}`)
})

/** The longest time (ms) in which a load had no write confirmed, from now on. */
function watchGaps(loads: readonly Load[]): () => number {
  let longest = 0
  const seen = loads.map(({ confirmed }) => ({ confirmed, at: awake() }))
  const timer = setInterval(() => {
    for (const [i, { confirmed }] of loads.entries()) {
      const last = seen[i] as { confirmed: number; at: number }
      if (confirmed === last.confirmed) longest = Math.max(longest, awake() - last.at)
      else seen[i] = { confirmed, at: awake() }
    }
  }, 20)
  return () => {
    clearInterval(timer)
    return longest
  }
}

/** Waits until a server leads the stream that is not this one. */
async function untilOthersLead({ cluster }: Scene, server: Server): Promise<void> {
  const hasMoved = async () => {
    const leaders = await Promise.all([cluster.leader('KV_memis-test'), cluster.leader()])
    return leaders.every((leader) => leader !== undefined && leader !== server)
  }
  await until('others lead', hasMoved, electionDeadline)
}

test('the leader is stopped and goes on later: others lead meanwhile, and what it knew does not count any more', async () => {
  await using scene = await Scene.set()
  await scene.more(300)
  const gap = watchGaps(scene.loads)
  const stopped = await scene.leader()
  stopped.pause()
  await untilOthersLead(scene, stopped)
  await scene.more(200)
  await scene.untilLive(soon)
  stopped.resume()
  await scene.untilWhole()
  await scene.more(100)
  const longest = gap()
  const took = await scene.settle(awake())
  note(
    `leader stopped: no write confirmed for up to ${longest.toFixed(0)} ms; equal ${took.toFixed(0)} ms after the last`,
  )
  assert.ok(took <= soon, `${took}`)
})

test('a server is cut off from the others, with its client: that one moves to another server, and all go on', async () => {
  await using scene = await Scene.set()
  await scene.more(300)
  const gap = watchGaps(scene.loads)
  // The first load is connected to it.
  const [alone] = scene.cluster.servers as [Server]
  scene.cluster.isolate(alone)
  await untilOthersLead(scene, alone)
  const from = awake()
  await scene.more(200)
  await scene.untilLive(soon)
  const moved = awake() - from
  await scene.cluster.rejoin(alone)
  await scene.untilWhole()
  await scene.more(100)
  const longest = gap()
  const took = await scene.settle(awake())
  note(
    `a server cut off: no write confirmed for up to ${longest.toFixed(0)} ms; all live ${moved.toFixed(0)} ms after others led; ` +
      `equal ${took.toFixed(0)} ms after the last write`,
  )
  assert.ok(took <= soon, `${took}`)
})

test('rolling restart: each server ends in good order and comes back, under load', async () => {
  await using scene = await Scene.set()
  await scene.more(300)
  const gap = watchGaps(scene.loads)
  for (const server of scene.cluster.servers) {
    await server.kill('SIGTERM')
    await scene.more(50)
    await server.restart()
    await scene.untilWhole()
    await scene.untilLive()
  }
  const longest = gap()
  const took = await scene.settle(awake())
  note(
    `rolling restart: no write confirmed for up to ${longest.toFixed(0)} ms; equal ${took.toFixed(0)} ms after the last`,
  )
  assert.ok(took <= soon, `${took}`)
})

test('lame duck: the leader sends its clients away, and ends', async () => {
  await using scene = await Scene.set('lame_duck_duration: "30s", lame_duck_grace_period: "1s"')
  await scene.more(300)
  const gap = watchGaps(scene.loads)
  const leaving = await scene.leader()
  process.kill(leaving.pid, 'SIGUSR2')
  await until('it has sent its clients away', () => /[Ll]ame duck mode/.test(leaving.log), electionDeadline)
  await untilOthersLead(scene, leaving)
  await scene.more(200)
  await scene.untilLive(soon)
  await leaving.restart()
  await scene.untilWhole()
  await scene.more(100)
  const longest = gap()
  const took = await scene.settle(awake())
  note(
    `lame duck: no write confirmed for up to ${longest.toFixed(0)} ms; equal ${took.toFixed(0)} ms after the last write`,
  )
  assert.ok(took <= soon, `${took}`)
})

test('two of three are killed: writes wait, replicas say that they are stale or prove nothing; all is there again with a second one', async () => {
  await using scene = await Scene.set()
  await scene.more(300)
  const [one, two] = scene.cluster.servers as [Server, Server, Server]
  await Promise.all([one.kill(), two.kill()])
  // Nothing can be stored by one of three.
  const before = scene.loads.map(({ confirmed }) => confirmed)
  await until('all know', () => scene.collections.every(({ freshness }) => freshness.state === 'stale'), 90_000)
  const held = scene.collections.map((collection) => new Map(collection))
  assert.ok(
    held.every(({ size }) => size > 0),
    'they serve what they have',
  )
  const confirmed = scene.loads.map((load, i) => load.confirmed - (before[i] as number))
  assert.ok(Math.max(...confirmed) <= 10, `confirmed without a majority: ${confirmed}`)
  await one.restart()
  const from = awake()
  await scene.more(100)
  await scene.untilLive()
  const back = awake() - from
  await two.restart()
  await scene.untilWhole()
  await scene.settle(awake())
  note(`two of three killed: all live again ${back.toFixed(0)} ms after one was back`)
})

test('the two others stand still: what was written meanwhile is asked for again while it is on its way, and confirmed once', async () => {
  await using scene = await Scene.set()
  await Promise.all(scene.loads.map((load) => load.stop()))
  const leader = await scene.leader()
  const others = scene.cluster.servers.filter((server) => server !== leader)
  // Connected to the leader, which goes on and can store nothing by itself.
  const collection = scene.collections[scene.cluster.servers.indexOf(leader)] as (typeof scene.collections)[number]
  await using raw = await Raw.connect(leader.url)
  let told = 0
  raw.connection.subscribe('$KV.memis-test.items.k0', {
    callback: () => {
      told++
    },
  })
  await raw.connection.flush()
  for (const server of others) server.pause()
  const writes = Array.from({ length: 50 }, (_, i) => collection.set(`k${i}`, { v: i }))
  const deletes = Array.from({ length: 10 }, (_, i) => collection.delete(`k${i}`))
  await until('the first has come again', () => told > 1)
  for (const server of others) server.resume()
  const from = awake()
  await Promise.all(writes)
  assert.deepStrictEqual(await Promise.all(deletes), Array(10).fill(true))
  const took = await scene.settle(from)
  note(`two stood still: writes confirmed and replicas equal ${took.toFixed(0)} ms later`)
})

test('three clients set and delete the same keys: each write is confirmed, though others are on their way', async () => {
  await using scene = await Scene.set()
  await Promise.all(scene.loads.map((load) => load.stop()))
  for (let round = 0; round < 100; round++) {
    const writes = scene.collections.flatMap((collection, i) =>
      ['a', 'b'].flatMap((key) => [collection.set(key, { round, i }), collection.delete(key)]),
    )
    await Promise.all(writes)
  }
  await scene.settle(awake())
})

test('what a replica of memis holds is what each server has, by its own word', async () => {
  await using scene = await Scene.set()
  await scene.more(500)
  await scene.settle(awake())
  // The stream's leader answers: each in turn.
  await using raw = await scene.raw()
  for (const server of scene.cluster.servers) {
    await until(
      'it leads',
      async () => {
        if ((await scene.leader()) === server) return true
        await raw.askInVain('STREAM.LEADER.STEPDOWN.KV_memis-test')
        return false
      },
      electionDeadline,
    )
    const store = await readStore(raw, 'items')
    for (const collection of scene.collections) assert.deepStrictEqual(differences(new Map(collection), store), [])
  }
})

test.run()
