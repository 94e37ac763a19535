import { incrementsOnServer } from '../scenarios/increments'
import { redisSite, suite } from './support'

const test = suite('increments', 800_000)

test('C5 50 processes count up one number 200 times each, over connections that break all the time', async () => {
  await using site = await redisSite()
  await incrementsOnServer(site, 'Redis', (port) => ({ transport: 'redis', url: `redis://127.0.0.1:${port}` }))
})

test.run()
