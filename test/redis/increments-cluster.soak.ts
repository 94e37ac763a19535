import { createClient } from '../../src'
import { increments } from '../scenarios/increments'
import { startProxy } from '../support/proxy'
import { RedisCluster } from '../support/redis-cluster'
import { suite } from './support'

const test = suite('increments, cluster', 800_000)

test('C5 50 processes count up one number 200 times each, over connections to a cluster that break all the time', async () => {
  await using cluster = await RedisCluster.start({ replicas: 0 })
  const rootNodes = cluster.addresses
  await increments('cluster', createClient({ transport: 'redis', cluster: { rootNodes } }), async () => {
    const proxies = await Promise.all(cluster.nodes.map(({ port }) => startProxy(port)))
    const mapped = cluster.nodes.map(({ port }, i) => {
      const there = { host: '127.0.0.1', port: (proxies[i] as (typeof proxies)[number]).port }
      return [`127.0.0.1:${port}`, there] as const
    })
    const seeds = mapped.map(([, { port }]) => ({ url: `redis://127.0.0.1:${port}` }))
    const options = { transport: 'redis', cluster: { rootNodes: seeds, nodeAddressMap: Object.fromEntries(mapped) } }
    return { proxies, options }
  })
})

test.run()
