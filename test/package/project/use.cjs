// From CommonJS, with the clients that share a hub by its name.
const assert = require('node:assert/strict')
const { createClient, MemisError } = require('memis')

async function main() {
  const client = createClient('memory:radio')
  const other = createClient('memory:radio')
  const artists = client.database('region-nl').collection('artists')
  const replica = other.database('region-nl').collection('artists')
  await artists.set('coldplay', { genre: 'Alternative' })
  await replica.subscribe()
  assert.deepEqual([...replica], [['coldplay', { genre: 'Alternative' }]])
  await client.close()
  await other.close()
  await assert.rejects(
    async () => artists.set('coldplay', {}),
    (error) => error instanceof MemisError,
  )
}

main()
