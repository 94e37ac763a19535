// What memis does, in whatever way it was loaded: the result must be the same in a bundle, in a worker, under Jest.
'use strict'
const { randomUUID } = require('node:crypto')

/** The code that a promise is rejected with, and whether it is an error of this copy of memis. */
async function refusal({ MemisError }, promise) {
  try {
    await promise
    return 'accepted'
  } catch (error) {
    const { code, stored } = error
    return [code, stored, error instanceof MemisError].filter((each) => each !== undefined).join(' ')
  }
}

/** Sets an item by one client and reads it by another; an item with a ttl expires. */
async function replicate({ createClient }, url) {
  const [one, two] = [createClient(url), createClient(url)]
  const name = `artists-${randomUUID()}`
  const [writer, replica] = [one, two].map((client) => client.database('package').collection(name))
  const events = []
  replica.on('set', (key) => events.push(`set ${key}`)).multi('expire', (key) => events.push(`expire ${key}`))
  await replica.subscribe()
  const expired = new Promise((resolve) => replica.once('expire', resolve))
  await writer.set('coldplay', { genre: 'Alternative', plays: 1 })
  await writer.increment('coldplay', 'plays')
  await replica.waitFor('coldplay', (artist) => artist?.plays === 2)
  await writer.set('muse', { genre: 'Rock', plays: 0 }, 0.2)
  await expired
  const result = { items: [...replica], isFrozen: Object.isFrozen(replica.get('coldplay')), events }
  await Promise.all([one.close(), two.close()])
  return result
}

/** `servers`: the URLs of a Redis, one that has a password, one that is full, and of two NATS, the second with a password. */
exports.behave = async (memis, servers) => {
  const { createClient } = memis
  const connect = async (url) => {
    const client = createClient(url)
    client.on('error', () => {})
    const [code] = (await refusal(memis, client.connect())).split(' ')
    await client.close()
    return code
  }
  const full = createClient(servers.fullRedis)
  full.on('error', () => {})
  const outcome = {
    redis: await replicate(memis, servers.redis),
    nats: await replicate(memis, servers.nats),
    memory: await replicate(memis, 'memory:package'),
    'Redis, wrong password': await connect(servers.lockedRedis),
    'NATS, wrong password': await connect(servers.lockedNats),
    'Redis is full': await refusal(memis, full.database('package').collection('c').set('k', { v: 1 })),
    'wrong item': (await refusal(memis, full.database('package').collection('c').set('k', { v: new Date() }))).replace(
      ' no',
      '',
    ),
  }
  await full.close()
  return outcome
}
