/**
 * The nodes of a cluster: a link to each that is needed. node-redis's own cluster client is never connected: memis decides what is
 * sent again, when and to which node, as it does for a single server.
 *
 *     seeking ──a node tells the slots──> up ──no node is connected──> seeking
 */
import type { RedisClientType } from 'redis'
import { backoff } from '../../core/backoff'
import type { Clock } from '../../core/clock'
import { disconnected, isPermanent, MemisError, notSent, outOfTouch } from '../../core/errors'
import { repeat } from '../../core/repeat'
import type { Host } from '../../core/transport'
import { Inquiry } from './inquiry'
import { Link, refusedPause } from './link'
import { fromAny } from './nodes'
import type { Route, Routes, RoutesListener } from './route'
import { SlotRoute } from './slot-route'
import { readSlots } from './slots'
import { sleep, within } from './within'

/** A node is not asked for longer than this (ms): another may know. */
const answerTimeout = 500
/** The first backoff while no node can be reached (ms). */
const firstBackoff = 100
/** While no node is connected, another one is tried after so many ms, even if the last one has not refused. */
const seekPause = 1000
/** While no node is connected, so many attempts go on at once. */
const mostSeeking = 3
/** Each so many audits, the slots are asked for without a reason. */
const refreshEvery = 10

export interface ClusterNodes {
  /** The addresses that the user named. They are never forgotten. */
  readonly seeds: readonly string[]
  prototype(address: string, isSeed: boolean): RedisClientType
}

/** A subscription on a node. */
export interface Heard {
  readonly slot: number
  readonly link: Link
  ended(error: MemisError): void
}

export class Cluster implements Routes {
  readonly #nodes: ClusterNodes
  readonly #clock: Clock
  readonly #host: Host
  readonly #listener: RoutesListener
  readonly #links = new Map<string, Link>()
  /** Subscriptions, which end when their slot moves. */
  readonly heard = new Set<Heard>()
  readonly #cancelChecks: () => void
  /** Which slots are where. The reason may be a link that is to blame. */
  readonly #inquiry: Inquiry<Link>
  #owners: Map<number, string> = new Map()
  #state: 'seeking' | 'up' | 'closed' = 'seeking'
  /** Attempts to find any node that failed in a row. */
  #failures = 0
  #nextAddress = 0
  #seekTimer: unknown
  #epoch = ''
  #checks = 0

  constructor(nodes: ClusterNodes, clock: Clock, host: Host, listener: RoutesListener) {
    this.#nodes = nodes
    this.#clock = clock
    this.#host = host
    this.#listener = listener
    this.#inquiry = new Inquiry(
      clock,
      () => this.#state !== 'up',
      (blamed) => this.#ask(blamed),
    )
    this.#cancelChecks = repeat(clock, host.auditInterval, () => void this.#check())
    this.#seek()
  }

  to(channel: string): Route {
    return new SlotRoute(this, channel)
  }

  close(): void {
    this.#state = 'closed'
    this.#cancelChecks()
    this.#clock.clearTimeout(this.#seekTimer)
    this.#inquiry.close()
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.heard.clear()
  }

  /** The link to the owner of a slot, if it is known and there is one. */
  linkOf(slot: number): Link | undefined {
    return this.#links.get(this.#owners.get(slot) ?? '')
  }

  /** The link to the owner of a slot, once it is up. Rejects if that takes longer than so many ms. */
  async reach(slot: number, ms: number): Promise<Link> {
    const end = this.#clock.now() + ms
    for (;;) {
      if (this.#state !== 'up') {
        // It may be found again in a moment.
        if (this.#state === 'closed' || this.#clock.now() >= end) throw notSent('not connected to the cluster')
        await sleep(this.#clock, 10)
        continue
      }
      const address = this.#owners.get(slot)
      if (address === undefined) {
        this.refresh()
        throw notSent(`no node of the cluster has the slot ${slot}`)
      }
      const link = this.#links.get(address) ?? this.#open(address, false)
      if (link.isUp) return link
      this.refresh()
      const left = end - this.#clock.now()
      if (left <= 0) throw notSent('the node of the collection is not connected')
      // As long as the same node is the owner, its attempts to connect are waited for; another owner ends the wait.
      await link.whenUp(left).catch(() => sleep(this.#clock, Math.min(left, 50)))
    }
  }

  /** A node said that this slot is another's: that is believed at once, and looked up. */
  moved(slot: number, address: string): void {
    if (this.#owners.get(slot) !== address) {
      this.#owners.set(slot, address)
      this.#endElsewhere()
    }
    this.refresh()
  }

  get #connected(): [address: string, Link][] {
    return [...this.#links].filter(([, link]) => link.isUp)
  }

  addressOf(link: Link): string {
    for (const [address, each] of this.#links) if (each === link) return address
    return ''
  }

  /** Asks a node which slots are where, soon. `blamed`: not this one, if there is another. */
  refresh(blamed?: Link): void {
    if (this.#state !== 'closed') this.#inquiry.want(blamed)
  }

  async #ask(blamed?: Link): Promise<void> {
    const up = this.#connected
    const order = fromAny(up).sort(([, a], [, b]) => Number(a === blamed) - Number(b === blamed))
    let isAnswered = false
    for (const [address, link] of order) {
      const owners = await this.#within(link.send('CLUSTER', 'SLOTS')).then(
        (reply) => readSlots(reply, address),
        (error: MemisError) => this.#refused(error),
      )
      if ((this.#state as string) === 'closed') return
      if (owners === undefined || owners.size === 0) continue
      isAnswered = true
      this.#take(owners)
      break
    }
    // A node that stands still keeps its connections: if all those that are connected do, another one is asked.
    if (this.#state === 'up' && (!isAnswered || up.every(([, link]) => link === blamed))) this.#openAnother()
  }

  #refused(error: MemisError): undefined {
    if (this.#state !== 'seeking') return
    if (error.code === 'UNAUTHORIZED') this.#listener.down(error)
    else if (error.message.includes('cluster support disabled')) this.#listener.down(noCluster())
  }

  #take(owners: Map<number, string>): void {
    const isSame =
      owners.size === this.#owners.size && [...owners].every(([slot, address]) => this.#owners.get(slot) === address)
    this.#inquiry.answered(isSame)
    this.#owners = owners
    this.#endElsewhere()
    this.#closeUnneeded()
    if (this.#state !== 'seeking') return
    this.#state = 'up'
    this.#failures = 0
    this.#clock.clearTimeout(this.#seekTimer)
    this.#listener.up()
  }

  /** Sessions end whose slot has another owner. */
  #endElsewhere(): void {
    for (const heard of [...this.heard]) {
      const owner = this.#owners.get(heard.slot)
      if (owner === undefined || this.#links.get(owner) === heard.link) continue
      heard.ended(outOfTouch('the slot of the collection has moved to another node'))
    }
  }

  /** Nodes without slots are left, once another one is connected. */
  #closeUnneeded(): void {
    const owners = new Set(this.#owners.values())
    for (const [address, link] of [...this.#links]) {
      if (owners.has(address)) continue
      const isAnotherUp = this.#connected.some(([other]) => other !== address && owners.has(other))
      // A node that lost its slots and is all there is: an owner takes its place.
      if (!isAnotherUp) {
        const [owner] = owners
        if (owner !== undefined && !this.#links.has(owner)) this.#open(owner, false)
        continue
      }
      this.#drop(address, link, outOfTouch('the node has no slots any more'))
    }
  }

  #drop(address: string, link: Link, error: MemisError): void {
    this.#links.delete(address)
    const ended = [...this.heard].filter((heard) => heard.link === link)
    link.close()
    for (const heard of ended) heard.ended(error)
  }

  #open(address: string, isSeed: boolean): Link {
    const destination = {
      hasOthers: true,
      prototype: () => this.#nodes.prototype(address, isSeed),
      accept: () => {},
    }
    const link: Link = new Link(destination, this.#clock, this.#host, {
      up: () => this.refresh(),
      missed: () => this.refresh(link),
      down: (error) => {
        if (this.#links.get(address) === link) this.#lost(address, link, error)
      },
    })
    this.#links.set(address, link)
    return link
  }

  #lost(address: string, link: Link, error: MemisError): void {
    if (this.#state === 'closed') return
    if (this.#connected.length > 0) return this.refresh(link)
    // No node is connected: whatever is known is tried, and what the user named.
    const wasUp = this.#state === 'up'
    this.#state = 'seeking'
    this.#drop(address, link, error)
    if (wasUp) for (const [other, each] of [...this.#links]) this.#drop(other, each, error)
    if (wasUp) this.#failures = 0
    this.#listener.down(error)
    const ms = isPermanent(error) ? refusedPause : backoff(firstBackoff, this.#failures++)
    this.#seekAfter(wasUp ? ms / 2 : ms)
  }

  #seekAfter(ms: number): void {
    this.#clock.clearTimeout(this.#seekTimer)
    this.#seekTimer = this.#clock.setTimeout(() => this.#seek(), ms)
  }

  /** Opens a link to the next address that may lead to a node. */
  #seek(): void {
    if (this.#state !== 'seeking') return
    const { seeds } = this.#nodes
    const all = [...seeds, ...new Set(this.#owners.values())]
    for (const _ of all) {
      const i = this.#nextAddress++ % all.length
      const address = all[i] as string
      if (this.#links.has(address)) continue
      if (this.#links.size === mostSeeking) {
        const [[oldest, link]] = this.#links as unknown as [[string, Link]]
        if (link.isUp) break
        this.#drop(oldest, link, disconnected('another node is tried'))
      }
      this.#open(address, i < seeds.length)
      break
    }
    // One that accepts and says nothing must not keep the others waiting.
    this.#seekAfter(seekPause)
    if (this.#connected.length > 0) this.refresh()
  }

  /** Makes a link to a node that is not connected yet. As soon as it is up, it is asked. */
  #openAnother(): void {
    const known = [...new Set(this.#owners.values()), ...this.#nodes.seeds]
    const address = fromAny(known).find((each) => !this.#links.has(each))
    if (address !== undefined) this.#open(address, this.#nodes.seeds.includes(address))
  }

  /** A small question now and then: has anything changed? */
  async #check(): Promise<void> {
    const link = fromAny(this.#connected)[0]?.[1]
    if (link === undefined) return
    if (this.#checks++ % refreshEvery === refreshEvery - 1) return this.refresh()
    const info = String(await this.#within(link.send('CLUSTER', 'INFO')).catch(() => ''))
    if (info === '') return this.refresh(link)
    const epoch = /cluster_current_epoch:(\d+)/.exec(info)?.[1] ?? this.#epoch
    if (epoch !== this.#epoch) this.refresh()
    this.#epoch = epoch
  }

  #within<R>(promise: Promise<R>): Promise<R> {
    return within(this.#clock, answerTimeout, promise, () => disconnected('the node did not answer in time'))
  }
}

const noCluster = () =>
  new MemisError('UNSUPPORTED_STORE', 'this Redis is no cluster: give url or socket in place of cluster')
