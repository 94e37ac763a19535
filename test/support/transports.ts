/** The stores that every transport-blind test runs on: a new transport joins with one entry here. */
import { type Client, createClient, type MemisOptions, MemoryHub } from '../../src'
import type { Transport } from '../../src/core/transport'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { natsTransport } from '../../src/transports/nats/transport'
import { redisTransport } from '../../src/transports/redis/transport'
import { startNats, startRedis } from './servers'

export interface Store {
  readonly name: string
  /** A client such as another process would make it. */
  client(options?: MemisOptions): Client
  /** What such a client would be made on. */
  transport(): Transport
  stop(): Promise<void>
}

export const stores: readonly { readonly name: string; start(): Promise<Store> }[] = [
  {
    name: 'memory',
    async start() {
      const hub = new MemoryHub()
      return {
        name: 'memory',
        client: (options) => createClient({ transport: 'memory', hub, ...options }),
        transport: () => new MemoryTransport(hub),
        stop: async () => {},
      }
    },
  },
  {
    name: 'redis',
    async start() {
      const server = await startRedis()
      return {
        name: 'redis',
        client: (options) => createClient({ transport: 'redis', url: server.url, ...options }),
        transport: () => redisTransport({ url: server.url } as object),
        stop: () => server.stop(),
      }
    },
  },
  ...(['2.9', '2.15'] as const).map((version) => ({
    name: `nats ${version}`,
    async start() {
      const server = await startNats({ binary: `nats-server-${version}` })
      return {
        name: `nats ${version}`,
        client: (options?: MemisOptions) => createClient({ transport: 'nats', servers: server.url, ...options }),
        transport: () => natsTransport({ url: server.url }),
        stop: () => server.stop(),
      }
    },
  })),
]
