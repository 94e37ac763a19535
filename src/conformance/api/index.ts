/** The suite that asks what only a whole client shows, through the public API. */
import { type ConformanceOptions, register, type Store } from '../suite'
import { bulk } from './bulk'
import { conditions } from './conditions'
import { counting } from './counting'
import { deadlines } from './deadlines'
import { events } from './events'
import { expiry } from './expiry'
import { items } from './items'
import { keepingUp } from './keeping-up'
import { lifecycle } from './lifecycle'
import { losses } from './losses'
import { names } from './names'
import { outages } from './outages'
import { reading } from './reading'
import { scenes } from './scene'
import { streams } from './streams'
import { transactions } from './transactions'
import { troubled } from './troubled'
import { updating } from './updating'
import { waitingWrites } from './waiting-writes'
import { watching } from './watching'
import { writing } from './writing'

/** Registers the cases of whole clients on the transport. */
export function apiConformance<S extends Store>(options: ConformanceOptions<S>): void {
  const areas = [
    writing,
    names,
    items,
    reading,
    waitingWrites,
    events,
    expiry,
    deadlines,
    keepingUp,
    outages,
    losses,
    conditions,
    updating,
    counting,
    bulk,
    transactions,
    troubled,
    watching,
    streams,
    lifecycle,
  ]
  // Whether every value is told is a question of the transport suite; the rest of S2 holds without it.
  const lacks = options.lacks?.filter(({ clause }) => clause !== 'S2') ?? []
  register({ ...options, lacks }, scenes, areas)
}
