/** Faults of merging, of losses and of epochs. */

import { encodeItem } from '../../../src/core/codec'
import {
  type Entry,
  type Epoch,
  MemisError,
  type Merged,
  type Outcome,
  type Revision,
  type Sink,
  type Transport,
} from '../../../src/transport-kit'
import { type Fault, fault, histories, type Plant, type Site, sinks, storedItem, straight, told } from './fault'

type Merge = Transport['merge']

/** The merge is another one. */
const merges =
  (other: (merge: Merge, site: Site) => Merge): Plant =>
  (site) => ({ merge: other((...args) => site.intact.merge(...args), site) })

/** The answers to a merge are others. */
const answers = (other: (merged: Merged, entry: Entry) => Merged): Plant =>
  merges(
    (merge) => async (id, base, entries) =>
      (await merge(id, base, entries)).map((merged, i) => other(merged, entries[i] as Entry)),
  )

const writeOf = ({ key, item, leftMs }: Entry) =>
  item === null
    ? ({ kind: 'delete', key } as const)
    : ({ kind: 'set', key, item: encodeItem(key, item, Infinity), ttlMs: leftMs } as const)

/** All epochs go by other names. */
const epochs =
  (nameOf: (id: string) => string, historyOf = (history: readonly Epoch[]) => history): Plant =>
  ({ intact, hub }) => {
    const named = <R extends Revision>(revision: R): R => ({ ...revision, epoch: nameOf(revision.epoch) })
    const told = (entry: Entry): Entry => ({ ...named(entry), ...(entry.place && { place: named(entry.place) }) })
    const sinkOf = (sink: Sink): Sink => ({
      ...straight(sink),
      begin: (mode, history) =>
        sink.begin(
          mode,
          historyOf(history).map(({ id, floor }) => ({ id: nameOf(id), floor })),
        ),
      entries: (list, isAtomic) => sink.entries(list.map(told), isAtomic),
      live: (cursor) => sink.live(named(cursor)),
    })
    return {
      async write(id, batch) {
        return (await intact.write(id, batch)).map((outcome): Outcome => ('n' in outcome ? named(outcome) : outcome))
      },
      watch: (id, from, sink) =>
        intact.watch(id, from && { ...from, epoch: hub.collection(id).at.epoch }, sinkOf(sink)),
    }
  }

const later = new Map<string, string>()

/** The later an epoch began, the earlier its name sorts. */
function reversed(id: string): string {
  const name = later.get(id) ?? String(9_999_999 - later.size)
  later.set(id, name)
  return name
}

export const merging: readonly Fault[] = [
  fault(
    'overwrites what is newer by a merge',
    'K7 a write of the current',
    merges((_, { intact }) => async (id, _base, entries) => {
      const outcomes = await intact.write(id, { writer: `${Math.random()}`, sequence: 1, writes: entries.map(writeOf) })
      return outcomes.map((outcome) => ({ place: outcome as Revision }))
    }),
  ),
  fault(
    'gives a merged entry a new revision',
    'K7 C1 an entry',
    merges((_, { intact }) => async (id, _base, entries) => {
      const outcomes = await intact.write(id, { writer: `${Math.random()}`, sequence: 1, writes: entries.map(writeOf) })
      return outcomes.map((outcome) => ({ place: outcome as Revision }))
    }),
  ),
  fault(
    'tells a merged entry without its place',
    'K7 C1 an entry',
    told(({ place: _, ...entry }) => entry),
  ),
  fault(
    'answers a merge with the revision in place of the place',
    'K7 C1 an entry',
    answers((merged, { epoch, n }) => ('place' in merged ? { place: { epoch, n } } : merged)),
  ),
  fault(
    'forgets the time that a merged item has left',
    'K7 C1 an entry',
    merges(
      (merge) => (id, base, entries) =>
        merge(
          id,
          base,
          entries.map((entry) => ({ ...entry, leftMs: null })),
        ),
    ),
  ),
  fault(
    'does not notify watchers of a merge',
    'K7 C1 an entry',
    sinks((sink) => ({
      entries: (list, isAtomic) =>
        sink.entries(
          list.filter(({ place }) => place === undefined || list.length > 4),
          isAtomic,
        ),
    })),
  ),
  fault(
    'drops tombstones that are merged',
    'K7 C1 an entry',
    merges((merge, { hub }) => async (id, base, entries) => {
      const items = entries.filter(({ item }) => item !== null)
      const merged = [...(await merge(id, base, items))]
      return entries.map(({ item }) => (item === null ? { place: hub.collection(id).at } : (merged.shift() as Merged)))
    }),
  ),
  fault(
    'refuses a merge of each key that it knows',
    'K7 the newer of two',
    merges((merge, { hub }) => async (id, base, entries) => {
      const known = new Set(hub.collection(id).state.stored.map(({ key }) => key))
      const merged = [
        ...(await merge(
          id,
          base,
          entries.filter(({ key }) => !known.has(key)),
        )),
      ]
      return entries.map(({ key }) => (known.has(key) ? { current: null } : (merged.shift() as Merged)))
    }),
  ),
  fault(
    'does not say what it keeps',
    'K7 a write of the current',
    answers((merged) => ('current' in merged ? { current: null } : merged)),
  ),
  fault('merges an old version over a later delete', 'K7 a write of the current', ({ intact, hub }) => ({
    async merge(id, base, entries) {
      const isGone = ({ key }: Entry) => storedItem(hub.collection(id), key) === undefined
      if (!entries.every(isGone)) return intact.merge(id, base, entries)
      const outcomes = await intact.write(id, { writer: `${Math.random()}`, sequence: 1, writes: entries.map(writeOf) })
      return outcomes.map((outcome) => ({ place: outcome as Revision }))
    },
  })),
  fault('leaves no tombstone for a delete that finds nothing', 'K7 a delete that found nothing', ({ intact, hub }) => ({
    async write(id, batch) {
      const [write, ...more] = batch.writes
      const isNothing =
        write?.kind === 'delete' && more.length === 0 && storedItem(hub.collection(id), write.key) === undefined
      return isNothing ? [{ ...hub.collection(id).at, existed: false }] : intact.write(id, batch)
    },
  })),
  fault('takes a merged tombstone for one of its own', 'K7 a delete that found nothing', ({ intact, hub }) => ({
    async write(id, batch) {
      const [write] = batch.writes
      const isMerged =
        write?.kind === 'delete' &&
        hub.collection(id).state.stored.some(({ key, merged }) => key === write.key && merged)
      return isMerged ? [{ ...hub.collection(id).at, existed: false }] : intact.write(id, batch)
    },
  })),
  fault('forgets a clear when something is merged', 'K7 W5 a clear wins', ({ intact, hub }) => ({
    async write(id, batch) {
      if (batch.writes[0]?.kind !== 'clear') return intact.write(id, batch)
      const keys = hub.collection(id).state.stored.map(({ key }) => key)
      const all = await intact.write(id, { ...batch, writes: keys.map((key) => ({ kind: 'delete', key })) })
      return [all.at(-1) ?? { ...hub.collection(id).at, existed: false }]
    },
  })),
  fault(
    'merges what may have been deleted before its tombstones were forgotten',
    'K7 K5 a merge',
    merges(
      (merge, { hub }) =>
        (id, _base, entries) =>
          merge(id, hub.collection(id).at, entries),
    ),
  ),
  fault(
    'refuses each merge once tombstones were forgotten',
    'X4 K5 tombstones',
    merges(
      (merge, { hub }) =>
        (id, base, entries) =>
          merge(id, hub.collection(id).state.forgotten > 0 ? { epoch: 'none', n: 0 } : base, entries),
    ),
  ),
  fault(
    'forgets that a merged item has expired',
    'K7 X1 a merged item',
    told((entry) => (entry.item === null && entry.place !== undefined ? null : entry)),
  ),
  fault(
    'gives the tombstone of a merged item that expired its place as revision',
    'K7 X1 a merged item',
    ({ intact, hub }) => ({
      async merge(id, base, entries) {
        const expired = new Set(
          hub
            .collection(id)
            .state.stored.filter(({ content, merged }) => content.kind === 'tombstone' && merged)
            .map(({ key }) => key),
        )
        if (!entries.some(({ key }) => expired.has(key))) return intact.merge(id, base, entries)
        return entries.map(() => ({ current: null }))
      },
    }),
  ),
  fault(
    'merges at most a hundred entries',
    'K7 a merge may have 500',
    merges((merge) => async (id, base, entries) => {
      const merged = await merge(id, base, entries.slice(0, 100))
      return entries.map((_, i) => merged[i] ?? { current: null })
    }),
  ),
  fault(
    'rejects a merge by another error if the link is down',
    'K7 a merge is not answered',
    merges(
      (merge) => (id, base, entries) =>
        merge(id, base, entries).catch(() => {
          throw new MemisError('STORE_REFUSED', 'no link')
        }),
    ),
  ),
  fault(
    'keeps its epoch after it lost everything',
    'K7 a store that lost',
    epochs(
      () => 'always-the-same',
      (history) => history.slice(-1),
    ),
  ),
  fault('gives epochs ids that sort the other way round', 'K7 a store that lost', epochs(reversed)),
  fault(
    'tells the epoch that goes on, and none before it',
    'K7 a store that was rolled back',
    histories((history) => history.slice(-1)),
  ),
  fault(
    'says that an epoch began at place 0',
    'K7 a store that was rolled back',
    histories((history) => history.map(({ id }) => ({ id, floor: 0 }))),
  ),
  fault(
    'goes on with a session after a loss',
    'K7 a store that lost',
    sinks((sink) => ({ stale: (error) => (/another epoch/.test(error.message) ? undefined : sink.stale(error)) })),
  ),
  fault('does not begin a later epoch when it is asked to', 'K7 an emptied store', () => ({
    beginEpoch: async () => true,
  })),
  fault('says that it cannot begin a later epoch', 'K7 an emptied store', () => ({ beginEpoch: async () => false })),
  fault('empties itself to begin a later epoch', 'K7 beginEpoch', ({ intact, hub }) => ({
    async beginEpoch(id, after) {
      const isPossible = await intact.beginEpoch(id, after)
      const keys = hub.collection(id).state.stored.map(({ key }) => key)
      await intact.write(id, {
        writer: `${Math.random()}`,
        sequence: 1,
        writes: keys.map((key) => ({ kind: 'delete', key })),
      })
      return isPossible
    },
  })),
  fault('promises to begin an epoch after any id', 'K7 H9', ({ intact }) => ({
    beginEpoch: async (id, after) => {
      await intact.beginEpoch(id, after)
      return true
    },
  })),
  fault('throws at the id of an epoch that it does not understand', 'K7 H9', ({ intact }) => ({
    async beginEpoch(id, after) {
      if (await intact.beginEpoch(id, after)) return true
      throw new MemisError('STORE_REFUSED', 'no epoch can follow')
    },
  })),
  fault(
    'tells an item that vanished as deleted',
    'K7 an item that vanished',
    told((entry) => (entry.isLost ? { ...entry, isLost: undefined, item: null, cause: 'delete' } : entry)),
  ),
  fault(
    'does not tell of items that vanished',
    'K7 an item that vanished',
    told((entry) => (entry.isLost ? null : entry)),
  ),
  fault(
    'refuses the version of an item that vanished',
    'K7 an item that vanished',
    merges((merge, { hub }) => async (id, base, entries) => {
      const lost = hub
        .collection(id)
        .state.stored.filter(({ content }) => content.kind === 'lost')
        .map(({ key }) => key)
      return entries.some(({ key }) => lost.includes(key))
        ? entries.map(() => ({ current: null }))
        : merge(id, base, entries)
    }),
  ),
  fault('loses what was written since when it begins an epoch', 'K7 lost items', ({ intact, hub }) => ({
    async merge(id, base, entries) {
      const keys = hub.collection(id).state.stored.map(({ key }) => key)
      await intact.write(id, {
        writer: `${Math.random()}`,
        sequence: 1,
        writes: keys.map((key) => ({ kind: 'delete', key })),
      })
      return intact.merge(id, base, entries)
    },
  })),
]
