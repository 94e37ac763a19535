/** A process whose link is cut: how long it takes from asking what it missed until it has it. */
import { once } from 'node:events'
import { createClient } from '../../../src'
import type { Transport } from '../../../src/core/transport'
import { redisTransport } from '../../../src/transports/redis/transport'
import { serve, sharedNow } from '../support/actor'

export type ReturningJobs = typeof jobs

/** When the last session was asked for. */
let asked = 0
let ready: Promise<unknown>

function timed(transport: Transport): Transport {
  const { watch } = transport
  transport.watch = (...args) => {
    asked = sharedNow()
    return watch.apply(transport, args)
  }
  return transport
}

const open = (url: string, name: string) => {
  const client = createClient({ transport: timed(redisTransport({ url } as Parameters<typeof redisTransport>[0])) })
  client.on('error', () => {}) // the link is cut on purpose
  return { client, artists: client.database('bench').collection<object>(name) }
}

let replica: ReturnType<typeof open>

const jobs = serve({
  /** From now on a replica is kept; gives how long it took to fill (ms). */
  async load(url: string, name: string) {
    replica = open(url, name)
    await replica.artists.subscribe()
    return sharedNow() - asked
  },

  async leave() {
    await replica.client.close()
  },

  /** To be called before the cut. */
  expect() {
    ready = once(replica.artists as never, 'ready')
  },

  /** How long it took, once the link was back, to catch up (ms). */
  async caughtUp() {
    await ready
    return sharedNow() - asked
  },
})
