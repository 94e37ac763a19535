/** One of many processes that count up the same number: see scenarios/increments.ts. Arguments: options, how many increments, whether it subscribes. */
import { type ClientOptions, createClient } from '../../../src'
import type { Batch, CollectionId } from '../../../src/core/transport'
import { answer } from '../child'

const [options = '{}', count = '', subscribes = ''] = process.argv.slice(2)
const client = createClient(JSON.parse(options) as ClientOptions)
client.on('error', () => {})
let disconnects = 0
client.on('disconnect', () => disconnects++)
const numbers = client.database('test').collection<{ n: number }>('numbers')

/** The batches that were sent, and how often each. */
const sent = new Map<number, number>()
const { transport } = client
const write = transport.write.bind(transport)
transport.write = (id: CollectionId, batch: Batch) => {
  sent.set(batch.sequence, (sent.get(batch.sequence) ?? 0) + 1)
  return write(id, batch)
}

answer({
  connect: () => (subscribes === '' ? client.connect() : numbers.subscribe()),
  async count() {
    const start = performance.now()
    const sums: number[] = []
    for (let i = 0; i < Number(count); i++) sums.push(await numbers.increment('counter', 'n'))
    const repeated = [...sent.values()].reduce((sum, times) => sum + times - 1, 0)
    const { rss } = process.memoryUsage()
    return { sums, batches: sent.size, repeated, disconnects, ms: performance.now() - start, rss }
  },
  close: () => client.close(),
})
