import { concurrentWriters } from '../scenarios/concurrent-writers'
import { redisSite, suite } from './support'

const test = suite('concurrent writers')

test('10,000 writes of each of two processes to 100 keys: both replicas, their events and the store agree', async () => {
  await using site = await redisSite()
  await concurrentWriters(site)
})

test.run()
