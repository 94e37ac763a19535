// The memory transport under the mock timers of node:test, which fake what the module node:timers gives as well.
const assert = require('node:assert/strict')
const { mock } = require('node:test')
const { createClient, MemoryHub } = require('memis')

async function main() {
  mock.timers.enable()
  const hub = new MemoryHub()
  const client = createClient({ transport: 'memory', hub })
  const told = []
  client.on('error', ({ code }) => told.push(code))
  const artists = client.database('region-nl').collection('artists')
  await artists.subscribe()
  await artists.set('coldplay', { genre: 'Alternative' }, 10)
  artists.set('coldplay', 4)
  await hub.idle()
  await hub.advance('9 s')
  assert.equal(artists.size, 1)
  await hub.advance('2 s')
  assert.equal(artists.size, 0)
  assert.deepEqual(told, ['INVALID_ITEM'])
  await client.close()
  console.log('done')
}

main()
