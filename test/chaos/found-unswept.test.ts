/**
 * Found by chaos (nats-2.9, seed 5): after the stream was made anew, whose numbers begin at 1 again, items with a ttl stayed in the
 * store for as long as marks of the former stream were remembered under the same keys, since their numbers were higher.
 */
import { createClient } from '../../src'
import { natsServer, Raw, readStore, suite, until } from '../nats/support'

const test = suite('found: unswept')

test('X4 NATS 2.9: what expires leaves a stream that was made anew, also under keys that were deleted in the former one', async () => {
  await using server = await natsServer('2.9')
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ transport: 'nats', servers: server.url })
  const items = client.database('test').collection<object>('items')
  await items.subscribe()
  for (let n = 0; n < 50; n++) await items.set('k', { n })
  await items.delete('k')
  const ready = new Promise((resolve) => items.once('ready', resolve))
  await raw.ask('STREAM.DELETE.KV_test')
  await ready
  await items.set('k', { short: true }, 0.1)
  await until('it has left the store', async () => !(await readStore(raw, 'items')).has('k'))
})

test.run()
