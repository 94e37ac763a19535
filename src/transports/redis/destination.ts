/** The server that a link leads to, and which server is the right one. */
import type { RedisClientType } from 'redis'
import { MemisError } from '../../core/errors'
import type { ServerFacts } from './connection'
import { replicaNow } from './errors'

export interface Destination {
  /** If this server refuses, another one may take its place soon: it is asked for again without a long pause. */
  readonly hasOthers: boolean
  /** Asked before each attempt to connect. It is never connected, only duplicated. */
  prototype(): RedisClientType | Promise<RedisClientType>
  /** @throws MemisError if it is not the server that is wanted */
  accept(facts: ServerFacts): void
}

/** The one server that the user named. */
export function singleServer(prototype: RedisClientType): Destination {
  /** The server was a master before: if it is a replica now, a failover is under way. */
  let wasMaster = false
  return {
    hasOthers: false,
    prototype: () => prototype,
    accept({ isReplica, hasOtherNodes }) {
      if (hasOtherNodes) throw unsupported(isNode)
      if (isReplica) throw wasMaster ? replicaNow() : unsupported(isReadOnly)
      wasMaster = true
    },
  }
}

const unsupported = (text: string) => new MemisError('UNSUPPORTED_STORE', text)

const isReadOnly =
  'the server is a read-only replica, which cannot prove that it is current: give the address of the master'
const isNode =
  "the server is one node of a Redis Cluster: give { transport: 'redis', cluster: { rootNodes: [{ url }] } } in place of its address"
