/** The stage of a case of the transport suite: processes with a transport each, and what can be done to their store. */
import { MemisError, readable } from '../../core/errors'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Host,
  Merged,
  Outcome,
  Revision,
  Transport,
  Write,
} from '../../core/transport'
import { must, show } from '../assert'
import type { HookName, Hooks, Play, Store } from '../suite'
import { eventually, pause, within } from '../waiting'
import { Recorder } from './recorder'
import { accepted, Writer } from './writes'

export type HostSettings = Omit<Host, 'up' | 'down' | 'report'>

const settings: HostSettings = {
  ...{ retention: 600_000, livenessTimeout: 2000, auditInterval: 200, writeTimeout: 10_000 },
  ...{ maxItemBytes: 1024 * 1024, readOnly: false },
}

export class Bench {
  readonly hooks: Hooks<Store>
  readonly patience: number
  /** The collection that the cases write to. */
  readonly id: CollectionId
  readonly #play: Play
  readonly #peers: Peer[] = []
  readonly #others: { readonly bench: Bench; readonly store: Store }[] = []
  readonly #violations: string[] = []
  #isHurt = false

  constructor(play: Play) {
    this.#play = play
    this.hooks = play.hooks
    this.patience = play.patience
    this.id = { prefix: play.store.prefix ?? 'memis', database: 'suite', collection: 'items' }
  }

  /** A process whose transport is up, which may take so many ms. */
  async peer(other: Partial<HostSettings> = {}, patience = this.patience): Promise<Peer> {
    const peer = await this.unopened(other)
    peer.open()
    await peer.isUp(patience)
    return peer
  }

  /** A process whose transport was not opened yet. */
  async unopened(other: Partial<HostSettings> = {}): Promise<Peer> {
    const peer = new Peer(this, await this.#play.store.transport(), { ...settings, ...other })
    this.#peers.push(peer)
    return peer
  }

  async two(): Promise<[Peer, Peer]> {
    return [await this.peer(), await this.peer()]
  }

  /** Another store, as another case would get it. */
  async elsewhere(): Promise<Bench> {
    const store = await this.#play.another()
    const bench = new Bench({ ...this.#play, store })
    this.#others.push({ bench, store })
    return bench
  }

  /** Does what a hook does. */
  async do<N extends HookName>(name: N, ...args: HookArguments<N>): Promise<ReturnType<NonNullable<Hooks<Store>[N]>>> {
    const hook = this.hooks[name] as ((store: Store, ...args: unknown[]) => unknown) | undefined
    must(hook !== undefined, `the case needs the hook ${name}`, Object.keys(this.hooks))
    if (name === 'cut' || name === 'silence') this.#isHurt = true
    return (await hook(this.#play.store, ...args)) as never
  }

  /** Lets so many ms go by, for the store and its transports. */
  async pass(ms: number): Promise<void> {
    if (this.hooks.advance !== undefined) await this.do('advance', ms)
    else await pause(ms)
  }

  /** Waits until `holds` throws no more. */
  async eventually<R>(holds: () => R | Promise<R>): Promise<R> {
    return eventually(holds, this.patience)
  }

  /** The same, if it takes time rather than news: as long as it throws, so many ms go by. */
  async inTime<R>(ms: number, holds: () => R | Promise<R>): Promise<R> {
    return eventually(async () => {
      try {
        return await holds()
      } catch (error) {
        await this.pass(ms)
        throw error
      }
    }, this.patience)
  }

  violated(what: string): void {
    if (this.#violations.length < 10) this.#violations.push(what)
  }

  /** What must be true of every session was not. */
  check(): void {
    const [first] = this.#violations
    must(first === undefined, first ?? '', this.#violations.slice(1))
  }

  describe(): string {
    const lines = this.#peers.flatMap(({ downs, reports }, i) => [
      ...downs.slice(-3).map((error) => `process ${i + 1} was told down(${inWords(error)})`),
      ...reports.slice(-3).map((error) => `process ${i + 1} was told report(${inWords(error)})`),
    ])
    return [...this.#violations.slice(0, 3), ...lines].join('\n')
  }

  async close(): Promise<void> {
    if (this.#isHurt) await this.hooks.heal?.(this.#play.store)
    await within(Promise.allSettled(this.#peers.map((peer) => peer.close())), this.patience).catch(() => {})
    for (const { bench, store } of this.#others) {
      await bench.close()
      await store.teardown?.()
    }
  }
}

type HookArguments<N extends HookName> =
  NonNullable<Hooks<Store>[N]> extends (store: Store, ...args: infer A) => unknown ? A : never

const inWords = (error: unknown) =>
  error instanceof MemisError ? `${error.code}: ${error.message}` : `no MemisError: ${show(error)}`

/** A process: a transport, and the host that it was opened with. */
export class Peer {
  readonly transport: Transport
  readonly settings: HostSettings
  readonly downs: MemisError[] = []
  readonly reports: MemisError[] = []
  ups = 0
  readonly #bench: Bench
  readonly #recorders: Recorder[] = []
  readonly #writer = new Writer()
  #state: 'new' | 'down' | 'up' | 'closed' = 'new'

  constructor(bench: Bench, transport: Transport, settings: HostSettings) {
    this.#bench = bench
    this.transport = transport
    this.settings = settings
  }

  open(): void {
    const told = (call: string, act: () => void) => {
      if (this.#state === 'closed') this.#bench.violated(`${call} was called after close`)
      else act()
    }
    this.#state = 'down'
    this.transport.open({
      ...this.settings,
      up: () =>
        told('up', () => {
          if (this.#state === 'up') this.#bench.violated('up was called twice in a row')
          this.#state = 'up'
          this.ups++
        }),
      down: (error) =>
        told('down', () => {
          this.#state = 'down'
          this.downs.push(error)
        }),
      report: (error) => told('report', () => void this.reports.push(error)),
    })
  }

  get state(): string {
    return this.#state
  }

  async isUp(patience = this.#bench.patience): Promise<void> {
    await eventually(() => must(this.#state === 'up', 'awaited: host.up()', this.downs.map(inWords)), patience)
  }

  async isDown(): Promise<void> {
    await this.#bench.eventually(() => must(this.#state === 'down', 'awaited: host.down(error)', this.#state))
  }

  /** Hands a batch over, once. */
  async send(batch: Batch, id = this.#bench.id): Promise<readonly Outcome[]> {
    const outcomes = await within(this.transport.write(id, batch), this.#bench.patience, `write(${wordsOf(batch)})`)
    must(
      Array.isArray(outcomes) && outcomes.length === batch.writes.length,
      'write() resolves to one outcome per write',
      outcomes,
    )
    return outcomes
  }

  /** Writes in one batch of a writer that does nothing else. */
  write(writes: readonly Write[], id?: CollectionId): Promise<readonly Outcome[]> {
    return this.send(this.#writer.batch(writes), id)
  }

  /** Writes in batches of one; all must be accepted. Returns what the last one resolves to. */
  async accepted(...writes: [Write, ...Write[]]) {
    let outcome: Outcome | undefined
    for (const write of writes) {
      outcome = (await this.write([write]))[0]
      accepted(outcome, wordsOf({ writes: [write] }))
    }
    return outcome as ReturnType<typeof accepted>
  }

  async merge(base: Revision, entries: readonly Entry[], id = this.#bench.id): Promise<readonly Merged[]> {
    const merged = await within(this.transport.merge(id, base, entries), this.#bench.patience, 'merge()')
    must(Array.isArray(merged) && merged.length === entries.length, 'merge() resolves to one answer per entry', merged)
    return merged
  }

  beginEpoch(after: string, id = this.#bench.id): Promise<boolean> {
    return within(this.transport.beginEpoch(id, after), this.#bench.patience, `beginEpoch(${after})`)
  }

  /** Begins to follow. */
  watch(from: Cursor | null = null, id = this.#bench.id): Recorder {
    const recorder = new Recorder(from, this.#bench.patience, (what) => this.#bench.violated(what))
    recorder.attach(this.transport.watch(id, from, recorder))
    this.#recorders.push(recorder)
    return recorder
  }

  /** Begins to follow, and waits until the session is live. */
  async follow(from: Cursor | null = null, id = this.#bench.id): Promise<Recorder> {
    const recorder = this.watch(from, id)
    await recorder.reached()
    return recorder
  }

  /** What a session that begins now is told, which then is closed. */
  async read(from: Cursor | null = null, id = this.#bench.id): Promise<Recorder> {
    const recorder = await this.follow(from, id)
    recorder.close()
    return recorder
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    const wasOpened = this.#state !== 'new'
    for (const recorder of this.#recorders) recorder.close()
    if (wasOpened) await this.transport.close()
    this.#state = 'closed'
  }
}

const wordsOf = ({ writes }: Pick<Batch, 'writes'>): string => {
  const words = writes.slice(0, 3).map((write) => ('key' in write ? `${write.kind} ${readable(write.key)}` : 'clear'))
  return words.join() + (writes.length > 3 ? ` and ${writes.length - 3} more` : '')
}
