/** A Redis transport without a client: what it is asked, and what it tells a sink. */
import { encodeItem } from '../../src/core/codec'
import type { MemisError } from '../../src/core/errors'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Epoch,
  Host,
  KeyWrite,
  Outcome,
  Revision,
  Transport,
  Watch,
  Write,
} from '../../src/core/transport'
import { redisTransport } from '../../src/transports/redis/transport'
import { until } from '../support/testing'

export const id: CollectionId = { prefix: 'memis', database: 'test', collection: 'items' }

/** An opened transport, whose link is up. */
export class Direct implements AsyncDisposable {
  readonly downs: MemisError[] = []
  readonly reports: MemisError[] = []
  ups = 0
  #sequence = 0
  readonly #writer = crypto.randomUUID()

  private constructor(readonly transport: Transport) {}

  static async open(url: string, settings: Partial<Host> = {}): Promise<Direct> {
    const direct = new Direct(redisTransport({ url } as object))
    direct.transport.open({
      ...{ retention: 600_000, livenessTimeout: 15_000, auditInterval: 100, writeTimeout: 10_000 },
      ...{ maxItemBytes: 1024 * 1024, readOnly: false, ...settings },
      up: () => void direct.ups++,
      down: (error) => void direct.downs.push(error),
      report: (error) => void direct.reports.push(error),
    })
    await until('the link is up', () => direct.ups > 0)
    return direct
  }

  get codes(): string[] {
    return this.reports.map(({ code }) => code)
  }

  batch(writes: readonly Write[], more: Partial<Batch> = {}): Batch {
    return { writer: this.#writer, sequence: ++this.#sequence, writes, ...more }
  }

  async write(...writes: readonly Write[]): Promise<readonly Outcome[]> {
    return this.transport.write(id, this.batch(writes))
  }

  /** The revision of an accepted write. */
  async accepted(write: Write): Promise<Revision> {
    const [outcome] = await this.write(write)
    if (outcome === undefined || !('n' in outcome)) throw new Error(`not accepted: ${JSON.stringify(outcome)}`)
    return { epoch: outcome.epoch, n: outcome.n }
  }

  /** Follows the collection, and resolves when that is live. */
  async follow(from: Cursor | null = null): Promise<Follower> {
    const follower = new Follower(this.transport, from)
    await until('the session is live', () => follower.cursor !== null || follower.error !== null)
    return follower
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }
}

/** What a session told. */
export class Follower {
  mode: 'snapshot' | 'delta' | null = null
  history: readonly Epoch[] = []
  readonly entries = new Map<string, Entry>()
  readonly lists: { readonly list: readonly Entry[]; readonly isAtomic: boolean }[] = []
  cursor: Cursor | null = null
  lives = 0
  error: MemisError | null = null
  readonly watch: Watch

  constructor(transport: Transport, from: Cursor | null) {
    this.watch = transport.watch(id, from, {
      begin: (mode, history) => {
        this.mode = mode
        this.history = history
      },
      entries: (list, isAtomic = false) => {
        this.lists.push({ list, isAtomic })
        for (const entry of list) this.entries.set(entry.key, entry)
      },
      live: (cursor) => {
        this.cursor = cursor
        this.lives++
      },
      stale: (error) => {
        this.error = error
      },
    })
  }

  /** Each key's item; null for a tombstone. */
  get items(): Record<string, unknown> {
    return Object.fromEntries([...this.entries].map(([key, { item }]) => [key, item]))
  }

  async reached(n: number): Promise<void> {
    await until(`the place ${n} is told`, () => (this.cursor?.n ?? -1) >= n || this.error !== null)
  }

  async ended(): Promise<MemisError> {
    await until('the session is over', () => this.error !== null)
    return this.error as MemisError
  }
}

type Set = Extract<KeyWrite, { kind: 'set' }>

export const set = (key: string, item: object, more: Partial<Set> = {}): Set => ({
  ...{ kind: 'set', key, item: encodeItem(key, item, 1e9), ttlMs: null },
  ...more,
})

export const remove = (key: string): KeyWrite => ({ kind: 'delete', key })
