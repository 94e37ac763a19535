/** A process whose link is cut: measures how long its replica takes to catch up, from the moment in which it asks. */
import { once } from 'node:events'
import { createClient } from '../../../src'
import type { Transport } from '../../../src/core/transport'
import { redisTransport } from '../../../src/transports/redis/transport'
import { serve, sharedNow } from '../support/actor'

export type ReturningJobs = typeof jobs

/** When the last session began. */
let began = 0
let ready: Promise<unknown>

function timed(transport: Transport): Transport {
  const watch = transport.watch.bind(transport)
  return Object.assign(transport, {
    watch(...args: Parameters<Transport['watch']>) {
      began = sharedNow()
      return watch(...args)
    },
  })
}

const open = (url: string, name: string) => {
  const client = createClient({ transport: timed(redisTransport({ url } as object)) })
  client.on('error', () => {}) // the link is cut on purpose
  return { client, artists: client.database('bench').collection<object>(name) }
}

let replica: ReturnType<typeof open>

const jobs = serve({
  /** Fills a replica and keeps it; returns how long that took (ms). */
  async load(url: string, name: string) {
    replica = open(url, name)
    await replica.artists.subscribe()
    return sharedNow() - began
  },

  async leave() {
    await replica.client.close()
  },

  /** To be called before the cut. */
  expect() {
    ready = once(replica.artists, 'ready')
  },

  /** How long catching up took once the link was back (ms). */
  async caughtUp() {
    await ready
    return sharedNow() - began
  },
})
