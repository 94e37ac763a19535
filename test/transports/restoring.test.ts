/** What is put back after a loss, at the seam: each store must know it from what is written after the loss, for ever. */
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
} from '../../src/core/transport'
import { suite, until } from '../support/testing'
import { type Store, stores } from '../support/transports'

const test = suite('restoring')
const place = { prefix: undefined, database: 'test', collection: 'items' }

/** A store that has begun its first epoch, and one who writes. */
class Bench implements AsyncDisposable {
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
const lost = (n: number): Revision => ({ epoch: '000000-lost', n })
const set = (key: string, n: number, ttlMs: number | null = null, restores?: Restores): Write => {
  return { kind: 'set', key, item: encodeItem(key, { n }, Infinity), ttlMs, ...(restores && { restores }) }
}
const remove = (key: string, restores?: Restores): Write => ({ kind: 'delete', key, ...(restores && { restores }) })
const isRefused = (outcome: Outcome) => 'refused' in outcome

for (const { name, start } of stores) {
  test(`K7 ${name}: of two that put back, the newer one wins, whoever comes first`, async () => {
    await using bench = await Bench.set(start)
    assert.ok(!isRefused(await bench.write(set('up', 5, null, bench.restores(5)))))
    assert.ok(!isRefused(await bench.write(set('up', 7, null, bench.restores(7)))))
    assert.ok(isRefused(await bench.write(set('up', 6, null, bench.restores(6)))))
    assert.ok(!isRefused(await bench.write(remove('gone', bench.restores(5)))))
    assert.ok(isRefused(await bench.write(set('gone', 4, null, bench.restores(4)))))
    assert.ok(!isRefused(await bench.write(set('gone', 6, null, bench.restores(6)))))
    const told = await bench.told(null)
    assert.deepStrictEqual((told.get('up') as { item?: unknown }).item, { n: 7 })
    assert.deepStrictEqual((told.get('gone') as { item?: unknown }).item, { n: 6 })
  })

  test(`K7 W3 ${name}: a delete stays, also where a mark that was put back says the same already`, async () => {
    await using bench = await Bench.set(start)
    assert.ok(!isRefused(await bench.write(remove('key', bench.restores(5)))))
    const outcome = await bench.write(remove('key'))
    assert.strictEqual((outcome as { existed?: boolean }).existed, false)
    // Somebody knows a later item than the one that the mark was of: it was there before the delete all the same.
    assert.ok(isRefused(await bench.write(set('key', 7, null, bench.restores(7)))))
    assert.notStrictEqual((await bench.told(null)).get('key')?.kind, 'set')
  })

  test(`K7 E2 ${name}: what was put back and expired again does not overrule what was newer in the lost history`, async () => {
    await using bench = await Bench.set(start)
    const outcome = await bench.write(set('key', 5, 50, bench.restores(5)))
    assert.ok('n' in outcome)
    const from = { epoch: bench.epoch, n: outcome.n - 1, past: [] }
    let last: Change | undefined
    const isMarked = async () => {
      last = (await bench.told(from)).get('key')
      // In a stream, the mark is a message of its own, which comes a while later.
      return last?.kind === 'expire' && (last.n > outcome.n || !name.startsWith('nats'))
    }
    await until('it has expired, and a mark is left of it', isMarked)
    assert.deepStrictEqual((last as { origin?: Revision }).origin, lost(5))
    assert.ok(isRefused(await bench.write(set('key', 4, null, bench.restores(4)))))
    assert.ok(!isRefused(await bench.write(set('key', 7, null, bench.restores(7)))))
    assert.deepStrictEqual(((await bench.told(null)).get('key') as { item?: unknown }).item, { n: 7 })
  })
}

test.run()
