/** Both conformance suites on Redis Cluster. */
import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { sharedCluster } from './group-stores'
import { hooks } from './redis-store'

const test = suite('redis cluster')
const store = sharedCluster()
const options = { name: 'redis cluster', test, hooks, setup: async () => (await store).options.setup() }

transportConformance(options)
apiConformance(options)

test.after(async () => (await store).stop())
test.run()
