/** The suite that asks what only a whole client shows, through the public API. */
import { type ConformanceOptions, register, type Store } from '../suite'
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
import { waitingWrites } from './waiting-writes'
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
    lifecycle,
  ]
  register(options, scenes, areas)
}
