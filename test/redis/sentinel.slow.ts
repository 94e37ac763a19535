/** Both conformance suites on Redis Sentinel. */
import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { sharedSentinel } from './group-stores'
import { hooks } from './redis-store'

const test = suite('redis sentinel')
const store = sharedSentinel()
const options = { name: 'redis sentinel', test, hooks, setup: async () => (await store).options.setup() }

transportConformance(options)
apiConformance(options)

test.after(async () => (await store).stop())
test.run()
