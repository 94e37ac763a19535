import { slowReader } from '../scenarios/slow-reader'
import { natsSite, suite } from './support'

const test = suite('a reader that stands still, NATS', 180_000)

test('S3 a minute under 1,000 writes a second to 100 keys: memory is bounded', async () => {
  await using site = await natsSite()
  await slowReader(site, 'NATS')
})

test.run()
