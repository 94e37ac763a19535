import { bulkOutage } from '../scenarios/bulk-outage'
import { redisSite, suite } from './support'

const test = suite('bulk outage', 180_000)

test('W3 W4 W6 18,000 writes while Redis is killed six times: all are confirmed, none goes back', async () => {
  await using site = await redisSite({ persistence: 'aof' })
  await bulkOutage(site)
})

test.run()
