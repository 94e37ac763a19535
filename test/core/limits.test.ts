/** H8: a collection that is larger than `maxItems`. */
import assert from 'node:assert'
import { createClient, type MemisError, MemoryHub } from '../../src'
import { suite } from '../support/testing'

const test = suite('limits')

async function filled(count: number) {
  const hub = new MemoryHub()
  const writer = createClient({ transport: 'memory', hub })
  const reader = createClient({ transport: 'memory', hub, maxItems: 10 })
  const items = writer.database('d').collection('c')
  const replica = reader.database('d').collection('c')
  for (let i = 0; i < count; i++) await items.set(`key ${i}`, { i })
  const close = () => Promise.all([writer.close(), reader.close()])
  return { hub, items, replica, reader, close }
}

test('H8 subscribe refuses a collection with more items than maxItems', async () => {
  const { replica, close } = await filled(11)
  await assert.rejects(replica.subscribe(), { code: 'LIMIT_EXCEEDED', collection: 'c' })
  assert.strictEqual(replica.freshness.state, 'idle')
  await close()
})

test('H8 a replica that outgrows maxItems is stale, says why, and is live again when there is room', async () => {
  const { hub, items, replica, reader, close } = await filled(10)
  const told: string[] = []
  replica.on('stale', ({ code }: MemisError) => void told.push(code))
  reader.on('error', () => {})
  await replica.subscribe()
  await items.set('one more', {})
  await hub.idle()
  assert.deepStrictEqual(
    [replica.freshness.state, replica.freshness.reason?.code, told],
    ['stale', 'LIMIT_EXCEEDED', ['LIMIT_EXCEEDED']],
  )
  await hub.advance('16 s')
  assert.strictEqual(replica.freshness.state, 'stale')
  await items.delete('key 0')
  await hub.advance('16 s')
  assert.deepStrictEqual([replica.freshness.state, replica.size], ['live', 10])
  await close()
})

test.run()
