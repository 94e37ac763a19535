/** The stores that every transport-blind test runs on: a new transport joins with one entry here. */
import { type Client, createClient, type MemisOptions, MemoryHub } from '../../src'
import { startNats, startRedis } from './servers'

export interface Store {
  readonly name: string
  /** A client such as another process would make it. */
  client(options?: MemisOptions): Client
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
        stop: () => server.stop(),
      }
    },
  })),
]
