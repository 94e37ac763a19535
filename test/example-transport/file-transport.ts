/**
 * A complete transport, to learn from: processes of one machine share a directory, with a JSON file per collection.
 * It imports nothing of memis but `memis/transport`. `docs/transports.md` goes through it.
 *
 * Every change reads the file, changes the state, and puts a new file in place of the old one, under a lock. Every
 * session reads the file when it has changed, and tells what was placed since.
 */
import { createHash, randomUUID } from 'node:crypto'
import { type FSWatcher, mkdirSync, readFileSync, renameSync, rmdirSync, statSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Batch,
  backoff,
  type Clock,
  type CollectionId,
  type Cursor,
  compare,
  contains,
  currentEpoch,
  disconnected,
  type Entry,
  type Epoch,
  epochAt,
  epochTolerance,
  type Gone,
  type Host,
  isSameHistory,
  type KeyWrite,
  MemisError,
  type Merged,
  type Outcome,
  outOfTouch,
  precedes,
  type Revision,
  type Sink,
  systemClock,
  type Transport,
  type Watch,
} from '../../src/transport-kit'

/** What the store holds of a key: an item, as JSON, or a tombstone. */
interface Stored {
  readonly place: number
  /** Of an entry that was merged: the revision that it keeps. */
  readonly revision?: Revision
  readonly json?: string
  readonly cause?: Gone
  /** It was written by an atomic batch. */
  readonly isAtomic?: boolean
  /** When an item expires, or a tombstone is forgotten: ms since 1970. */
  readonly until: number | null
}

interface Answer {
  readonly sequence: number
  readonly outcomes: readonly Outcome[]
  readonly at: number
}

/** Everything that the file of a collection holds. */
interface State {
  history: Epoch[]
  head: number
  /** Tombstones at this place or before may be missing. */
  forgotten: number
  /** The place of the last clear. */
  cleared: number
  /** How long tombstones are kept: for the most patient client. */
  retention: number
  /** By key. Maps are kept as lists: in an object, a key might be `__proto__`. */
  entries: Map<string, Stored>
  /** The last answer to each writer. */
  answers: Map<string, Answer>
}

/** A writer that was silent for an hour is forgotten, unless writes may be retried for longer. */
const writerMemory = 3_600_000
/** A lock this old (ms) is of a process that died. */
const oldestLock = 5000

export class FileTransport implements Transport {
  readonly name = 'file'
  readonly lacks = lacks
  readonly maxItemBytes = 16 * 1024 * 1024
  readonly clock: Clock
  readonly #directory: string
  readonly #sessions = new Set<Session>()
  /** The newest place that this process knows of each file: a store that knows less has been rolled back. */
  readonly #seen = new Map<string, Revision>()
  #host!: Host
  #link: { is: 'down' | 'closed' } | { is: 'up'; watcher: FSWatcher } = { is: 'down' }
  #timer: unknown
  #failures = 0

  /** The directory must exist: that it does is what being connected means here. */
  constructor(directory: string, clock: Clock = systemClock) {
    this.#directory = directory
    this.clock = clock
  }

  open(host: Host): void {
    this.#host = host
    this.#after(0, () => this.#connect())
  }

  write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    return this.#change(id, (state, now) => writeBatch(state, batch, now, this.#host.writeTimeout))
  }

  merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    return this.#change(id, (state, now) => entries.map((entry) => mergeEntry(state, base, entry, now)))
  }

  beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    return this.#change(id, (state, now) => renameEpoch(state, after, now))
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    const file = fileOf(id)
    const session = new Session(file, this.#host, () => this.#read(file), from, sink)
    this.#sessions.add(session)
    // A store that was emptied or rolled back begins another epoch, before anything is told of it.
    const prepared = this.#host.readOnly ? Promise.resolve() : this.#change(id, () => undefined)
    prepared
      .then(() => session.check())
      .catch((error) => (error instanceof MemisError ? session.end(error) : this.#disconnect(error)))
    return {
      close: () => {
        this.#sessions.delete(session)
        session.close()
      },
    }
  }

  async close(): Promise<void> {
    if (this.#link.is === 'up') this.#link.watcher.close()
    this.#link = { is: 'closed' }
    this.clock.clearTimeout(this.#timer)
  }

  #connect(): void {
    try {
      const watcher = watch(this.#directory, (_, file) => this.#checkSessions(file))
      watcher.on('error', () => {}) // the timer notices
      this.#link = { is: 'up', watcher }
      this.#failures = 0
      this.#host.up()
      this.#tick()
    } catch (error) {
      this.#host.down(disconnected('the directory cannot be read', error))
      this.#after(backoff(50, this.#failures++), () => this.#connect())
    }
  }

  /** Notifications of a file system may be lost. Reading the files is also the proof that a session is current. */
  #tick(): void {
    this.#checkSessions()
    if (this.#link.is !== 'up') return
    const { auditInterval, livenessTimeout } = this.#host
    this.#after(Math.min(auditInterval, livenessTimeout / 4), () => this.#tick())
  }

  /** Checks the sessions of a file, or all. */
  #checkSessions(file?: string | null): void {
    try {
      statSync(this.#directory)
      for (const session of [...this.#sessions]) if (file == null || file === session.file) session.check()
    } catch (error) {
      this.#disconnect(error)
    }
  }

  #disconnect(cause: unknown): void {
    if (this.#link.is !== 'up') return
    this.#link.watcher.close()
    this.#link = { is: 'down' }
    const error = disconnected('the directory is gone', cause)
    for (const session of [...this.#sessions]) session.end(error)
    this.#host.down(error)
    this.clock.clearTimeout(this.#timer)
    this.#after(backoff(50, this.#failures++), () => this.#connect())
  }

  #after(ms: number, callback: () => void): void {
    this.#timer = this.clock.setTimeout(callback, ms)
  }

  /** Changes a state under the lock of its file. Whatever `change` throws leaves the file as it was. */
  async #change<R>(id: CollectionId, change: (state: State, now: number) => R): Promise<R> {
    if (this.#host.readOnly) throw new MemisError('READ_ONLY', 'the client only reads', { stored: 'no' })
    const file = fileOf(id)
    const lock = join(this.#directory, `${file}.lock`)
    const deadline = this.clock.now() + oldestLock + 1000
    while (!this.#tryLock(lock)) {
      if (this.clock.now() > deadline) throw new MemisError('DISCONNECTED', 'the file is locked', { stored: 'no' })
      await new Promise<void>((resolve) => this.clock.setTimeout(resolve, 1 + 4 * Math.random()))
    }
    let isStored = false
    try {
      const state = this.#read(file) ?? emptyState()
      const now = Date.now()
      state.retention = Math.max(state.retention, this.#host.retention)
      if (isRolledBack(state, this.#seen.get(file))) beginEpoch(state, now)
      expire(state, now)
      const result = change(state, now)
      const path = join(this.#directory, file)
      writeFileSync(`${path}.new`, encode(state))
      isStored = true // or may be
      renameSync(`${path}.new`, path)
      this.#see(file, state)
      return result
    } catch (error) {
      if (error instanceof MemisError) throw error
      this.#disconnect(error)
      throw new MemisError('DISCONNECTED', 'the file was not written', {
        cause: error,
        stored: isStored ? 'unknown' : 'no',
      })
    } finally {
      this.#unlock(lock)
    }
  }

  #tryLock(lock: string): boolean {
    if (this.#link.is !== 'up') throw new MemisError('DISCONNECTED', 'the directory is gone', { stored: 'no' })
    try {
      mkdirSync(lock)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        this.#disconnect(error)
        throw new MemisError('DISCONNECTED', 'the directory is gone', { cause: error, stored: 'no' })
      }
      // Whoever held it for so long has died.
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Infinity
      if (since < Date.now() - oldestLock) this.#unlock(lock)
      return false
    }
  }

  #unlock(lock: string): void {
    try {
      rmdirSync(lock)
    } catch {} // the directory is gone, or another process has removed the lock
  }

  /** The state in the file; undefined if there is none. */
  #read(file: string): State | undefined {
    const path = join(this.#directory, file)
    statSync(this.#directory) // throws if the directory is gone
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
    const state = decode(readFileSync(path, 'utf8'))
    if (!isRolledBack(state, this.#seen.get(file))) this.#see(file, state)
    return state
  }

  #see(file: string, { history, head }: State): void {
    this.#seen.set(file, { epoch: currentEpoch(history).id, n: head })
  }
}

type Live = { readonly is: 'live'; readonly history: readonly Epoch[]; place: number }

/** A session reads the file when it may have changed, and tells what was placed since. */
class Session {
  readonly file: string
  readonly #host: Host
  readonly #read: () => State | undefined
  readonly #from: Cursor | null
  readonly #sink: Sink
  #state: { is: 'opening' | 'over' } | Live = { is: 'opening' }

  constructor(file: string, host: Host, read: () => State | undefined, from: Cursor | null, sink: Sink) {
    this.file = file
    this.#host = host
    this.#read = read
    this.#from = from
    this.#sink = sink
  }

  check(): void {
    if (this.#state.is === 'over') return
    const state = this.#read() ?? { ...emptyState(), history: [nowhere] }
    expire(state, Date.now())
    const { history, head, forgotten } = state
    if (this.#state.is === 'live') {
      const isBroken = !isSameHistory(history, this.#state.history) || head < this.#state.place
      if (isBroken) return this.end(outOfTouch('the store was emptied or rolled back'))
      if (this.#state.place < forgotten) return this.end(outOfTouch('tombstones were forgotten before they were told'))
    }
    const live = this.#state.is === 'live' ? this.#state : this.#begin(state)
    this.#tell(state, live.place)
    live.place = head
    if (this.#state === live) this.#sink.live({ epoch: currentEpoch(history).id, n: head })
  }

  #begin({ history, forgotten }: State): Live {
    const from = this.#from
    const isDelta = from !== null && from.n >= forgotten && contains(history, from)
    const live: Live = { is: 'live', history, place: isDelta ? from.n : 0 }
    this.#state = live
    this.#sink.begin(isDelta ? 'delta' : 'snapshot', history)
    return live
  }

  /** If an atomic batch is among it, everything is told as one: a later write may have replaced a part of the batch. */
  #tell(state: State, after: number): void {
    const now = Date.now()
    const changed = [...state.entries].filter(([, { place }]) => place > after)
    const entries = changed.map(([key, stored]) => this.#limited(entryOf(state, key, stored, now), stored.json))
    this.#sink.entries(
      entries,
      changed.some(([, { isAtomic }]) => isAtomic),
    )
  }

  /** The entry without its item, if that is larger than the client accepts. */
  #limited(entry: Entry, json = ''): Entry {
    if (Buffer.byteLength(json) <= this.#host.maxItemBytes) return entry
    this.#host.report(new MemisError('LIMIT_EXCEEDED', 'the item is larger than maxItemBytes', { key: entry.key }))
    return { ...entry, item: undefined }
  }

  end(error: MemisError): void {
    if (this.#state.is === 'over') return
    this.#state = { is: 'over' }
    this.#sink.stale(error)
  }

  close(): void {
    this.#state = { is: 'over' }
  }
}

/** The history of a collection that was never written, as somebody sees it who only reads. */
const nowhere: Epoch = { id: '0', floor: 0 }

const lacks = [
  { clause: 'S2', reason: 'the file keeps the last write of a key, so values in quick succession are skipped' },
  { clause: 'X2', reason: 'processes share no clock but that of the wall' },
]

function writeBatch(state: State, batch: Batch, now: number, writeTimeout: number): readonly Outcome[] {
  const { writer, sequence, writes, isAtomic } = batch
  const last = state.answers.get(writer)
  if (last?.sequence === sequence) return last.outcomes.map((outcome, i) => aged(outcome, writes[i], now - last.at))
  if (last !== undefined && last.sequence > sequence) {
    throw new MemisError('STORE_REFUSED', 'a later batch of this writer was accepted before', { stored: 'no' })
  }
  const conflicts = isAtomic ? writes.map((write) => conflictOf(state, write as KeyWrite, now)) : []
  const outcomes = conflicts.some((conflict) => conflict !== undefined)
    ? conflicts.map((conflict) => conflict ?? { aborted: true as const })
    : writes.map((write) =>
        write.kind === 'clear'
          ? clear(state, now)
          : (conflictOf(state, write, now) ?? take(state, write, now, isAtomic)),
      )
  state.answers.set(writer, { sequence, outcomes, at: now })
  const oldest = now - Math.max(writerMemory, 2 * writeTimeout)
  for (const [name, { at }] of state.answers) if (at < oldest) state.answers.delete(name)
  return outcomes
}

/** What was answered some time ago, with the time that is left now. */
function aged(outcome: Outcome, write: Batch['writes'][number] | undefined, age: number): Outcome {
  if (write?.kind !== 'set' || !('n' in outcome)) return outcome
  const leftMs = outcome.leftMs === undefined ? write.ttlMs : outcome.leftMs
  return typeof leftMs === 'number' ? { ...outcome, leftMs: Math.max(0, leftMs - age) } : outcome
}

function conflictOf(state: State, { key, if: condition }: KeyWrite, now: number): Outcome | undefined {
  if (condition === undefined) return undefined
  const stored = state.entries.get(key)
  const revision = stored?.json === undefined ? null : revisionOf(state, stored)
  const holds = condition === null || revision === null ? condition === revision : compare(revision, condition) === 0
  return holds ? undefined : { conflict: stored === undefined ? null : entryOf(state, key, stored, now) }
}

function take(state: State, write: KeyWrite, now: number, isAtomic?: boolean): Outcome {
  const { key } = write
  const { history, entries } = state
  const before = entries.get(key)
  const existed = before?.json !== undefined
  const accepted = (more = {}) => ({ epoch: currentEpoch(history).id, n: state.head, existed, ...more })
  if (write.kind === 'check') return accepted()
  if (write.kind === 'set') {
    const isKept = write.ttlMs === 'keep'
    const leftMs = write.ttlMs === 'keep' ? leftOf(existed ? before : undefined, now) : write.ttlMs
    put(state, key, { isAtomic, json: write.item.json, until: leftMs === null ? null : now + leftMs })
    return accepted(isKept ? { leftMs } : {})
  }
  const isOfThisEpoch = before?.revision === undefined && (before?.place ?? 0) > currentEpoch(history).floor
  if (!existed && before !== undefined && isOfThisEpoch) return accepted({ cause: before.cause })
  // Even if nothing was found: a replica may be about to restore an item that is older than this delete.
  put(state, key, { isAtomic, cause: 'delete', until: now + state.retention })
  return accepted()
}

function clear(state: State, now: number): Outcome {
  const keys = [...state.entries].filter(([, { json }]) => json !== undefined).map(([key]) => key)
  state.cleared = ++state.head
  for (const key of keys) {
    state.entries.set(key, { place: state.head, cause: 'delete', until: now + state.retention })
  }
  return { epoch: currentEpoch(state.history).id, n: state.head, existed: keys.length > 0 }
}

function mergeEntry(state: State, base: Revision, entry: Entry, now: number): Merged {
  const { key, epoch, n, item, leftMs, cause = 'delete' } = entry
  const stored = state.entries.get(key)
  const current = stored === undefined ? null : entryOf(state, key, stored, now)
  const isCleared = state.cleared > 0 && precedes(entry, revisionAt(state, state.cleared))
  const followed = contains(state.history, base) ? base.n : 0
  const isNewer = current === null ? state.forgotten <= followed : precedes(current, entry)
  if (isCleared || !isNewer) return { current }
  const revision = { epoch, n }
  if (item === null) put(state, key, { revision, cause, until: now + state.retention })
  else put(state, key, { revision, json: JSON.stringify(item), until: leftMs === null ? null : now + leftMs })
  return { place: revisionAt(state, state.head) }
}

function put(state: State, key: string, stored: Omit<Stored, 'place'>): void {
  state.entries.set(key, { place: ++state.head, ...stored })
}

/** Makes tombstones of items whose time is over, and forgets tombstones. */
function expire(state: State, now: number): void {
  for (const [key, stored] of state.entries) {
    const { until, json } = stored
    if (until === null || until > now) continue
    const forgotten = json === undefined ? until : until + state.retention
    if (forgotten > now)
      state.entries.set(key, { ...stored, json: undefined, cause: 'expire', until: forgotten } as Stored)
    else {
      state.entries.delete(key)
      state.forgotten = Math.max(state.forgotten, stored.place)
    }
  }
}

/** The current epoch goes on under an id that sorts after `after`, with everything that it has. False if it cannot. */
function renameEpoch(state: State, after: string, now: number): boolean {
  const { id, floor } = currentEpoch(state.history)
  if (id > after || state.history.some((epoch) => epoch.id === after)) return true
  if (!/^\d{15}-[\w-]+$/.test(after) || timeOf(after) > now + epochTolerance) return false
  const epoch = epochId(Math.max(now, timeOf(after) + 1))
  state.history = [...state.history.slice(0, -1), { id: epoch, floor }]
  for (const [key, stored] of state.entries) {
    if (stored.revision?.epoch === id) state.entries.set(key, { ...stored, revision: { ...stored.revision, epoch } })
  }
  return true
}

function beginEpoch(state: State, now: number): void {
  const id = epochId(Math.max(now, timeOf(currentEpoch(state.history).id) + 1))
  state.history = [...state.history, { id, floor: state.head }]
}

const epochId = (time: number) => `${String(time).padStart(15, '0')}-${randomUUID()}`

const timeOf = (id: string) => Number(id.slice(0, 15))

/** Whether the file knows less than this process was told before. */
const isRolledBack = ({ history, head }: State, seen: Revision | undefined): boolean =>
  seen !== undefined && currentEpoch(history).id === seen.epoch && head < seen.n

const revisionAt = ({ history }: State, place: number): Revision => ({ epoch: epochAt(history, place), n: place })

const revisionOf = (state: State, { place, revision }: Stored): Revision => revision ?? revisionAt(state, place)

const leftOf = (stored: Stored | undefined, now: number): number | null =>
  stored?.until == null || stored.json === undefined ? null : stored.until - now

function entryOf(state: State, key: string, stored: Stored, now: number): Entry {
  const { json, cause, place, revision } = stored
  return {
    ...{ key, ...revisionOf(state, stored), leftMs: leftOf(stored, now), item: parse(json), cause },
    ...(revision && { place: revisionAt(state, place) }),
  }
}

/** Null for a tombstone, undefined for what is no JSON. */
function parse(json: string | undefined): unknown {
  try {
    return json === undefined ? null : JSON.parse(json)
  } catch {
    return undefined
  }
}

function emptyState(): State {
  const history = [{ id: epochId(Date.now()), floor: 0 }]
  return { history, head: 0, forgotten: 0, cleared: 0, retention: 0, entries: new Map(), answers: new Map() }
}

const encode = (state: State) => JSON.stringify({ ...state, entries: [...state.entries], answers: [...state.answers] })

function decode(text: string): State {
  const state = JSON.parse(text)
  return { ...state, entries: new Map(state.entries), answers: new Map(state.answers) }
}

/** The name of a collection's file: readable if it can be, and different for different names. */
export function fileOf({ prefix, database, collection }: CollectionId): string {
  const names = [prefix, database, collection]
  if (names.every((name) => /^[a-z0-9_-]{1,50}$/.test(name))) return `${names.join('.')}.json`
  return `${createHash('sha256').update(JSON.stringify(names)).digest('hex')}.json`
}
