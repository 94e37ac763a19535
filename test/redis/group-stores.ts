/** A Redis Cluster, and a group of servers behind Sentinel, as the conformance suites take a store. */
import { systemClock } from '../../src/core/clock'
import { redisTransport } from '../../src/transports/redis/transport'
import { RedisCluster } from '../support/redis-cluster'
import { groupName, SentinelGroup } from '../support/redis-sentinel'
import { Raw } from './raw'
import { type Access, evicting, hooks, type SharedServer, setup } from './redis-store'

/** One cluster for all cases. Its slots stay where they are. */
export async function sharedCluster(): Promise<SharedServer> {
  const cluster = await RedisCluster.start({ args: evicting })
  const masters = cluster.nodes.slice(0, 3)
  const raws = new Map<number, Raw>()
  for (const { port, server } of masters) raws.set(port, await Raw.connect(server.url))
  const slots = new Map<string, number>()
  /** All keys of a collection have its hash tag. */
  const tagOf = (key: string) => /\{.*?\}/.exec(key)?.[0] ?? key
  const slotOf = async (key: string): Promise<number> => {
    const tag = tagOf(key)
    const slot = slots.get(tag) ?? (await cluster.slotOf(tag))
    slots.set(tag, slot)
    return slot
  }
  const owners = new Map<number, Raw>()
  const access: Access = {
    ports: cluster.nodes.map(({ port }) => port),
    masters: [...raws.values()],
    slot: slotOf,
    async owner(key) {
      const slot = await slotOf(key)
      const owner = owners.get(slot) ?? (raws.get((await cluster.ownerOf(slot)).port) as Raw)
      owners.set(slot, owner)
      return owner
    },
    connect(through) {
      const reach = (address: string) => ({
        host: '127.0.0.1',
        port: through.get(Number(address.split(':').at(-1))) ?? 0,
      })
      const rootNodes = [...through.values()].slice(0, 3).map((port) => ({ url: `redis://127.0.0.1:${port}` }))
      return redisTransport({ cluster: { rootNodes, nodeAddressMap: reach } }, systemClock)
    },
  }
  return {
    options: { setup: async () => setup(access), hooks },
    async stop() {
      for (const raw of raws.values()) await raw[Symbol.asyncDispose]()
      await cluster.stop()
    },
  }
}

/** One group for all cases. Its master stays. */
export async function sharedSentinel(): Promise<SharedServer> {
  const group = await SentinelGroup.start({ args: evicting })
  const { port, server } = await group.master()
  const raw = await Raw.connect(server.url)
  const access: Access = {
    ports: [port],
    masters: [raw],
    owner: async () => raw,
    slot: async () => 0,
    connect: (through) =>
      redisTransport(
        {
          sentinel: {
            name: groupName,
            sentinelRootNodes: group.addresses,
            nodeAddressMap: { [`127.0.0.1:${port}`]: { host: '127.0.0.1', port: through.get(port) ?? 0 } },
          },
        },
        systemClock,
      ),
  }
  return {
    options: { setup: async () => setup(access), hooks },
    async stop() {
      await raw[Symbol.asyncDispose]()
      await group.stop()
    },
  }
}
