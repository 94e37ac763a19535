/** Both conformance suites on Redis Cluster. */
import { sharedCluster } from './group-stores'
import { conform } from './redis-store'

conform('redis cluster', sharedCluster())
