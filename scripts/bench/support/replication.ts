/** What the actors of memis and of the raw clients have in common, and how two of them are measured. */
import { type Actor, startActor } from './actor'
import { median, quantile } from './rounds'

export type ReplicationJobs = {
  /** Makes so many connected clients. */
  connect(options: object, clients?: number): Promise<void>
  /** Each client begins a replica; from now on so many changes are waited for in all. */
  expect(name: string, count: number): Promise<void>
  /** When the last of them had been applied. */
  arrived(): Promise<number>
  /** Ends what `expect` began. */
  forget(name: string): Promise<void> | void
  /** Writes so many items, and gives when it began. */
  write(name: string, count: number, version?: number, ttl?: number): Promise<number>
  /** Writes one by one on an idle link, with pauses (ms); gives when each began. */
  single(name: string, count: number, pause: number): Promise<number[]>
  /** When each of the changes was applied since `expect`. */
  moments(): number[]
  /** How long a new replica takes until it holds everything (ms), and how much that is. */
  load(name: string, options: object): Promise<{ took: number; size: number }>
}

/** One process that writes, and some others with so many replicas each. */
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

  /** Changes applied a second, in all replicas together. */
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

  /** From a single write until it is applied elsewhere (ms). */
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

  async stop(): Promise<void> {
    await Promise.all([this.writer, ...this.replicas].map((actor) => actor.stop()))
  }
}
