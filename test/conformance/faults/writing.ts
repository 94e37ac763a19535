/** Faults of writing, of retries and of ttls. */
import { MemisError, type Outcome, type Write } from '../../../src/transport-kit'
import {
  acceptances,
  batches,
  type Fault,
  fault,
  hosts,
  nameOf,
  outcomes,
  sinks,
  storedItem,
  together,
  told,
  writes,
} from './fault'

const rank = (write: Write | undefined) => (write?.kind === 'delete' ? 0 : 1)

export const writing: readonly Fault[] = [
  fault('acknowledges a write that it does not store', 'W1 K1', ({ intact }) => ({
    write: async (id, batch) => {
      const [first, ...rest] = batch.writes
      if (first?.kind !== 'set') return intact.write(id, batch)
      const [dropped] = await intact.write(id, { ...batch, writes: [{ kind: 'delete', key: 'elsewhere' }] })
      return [dropped as Outcome, ...rest.map(() => dropped as Outcome)]
    },
  })),
  fault(
    'tells another revision than it answered',
    'W1 K1',
    told((entry) => ({ ...entry, n: entry.n + 1, place: entry })),
  ),
  fault(
    'gives two writes of a batch the same place',
    'W4 each write',
    outcomes((all) => all.map((outcome) => ('n' in outcome ? (all[0] as Outcome) : outcome))),
  ),
  fault('writes the deletes of a batch first', 'W4 the writes of a batch', ({ intact }) => ({
    async write(id, batch) {
      const order = [...batch.writes.keys()].sort((a, b) => rank(batch.writes[a]) - rank(batch.writes[b]))
      const all = await intact.write(id, { ...batch, writes: order.map((i) => batch.writes[i] as Write) })
      return batch.writes.map((_, i) => all[order.indexOf(i)] as Outcome)
    },
  })),
  fault(
    'keeps the first of several writes of a key in a batch',
    'W4 the writes of a batch',
    batches((batch) => {
      const isFirst = (write: Write, i: number) =>
        write.kind !== 'set' || !batch.writes.slice(0, i).some((each) => each.kind === 'set' && each.key === write.key)
      return {
        ...batch,
        writes: batch.writes.map((write, i) => (isFirst(write, i) ? write : { kind: 'delete', key: 'elsewhere' })),
      }
    }),
  ),
  fault(
    'accepts a repeated batch again',
    'W4 a batch that is repeated',
    batches((batch) => ({ ...batch, writer: `${batch.writer}${Math.random()}` })),
  ),
  fault(
    'answers a repeated batch with other revisions',
    'W4 a batch that is repeated',
    outcomes((all, { writer, sequence }, { shared }) => {
      const name = `${writer} ${sequence}`
      const isRepeated = shared.has(name)
      shared.set(name, true)
      return all.map((outcome) => ('n' in outcome && isRepeated ? { ...outcome, n: outcome.n + 1000 } : outcome))
    }),
  ),
  fault(
    'knows a writer by its connection, so that another process may repeat a batch',
    'W4 a batch that is repeated',
    ({ intact }) => {
      const connection = Math.random()
      return { write: (id, batch) => intact.write(id, { ...batch, writer: `${batch.writer}${connection}` }) }
    },
  ),
  fault(
    'answers a repeated delete with whether there is an item now',
    'W4 a batch that is repeated',
    ({ intact, hub }) => ({
      async write(id, batch) {
        const before = batch.writes.map(
          (write) => 'key' in write && storedItem(hub.collection(id), write.key) !== undefined,
        )
        const all = await intact.write(id, batch)
        const single = batch.writes.length === 1
        return all.map((outcome, i) =>
          'n' in outcome && batch.writes[i]?.kind === 'delete' && !single
            ? { ...outcome, existed: before[i] === true }
            : outcome,
        )
      },
    }),
  ),
  fault(
    'accepts a lower sequence',
    'W4 a batch with a lower',
    batches((batch) => ({ ...batch, writer: `${batch.writer}${batch.sequence}` })),
  ),
  fault('answers a lower sequence with DISCONNECTED', 'W4 a batch with a lower', ({ intact }) => ({
    write: (id, batch) =>
      intact.write(id, batch).catch((error: MemisError) => {
        throw new MemisError('DISCONNECTED', error.message, { stored: 'no' })
      }),
  })),
  fault('does not say of a lower sequence that it was not stored', 'W4 a batch with a lower', ({ intact }) => ({
    write: (id, batch) =>
      intact.write(id, batch).catch((error: MemisError) => {
        throw new MemisError(error.code, error.message)
      }),
  })),
  fault('keeps one sequence of a writer for all collections', 'W4 each writer', ({ intact, shared }) => ({
    async write(id, batch) {
      const highest = (shared.get(batch.writer) as number | undefined) ?? 0
      if (batch.sequence < highest)
        throw new MemisError('STORE_REFUSED', 'a later batch was accepted', { stored: 'no' })
      shared.set(batch.writer, batch.sequence)
      return intact.write(id, batch)
    },
  })),
  fault(
    'keeps one sequence for all writers',
    'W4 each writer',
    batches((batch) => ({ ...batch, writer: 'everybody' })),
  ),
  fault(
    'clears again when a clear is repeated',
    'W4 W5 a clear that is repeated',
    batches((batch) => (batch.writes[0]?.kind === 'clear' ? { ...batch, writer: `${Math.random()}` } : batch)),
  ),
  fault(
    'counts the ttl of a repeated set anew',
    'W4 X1 the ttl',
    acceptances(({ leftMs: _, ...accepted }) => accepted),
  ),
  fault(
    'forgets a writer after a hundred batches',
    'W4 a thousand batches',
    batches((batch) => ({ ...batch, writer: `${batch.writer}${batch.sequence % 100 === 1 ? Math.random() : ''}` })),
  ),
  fault('answers a write before the store has', 'W1 K1', ({ intact, hub }) => ({
    async write(id, batch) {
      setTimeout(() => intact.write(id, batch).catch(() => {}), 50)
      return batch.writes.map(() => ({ ...hub.collection(id).at, n: hub.collection(id).at.n + 1, existed: false }))
    },
  })),
  fault(
    'loses ttls',
    'X1 X4 an item',
    writes((write) => (write.kind === 'set' ? { ...write, ttlMs: null } : write)),
  ),
  fault(
    'rounds ttls down to whole seconds',
    'X1 a ttl',
    writes((write) =>
      write.kind === 'set' && typeof write.ttlMs === 'number'
        ? { ...write, ttlMs: Math.max(1, Math.floor(write.ttlMs / 1000) * 1000) }
        : write,
    ),
  ),
  fault(
    'tells a joiner the whole ttl in place of the time that is left',
    'R2 a joiner is told',
    together(
      writes((write, { shared }) => {
        if (write.kind === 'set') shared.set(write.key, write.ttlMs)
        return write
      }),
      told((entry, _, { shared }) => ({ ...entry, leftMs: (shared.get(entry.key) as number | undefined) ?? null })),
    ),
  ),
  fault(
    'keeps the old ttl if a set has none',
    'W1 a set replaces',
    writes((write, { shared }) => {
      if (write.kind !== 'set') return write
      const ttlMs = write.ttlMs ?? (shared.get(write.key) as number | undefined) ?? null
      shared.set(write.key, ttlMs)
      return { ...write, ttlMs }
    }),
  ),
  fault(
    'keeps expired items until somebody asks for their tombstones',
    'X1 X4 an item',
    together(
      writes((write) =>
        write.kind === 'set' && typeof write.ttlMs === 'number' ? { ...write, ttlMs: write.ttlMs + 1e9 } : write,
      ),
      told((entry) => (entry.leftMs === null ? entry : { ...entry, leftMs: entry.leftMs - 1e9 })),
    ),
  ),
  fault(
    'keeps tombstones for ever',
    'X4 K10',
    hosts(() => ({ retention: 1e12 })),
  ),
  fault(
    'says of every delete that it found an item',
    'W5 a delete says',
    acceptances((accepted) => ({ ...accepted, existed: true })),
  ),
  fault(
    'says of no delete that it found an item',
    'W5 a delete says',
    acceptances((accepted) => ({ ...accepted, existed: false })),
  ),
  fault('clears only items without a ttl', 'W5 a clear deletes', ({ intact, hub }) => ({
    async write(id, batch) {
      if (batch.writes[0]?.kind !== 'clear') return intact.write(id, batch)
      const { stored } = hub.collection(id).state
      const untimed = stored.filter(({ content, deadline }) => content.kind === 'item' && deadline === Infinity)
      const keys = untimed.map(({ key }) => key)
      const all = await intact.write(id, { ...batch, writes: keys.map((key) => ({ kind: 'delete', key })) })
      return [all.at(-1) ?? { ...hub.collection(id).at, existed: false }]
    },
  })),
  fault(
    'gives a clear the revision of the place before it',
    'W5 a clear deletes',
    acceptances((accepted, write) => (write.kind === 'clear' ? { ...accepted, n: 0 } : accepted)),
  ),
  fault(
    'does not tell watchers of a clear',
    'W5 a clear deletes',
    together(
      batches((batch, _, { shared }) => {
        shared.set('isClearing', batch.writes[0]?.kind === 'clear')
        return batch
      }),
      told((entry, _, { shared }) => (shared.get('isClearing') && entry.item === null ? null : entry)),
    ),
  ),
  fault(
    'merges a set into the item that is there',
    'W1 a set replaces',
    writes((write, { shared }) => {
      if (write.kind !== 'set') return write
      const item = { ...(shared.get(write.key) as object | undefined), ...write.item.item }
      shared.set(write.key, item)
      return { ...write, item: { ...write.item, item, json: JSON.stringify(item) } }
    }),
  ),
  fault(
    'assigns fields, and so loses __proto__',
    'I2',
    told((entry) => (entry.item === null ? entry : { ...entry, item: Object.assign({}, entry.item) })),
  ),
  fault(
    'loses upper case in keys',
    'N2 any well-formed string is a key',
    writes((write) => (write.kind === 'clear' ? write : { ...write, key: write.key.toLowerCase() })),
  ),
  fault('joins the names of a collection by colons', 'N2 names that look alike', ({ intact }) => {
    const joined = ({ prefix, database, collection }: Parameters<typeof intact.write>[0]) => ({
      prefix,
      database: '',
      collection: `${database}:${collection}`,
    })
    return {
      write: (id, batch) => intact.write(joined(id), batch),
      watch: (id, from, sink) => intact.watch(joined(id), from, sink),
    }
  }),
  fault('ignores the prefix', 'N2 N4', ({ intact }) => ({
    write: (id, batch) => intact.write({ ...id, prefix: '' }, batch),
    watch: (id, from, sink) => intact.watch({ ...id, prefix: '' }, from, sink),
  })),
  fault(
    'tells a change in one collection to the watchers of another',
    'N2 N4',
    sinks((sink, id, _, { shared }) => {
      const all = (shared.get('sinks') ?? new Map()) as Map<string, (typeof sink)[]>
      shared.set('sinks', all)
      all.set(nameOf(id), [...(all.get(nameOf(id)) ?? []), sink])
      return {
        entries: (list) => {
          for (const [name, [first]] of all)
            if (name === nameOf(id)) sink.entries(list)
            else if (list.length === 1) first?.entries(list)
        },
      }
    }),
  ),
  fault(
    'tells items that are larger than the client accepts',
    'H8',
    hosts(() => ({ maxItemBytes: Infinity })),
  ),
]
