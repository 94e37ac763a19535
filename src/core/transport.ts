/**
 * The contract between the core and a store. A transport moves writes to its store and changes from it; it knows how
 * its store numbers things and nothing of replicas, events or expiry, which are the core's.
 *
 * **Numbers.** Each write that a store takes gets a number from it, higher than that of every earlier write to the
 * same collection. Numbers are compared within an *epoch*: one unbroken history of the store. A store that lost or
 * forked its contents begins a new epoch, whose name is greater, as a string, than those of the epochs before it (by the
 * store's clock, at the least). A {@link Revision} is both.
 *
 * **Order.** A writer has one batch of a place under way: its next one is handed over when that has settled or was
 * given up. Where the transport `pipelines` it has two at most: the second names the first as the one that it `follows`. The
 * writes of a batch take effect in their order. A change may reach a sink
 * more than once or after a newer one of its key (the core compares numbers), but `live(at)` says that every change
 * up to `at` has been told.
 *
 * **Ownership.** The core validates and encodes; what it hands over may be kept, never changed. What a sink is given
 * the core reads, and freezes the items in place: nobody changes it any more, but other sinks may be given the same.
 *
 * **Failing.** Nothing here throws for a fault of the store: `write` rejects, a watch ends with `stale`, the link
 * goes `down`. All errors are {@link MemisError}s without secrets in them.
 */
import type { Clock } from './clock'
import type { EncodedItem } from './codec'
import type { MemisError } from './errors'

export interface Transport {
  /** Short, for messages: `redis`, `nats`, `memory`. */
  readonly name: string
  /** What the store cannot do, clause by clause of the contract; the conformance suite skips and prints these. */
  readonly lacks: readonly Lack[]
  /** The time that the core counts by: the system's, or a test double's. */
  readonly clock: Clock
  /** The largest item (bytes of its JSON text) that the store takes, as far as is known by now. */
  readonly maxItemBytes: number
  /**
   * Set where `write` may be called while the batch before is under way, with one that `follows` it: of each writer, the store knows
   * two batches again then. Where much is written, the store need not wait for the next batch.
   */
  readonly pipelines?: boolean

  /** Called once. Connects, and after a loss connects again for ever, with jitter; tells the host of each. */
  open(host: Host): void

  /**
   * Has the store take the writes, in order, all at once or one by one, and notify the watchers. Queues nothing.
   * Resolves when the store has answered for each. Rejects with `DISCONNECTED` where the outcome is not known: the
   * core then gives the same batch again (same `writer` and `sequence`), and the store must not take it twice; any other
   * error is an answer. A batch with a lower `sequence` than one already taken from that writer must be refused, unless that one
   * `follows` it: then it has its first answer again, or is taken as the rule of `follows` allows.
   */
  write(place: Place, batch: Batch): Promise<Written>

  /**
   * Begins one unbroken session of following a collection. `from` is what the replica has caught up to, or
   * null for an empty one. The session tells `begin` once, then `changes`, then `live`; from then on
   * `changes` and `live` as they come. As soon as the transport cannot vouch that nothing is missing (link down, gap in the
   * numbers, subscription lost, another epoch), it says `stale`, and the session is over: the core begins another
   * with the newest `from`. Before the link is up, it is not called.
   */
  watch(place: Place, from: Position | null, sink: Sink): Watch

  /** Ends all connections and timers. Called once; nothing is called after it. */
  close(): Promise<void>
}

/** A clause of the contract that a store cannot keep, and why. */
export interface Lack {
  readonly clause: string
  readonly reason: string
}

/** Where a collection lives. The names are valid by the core's word: well-formed, bounded, any character. */
export interface Place {
  /** Keeps applications apart that share a store; undefined where the user gave none. */
  readonly prefix: string | undefined
  readonly database: string
  readonly collection: string
}

/** The store's mark of order. `n` is a safe integer greater than 0, or 0 for 'before the first write'. */
export interface Revision {
  readonly epoch: string
  readonly n: number
}

/** What a replica has caught up to. `past` tells of the epochs before: up to which number each had the same history. */
export interface Position extends Revision {
  readonly past: readonly Revision[]
  /** Set where what changed is not enough: everything is to be told, whatever the revision. */
  readonly whole?: true
}

/** What the core is to its transport. */
export interface Host {
  /** How long deletes and expiries are remembered for replicas that are away (ms). */
  readonly retention: number
  /** Within what time a dead link must be noticed (ms). */
  readonly livenessTimeout: number
  /** How often to look for changes that no notification told of (ms). */
  readonly auditInterval: number
  /** How long a write may be retried (ms): for as long, at least, a batch must be known again. */
  readonly writeTimeout: number
  /** The link is up: writes and watches may come. */
  up(): void
  /** The link is down, or could not be made. A permanent error (`isPermanent`) refuses what waits; trying goes on. */
  down(error: MemisError): void
  /** Something was passed over that should not have been there. */
  report(error: MemisError): void
}

/** Writes of one writer to one place. `sequence` counts from 1 within writer and place. */
export interface Batch {
  readonly writer: string
  readonly sequence: number
  readonly writes: readonly Write[]
  /**
   * The batch before it, where that was under way when this one was handed over: no write of that one may take effect after one of
   * this one to the same key, also where it is given again. A store that has not taken that one may reject with `DISCONNECTED`; the
   * core then gives this one again, as it was but for this number, when that one has settled. Neither is a clear or restores.
   */
  readonly follows?: number
}

export type Write = { readonly restores?: Restores } & (
  | /** Replaces the whole item. `ttlMs` counts from when the store takes it; null for no expiry. */ {
      readonly kind: 'set'
      readonly key: string
      readonly item: EncodedItem
      readonly ttlMs: number | null
    }
  | { readonly kind: 'delete'; readonly key: string }
  | /** Deletes everything. Always alone in its batch. */ { readonly kind: 'clear' }
)

/** A write of one key. */
export type KeyWrite = Extract<Write, { key: string }>

/**
 * A write that puts back what the store lost. It is taken only if the store is still in `epoch`, and the store knows nothing of the key, or its number for
 * it is `floor` or lower, or it was itself put back from an older origin; else it is refused. A delete
 * that is taken leaves a mark even where there was nothing. All writes of a batch restore, in the same epoch, or none. The store
 * keeps the origin with what it took, and tells it with the change, also with that of its expiry. A write that does not restore ends
 * that: a delete does so also where nothing but a mark that was put back is there.
 */
export interface Restores {
  /** The epoch in which `floor` counts. */
  readonly epoch: string
  /** Up to this number the store's history is the one that the write was taken in. */
  readonly floor: number
  /** The revision of the write when a store first took it. */
  readonly origin: Revision
}

/** What the store made of a batch. */
export interface Written {
  readonly epoch: string
  readonly outcomes: readonly Outcome[]
}

export type Outcome =
  /**
   * Taken. What others have written over since may have a number between two of the store's, no whole one. For a delete that found nothing, `n` is any number as of which the key was absent, and `gone` says what
   * took the item where that is known. For a clear, everything numbered `n` or lower is gone. `leftMs` is the time that
   * a set has left, where that is not `ttlMs`: the store allows less, or had taken the write some time ago.
   */
  | { readonly n: number; readonly existed: boolean; readonly gone?: Gone; readonly leftMs?: number }
  /** A restoring write that was not taken: the store knows better, and watchers that were told all up to `asOf` know why. */
  | { readonly refused: true; readonly asOf: number }
  /** Refused by the store; the error's `stored` is set. */
  | { readonly error: MemisError }

export type Taken = Extract<Outcome, { readonly n: number }>

export type Gone = 'delete' | 'expire'

export type Change =
  /** `item` is what JSON.parse gave, unchecked; undefined where it cannot be parsed. `leftMs` counts from the call. */
  | {
      readonly kind: 'set'
      readonly key: string
      readonly n: number
      readonly item: unknown
      readonly leftMs: number | null
      /** Where it was put back after a loss: the revision that it first had. */
      readonly origin?: Revision | undefined
    }
  | { readonly kind: Gone; readonly key: string; readonly n: number; readonly origin?: Revision | undefined }
  /** The store should have an item of that number, and has none, though nobody deleted it. Told before `live` only. */
  | { readonly kind: 'lost'; readonly key: string; readonly n: number }

/** The core's end of a watch. After `stale`, or after the watch is closed, it must not be called. */
export interface Sink {
  /**
   * What follows until `live` is, for `'delta'`, each key that changed since `from`, in its last state; for
   * `'whole'`, each item that the store holds: what is not told is gone. From now on numbers are of `epoch`; those up
   * to `common` mean the same writes as in the epoch of `from`: `Infinity` where it is the same epoch, 0 where the
   * two share nothing that the transport knows of.
   */
  begin(how: 'delta' | 'whole', epoch: string, common: number): void
  changes(list: readonly Change[]): void
  /** Everything up to `n` has been told. Called again at will, it is proof that the replica is current. */
  live(n: number): void
  stale(error: MemisError): void
}

export interface Watch {
  /** Ends the session. Called once, also after `stale`. */
  close(): void
}
