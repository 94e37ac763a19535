import { concurrentWriters } from '../scenarios/concurrent-writers'
import { natsSite, suiteOnAll } from './support'

const test = suiteOnAll('concurrent writers')

test('10,000 writes of each of two processes to 100 keys: both replicas, their events and the bucket agree', async (version) => {
  await using site = await natsSite(version)
  await concurrentWriters(site)
})

test.run()
