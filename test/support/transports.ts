/** The stores that every test of all transports runs on. A new transport joins with one entry here. */
import { type Client, createClient, type MemisOptions, MemoryHub, type Transport } from '../../src'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { natsTransport } from '../../src/transports/nats/transport'
import { redisTransport } from '../../src/transports/redis/transport'
import { startNats, startRedis } from './servers'

export interface Store {
  readonly name: string
  /** A client such as another process would make it. */
  client(options?: MemisOptions): Client
  /** A transport such as another process would make it. */
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
      const { url, stop } = await startRedis()
      return {
        name: 'redis',
        client: (options) => createClient({ transport: 'redis', url, ...options }),
        transport: () => redisTransport({ url } as object),
        stop,
      }
    },
  },
  {
    name: 'nats',
    async start() {
      const { url, stop } = await startNats()
      return {
        name: 'nats',
        client: (options) => createClient({ transport: 'nats', servers: url, ...options }),
        transport: () => natsTransport({ servers: url } as object),
        stop,
      }
    },
  },
]
