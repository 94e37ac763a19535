/**
 * Found by chaos (NATS, seed 4): an abandoned delete went on in the client, which read the last message of the key and then
 * deleted it, although it was a newer item of the same client (W4).
 */
import assert from 'node:assert'
import { createClient } from '../../src'
import { natsServer, Raw, readStore, rejection, suite } from '../nats/support'
import { startProxy } from '../support/proxy'

const test = suite('found: late delete')

test('W4 NATS: an abandoned delete does not land over a newer set', async () => {
  await using server = await natsServer()
  await using raw = await Raw.connect(server.url)
  const proxy = await startProxy(server.port)
  const servers = `127.0.0.1:${proxy.port}`
  await using client = createClient({ transport: 'nats', servers, writeTimeout: 500, livenessTimeout: 60_000 })
  const items = client.database('test').collection<object>('items')
  await items.set('k', { v: 1 })
  proxy.freeze()
  const refusal = await rejection(items.delete('k'))
  assert.deepStrictEqual([refusal.code, refusal.stored], ['WRITE_TIMEOUT', 'unknown'])
  const newer = items.set('k', { v: 2 })
  await new Promise(setImmediate)
  await proxy.heal()
  await newer
  // By the time that these are answered, whatever the delete still sent has arrived.
  for (let i = 0; i < 20; i++) await items.set(`other ${i}`, { i })
  assert.deepStrictEqual((await readStore(raw, 'items')).get('k'), { v: 2 })
  await client.close()
  await proxy.close()
})

test.run()
