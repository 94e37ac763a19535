/**
 * The interface between the core and a store. A transport moves writes to its store and changes from it. It knows how
 * its store keeps order and nothing of replicas, events or expiry, which are the core's.
 *
 * **Log.** A store keeps a log per collection. Each accepted write, merge and clear takes the next *place* in it: a number
 * that is higher than all before it (gaps are allowed). Whoever has followed the log up to a place knows everything before it.
 *
 * **Epoch.** One unbroken history of the store. A store that lost or forked its contents begins another epoch. Its id sorts
 * after the ids before it, as a string (time first). The *history* of a store is the list of its epochs, each with the place
 * that it began after: places are numbered on across epochs.
 *
 * **Revision.** The name of one version of an item, for life: the epoch and the place of the write that made it. A store
 * that lost an item and gets it back by {@link Transport.merge} gives it a new place and keeps its revision. Revisions are
 * ordered by epoch, then place (`precedes`). A replica applies an entry if its revision is newer than the one it knows of that key.
 *
 * **Order.** A writer has one batch of a collection in flight. The writes of a batch take effect in their order, per key. An
 * entry may reach a sink more than once, or after a newer one of its key. `live(cursor)` says that everything up to there was told.
 *
 * **Ownership.** The core validates and encodes; what it hands over may be kept, never changed. The core freezes the
 * items that a sink is given; the transport may give the same objects to other sinks, and does not change them any more.
 *
 * **Failing.** Nothing here throws for a fault of the store: promises reject, a watch ends with `stale`, the link goes
 * `down`. All errors are {@link MemisError}s without secrets in them. A rejected write carries `stored`: `'no'` only if nothing of it can be stored.
 *
 * All durations are ms.
 */
import type { Clock } from './clock'
import type { EncodedItem } from './codec'
import type { MemisError } from './errors'

export interface Transport {
  /** Short, for messages: `redis`, `nats`, `memory`. */
  readonly name: string
  /** Clauses of the contract that the store cannot keep, with the reason. The conformance suites skip and print these. */
  readonly lacks: readonly Lack[]
  /** The time that the core and the transport count by: the system's, or a test double's. */
  readonly clock: Clock
  /** The largest item (bytes of its JSON text) that the store accepts, as far as is known by now. */
  readonly maxItemBytes: number
  /**
   * Set if the store lives in this process: a session that has not ended is current by construction. Without it, the core
   * declares a replica stale if `live` was not called for `livenessTimeout`.
   */
  readonly isLocal?: true

  /** Called once. Connects, and reconnects for ever with backoff and jitter after a loss. Tells the host of each. */
  open(host: Host): void

  /**
   * Has the store accept the writes and notify the watchers. Queues nothing: one call is one attempt. Resolves to one
   * outcome per write once the store has answered for all of them. Rejects with a retryable error (`DISCONNECTED`) if the outcome
   * is unknown, or if the store cannot accept now (then `stored` is `'no'`): the core hands over the same batch again, with the same
   * writer and sequence, and the store must not accept it twice. Any other rejection is final. A writer belongs to one
   * process: a transport that has accepted a batch of it must refuse one with a lower sequence, with `STORE_REFUSED`, `stored: 'no'`.
   */
  write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]>

  /**
   * Puts back what the store lost. Each entry is accepted if the store knows nothing newer of its key (see {@link Merged}); it
   * keeps its revision and takes a new place. `base` is the last place of the store's own history up to which the replica had followed: if the
   * store knows nothing of a key, but has forgotten tombstones placed after `base`, the entry is refused, since it may have been deleted.
   * Entries older than the last clear are refused. Watchers are notified. At most {@link mergeLimit} entries, of as many bytes as a
   * batch; each key once. Safe to repeat.
   */
  merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]>

  /**
   * Begins one unbroken session of following a collection. `from` is the last cursor of the replica, or null to be told
   * everything. The session calls `begin` once, then `entries`, then `live`; from then on `entries` and `live` as they come. As soon
   * as the transport cannot be sure that nothing is missing (link down, gap, subscription lost, another epoch), it calls
   * `stale` and the session is over; the core begins another. Only called while the link is up.
   */
  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch

  /**
   * Has the store begin an epoch that sorts after `after`. Called if the store's current epoch sorts before one that the replica
   * knows and the store does not: an emptied store whose clock is behind. What the store was given since then keeps its place and
   * is counted to the later epoch. Does nothing if the store's history lists `after`, or its current epoch sorts after it.
   * Resolves to false if the store will never do so: `after` is malformed, or more than {@link epochTolerance} ahead of the
   * store's clock. Then the replica accepts the contents of the store instead. After a rejection it is tried again.
   */
  beginEpoch(id: CollectionId, after: string): Promise<boolean>

  /** Ends all connections and timers, and settles what is in flight. Called once; nothing is called after it. */
  close(): Promise<void>
}

/** The most writes in a batch: a longer one would hold up the store for others. */
export const batchLimit = 1000
/** The most bytes (JSON text and keys) in a batch or a merge, unless it is atomic or has one write or entry. */
export const batchBytesLimit = 1024 * 1024
/** The most entries in a merge. */
export const mergeLimit = 500
/** An epoch id may be ahead of the store's clock by this much (ms): one day. */
export const epochTolerance = 86_400_000

/** A clause of the contract that a store cannot keep, and why. */
export interface Lack {
  readonly clause: string
  readonly reason: string
}

/** Names of a collection. They are valid by the core's word: well-formed, bounded, any character. */
export interface CollectionId {
  /** Keeps applications apart that share a store. '' if the user asked for none. */
  readonly prefix: string
  readonly database: string
  readonly collection: string
}

/** The name of one version of an item, or a place in the log. `n` is a safe integer; 0 is the place before the first write. */
export interface Revision {
  readonly epoch: string
  readonly n: number
}

/** One history of a store: its id, and the place that it began after. */
export interface Epoch {
  readonly id: string
  readonly floor: number
}

/** A place in the log, and whatever the transport needs beside it to resume there. */
export interface Cursor extends Revision {
  /** Opaque to the core, which gives it back as it was. */
  readonly memo?: unknown
}

/** How a tombstone came about. */
export type Gone = 'delete' | 'expire'

/** What a store knows of one key: an item or a tombstone, named by its revision. */
export interface Entry extends Revision {
  readonly key: string
  /**
   * What JSON.parse gave, unchecked. Null for a tombstone. Undefined if the store holds something there that cannot be
   * decoded, or should hold an item and does not (`isLost`).
   */
  readonly item: unknown
  /**
   * Remaining time of an item, counted from the call; null if it does not expire. A notification that was under way for longer than
   * the ttl has an item whose time is over: a newer one may follow.
   */
  readonly leftMs: number | null
  /** Of a tombstone. */
  readonly cause?: Gone | undefined
  /** Place in the log, if it is not that of the revision: the entry was merged there. */
  readonly place?: Revision | undefined
  /** The store should hold this item and does not, though nobody deleted it (evicted). */
  readonly isLost?: true | undefined
}

/** What the core is to its transport. */
export interface Host {
  /** How long tombstones are kept for replicas that are away. */
  readonly retention: number
  /** A dead link must be noticed within this time. */
  readonly livenessTimeout: number
  /** How often to look for changes that no notification told of. */
  readonly auditInterval: number
  /** How long a write may be retried: for at least twice as long, a repeated batch must be recognised. */
  readonly writeTimeout: number
  /** Largest item that this client accepts (bytes of JSON text), also from the store. */
  readonly maxItemBytes: number
  /** The client only reads: the transport must not write, create, sweep or begin epochs. */
  readonly readOnly: boolean
  /** The link is up: calls may come. */
  up(): void
  /** The link is down, or could not be made. A permanent error (`isPermanent`) refuses what waits; the transport goes on trying. */
  down(error: MemisError): void
  /** Something was ignored that should not have been there, or a background task failed. */
  report(error: MemisError): void
}

/** Writes of one writer to one collection. */
export interface Batch {
  /** Unguessable; unique to a client and the part of the keys that it writes in order. */
  readonly writer: string
  /** A positive integer that grows with each batch of the writer (with gaps). */
  readonly sequence: number
  /** At most {@link batchLimit}. A clear is always alone. */
  readonly writes: readonly Write[]
  /** If one condition fails, nothing is written. Otherwise all is written, and watchers are told it in one atomic `entries`. Each key at most once. */
  readonly isAtomic?: true
}

/** The revision that the item must have; null: there must be no item. */
export type Condition = Revision | null

export type Write =
  | /** Replaces the whole item. */ {
      readonly kind: 'set'
      readonly key: string
      readonly item: EncodedItem
      /** Counted from acceptance; null for no expiry; `'keep'`: the remaining time of the item that is there, if any. */
      readonly ttlMs: number | null | 'keep'
      /** Checked in the same step as the write. */
      readonly if?: Condition
    }
  | { readonly kind: 'delete'; readonly key: string; readonly if?: Condition }
  | /** Only in an atomic batch: writes nothing. */ {
      readonly kind: 'check'
      readonly key: string
      readonly if: Condition
    }
  | /** Deletes everything. Always alone in its batch. */ { readonly kind: 'clear' }

/** A write of one key. */
export type KeyWrite = Extract<Write, { key: string }>

/** What became of a write. */
export type Outcome = Accepted | Conflict | Aborted | Refused

/**
 * Accepted. The revision is the write's own; for a clear, everything placed there or before is gone. A delete that found
 * nothing has any place at which the key was already absent, and `cause` says whether it was deleted or expired, if known.
 */
export interface Accepted extends Revision {
  /** The store had an item under this key. Exact for deletes; a store may say false for sets. */
  readonly existed: boolean
  readonly cause?: Gone | undefined
  /** Remaining time of a set, if it is not its `ttlMs`: it was kept, the store allows less, or it was accepted some time ago. */
  readonly leftMs?: number | null | undefined
}

/** The condition failed, and nothing was written: the entry of the store, or null if it knows nothing of the key. */
export interface Conflict {
  readonly conflict: Entry | null
}

/** Another condition of the atomic batch failed, and nothing was written. */
export interface Aborted {
  readonly aborted: true
}

/** Refused by the store; the error's `stored` is set. */
export interface Refused {
  readonly error: MemisError
}

/** What became of a merged entry: accepted at a place; or the store keeps what it has, which may be older: null if it knows nothing of the key. */
export type Merged = { readonly place: Revision } | { readonly current: Entry | null }

/** The core's end of a watch. After `stale`, or after the watch is closed, it must not be called. */
export interface Sink {
  /**
   * `'delta'`: until `live`, each key placed after `from` is told, in its last state (tombstones too). `'snapshot'`: everything that
   * the store holds is told; what is not told is gone. `history` lists the epochs of the store, oldest first; the last one goes on.
   */
  begin(mode: 'snapshot' | 'delta', history: readonly Epoch[]): void
  /** `isAtomic`: the list is one transaction, and no reader may see a part of it. */
  entries(list: readonly Entry[], isAtomic?: boolean): void
  /** Everything up to the cursor has been told. The store itself proved it just now. Called again at least each `livenessTimeout / 2`. */
  live(cursor: Cursor): void
  stale(error: MemisError): void
}

export interface Watch {
  /** Ends the session. Called once, also after `stale`. */
  close(): void
}
