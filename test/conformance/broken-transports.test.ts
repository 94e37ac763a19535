/** The suite catches what a transport can do wrong: each of these breaks one thing, and cases of that clause fail. */
import * as assert from 'node:assert/strict'
import { suite } from 'uvu'
import { conformance } from '../../src/conformance'
import {
  type Change,
  type Client,
  createClient,
  MemoryHub,
  type Sink,
  type Transport,
  type Write,
} from '../../src/index'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { turn } from '../support/fake-transport'

/** What is put in place of the intact transport's methods. All transports of a case are given the same `shared`. */
type Break = (intact: MemoryTransport, shared: Map<string, unknown>) => Partial<Transport>

interface Broken {
  readonly does: string
  /** Where the suite is to notice. */
  readonly clause: string
  readonly break: Break
}

const broken: readonly Broken[] = [
  {
    does: 'drops a notification',
    clause: 'K1',
    break: (intact) => {
      let heard = 0
      return watching(intact, (sink) => ({ changes: (list) => void (++heard % 10 === 0 || sink.changes(list)) }))
    },
  },
  {
    does: 'gives old contents to who joins',
    clause: 'R2',
    break: (intact, shared) =>
      watching(intact, (sink, at) => {
        let contents = true
        return {
          changes(list) {
            if (contents && !shared.has(at)) shared.set(at, list)
            sink.changes(contents ? (structuredClone(shared.get(at)) as Change[]) : list)
            contents = false
          },
        }
      }),
  },
  {
    does: 'says that all is told before it is',
    clause: 'R2',
    break: (intact) =>
      watching(intact, (sink) => ({
        begin(how, epoch, common) {
          sink.begin(how, epoch, common)
          sink.live(1)
        },
        changes: (list) => void setImmediate(() => sink.changes(list)),
      })),
  },
  {
    does: 'gives the same objects to all replicas',
    clause: 'I3',
    break: (intact, shared) =>
      watching(intact, (sink, at) => ({
        changes(list) {
          const share = (change: Change) => {
            const name = JSON.stringify([at, change.key, change.n])
            if (!shared.has(name)) shared.set(name, change)
            return shared.get(name) as Change
          }
          sink.changes(list.map(share))
        },
      })),
  },
  {
    does: 'numbers changes by when it tells them, the last first',
    clause: 'W4',
    break: (intact) =>
      watching(intact, (sink) => ({
        changes: (list) => sink.changes([...list].reverse().map((change, i) => ({ ...change, n: list[i]?.n ?? 0 }))),
      })),
  },
  {
    does: 'takes the deletes of a batch first',
    clause: 'W4',
    break: (intact) => ({
      async write(place, batch) {
        const order = [...batch.writes.keys()].sort((a, b) => rank(batch.writes[a]) - rank(batch.writes[b]))
        const { epoch, outcomes } = await intact.write(place, {
          ...batch,
          writes: order.map((i) => batch.writes[i] as Write),
        })
        return { epoch, outcomes: batch.writes.map((_, i) => outcomes[order.indexOf(i)] ?? { n: 0, existed: false }) }
      },
    }),
  },
  {
    does: 'takes a full batch after the one that follows it',
    clause: 'W4',
    break: (intact) => ({
      pipelines: true,
      async write(place, { follows, ...batch }) {
        if (follows === undefined && batch.writes.length === 1000) await turn()
        // The store itself would refuse the one that comes too late, if it were of the same writer.
        return intact.write(place, { ...batch, writer: `${batch.writer} ${batch.sequence}` })
      },
    }),
  },
  {
    does: 'loses ttls',
    clause: 'X1',
    break: (intact) =>
      writing(intact, (write) => (write.kind === 'set' && write.ttlMs !== null ? { ...write, ttlMs: null } : write)),
  },
  {
    does: 'rounds ttls down to seconds',
    clause: 'X1',
    break: (intact) =>
      writing(intact, (write) =>
        write.kind === 'set' && write.ttlMs !== null
          ? { ...write, ttlMs: Math.max(1, Math.floor(write.ttlMs / 1000) * 1000) }
          : write,
      ),
  },
  {
    does: 'tells who joins the whole ttl in place of what is left',
    clause: 'X1',
    break: (intact, shared) => ({
      ...writing(intact, (write) => {
        if (write.kind === 'set') shared.set(write.key, write.ttlMs)
        return write
      }),
      ...watching(intact, (sink) => ({
        changes: (list) =>
          sink.changes(
            list.map((change) =>
              change.kind === 'set' ? { ...change, leftMs: shared.get(change.key) as number | null } : change,
            ),
          ),
      })),
    }),
  },
  {
    does: 'keeps the old ttl where a set has none',
    clause: 'W1',
    break: (intact, shared) =>
      writing(intact, (write) => {
        if (write.kind !== 'set') return write
        const ttlMs = write.ttlMs ?? (shared.get(write.key) as number | undefined) ?? null
        shared.set(write.key, ttlMs)
        return { ...write, ttlMs }
      }),
  },
  {
    does: 'tells success for a write that it did not store',
    clause: 'W1',
    break: (intact) => {
      let batches = 0
      return {
        async write(place, batch) {
          if (++batches % 3 > 0) return intact.write(place, batch)
          const { epoch } = await intact.write(place, { ...batch, writes: [] })
          return { epoch, outcomes: batch.writes.map((_, i) => ({ n: 1_000_000 + batches + i, existed: true })) }
        },
      }
    },
  },
  {
    does: 'says of every delete that the key was there',
    clause: 'W5',
    break: (intact) => ({
      async write(place, batch) {
        const { epoch, outcomes } = await intact.write(place, batch)
        return {
          epoch,
          outcomes: outcomes.map((outcome) => ('n' in outcome ? { ...outcome, existed: true } : outcome)),
        }
      },
    }),
  },
  {
    does: 'joins the names of a place by colons',
    clause: 'N2',
    break: (intact) => ({
      write: (place, batch) => intact.write({ ...place, ...joined(place) }, batch),
      watch: (place, from, sink) => intact.watch({ ...place, ...joined(place) }, from, sink),
    }),
  },
  {
    does: 'loses what a key has in upper case',
    clause: 'N2',
    break: (intact) =>
      writing(intact, (write) => (write.kind === 'clear' ? write : { ...write, key: write.key.toLowerCase() })),
  },
  {
    does: 'assigns fields, and so loses __proto__',
    clause: 'I2',
    break: (intact) =>
      watching(intact, (sink) => ({
        changes: (list) =>
          sink.changes(
            list.map((change) =>
              change.kind === 'set' ? { ...change, item: Object.assign({}, change.item) } : change,
            ),
          ),
      })),
  },
  {
    does: 'merges a set into the item that is there',
    clause: 'I2',
    break: (intact, shared) =>
      writing(intact, (write) => {
        if (write.kind !== 'set') return write
        const item = { ...(shared.get(write.key) as object | undefined), ...write.item.item }
        shared.set(write.key, item)
        return { ...write, item: { ...write.item, item, json: JSON.stringify(item) } }
      }),
  },
  {
    does: 'does not say that it was cut off',
    clause: 'K3',
    break: (intact) => ({
      open: (host) =>
        intact.open({
          ...host,
          up: () => host.up(),
          down: () => {},
          report: (error) => host.report(error),
        }),
      ...watching(intact, () => ({ stale: () => {} })),
    }),
  },
  {
    does: 'tells who returns only what is new, and not what is gone',
    clause: 'K4',
    break: (intact) =>
      watching(intact, (sink) => {
        let contents = true
        return {
          changes(list) {
            sink.changes(contents ? list.filter(({ kind }) => kind === 'set') : list)
            contents = false
          },
        }
      }),
  },
  {
    does: 'leaves a timer behind when it is closed',
    clause: 'W7',
    break: () => {
      leftTimers.push(setInterval(() => {}, 60_000))
      return {}
    },
  },
]

const leftTimers: NodeJS.Timeout[] = []

const rank = (write: Write | undefined) => (write?.kind === 'delete' ? 0 : 1)

const joined = ({ database, collection }: { database: string; collection: string }) => ({
  database: '',
  collection: `${database}:${collection}`,
})

/** Watches with another sink in between; `at` names the place. */
function watching(intact: MemoryTransport, other: (sink: Sink, at: string) => Partial<Sink>): Partial<Transport> {
  return {
    watch(place, from, sink) {
      const straight: Sink = {
        begin: (how, epoch, common) => sink.begin(how, epoch, common),
        changes: (list) => sink.changes(list),
        live: (n) => sink.live(n),
        stale: (error) => sink.stale(error),
      }
      return intact.watch(place, from, { ...straight, ...other(sink, JSON.stringify(place)) })
    },
  }
}

const writing = (intact: MemoryTransport, other: (write: Write) => Write): Partial<Transport> => ({
  write: (place, batch) => intact.write(place, { ...batch, writes: batch.writes.map(other) }),
})

function wrap(intact: MemoryTransport, broken: Partial<Transport>): Transport {
  return {
    name: 'broken',
    lacks: [],
    clock: intact.clock,
    maxItemBytes: intact.maxItemBytes,
    open: (host) => intact.open(host),
    write: (place, batch) => intact.write(place, batch),
    watch: (place, from, sink) => intact.watch(place, from, sink),
    close: () => intact.close(),
    ...broken,
  }
}

function setup(breakIt: Break) {
  const hub = new MemoryHub()
  const shared = new Map<string, unknown>()
  const transports = new Map<Client, MemoryTransport>()
  let down = false
  const those = (client?: Client) =>
    [...transports].filter(([of]) => !client || of === client).map(([, intact]) => intact)
  return {
    client(options = {}) {
      const intact = new MemoryTransport(hub)
      const client = createClient({ transport: wrap(intact, breakIt(intact, shared)), ...options })
      transports.set(client, intact)
      if (down) intact.cut()
      return client
    },
    outage: {
      begin(client?: Client) {
        down ||= client === undefined
        for (const intact of those(client)) intact.cut()
      },
      end(client?: Client) {
        down &&= client !== undefined
        for (const intact of those(client)) intact.heal()
      },
    },
    teardown() {},
  }
}

/** Plays the cases of a clause, or all, and gives the titles of those that failed, with why. */
async function play(breakIt: Break, patience: number, clause = '') {
  const cases: { title: string; run(): Promise<void> }[] = []
  const collect = (title: string, run: () => Promise<void>) => {
    if (title.includes(clause)) cases.push({ title, run })
  }
  const skip = (title: string) => assert.fail(`skipped: ${title}`)
  conformance({ name: 'broken', test: Object.assign(collect, { skip }), patience, setup: () => setup(breakIt) })
  const failed: string[] = []
  const run = async ({ title, run }: (typeof cases)[number]) => {
    await run().catch((error: Error) => failed.push(`${title}: ${error.message}`))
  }
  // Most of them wait: a few at once, but for those that look at what is of the whole process.
  const alone = ({ title }: { title: string }) => /^(E5|W7|X2|X5) /.test(title)
  const together = cases.filter((each) => !alone(each)).values()
  const worker = async () => {
    for (const each of together) await run(each)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  for (const each of cases.filter(alone)) await run(each)
  return { count: cases.length, failed }
}

const test = suite('broken transports')

test('the intact transport passes in the same harness', async () => {
  const { count, failed } = await play(() => ({}), 20_000)
  assert.deepEqual(failed, [])
  assert.ok(count > 100, `only ${count} cases`)
})

for (const { does, clause, break: breakIt } of broken) {
  test(`a transport that ${does} fails at ${clause}`, async () => {
    const { count, failed } = await play(breakIt, 400, clause)
    console.log(`# ${does}: ${failed.length} of ${count} cases of ${clause} fail, so\n    ${failed[0]?.split('\n')[0]}`)
    assert.notEqual(failed.length, 0)
  })
}

test.after(() => {
  for (const timer of leftTimers) clearInterval(timer)
})
test.run()
