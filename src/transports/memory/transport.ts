/** The transport to a {@link MemoryHub}. */
import {
  type Batch,
  type CollectionId,
  type Cursor,
  type Entry,
  type Host,
  MemisError,
  type Merged,
  type Outcome,
  type Revision,
  type Sink,
  type Transport,
  type Watch,
} from '../../transport-kit'
import { type Faults, type Link, MemoryHub } from './hub'
import { Session } from './session'
import type { News, StoredCollection } from './store'

/** One client's way to a hub. `released` is called when it is closed. */
export class MemoryTransport implements Transport, Link {
  readonly name = 'memory'
  readonly lacks = []
  readonly clock
  readonly maxItemBytes = Infinity
  readonly isLocal = true
  readonly faults: Faults = { drop: 0, duplicate: 0, reorder: 0, delayMs: 0 }
  readonly #hub: MemoryHub
  readonly #released: () => void
  readonly #sessions = new Set<Session>()
  #host!: Host
  #link: 'opening' | 'up' | 'cut' | 'closed' = 'opening'
  /** A notification that waits for the next one to overtake it. */
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
    Promise.resolve().then(() => {
      if (this.#link !== 'opening') return
      if (this.#hub.isDown) this.cut()
      else this.#rise()
    })
  }

  write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    return this.#change(id, (stored) => {
      const { outcomes, news } = stored.write(batch, this.#host)
      return { result: outcomes, news }
    })
  }

  merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    return this.#change(id, (stored) => {
      const { merged, news } = stored.merge(base, entries, this.#host)
      return { result: merged, news }
    })
  }

  beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    return this.#change(id, (stored) => {
      const became = stored.beginEpoch(after)
      if (became === 'begun') for (const link of this.#hub.links) link.fork(stored)
      return { result: became !== 'impossible', news: undefined }
    })
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    const stored = this.#hub.collection(id)
    const session = new Session(stored, this.#host, sink)
    // Its notifications arrive from now on; those that come before the contents wait.
    this.#sessions.add(session)
    this.#hub.carry('read', () => {
      const contents = stored.read(from, this.#host)
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
    this.#link = 'closed'
    if (this.#audit !== undefined) this.clock.clearTimeout(this.#audit)
    for (const timer of this.#delayed) this.clock.clearTimeout(timer)
    this.#hub.detach(this)
    this.#released()
  }

  cut(): void {
    if (this.#link === 'cut' || this.#link === 'closed') return
    this.#link = 'cut'
    for (const session of [...this.#sessions]) session.end(cutOff())
    this.#host.down(cutOff())
  }

  heal(): void {
    if (this.#link === 'cut' || this.#link === 'opening') this.#rise()
  }

  notify(stored: StoredCollection, news: News): void {
    const { faults } = this
    const deliver = () => {
      for (const session of this.#sessionsOf(stored)) session.receive(news)
    }
    if (faults.drop > 0) {
      faults.drop--
      return this.auditLater()
    }
    if (faults.reorder > 0 && this.#overtaken === null) {
      faults.reorder--
      this.#overtaken = deliver
      return this.auditLater()
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

  fork(stored: StoredCollection): void {
    for (const session of this.#sessionsOf(stored)) session.fork()
  }

  /**
   * Only after a fault that calls for it: a timer that repeats would keep a process from ending, and fake timers from
   * running out.
   */
  auditLater(): void {
    this.#audit ??= this.clock.setTimeout(() => {
      this.#audit = undefined
      for (const session of [...this.#sessions]) session.audit()
      // The contents that are on their way may have been read before the fault.
      if ([...this.#sessions].some(({ isOpening }) => isOpening)) this.auditLater()
    }, this.#host.auditInterval)
  }

  /** Has the hub change a collection, and notify its watchers. If the link is cut meanwhile, the answer is lost. */
  async #change<R>(
    id: CollectionId,
    change: (stored: StoredCollection) => { result: R; news: News | undefined },
  ): Promise<R> {
    if (this.#link !== 'up') throw notSent()
    if (this.#host.readOnly) throw readOnly()
    const stored = this.#hub.collection(id)
    const result = await this.#hub.carry('write', () => {
      this.#hub.admitWrite()
      const { result, news } = change(stored)
      if (news !== undefined) for (const link of this.#hub.links) link.notify(stored, news)
      return result
    })
    await this.#hub.carry('written', () => {
      if (this.#link !== 'up') throw cutOff()
    })
    return result
  }

  #rise(): void {
    this.#link = 'up'
    this.#host.up()
  }

  #sessionsOf(stored: StoredCollection): Session[] {
    return [...this.#sessions].filter((session) => session.collection === stored)
  }
}

const cutOff = () => new MemisError('DISCONNECTED', 'the client was cut off from the hub')
const notSent = () => new MemisError('DISCONNECTED', 'the client is cut off from the hub', { stored: 'no' })
const readOnly = () => new MemisError('READ_ONLY', 'the client only reads', { stored: 'no' })

const named = new Map<string, { hub: MemoryHub; clients: number }>()

/** The transport to the hub of that name, which exists as long as a client uses it. */
export function namedMemoryTransport(name: string): Transport {
  const entry = named.get(name) ?? { hub: new MemoryHub(), clients: 0 }
  named.set(name, entry)
  entry.clients++
  return new MemoryTransport(entry.hub, () => {
    if (--entry.clients === 0) named.delete(name)
  })
}
