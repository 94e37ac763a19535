/**
 * What a cleared collection still has in the store: marks of what was deleted, which would be removed in time. Nobody will write to
 * the demo's database again, so it is removed at once. The few bytes that Redis keeps of each writer expire by themselves.
 */
import { connect } from 'nats'
import { createClient } from 'redis'
import { namesOf } from '../../src/transports/nats/names'
import { keysOf } from '../../src/transports/redis/names'
import type { Place } from './server'

export async function removeLeftovers(url: string, place: Place): Promise<void> {
  if (/^rediss?:/.test(url)) await removeFromRedis(url, place)
  else if (/^nats:/.test(url)) await removeFromNats(url, place)
}

async function removeFromRedis(url: string, place: Place): Promise<void> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2000 } })
  client.on('error', () => {}) // the calls below reject with it
  await client.connect()
  try {
    const { meta, log, ttl } = keysOf({ prefix: undefined, ...place }, 0)
    await client.unlink([meta, log, ttl])
  } finally {
    client.destroy()
  }
}

/** The whole bucket: it was made for the demo. */
async function removeFromNats(url: string, place: Place): Promise<void> {
  const { host, username, password } = new URL(url)
  const login = password ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {}
  const token = username && !password ? { token: decodeURIComponent(username) } : {}
  const connection = await connect({ servers: host, ...login, ...token, reconnect: false, timeout: 2000 })
  try {
    const manager = await connection.jetstreamManager({ timeout: 2000 })
    await manager.streams.delete(namesOf({ prefix: undefined, ...place }).stream).catch((error) => {
      // Another server of the demo was faster.
      if (error.api_error?.err_code !== 10059) throw error
    })
  } finally {
    await connection.close()
  }
}
