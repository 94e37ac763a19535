/** A process whose event loop is blocked for longer than the ttl of items that others renew. */
import assert from 'node:assert'
import { Child } from '../support/child'
import { until } from '../support/testing'
import type { Site } from './site'

const users = 100

/** Longer than the ttl of the items, 2 s. */
const blockedMs = 3500

export async function blockedLoop({ client, server }: Site, kind: 'redis' | 'nats'): Promise<void> {
  await using writer = new Child('presence.ts', `${kind}://127.0.0.1:${server.port}`, `${users}`)
  await writer.ask('begin')
  await using reader = client()
  const presence = reader.database('test').collection<{ beats: number }>('presence')
  await presence.subscribe()
  await until('all users are there', () => presence.size === users + 1)
  const expired: string[] = []
  presence.on('expire', (key) => expired.push(key))
  const last = presence.get('user 0')?.beats ?? 0

  const end = performance.now() + blockedMs
  while (performance.now() < end);
  await until('news of after the block', () => (presence.get('user 0')?.beats ?? 0) > last + blockedMs / 100)
  assert.deepStrictEqual(expired, [])

  writer.signal('SIGKILL')
  await until('all have expired', () => expired.length === users)
  assert.strictEqual(presence.size, 1)
}
