import { bulkOutage } from '../scenarios/bulk-outage'
import { natsSite, suite } from './support'

const test = suite('bulk outage, NATS', 180_000)

test('W3 W4 W6 18,000 writes while the server is killed six times: all are confirmed, none goes back', async () => {
  await using site = await natsSite()
  await bulkOutage(site)
})

test.run()
