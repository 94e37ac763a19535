/** One of several processes that write to the same keys: see concurrent-writers.test.ts. */
import { createClient } from '../../../src'
import { answer } from '../child'
import { Replay } from '../replicas'
import { dice } from '../testing'

const [url = '', name = '', seed = '', writes = '', keys = ''] = process.argv.slice(2)
const random = dice(Number(seed))
const client = createClient(url)
const collection = client.database('test').collection<{ by: string }>('common')
const replay = new Replay(collection)
let turns = 0
let writer: unknown
collection.on('set', (_key, { by }) => {
  if (by !== writer) turns++
  writer = by
})

/** In bursts: some writes share a batch, others overtake the notifications of the other process's writes. */
async function write(): Promise<void> {
  const all: PromiseLike<unknown>[] = []
  while (all.length < Number(writes)) {
    for (let burst = 1 + random(40); burst > 0 && all.length < Number(writes); burst--) {
      const key = `key ${random(Number(keys))}`
      const item = { by: name, n: all.length, list: [all.length, { name }] }
      if (random(6) === 0) all.push(collection.delete(key))
      else all.push(collection.set(key, item, random(6) === 0 ? 3600 : undefined))
    }
    if (random(2) === 0) await all.at(-1)
    else await new Promise(setImmediate)
  }
  await Promise.all(all)
}

answer({
  subscribe: () => collection.subscribe(),
  write,
  tell: () => {
    const { faults, items, revisions, events } = replay
    const replayed = items.size === collection.size && [...collection].every(([key, item]) => items.get(key) === item)
    return { items: [...collection], faults, replayed, events, turns, revisions: [...revisions] }
  },
  close: () => client.close(),
})
