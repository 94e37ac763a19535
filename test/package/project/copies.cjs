// Two copies of memis in one process recognise each other's errors and hubs, and share a store.
const assert = require('node:assert/strict')
const one = require('memis')
const other = require('memis-copy')

async function main() {
  assert.notEqual(one.MemisError, other.MemisError)
  assert.ok(new one.MemisError('CLOSED', 'x') instanceof other.MemisError)
  assert.ok(!(new Error('x') instanceof other.MemisError))

  const hub = new one.MemoryHub()
  const clients = [one, other].map(({ createClient }) => createClient({ transport: 'memory', hub }))
  const [writer, replica] = clients.map((client) => client.database('d').collection('c'))
  await replica.subscribe()
  await writer.set('a', { v: 1 })
  await hub.idle()
  assert.deepEqual(replica.get('a'), { v: 1 })
  await assert.rejects(writer.set('a', { v: 2 }, { ifAbsent: true }), other.MemisError)
  await Promise.all(clients.map((client) => client.close()))
}

main()
