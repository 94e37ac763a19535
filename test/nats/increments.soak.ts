import { incrementsOnServer } from '../scenarios/increments'
import { natsSite, suite } from './support'

const test = suite('increments, NATS', 800_000)

test('C5 50 processes count up one number 200 times each, over connections that break all the time', async () => {
  await using site = await natsSite()
  await incrementsOnServer(site, 'NATS', (port) => ({ transport: 'nats', servers: `127.0.0.1:${port}` }))
})

test.run()
