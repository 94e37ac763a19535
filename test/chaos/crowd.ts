/** A process with many clients, each with a replica of the same collection: see hundred.slow.ts. */
import { createHash } from 'node:crypto'
import { type Client, type Collection, createClient } from '../../src'
import { serve } from './process'

const clients: Client[] = []
const collections: Collection<object>[] = []
let readies: number[] = []

serve({
  async start({ count, options }: { count: number; options: object }) {
    for (let i = 0; i < count; i++) {
      const client = createClient(options as { transport: 'memory' })
      client.on('error', () => {}) // the outage; other faults show in the contents
      const collection = client.database('chaos').collection<object>('items')
      collection.on('ready', () => void readies.push(Date.now()))
      clients.push(client)
      collections.push(collection)
    }
    await Promise.all(collections.map((collection) => collection.subscribe()))
  },
  /** How many are live, and the digests of their contents, each once. */
  status: () => ({
    live: collections.filter(({ freshness }) => freshness.state === 'live').length,
    digests: [...new Set(collections.map(digestOf))],
  }),
  /** When replicas became ready since the last call (ms since 1970). */
  readies() {
    const told = readies
    readies = []
    return told
  },
  close: () => Promise.all(clients.map((client) => client.close())).then(() => undefined),
})

function digestOf(collection: Collection<object>): string {
  const hash = createHash('sha1')
  for (const key of [...collection.keys()].sort()) hash.update(`${key} ${JSON.stringify(collection.get(key))}\n`)
  return hash.digest('hex')
}
