/** One process of the world: a client with a wire, a clock and an event loop of its own, and its collections. */
import { Client } from '../../src/core/client'
import { MemisError } from '../../src/core/errors'
import { takeSettings } from '../../src/core/options'
import type { CollectionId } from '../../src/core/transport'
import type { MemoryHub } from '../../src/transports/memory/hub'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { Backlog } from './backlog'
import { Follower } from './follower'
import type { Rights } from './settings'
import { ProcessClock, type Stallable } from './time'
import { Wire } from './wire'
import type { World } from './world'

export class Actor implements Stallable {
  readonly name: string
  readonly world: World
  readonly client: Client
  readonly wire: Wire
  readonly backlog: Backlog
  readonly followers: readonly Follower[]
  readonly clock: ProcessClock
  readonly policy: 'restore' | 'accept'
  readonly rights: Rights
  stalled = false
  readonly held: (() => void)[] = []
  resumedAt = 0
  isCut = false
  state: 'open' | 'closing' | 'closed' = 'open'
  /** By when `close()` must have ended. */
  closesBy = Infinity

  constructor(world: World, name: string, policy: 'restore' | 'accept', rights: Rights) {
    this.world = world
    this.name = name
    this.policy = policy
    this.rights = rights
    const { time, random, settings } = world
    const { retention, writeTimeout, maxPending, auditInterval } = settings
    this.clock = new ProcessClock(time, random, this)
    this.wire = new Wire(time, random, settings.latency, this)
    const transport = new MemoryTransport(this.#hub())
    if (rights === 'noMerge') transport.merge = () => Promise.reject(new MemisError('UNAUTHORIZED', 'it may not merge'))
    if (policy === 'accept') {
      transport.merge = () => {
        world.fail('K7', `${name} accepts what the store lost, and restores it`)
        return Promise.resolve([])
      }
    }
    const options = { retention, writeTimeout, maxPending, auditInterval, dataLoss: policy, prefix: 'memis' }
    this.client = new Client(transport, { ...takeSettings(options).settings, readOnly: rights === 'readOnly' } as never)
    this.backlog = new Backlog(world, this)
    this.client.on('error', (error) => {
      world.trace(() => `${name} error ${error.message}`)
      if (this.state === 'closed') world.fail('close', `${name} told an error after it was closed`)
      const mischief = error.code === 'LISTENER_FAILED' && (error.cause as Error).message === 'mischief'
      if (error.code === 'UNDECODABLE' || (error.code === 'LISTENER_FAILED' && !mischief)) {
        world.fail('error', `${name}: ${error.message} ${(error.cause as Error | undefined)?.stack ?? ''}`)
      }
    })
    this.followers = settings.collections.map((collection) => new Follower(this, collection))
  }

  get awake(): boolean {
    return this.state === 'open' && !this.stalled
  }

  /** It knows that its link is cut. */
  get isOut(): boolean {
    return this.isCut && !this.client.isUp
  }

  cut(): void {
    if (this.isCut) return
    this.isCut = true
    const first = this.world.random.chance(0.5)
    if (first) this.wire.cut()
    this.world.hub.cut(this.client)
    if (!first) this.wire.cut()
  }

  heal(): void {
    if (!this.isCut) return
    this.isCut = false
    this.world.hub.heal(this.client)
  }

  /** Its event loop has its turn again: timers and messages that were held, in the order in which they came. */
  resume(): void {
    this.stalled = false
    this.resumedAt = this.world.time.now
    for (const run of this.held.splice(0)) this.world.time.at(this.world.time.now, run, this)
  }

  close(): void {
    if (this.state !== 'open') return
    const { world, name } = this
    this.state = 'closing'
    this.closesBy = world.time.now + Math.min(5000, world.settings.writeTimeout) + 2
    for (const follower of this.followers) follower.ended()
    this.client.close().then(() => {
      this.state = 'closed'
      world.trace(() => `${name} is closed`)
      if (this.clock.timers.size > 0) world.fail('close', `${name} left ${this.clock.timers.size} timers`)
    })
  }

  /** The hub as this process sees it: by its own wire and clock. */
  #hub(): MemoryHub {
    const { world } = this
    const { hub } = world
    return {
      clock: this.clock,
      carry: this.wire.carry.bind(this.wire),
      collection: (id: CollectionId) => world.judgeOf(id).stored,
      admitWrite: () => hub.admitWrite(),
      get links() {
        return hub.links
      },
      attach: (...[transport, link]: Parameters<MemoryHub['attach']>) => {
        hub.attach(transport, {
          faults: link.faults,
          cut: () => link.cut(),
          heal: () => link.heal(),
          notify: (stored, news) => link.notify(stored, news),
          auditLater: () => link.auditLater(),
          // A process that is stalled notices the store's loss when it has its turn.
          fork: (stored) => {
            if (this.stalled) this.held.push(() => link.fork(stored))
            else link.fork(stored)
          },
        })
      },
      detach: (...[transport]: Parameters<MemoryHub['detach']>) => hub.detach(transport),
    } as unknown as MemoryHub
  }
}
