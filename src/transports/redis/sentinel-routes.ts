/** One link to the master that the sentinels name. It is left as soon as they name another one. */
import type { RedisClientType } from 'redis'
import type { Clock } from '../../core/clock'
import { disconnected } from '../../core/errors'
import type { Host } from '../../core/transport'
import { replicaNow } from './errors'
import { Link } from './link'
import { type Address, leadTo, mapped, type NodeAddressMap, textOf } from './nodes'
import type { Route, Routes, RoutesListener } from './route'
import { Sentinels } from './sentinels'

export interface SentinelGroup {
  /** The name of the group of servers. */
  readonly name: string
  readonly sentinelRootNodes: readonly Address[]
  readonly nodeAddressMap?: NodeAddressMap
  /** Leads to any server, and to any sentinel. */
  readonly node: RedisClientType
  readonly asker: RedisClientType
}

export class SentinelRoutes implements Routes {
  readonly #link: Link
  readonly #sentinels: Sentinels
  /** The address that the link leads to, as the sentinels name it. */
  #master = ''

  constructor(group: SentinelGroup, clock: Clock, host: Host, listener: RoutesListener) {
    const { node, nodeAddressMap } = group
    this.#sentinels = new Sentinels(group, clock, (master) => this.#named(master))
    const destination = {
      hasOthers: true,
      prototype: async () => {
        this.#master = textOf(await this.#sentinels.master())
        return leadTo(node, mapped(nodeAddressMap, this.#master))
      },
      accept: ({ isReplica }: { isReplica: boolean }) => {
        if (isReplica) throw replicaNow()
      },
    }
    this.#link = new Link(destination, clock, host, {
      up: () => listener.up(),
      down: (error) => listener.down(error),
      missed: () => this.#sentinels.ask(),
    })
  }

  to(): Route {
    return this.#link
  }

  close(): void {
    this.#sentinels.close()
    this.#link.close()
  }

  #named(master: Address): void {
    if (this.#master !== '' && textOf(master) !== this.#master) {
      this.#link.leave(disconnected('the sentinels name another master'))
    }
  }
}
