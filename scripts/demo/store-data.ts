/** Deletes what the demo has in a real store: as if the store had lost it, and at the end, to leave nothing behind. */
import { connect, type NatsConnection } from 'nats'
import { createClient } from 'redis'
import type { Place } from './server'

export function deleteData(url: string, place: Place): Promise<void> {
  return url.startsWith('nats:') ? deleteBucket(url, place) : deleteKeys(url, place)
}

/** Every key of the demo's database, whose name is nobody else's. */
async function deleteKeys(url: string, { database }: Place): Promise<void> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2000 } })
  client.on('error', () => {}) // the calls below reject with it
  await client.connect()
  try {
    for await (const keys of client.scanIterator({ MATCH: `memis:{${database}:*`, COUNT: 1000 })) {
      if (keys.length > 0) await client.unlink(keys)
    }
  } finally {
    client.destroy()
  }
}

/** The demo's bucket. */
async function deleteBucket(url: string, { database }: Place): Promise<void> {
  const connection = await connectNats(url)
  try {
    const manager = await connection.jetstreamManager({ timeout: 2000 })
    await manager.streams.delete(`KV_memis-${database}`).catch((error) => {
      // Another server of the demo was faster.
      if (error.api_error?.err_code !== 10059) throw error
    })
  } finally {
    await connection.close()
  }
}

function connectNats(url: string): Promise<NatsConnection> {
  const { host, username, password } = new URL(url)
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  const login = pass ? { user, pass } : user ? { token: user } : {}
  return connect({ servers: host, ...login, reconnect: false, timeout: 2000 })
}
