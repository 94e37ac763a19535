/** A transport as the core sees it: batches go in, and what a replica would be told comes out. */
import assert from 'node:assert'
import { encodeItem } from '../../src/core/codec'
import type {
  Batch,
  Change,
  Host,
  Outcome,
  Position,
  Restores,
  Revision,
  Transport,
  Write,
  Written,
} from '../../src/core/transport'
import type { Store } from './transports'

export const place = { prefix: undefined, database: 'test', collection: 'items' }

/** A store that has begun its first epoch, and one who writes. */
export class Bench implements AsyncDisposable {
  #writers = 0

  private constructor(
    readonly store: Store,
    readonly transport: Transport,
    readonly epoch: string,
  ) {}

  static async set(start: () => Promise<Store>): Promise<Bench> {
    const store = await start()
    const transport = store.transport()
    const host: Host = {
      ...{ retention: 600_000, livenessTimeout: 5000, auditInterval: 200, writeTimeout: 10_000 },
      up: () => up(),
      down: () => {},
      report: (error) => assert.fail(error),
    }
    let up = () => {}
    const isUp = new Promise<void>((resolve) => {
      up = resolve
    })
    transport.open(host)
    await isUp
    const { epoch } = await transport.write(place, { writer: 'first', sequence: 1, writes: [set('first', 0)] })
    return new Bench(store, transport, epoch)
  }

  /** One write by somebody who has not written before. */
  async write(write: Write): Promise<Outcome> {
    const batch: Batch = { writer: `writer ${++this.#writers}`, sequence: 1, writes: [write] }
    const { outcomes } = await this.transport.write(place, batch)
    return outcomes[0] as Outcome
  }

  /** A batch as it is. */
  take(batch: Batch): Promise<Written> {
    return this.transport.write(place, batch)
  }

  restores(n: number): Restores {
    return { epoch: this.epoch, floor: 0, origin: lost(n) }
  }

  /** What a replica is told that comes new, or one that was at `from`. */
  async told(from: Position | null): Promise<Map<string, Change>> {
    const told = new Map<string, Change>()
    await new Promise<void>((resolve, reject) => {
      const watch = this.transport.watch(place, from, {
        begin: () => {},
        changes: (list) => {
          for (const change of list) told.set(change.key, change)
        },
        live: () => {
          watch.close()
          resolve()
        },
        stale: reject,
      })
    })
    return told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
    await this.store.stop()
  }
}

/** A revision of a history that the store lost. */
export const lost = (n: number): Revision => ({ epoch: '000000-lost', n })
export const set = (key: string, n: number, ttlMs: number | null = null, restores?: Restores): Write => {
  return { kind: 'set', key, item: encodeItem(key, { n }, Infinity), ttlMs, ...(restores && { restores }) }
}
export const remove = (key: string, restores?: Restores): Write => ({
  kind: 'delete',
  key,
  ...(restores && { restores }),
})
