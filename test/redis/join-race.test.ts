import { joinRace } from '../scenarios/join-race'
import { redisSite, suite } from './support'

const test = suite('join race')

test('200 joins while 5,000 writes and deletes run: every joiner equals the store, and its events its contents', async () => {
  await using site = await redisSite()
  await joinRace(site)
})

test.run()
