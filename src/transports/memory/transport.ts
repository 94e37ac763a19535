/** The transport to a {@link MemoryHub}. */
import { MemisError } from '../../core/errors'
import type { Batch, Host, Place, Position, Sink, Transport, Watch, Written } from '../../core/transport'
import { type Faults, type Link, MemoryHub } from './hub'
import { Session } from './session'
import type { News, StoredCollection } from './store'

/** One client's way to a hub. `released` is called when it is closed. */
export class MemoryTransport implements Transport, Link {
  readonly name = 'memory'
  readonly lacks = []
  readonly clock
  readonly maxItemBytes = Infinity
  readonly pipelines = true
  readonly faults: Faults = { drop: 0, duplicate: 0, reorder: 0, delayMs: 0 }
  readonly #hub: MemoryHub
  readonly #released: () => void
  readonly #sessions = new Set<Session>()
  #host: Host | null = null
  #isCut = false
  /** News that wait for the next ones to overtake them. */
  #overtaken: (() => void) | null = null
  readonly #delayed = new Set<unknown>()
  #audit: unknown

  constructor(hub = new MemoryHub(), released = () => {}) {
    this.#hub = hub
    this.#released = released
    this.clock = hub.clock
  }

  open(host: Host): void {
    this.#host = host
    this.#hub.attach(this, this)
    Promise.resolve().then(() => this.#isCut || host.up())
  }

  async write(place: Place, batch: Batch): Promise<Written> {
    this.#checkLink()
    const collection = this.#hub.collection(place)
    const written = await this.#hub.carry('write', () => {
      this.#hub.admitWrite()
      const { written, news } = collection.write(batch, this.#retention)
      if (news !== undefined) for (const link of this.#hub.links) link.tell(collection, news)
      return written
    })
    await this.#hub.carry('written', () => this.#checkLink())
    return written
  }

  watch(place: Place, from: Position | null, sink: Sink): Watch {
    const collection = this.#hub.collection(place)
    const session = new Session(collection, sink)
    // From now on the news are for it; those that come before the contents wait.
    this.#sessions.add(session)
    this.#hub.carry('read', () => {
      const contents = collection.read(from, this.#retention)
      this.#hub.carry('contents', () => session.begin(contents))
    })
    return {
      close: () => {
        this.#sessions.delete(session)
        session.close()
      },
    }
  }

  async close(): Promise<void> {
    if (this.#audit !== undefined) this.clock.clearTimeout(this.#audit)
    for (const timer of this.#delayed) this.clock.clearTimeout(timer)
    this.#hub.detach(this)
    this.#released()
  }

  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    for (const session of [...this.#sessions]) session.end(cutOff)
    this.#host?.down(cutOff)
  }

  heal(): void {
    if (!this.#isCut) return
    this.#isCut = false
    this.#host?.up()
  }

  tell(collection: StoredCollection, news: News): void {
    const { faults } = this
    const deliver = () => {
      for (const session of this.#of(collection)) session.hear(news)
    }
    if (faults.drop > 0) {
      faults.drop--
      return this.#auditLater()
    }
    if (faults.reorder > 0 && this.#overtaken === null) {
      faults.reorder--
      this.#overtaken = deliver
      return this.#auditLater()
    }
    if (faults.delayMs > 0) {
      const timer = this.clock.setTimeout(() => {
        this.#delayed.delete(timer)
        deliver()
      }, faults.delayMs)
      this.#delayed.add(timer)
    } else this.#hub.carry('news', deliver)
    if (faults.duplicate > 0) {
      faults.duplicate--
      this.#hub.carry('news', deliver)
    }
    if (this.#overtaken !== null) this.#hub.carry('news', this.#overtaken)
    this.#overtaken = null
  }

  parted(collection: StoredCollection): void {
    for (const session of this.#of(collection)) session.parted()
  }

  get #retention(): number {
    return this.#host?.retention ?? 0
  }

  #of(collection: StoredCollection): Session[] {
    return [...this.#sessions].filter((session) => session.collection === collection)
  }

  #checkLink(): void {
    if (this.#isCut) throw cutOff
  }

  /**
   * Only after a fault that calls for it: a timer that comes back by itself would keep a process from ending, and
   * fake timers from running out.
   */
  #auditLater(): void {
    this.#audit ??= this.clock.setTimeout(() => {
      this.#audit = undefined
      for (const session of [...this.#sessions]) session.audit()
    }, this.#host?.auditInterval ?? 0)
  }
}

const cutOff = new MemisError('DISCONNECTED', 'the client was cut off from the hub')

const named = new Map<string, { hub: MemoryHub; clients: number }>()

/** The transport to the hub of that name, which is there as long as a client uses it. */
export function namedMemoryTransport(name: string): Transport {
  const entry = named.get(name) ?? { hub: new MemoryHub(), clients: 0 }
  named.set(name, entry)
  entry.clients++
  return new MemoryTransport(entry.hub, () => {
    if (--entry.clients === 0) named.delete(name)
  })
}
