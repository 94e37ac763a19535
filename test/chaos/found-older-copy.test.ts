/**
 * Found by chaos (NATS, seed 2): the store came back as an older copy of itself while a replica was not notified of changes. The store
 * refused what the replica wanted to restore, as if tombstones had been forgotten since the last change that it had been told of.
 */
import assert from 'node:assert'
import { createClient } from '../../src'
import { differences } from '../support/replicas'
import { suite, until } from '../support/testing'
import { natsStore } from './nats-store'

const test = suite('found: older copy')

test('K7 NATS: own writes are restored after an older copy, also those that nobody notified the replica of', async () => {
  const store = await natsStore(false)
  // Nothing but notifications tells a replica of changes for now.
  const options = { ...store.clientOptions(store.server.port), auditInterval: 30_000, livenessTimeout: 60_000 }
  const client = () => createClient(options as unknown as { transport: 'memory' })
  await using own = client()
  own.on('error', () => {}) // the server is killed
  await using other = client()
  other.on('error', () => {})
  const [items, others] = [own, other].map((each) => each.database('chaos').collection<{ n: number }>('items'))
  assert.ok(items && others)
  await items.subscribe()
  const expected = new Map<string, { n: number }>()
  const write = async (collection: typeof items, prefix: string) => {
    for (let n = 0; n < 5; n++) {
      await collection.set(`${prefix} ${n}`, { n })
      expected.set(`${prefix} ${n}`, { n })
    }
  }
  await write(items, 'early')
  await store.instantFaults.find(({ name }) => name === 'all consumers deleted')?.run()
  await write(others, 'other')
  await write(items, 'own')
  assert.strictEqual(items.get('other 0'), undefined, 'it was notified')
  const restore = await store.backUp()
  await write(items, 'late')
  await restore()
  let found: string[] = []
  await until('everything is restored', async () => {
    found = [...differences(new Map(items), expected), ...differences(await store.read('items'), expected)]
    return found.length === 0
  }).catch(() => assert.deepStrictEqual(found, []))
  await Promise.all([own.close(), other.close()])
  await store.stop()
})

test.run()
