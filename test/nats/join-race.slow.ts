import { joinRace } from '../scenarios/join-race'
import { natsSite, suiteOnAll } from './support'

const test = suiteOnAll('join race')

test('200 joins while 5,000 writes and deletes run: every joiner equals the bucket, and its events its contents', async (version) => {
  await using site = await natsSite(version)
  await joinRace(site)
})

test.run()
