import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { hooks, sharedRedis } from '../redis/redis-store'

const test = suite('redis')
const evicting = sharedRedis()
// The suite of whole clients takes a warning for a fault: this server does not evict.
const keeping = sharedRedis({ args: ['--maxmemory', '8gb', '--maxmemory-policy', 'noeviction'] })

transportConformance({ name: 'redis', test, hooks, setup: async () => (await evicting).options.setup() })
apiConformance({ name: 'redis', test, hooks, setup: async () => (await keeping).options.setup() })

test.after(async () => {
  for (const server of [evicting, keeping]) await (await server).stop()
})
test.run()
