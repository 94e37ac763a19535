import type { Client } from './client'
import { MemisError } from './errors'
import { ReadableCollection } from './readable-collection'
import type { ItemEntry } from './types'

/** Resolves to what the store holds, by a reader of its own: the collection's replica may lag, and its listeners are not told. */
export async function readWhole<T extends object>(
  client: Client,
  { database, name }: ReadableCollection<T>,
): Promise<ReadonlyMap<string, ItemEntry<T>>> {
  const reader = new ReadableCollection<T>(client, database, name)
  const { clock } = client.transport
  const { writeTimeout } = client.settings
  const late = new AbortController()
  const timer = clock.setTimeout(() => late.abort(), writeTimeout)
  const end = () => clock.clearTimeout(timer)
  client.delays.add(end)
  try {
    await reader.subscribe({ signal: late.signal })
    return new Map([...reader.keys()].map((key) => [key, reader.entry(key) as ItemEntry<T>]))
  } catch (error) {
    if (!late.signal.aborted) throw error
    throw new MemisError('WRITE_TIMEOUT', `nothing was read within writeTimeout, ${writeTimeout} ms`, { stored: 'no' })
  } finally {
    end()
    client.delays.delete(end)
    reader.unsubscribe()
  }
}
