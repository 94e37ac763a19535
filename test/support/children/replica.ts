/** A replica in a process of its own, which a test can stop. Arguments: URL, livenessTimeout. */
import { createClient } from '../../../src'
import { answer } from '../child'

const [url = '', livenessTimeout] = process.argv.slice(2)
const client = createClient({ transport: 'redis', url, livenessTimeout: Number(livenessTimeout) })
const items = client.database('test').collection<object>('items')
const told: [string, number][] = []
items.on('stale', () => told.push(['stale', Date.now()]))
items.on('ready', () => told.push(['ready', Date.now()]))

answer({
  subscribe: () => items.subscribe(),
  contents: () => ({ items: [...items], state: items.freshness.state, told }),
})
