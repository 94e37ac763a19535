/** A process that uses memis. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, type ClientOptions, type Collection, createClient } from '../../../src'
import { serve, sharedNow, timesOf } from '../support/actor'
import { Arrivals } from '../support/arrivals'
import { type Item, itemOf, itemsOf, keyOf } from '../support/items'
import type { ReplicationJobs } from '../support/replication'

/** So many writes are called at once. While they are in flight, the next ones are called. */
const window = 1000

const clients: Client[] = []
let arrivals = new Arrivals(0)

const collection = (name: string, client = clients[0]): Collection<Item> =>
  (client as Client).database('bench').collection<Item>(name)

async function connect(options: object): Promise<Client> {
  const client = createClient(options as ClientOptions)
  client.on('error', (error) => console.error(error.message))
  await client.connect()
  return client
}

serve<ReplicationJobs>({
  async connect(options, count = 1) {
    for (let i = 0; i < count; i++) clients.push(await connect(options))
  },

  async expect(name, count) {
    arrivals = new Arrivals(count)
    for (const client of clients) {
      const artists = collection(name, client).on('set', () => arrivals.add())
      await artists.subscribe()
    }
  },

  arrived: () => arrivals.last,

  moments: () => arrivals.moments,

  forget(name) {
    for (const client of clients) collection(name, client).unsubscribe()
  },

  async write(name, count, version, ttl) {
    const items = itemsOf(count, version)
    const artists = collection(name)
    const start = sharedNow()
    let former: Promise<unknown> = Promise.resolve()
    for (let from = 0; from < count; from += window) {
      const calls = Promise.all(items.slice(from, from + window).map(([key, item]) => artists.set(key, item, ttl)))
      await former
      former = calls
    }
    await former
    return start
  },

  async single(name, count, pause) {
    const artists = collection(name)
    const starts: number[] = []
    for (let i = 0; i < count; i++) {
      await sleep(pause)
      const item = itemOf(i)
      starts.push(sharedNow())
      await artists.set(keyOf(i), item)
    }
    return starts
  },

  async lone(name, count) {
    const artists = collection(name)
    await artists.set('first', itemOf(0)) // makes the collection
    return timesOf(count, (i) => artists.set(keyOf(i), itemOf(i)))
  },

  async load(name, options) {
    const client = await connect(options)
    globalThis.gc?.()
    const artists = collection(name, client)
    const start = sharedNow()
    await artists.subscribe()
    const took = sharedNow() - start
    const { size } = artists
    await client.close()
    return { took, size }
  },
})
