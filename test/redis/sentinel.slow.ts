/** Both conformance suites on Redis Sentinel. */
import { sharedSentinel } from './group-stores'
import { conform } from './redis-store'

conform('redis sentinel', sharedSentinel())
