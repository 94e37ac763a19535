import { concurrentWriters } from '../scenarios/concurrent-writers'
import { natsSite, suite } from './support'

const test = suite('concurrent writers, NATS')

test('10,000 writes of each of two processes to 100 keys: both replicas, their events and the bucket agree', async () => {
  await using site = await natsSite()
  await concurrentWriters(site)
})

test.run()
