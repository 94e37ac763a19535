/**
 * What the tests on a real Redis share. Whatever reads the store here knows the layout by itself: none of memis's code
 * takes part, so that memis and its tests cannot be wrong in the same way.
 */
import assert from 'node:assert'
import { createClient } from '../../src'
import type { Site } from '../scenarios/site'
import { type AnyCollection, untilEqualTo } from '../support/replicas'
import { type RedisOptions, type Server, startRedis } from '../support/servers'
import type { Disposable } from '../support/testing'
import { baseOf, Raw } from './raw'

export * from '../support/replicas'
export * from '../support/testing'
export { baseOf, Raw }

/** A server that is stopped at the end of the block. */
export async function redisServer(options: RedisOptions = {}): Promise<Disposable<Server>> {
  const server = await startRedis(options)
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() })
}

/** A server for what is played on other stores, too. */
export async function redisSite(options: RedisOptions = {}): Promise<Site> {
  const server = await startRedis(options)
  const raw = await Raw.connect(server.url)
  return {
    server,
    client: (options, port = server.port) =>
      createClient({ transport: 'redis', url: `redis://127.0.0.1:${port}`, ...options }),
    read: (collection) => readStore(raw, collection),
    async [Symbol.asyncDispose]() {
      await raw[Symbol.asyncDispose]()
      await server.stop()
    },
  }
}

/** One item, field by field, or undefined where there is none. */
export async function readItem(raw: Raw, name: string): Promise<Record<string, unknown> | undefined> {
  const fields: Buffer[] = await raw.sendBinary('HGETALL', name)
  if (fields.length === 0) return undefined
  const item: Record<string, unknown> = {}
  let numbered = false
  for (let i = 0; i < fields.length; i += 2) {
    const [field, value] = fields.slice(i, i + 2) as [Buffer, Buffer]
    if (field.length === 1 && field[0] === 0xff) numbered = true
    else Object.defineProperty(item, String(field), { value: JSON.parse(String(value)), enumerable: true })
  }
  assert.ok(numbered, `${name} has no number`)
  return item
}

/** What a collection holds, found by the names of its keys and not by its index. */
export async function readStore(raw: Raw, collection: string, database = 'test'): Promise<Map<string, unknown>> {
  const start = `${baseOf(database, collection)}:`
  const items = new Map<string, unknown>()
  const names = await raw.keys(start)
  await Promise.all(
    names.map(async (name) => {
      const item = await readItem(raw, name)
      if (item !== undefined) items.set(name.slice(start.length), item)
    }),
  )
  return items
}

/** Waits until each replica holds what the store holds; returns the ms. */
export function untilEqual(
  raw: Raw,
  replicas: readonly AnyCollection[],
  { deadline = 20_000, database = 'test' } = {},
): Promise<number> {
  return untilEqualTo((name) => readStore(raw, name, database), replicas, deadline)
}
