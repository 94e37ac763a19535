/** A fault that is planted in the memory transport, and the means to plant one. */

import type {
  Accepted,
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Epoch,
  Host,
  Outcome,
  Sink,
  Transport,
  Write,
} from '../../../src/transport-kit'
import type { MemoryHub } from '../../../src/transports/memory/hub'
import type { StoredCollection } from '../../../src/transports/memory/store'
import type { MemoryTransport } from '../../../src/transports/memory/transport'

export interface Fault {
  /** What the transport does wrong. */
  readonly does: string
  /** The suite and the beginning of the titles of the cases that must notice. */
  readonly suite: 'transport' | 'api'
  readonly cases: string
  readonly plant: Plant
}

/** What a fault is made of: the intact transport, its hub, and a memory that all transports of a case share. */
export interface Site {
  readonly intact: MemoryTransport
  readonly hub: MemoryHub
  readonly shared: Map<string, unknown>
}

/** Gives what is put in place of the intact transport's methods. */
export type Plant = (site: Site) => Partial<Transport>

export const fault = (does: string, cases: string, plant: Plant): Fault => ({ does, suite: 'transport', cases, plant })

export const apiFault = (does: string, cases: string, plant: Plant): Fault => ({ does, suite: 'api', cases, plant })

/** Another batch is handed to the store. */
export const batches =
  (other: (batch: Batch, id: CollectionId, site: Site) => Batch): Plant =>
  (site) => ({ write: (id, batch) => site.intact.write(id, other(batch, id, site)) })

/** Other writes are handed to the store. */
export const writes = (other: (write: Write, site: Site) => Write): Plant =>
  batches((batch, _, site) => ({ ...batch, writes: batch.writes.map((write) => other(write, site)) }))

/** The store's answer to a batch is another one. */
export const outcomes =
  (other: (outcomes: readonly Outcome[], batch: Batch, site: Site, id: CollectionId) => readonly Outcome[]): Plant =>
  (site) => ({
    async write(id, batch) {
      return other(await site.intact.write(id, batch), batch, site, id)
    },
  })

/** The answer to each accepted write is another one. */
export const acceptances = (other: (accepted: Accepted, write: Write, site: Site) => Outcome): Plant =>
  outcomes((all, { writes }, site) =>
    all.map((outcome, i) => ('n' in outcome ? other(outcome, writes[i] as Write, site) : outcome)),
  )

/** Sinks are told something else. */
export const sinks =
  (other: (sink: Sink, id: CollectionId, from: Cursor | null, site: Site) => Partial<Sink>): Plant =>
  (site) => ({
    watch: (id, from, sink) => site.intact.watch(id, from, { ...straight(sink), ...other(sink, id, from, site) }),
  })

/** Sinks are told other entries. */
export const told = (other: (entry: Entry, id: CollectionId, site: Site) => Entry | null): Plant =>
  sinks((sink, id, _, site) => ({
    entries: (list, isAtomic) =>
      sink.entries(
        list.flatMap((entry) => other(entry, id, site) ?? []),
        isAtomic,
      ),
  }))

/** Sinks are told another history. */
export const histories = (other: (history: readonly Epoch[]) => readonly Epoch[]): Plant =>
  sinks((sink) => ({ begin: (mode, history) => sink.begin(mode, other(history)) }))

/** The transport is opened with another host. */
export const hosts =
  (other: (host: Host) => Partial<Host>): Plant =>
  ({ intact }) => ({ open: (host) => intact.open({ ...straightHost(host), ...other(host) }) })

/** Several faults at once, that are one. */
export const together =
  (...plants: readonly Plant[]): Plant =>
  (site) =>
    Object.assign({}, ...plants.map((plant) => plant(site)))

/** The store's word on a key, whatever is told. */
export const storedItem = (stored: StoredCollection, key: string) =>
  stored.state.stored.find((each) => each.key === key && each.content.kind === 'item')

export const nameOf = (id: CollectionId): string => JSON.stringify(id)

export const straight = (sink: Sink): Sink => ({
  begin: (mode, history) => sink.begin(mode, history),
  entries: (list, isAtomic) => sink.entries(list, isAtomic),
  live: (cursor) => sink.live(cursor),
  stale: (error) => sink.stale(error),
})

const straightHost = (host: Host): Host => ({
  ...host,
  up: () => host.up(),
  down: (error) => host.down(error),
  report: (error) => host.report(error),
})

/** The intact transport with a fault, and with what the hooks of its store use. */
export function faulty(site: Site, plant: Plant): Transport {
  const { intact } = site
  const whole = {
    ...{ name: 'broken', lacks: [], clock: intact.clock, maxItemBytes: intact.maxItemBytes, isLocal: true as const },
    ...{ faults: intact.faults, cut: () => intact.cut(), heal: () => intact.heal() },
    open: (host: Host) => intact.open(host),
    write: (id: CollectionId, batch: Batch) => intact.write(id, batch),
    merge: (...args: Parameters<Transport['merge']>) => intact.merge(...args),
    watch: (...args: Parameters<Transport['watch']>) => intact.watch(...args),
    beginEpoch: (id: CollectionId, after: string) => intact.beginEpoch(id, after),
    close: () => intact.close(),
  }
  return Object.assign(whole, plant(site))
}
