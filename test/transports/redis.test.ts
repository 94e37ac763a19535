import { conform, sharedRedis } from '../redis/redis-store'

conform('redis', sharedRedis())
