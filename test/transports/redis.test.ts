import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { hooks, sharedRedis } from '../redis/redis-store'

const test = suite('redis')
const server = sharedRedis()
const options = { name: 'redis', test, hooks, setup: async () => (await server).options.setup() }

transportConformance(options)
apiConformance(options)

test.after(async () => (await server).stop())
test.run()
