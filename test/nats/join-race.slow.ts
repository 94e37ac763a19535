import { joinRace } from '../scenarios/join-race'
import { natsSite, suiteOnAll } from './support'

const test = suiteOnAll('join race', 600_000)

test('200 joins while 5,000 writes and deletes run: every joiner equals the bucket, and its events its contents', async (version) => {
  await using site = await natsSite(version)
  await joinRace(site)
})

test.run()
