/**
 * What a cleared collection still has in Redis: its head, and marks of what was deleted, which the next writer would
 * remove. Nobody will write to the demo's database again. The few bytes that Redis keeps of each writer expire by themselves.
 */
import { createClient } from 'redis'
import { keysOf } from '../../src/transports/redis/names'
import type { Place } from './server'

export async function removeLeftovers(url: string, place: Place): Promise<void> {
  if (!/^rediss?:/.test(url)) return
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
