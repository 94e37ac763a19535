import { bulkOutage } from '../scenarios/bulk-outage'
import { natsSite, suiteOnAll } from './support'

const test = suiteOnAll('bulk outage', 180_000)

test('W3 W4 W6 18,000 writes while the server is killed six times: all are confirmed, none goes back', async (version) => {
  await using site = await natsSite(version)
  await bulkOutage(site)
})

test.run()
