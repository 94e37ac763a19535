/** Statements of docs/redis.md, docs/nats.md and docs/production.md about what somebody else sees of memis. */
import assert from 'node:assert'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { createClient as createRedis } from 'redis'
import { createClient, type MemisError } from '../../src'
import { startNats, startRedis } from '../support/servers'
import { suite, until } from '../support/testing'

const test = suite('docs: claims')

interface Flag {
  on: boolean
}

test('Redis: a client opens two connections, with the name that it was given; an item is a hash of JSON texts', async () => {
  const server = await startRedis()
  const client = createClient({ transport: 'redis', url: server.url, name: 'shop' })
  const redis = await createRedis({ url: server.url }).connect()
  try {
    const flags = client.database('shop').collection<Flag>('flags')
    await Promise.all([flags.subscribe(), client.database('shop').collection('prices').subscribe()])
    const others = (await redis.clientList()).filter(({ name }) => name === 'shop')
    assert.strictEqual(others.length, 2)

    await flags.set('checkout', { on: true })
    const hash = await redis.hGetAll('memis:{shop:flags}:checkout')
    assert.strictEqual(hash.on, 'true')
  } finally {
    await client.close()
    redis.destroy()
    await server.stop()
  }
})

test('Redis: FLUSHALL is undone, and clear() is not', async () => {
  const server = await startRedis()
  const client = createClient(server.url)
  const redis = await createRedis({ url: server.url }).connect()
  try {
    const flags = client.database('shop').collection<Flag>('flags')
    await flags.subscribe()
    await flags.set('checkout', { on: true })
    await redis.flushAll()
    await until('the item is back in the store', () => redis.exists('memis:{shop:flags}:checkout'))
    assert.deepStrictEqual(flags.get('checkout'), { on: true })
    await flags.clear()
    assert.strictEqual(flags.size, 0)
    assert.strictEqual(await redis.exists('memis:{shop:flags}:checkout'), 0)
  } finally {
    await client.close()
    redis.destroy()
    await server.stop()
  }
})

test('NATS: a database is the bucket memis-<database>, which any KV client reads and writes', async () => {
  const server = await startNats()
  const client = createClient(server.url)
  const faults: string[] = []
  client.on('error', ({ code }: MemisError) => faults.push(code))
  const connection = await connect({ servers: server.url })
  try {
    const flags = client.database('shop').collection<Flag>('flags')
    const deleted: string[] = []
    flags.on('delete', (key) => deleted.push(key))
    await flags.subscribe()
    await flags.set('checkout', { on: true })

    const kv = await new Kvm(connection).open('memis-shop')
    assert.deepStrictEqual((await kv.get('flags.checkout'))?.json(), { on: true })
    await kv.put('flags.banner', '{"on":false}')
    await until('what another client puts arrives', () => flags.get('banner')?.on === false)
    await kv.put('flags.banner', 'no JSON')
    await until('what is no item is absent', () => !flags.has('banner'))
    assert.deepStrictEqual(faults, ['UNDECODABLE'])
    await kv.delete('flags.checkout')
    await until('what another client deletes is deleted', () => !flags.has('checkout'))
    assert.ok(deleted.includes('checkout'))
  } finally {
    await client.close()
    await connection.close()
    await server.stop()
  }
})

test.run()
