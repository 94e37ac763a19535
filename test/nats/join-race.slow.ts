import { joinRace } from '../scenarios/join-race'
import { natsSite, suite } from './support'

const test = suite('join race, NATS', 600_000)

test('200 joins while 5,000 writes and deletes run: every joiner equals the bucket, and its events its contents', async () => {
  await using site = await natsSite()
  await joinRace(site)
})

test.run()
