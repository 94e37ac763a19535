/** A Redis Cluster on the loopback: masters with a replica each, and what can be done to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port'
import { argsOf, type GroupSettings, RedisNode } from './redis-node'
import { until } from './testing'

export interface ClusterSettings extends GroupSettings {
  /** `cluster-node-timeout` (ms). */
  nodeTimeout?: number
  masters?: number
  /** Replicas of each master. */
  replicas?: number
}

const lastSlot = 16383

export class RedisCluster {
  readonly nodes: readonly RedisNode[]
  readonly #settings: ClusterSettings

  private constructor(nodes: readonly RedisNode[], settings: ClusterSettings) {
    this.nodes = nodes
    this.#settings = settings
  }

  /** Resolves once every node says that the cluster is whole. */
  static async start(settings: ClusterSettings = {}): Promise<RedisCluster> {
    const { masters = 3, replicas = 1 } = settings
    const nodes = await Promise.all(Array.from({ length: masters * (1 + replicas) }, () => startNode(settings)))
    const cluster = new RedisCluster(nodes, settings)
    for (const [i, node] of nodes.slice(0, masters).entries()) {
      const from = Math.floor(((lastSlot + 1) / masters) * i)
      const to = Math.floor(((lastSlot + 1) / masters) * (i + 1)) - 1
      await node.send('CLUSTER', 'ADDSLOTSRANGE', from, to)
      await node.send('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    }
    const [first, ...others] = nodes as [RedisNode, ...RedisNode[]]
    for (const node of others) await cluster.meet(node, first)
    await cluster.#areMet()
    for (const [i, node] of nodes.slice(masters).entries())
      await cluster.replicate(node, nodes[i % masters] as RedisNode)
    await cluster.isWhole(1 + replicas)
    return cluster
  }

  get addresses(): { url: string }[] {
    return this.nodes.map(({ server }) => ({ url: server.url }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async meet(node: RedisNode, other: RedisNode): Promise<void> {
    // The port of the bus is not the usual one.
    const bus = await other.info('server', 'tcp_port').then(() => other.send('CONFIG', 'GET', 'cluster-port'))
    await node.send('CLUSTER', 'MEET', '127.0.0.1', other.port, bus[1])
  }

  async replicate(replica: RedisNode, master: RedisNode): Promise<void> {
    const isDone = () =>
      replica.send('CLUSTER', 'REPLICATE', master.id).then(
        () => true,
        () => false,
      )
    await until('the replica knows its master', isDone)
  }

  /** Each node knows all slots, each slot has so many nodes, and the replicas are linked. */
  async isWhole(nodesPerSlot = 2): Promise<void> {
    const isWhole = async (node: RedisNode) => {
      const slots: unknown[][] = await node.send('CLUSTER', 'SLOTS')
      const isOk = /cluster_state:ok/.test(await node.send('CLUSTER', 'INFO'))
      const isLinked =
        (await node.info('replication', 'role')) === 'master' ||
        (await node.info('replication', 'master_link_status')) === 'up'
      return isOk && isLinked && slots.every((range) => range.length >= 2 + nodesPerSlot)
    }
    await until(
      'the cluster is whole',
      async () => (await Promise.all(this.nodes.map((node) => isWhole(node).catch(() => false)))).every(Boolean),
      60_000,
    )
  }

  async slotOf(key: string): Promise<number> {
    for (const node of this.nodes) {
      const slot = await node.send('CLUSTER', 'KEYSLOT', key).catch(() => undefined)
      if (slot !== undefined) return Number(slot)
    }
    throw new Error('no node answers')
  }

  /** The master of a slot by the word of the majority of the nodes that answer. */
  async ownerOf(slot: number): Promise<RedisNode> {
    const votes = new Map<number, number>()
    const ask = async (node: RedisNode) => {
      const ranges: [number, number, [string, number]][] = await node.send('CLUSTER', 'SLOTS')
      const range = ranges.find(([from, to]) => from <= slot && slot <= to)
      if (range !== undefined) votes.set(range[2][1], (votes.get(range[2][1]) ?? 0) + 1)
    }
    const late = (node: RedisNode) => Promise.race([ask(node), sleep(500)]).catch(() => {})
    await Promise.all(this.nodes.map(late))
    const [port] = [...votes].sort(([, a], [, b]) => b - a)[0] ?? []
    const owner = this.nodes.find((node) => node.port === port)
    if (owner === undefined) throw new Error(`nobody has the slot ${slot}`)
    return owner
  }

  /** A replica of this master that is linked to it. */
  async replicaOf(master: RedisNode): Promise<RedisNode> {
    for (const node of this.nodes) {
      if (node === master) continue
      const [role, port] = await Promise.all([
        node.info('replication', 'role'),
        node.info('replication', 'master_port'),
      ])
      if (role === 'slave' && Number(port) === master.port) return node
    }
    throw new Error('the master has no replica')
  }

  /** Moves a slot with its keys while it is in use, so many keys at a time. */
  async migrate(slot: number, from: RedisNode, to: RedisNode, { batch = 10, pause = 0 } = {}): Promise<number> {
    await to.send('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
    await from.send('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
    let moved = 0
    for (;;) {
      const keys: string[] = await from.send('CLUSTER', 'GETKEYSINSLOT', slot, batch)
      if (keys.length === 0) break
      await from.send('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys)
      moved += keys.length
      if (pause > 0) await sleep(pause)
    }
    await to.send('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
    await from.send('CLUSTER', 'SETSLOT', slot, 'NODE', to.id).catch((error: Error) => {
      // It has heard of it already, and became a replica, since it has no other slot.
      if (!error.message.includes('only with masters')) throw error
    })
    return moved
  }

  /** Another node, without slots. */
  async add(): Promise<RedisNode> {
    const node = await startNode(this.#settings)
    ;(this.nodes as RedisNode[]).push(node)
    await this.meet(node, this.nodes[0] as RedisNode)
    await this.#areMet()
    await until('the node takes part', async () => /cluster_state:ok/.test(await node.send('CLUSTER', 'INFO')))
    return node
  }

  async #areMet(): Promise<void> {
    const isMet = async (node: RedisNode) => {
      const lines = String(await node.send('CLUSTER', 'NODES'))
        .trim()
        .split('\n')
      return lines.length === this.nodes.length && !lines.some((line) => /handshake|noaddr/.test(line))
    }
    await until(
      'the nodes know each other',
      async () => (await Promise.all(this.nodes.map(isMet))).every(Boolean),
      60_000,
    )
  }
}

async function startNode(settings: ClusterSettings): Promise<RedisNode> {
  const { nodeTimeout = 2000, binary } = settings
  const node = await RedisNode.start({
    ...(binary && { binary }),
    args: [
      ...[
        '--cluster-enabled',
        'yes',
        '--cluster-config-file',
        'nodes.conf',
        '--cluster-port',
        String(await freePort()),
      ],
      ...['--cluster-node-timeout', String(nodeTimeout), '--cluster-require-full-coverage', 'no'],
      ...['--repl-diskless-sync-delay', '0', ...argsOf(settings)],
    ],
  })
  node.id = String(await node.send('CLUSTER', 'MYID'))
  return node
}
