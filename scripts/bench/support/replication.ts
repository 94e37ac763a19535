/** The jobs that the actors of memis and of the raw clients have in common, and how they are measured. */
import { type Actor, startActor } from './actor'
import { median, quantile } from './rounds'

export type ReplicationJobs = {
  /** Makes so many clients, and connects them. */
  connect(options: object, clients?: number): Promise<void>
  /** Each client begins a replica. From now on, so many changes are expected in all of them together. */
  expect(name: string, count: number): Promise<void>
  /** When the last of them was applied. */
  arrived(): Promise<number>
  /** Ends what `expect` began. */
  forget(name: string): Promise<void> | void
  /** Writes so many items; returns when that began. */
  write(name: string, count: number, version?: number, ttl?: number): Promise<number>
  /** Writes one by one on an idle link, with pauses (ms); returns when each began. */
  single(name: string, count: number, pause: number): Promise<number[]>
  /** Writes one by one, each awaited; returns how long each took (ms). */
  lone(name: string, count: number): Promise<number[]>
  /** When each change since `expect` was applied. */
  moments(): number[]
  /** How long a new replica takes to load everything (ms), and how many items that is. */
  load(name: string, options: object): Promise<{ took: number; size: number }>
}

let collections = 0

/** A process that writes, and others with replicas. */
export class Side {
  readonly name: string
  readonly writer: Actor<ReplicationJobs>
  readonly replicas: Actor<ReplicationJobs>[]
  readonly #clients: number

  constructor(actor: string, { processes = 1, clients = 1 } = {}) {
    this.name = actor
    this.writer = startActor(actor)
    this.replicas = Array.from({ length: processes }, () => startActor(actor))
    this.#clients = clients
  }

  async connect(options: object): Promise<this> {
    await this.writer.call('connect', options)
    for (const replica of this.replicas) await replica.call('connect', options, this.#clients)
    return this
  }

  /** Changes a second, applied in all replicas together. */
  async rate(round: number, count: number): Promise<number> {
    const name = `${this.name}-${round}`
    const each = count * this.#clients
    for (const replica of this.replicas) await replica.call('expect', name, each)
    const [start, ...ends] = await Promise.all([
      this.writer.call('write', name, count),
      ...this.replicas.map((replica) => replica.call('arrived')),
    ])
    for (const replica of this.replicas) await replica.call('forget', name)
    return ((each * this.replicas.length) / (Math.max(...ends) - start)) * 1000
  }

  /** From a single write until it is applied in another process (ms). */
  async delays(round: number, count: number, pause: number): Promise<{ p50: number; p99: number }> {
    const name = `${this.name}-${round}`
    const [replica] = this.replicas as [Actor<ReplicationJobs>]
    await replica.call('expect', name, count)
    const [starts] = await Promise.all([this.writer.call('single', name, count, pause), replica.call('arrived')])
    const ends = await replica.call('moments')
    await replica.call('forget', name)
    const delays = starts.map((start, i) => (ends[i] as number) - start)
    return { p50: median(delays), p99: quantile(delays, 0.99) }
  }

  /** The median of how long an awaited write takes (ms), while the replicas, if there are any, follow. */
  async lone(count: number): Promise<number> {
    // Each time a new collection: a set that changes nothing emits no event.
    const name = `${this.name}-lone-${++collections}`
    for (const replica of this.replicas) await replica.call('expect', name, count)
    const times = await this.writer.call('lone', name, count)
    for (const replica of this.replicas) {
      await replica.call('arrived')
      await replica.call('forget', name)
    }
    return median(times)
  }

  async stop(): Promise<void> {
    await Promise.all([this.writer, ...this.replicas].map((actor) => actor.stop()))
  }
}
