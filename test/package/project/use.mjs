// The README's example, from an ES module. It ends by itself: close() leaves no timer behind.
import assert from 'node:assert/strict'
import { createClient, MemoryHub } from 'memis'

const hub = new MemoryHub()
const [one, two] = [hub, hub].map((hub) => createClient({ transport: 'memory', hub }))
const [artists, replica] = [one, two].map((client) => client.database('region-nl').collection('artists'))
const events = []
replica.on('set', (key, artist) => events.push(['set', key, artist]))
replica.multi('expire delete', (key, last) => events.push(['gone', key, last]))
await Promise.all([artists.subscribe(), replica.subscribe()])
await artists.set('coldplay', { genre: 'Alternative' }, 3600 * 24)
assert.deepEqual(artists.get('coldplay'), { genre: 'Alternative' })
assert.equal(await artists.delete('coldplay'), true)
await hub.idle()
assert.deepEqual(events, [
  ['set', 'coldplay', { genre: 'Alternative' }],
  ['gone', 'coldplay', { genre: 'Alternative' }],
])
await one.close()
await two.close()
