/** The stores that chaos runs on. A new one joins with one entry here. */
import { natsStore } from './nats-store'
import { redisStore } from './redis-store'
import type { ChaosStore } from './store'

export const stores: Readonly<Record<string, (persistent: boolean) => Promise<ChaosStore>>> = {
  redis: (persistent) => redisStore(persistent, 'redis-server'),
  valkey: (persistent) => redisStore(persistent, 'valkey-server'),
  nats: natsStore,
}
