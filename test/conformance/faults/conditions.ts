/** Faults of conditions and of atomic batches. */

import type { KeyWrite, Outcome, Revision, Write } from '../../../src/transport-kit'
import type { StoredCollection } from '../../../src/transports/memory/store'
import { batches, type Fault, fault, outcomes, type Plant, sinks, storedItem, writes } from './fault'

const unconditional = (write: Write): Write => {
  if (write.kind === 'clear' || write.kind === 'check') return write
  const { if: _, ...rest } = write
  return rest as Write
}

/** Another revision is compared. */
const conditionsOf = (other: (condition: Revision, key: string, stored: StoredCollection) => Revision): Plant =>
  batches((batch, id, { hub }) => ({
    ...batch,
    writes: batch.writes.map((write) => {
      if (!('if' in write) || write.if == null) return write
      return { ...write, if: other(write.if, write.key, hub.collection(id)) } as Write
    }),
  }))

export const conditions: readonly Fault[] = [
  fault('ignores conditions', 'C2 if: revision', writes(unconditional)),
  fault('checks a condition before the write, in another step', 'C2 if twenty', ({ intact, hub }) => ({
    async write(id, batch) {
      const [write] = batch.writes
      if (write?.kind !== 'set' || write.if !== null) return intact.write(id, batch)
      if (storedItem(hub.collection(id), write.key) !== undefined) return intact.write(id, batch)
      await Promise.resolve().then(() => {})
      return intact.write(id, { ...batch, writes: [unconditional(write)] })
    },
  })),
  fault('takes a tombstone for an item if there must be none', 'C2 if: null', ({ intact, hub }) => ({
    async write(id, batch) {
      const isBuried = (write: Write) =>
        'if' in write && write.if === null && hub.collection(id).state.stored.some(({ key }) => key === write.key)
      if (!batch.writes.some(isBuried)) return intact.write(id, batch)
      return batch.writes.map(() => ({ conflict: null }))
    },
  })),
  fault(
    'compares the place of a condition, and not its epoch',
    'C2 if: revision',
    conditionsOf((condition, _, stored) => ({ ...condition, epoch: stored.at.epoch })),
  ),
  fault('writes if the item is at least as old as the condition says', 'C2 if: revision', ({ intact, hub }) => ({
    async write(id, batch) {
      const relaxed = (write: Write): Write => {
        if (!('if' in write) || write.if == null) return write
        const { epoch, n } = write.if
        const stored = storedItem(hub.collection(id), write.key)
        return stored !== undefined && stored.place <= n && epoch === hub.collection(id).at.epoch
          ? unconditional(write)
          : write
      }
      return intact.write(id, { ...batch, writes: batch.writes.map(relaxed) })
    },
  })),
  fault(
    'does not say what a condition conflicts with',
    'C2 if: revision',
    outcomes((all) => all.map((outcome) => ('conflict' in outcome ? { conflict: null } : outcome))),
  ),
  fault('writes nothing of a batch in which one condition fails', 'C2 a conflict writes nothing', ({ intact }) => ({
    async write(id, batch) {
      const isUnique =
        new Set(batch.writes.map((write) => ('key' in write ? write.key : ''))).size === batch.writes.length
      const first = batch.writes.filter(
        (write, i) => batch.writes.findIndex((each) => (each as KeyWrite).key === (write as KeyWrite).key) === i,
      )
      const all = await intact.write(
        id,
        isUnique ? { ...batch, isAtomic: true } : { ...batch, writes: first, isAtomic: true },
      )
      return batch.writes.map((_, i) => all[i] ?? { aborted: true })
    },
  })),
  fault(
    'conflicts with itself when a conditional write is repeated',
    'C2 a conditional write that is repeated',
    batches((batch) =>
      batch.writes.some((write) => 'if' in write) ? { ...batch, writer: `${batch.writer}${Math.random()}` } : batch,
    ),
  ),
  fault(
    'writes the rest of a repeated batch again that had a conflict',
    'C2 W4 a repeated batch',
    batches((batch) => (batch.writes.length === 2 ? { ...batch, writer: `${batch.writer}${Math.random()}` } : batch)),
  ),
  fault(
    'compares a condition with the place of a merged item',
    'C1 C2',
    conditionsOf((condition, key, stored) => {
      const item = storedItem(stored, key)
      if (item?.merged === undefined) return condition
      const isPlace = condition.n === item.place && condition.epoch === stored.at.epoch
      return isPlace ? item.merged : { epoch: 'none', n: 0 }
    }),
  ),
  fault(
    "takes ttlMs 'keep' for none",
    "C4 ttlMs 'keep'",
    writes((write) => (write.kind === 'set' && write.ttlMs === 'keep' ? { ...write, ttlMs: null } : write)),
  ),
  fault(
    'does not answer with the time that was kept',
    "C4 ttlMs 'keep'",
    outcomes((all) => all.map((outcome) => ('n' in outcome ? { ...outcome, leftMs: undefined } : outcome))),
  ),
  fault(
    'writes the part of an atomic batch whose conditions hold',
    'C7 nothing of',
    batches(({ isAtomic: _, ...batch }) => ({
      ...batch,
      writes: batch.writes.map((write) => (write.kind === 'check' ? { kind: 'delete', key: 'elsewhere' } : write)),
    })),
  ),
  fault(
    'ignores checks',
    'C7 nothing of',
    writes((write) =>
      write.kind === 'check' ? { ...write, kind: 'delete', key: `checked ${write.key}`, if: null } : write,
    ),
  ),
  fault('writes a tombstone for a check', 'C7 an atomic batch is written', ({ intact }) => ({
    async write(id, batch) {
      const all = await intact.write(id, batch)
      for (const write of batch.writes) {
        if (write.kind === 'check')
          await intact.write(id, {
            writer: `${Math.random()}`,
            sequence: 1,
            writes: [{ kind: 'delete', key: write.key }],
          })
      }
      return all
    },
  })),
  fault(
    'does not say which condition of an atomic batch failed',
    'C7 nothing of',
    outcomes((all) =>
      all.some((outcome) => 'aborted' in outcome) ? all.map(() => ({ aborted: true as const })) : all,
    ),
  ),
  fault(
    'answers all writes of an atomic batch with the conflict of one',
    'C7 nothing of',
    outcomes((all) => {
      const conflict = all.find((outcome) => 'conflict' in outcome)
      return conflict === undefined ? all : all.map(() => conflict as Outcome)
    }),
  ),
  fault(
    'tells an atomic batch entry by entry',
    'C7 an atomic batch is written',
    sinks((sink) => ({
      entries: (list) => {
        for (const entry of list) sink.entries([entry])
      },
    })),
  ),
  fault(
    'does not tell that a batch was atomic',
    'C7 an atomic batch is written',
    sinks((sink) => ({ entries: (list) => sink.entries(list) })),
  ),
  fault(
    'splits an atomic batch of more than a hundred writes',
    'C7 an atomic batch may',
    sinks((sink) => ({
      entries: (list, isAtomic) => {
        for (let i = 0; i === 0 || i < list.length; i += 100) sink.entries(list.slice(i, i + 100), isAtomic)
      },
    })),
  ),
]
