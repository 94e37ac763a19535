/** A sink that records what it is told, and checks what must be true of every session. */
import { MemisError } from '../../core/errors'
import { compare, contains, currentEpoch, isEpochId } from '../../core/history'
import type { Cursor, Entry, Epoch, Sink, Watch } from '../../core/transport'
import { must, show } from '../assert'
import { eventually } from '../waiting'

export class Recorder implements Sink {
  mode: 'snapshot' | 'delta' | undefined
  history: readonly Epoch[] = []
  cursor: Cursor | undefined
  error: MemisError | undefined
  /** How many times `live` was called. */
  lives = 0
  /** Each call of `entries`. */
  readonly lists: { readonly entries: readonly Entry[]; readonly isAtomic: boolean }[] = []
  /** The newest entry of each key. */
  readonly newest = new Map<string, Entry>()
  /** Called after each call of `entries`. */
  onEntries: () => void = () => {}
  readonly #from: Cursor | null
  readonly #patience: number
  readonly #violated: (what: string) => void
  #watch: Watch | undefined
  #isClosed = false

  constructor(from: Cursor | null, patience: number, violated: (what: string) => void) {
    this.#from = from
    this.#patience = patience
    this.#violated = violated
  }

  begin(mode: 'snapshot' | 'delta', history: readonly Epoch[]): void {
    this.#check('begin', this.mode === undefined, 'it was called twice')
    this.#check('begin', mode === 'snapshot' || (mode === 'delta' && this.#from !== null), `its mode is ${show(mode)}`)
    this.#check('begin', isHistory(history), `this is no history: ${show(history)}`)
    this.mode = mode
    this.history = history
  }

  entries(list: readonly Entry[], isAtomic = false): void {
    this.#check('entries', this.mode !== undefined, 'it was called before begin')
    this.lists.push({ entries: list, isAtomic })
    for (const entry of list) {
      const flaw = flawOf(entry, this.history)
      if (flaw !== undefined) {
        this.#violated(`${flaw}: ${show(entry)}, in the history ${show(this.history)}`)
        continue
      }
      const known = this.newest.get(entry.key)
      if (known === undefined || compare(known, entry) <= 0) this.newest.set(entry.key, entry)
    }
    this.onEntries()
  }

  live(cursor: Cursor): void {
    this.#check('live', this.mode !== undefined, 'it was called before begin')
    const { epoch, n } = cursor
    const current = this.history.length === 0 ? undefined : currentEpoch(this.history).id
    this.#check('live', epoch === current, `its epoch is ${epoch}, and that which goes on is ${current}`)
    this.#check('live', Number.isSafeInteger(n) && n >= (this.cursor?.n ?? 0), `${n} after ${this.cursor?.n}`)
    this.cursor = cursor
    this.lives++
  }

  stale(error: MemisError): void {
    this.#check('stale', error instanceof MemisError, `this is no MemisError: ${show(error)}`)
    this.error = error
  }

  attach(watch: Watch): void {
    this.#watch = watch
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watch?.close()
  }

  /** The items that are known, by key. */
  get items(): Record<string, unknown> {
    const items = [...this.newest].filter(([, { item }]) => item !== null && item !== undefined)
    return Object.fromEntries(items.map(([key, { item }]) => [key, item]))
  }

  /** What `set` stored under the key, or undefined. */
  valueOf(key: string): unknown {
    return (this.newest.get(key)?.item as { value?: unknown } | null | undefined)?.value
  }

  /** The values of a key that were told, in order; null for a tombstone. */
  valuesOf(key: string): unknown[] {
    const entries = this.lists.flatMap(({ entries }) => entries.filter((entry) => entry.key === key))
    return entries.map(({ item }) => (item as { value?: unknown } | null)?.value ?? null)
  }

  /** Waits until this holds of the session, which must go on. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await eventually(() => {
      must(this.error === undefined, `awaited: ${what}; but the session ended: ${this.error?.message}`, this.#seen)
      must(holds(), `awaited: ${what}`, this.#seen)
    }, this.#patience)
  }

  /** Waits until the session is live at this place, or after it. */
  async reached(n = 0): Promise<Cursor> {
    await this.until(`live(${n}) or later`, () => this.cursor !== undefined && this.cursor.n >= n)
    return this.cursor as Cursor
  }

  /** Waits until the session is over. */
  async ended(what: string): Promise<MemisError> {
    await eventually(() => must(this.error !== undefined, `awaited: stale, since ${what}`, this.#seen), this.#patience)
    return this.error as MemisError
  }

  get #seen(): unknown {
    const { mode, history, cursor, lists } = this
    const last = lists.slice(-3).flatMap(({ entries }) => entries.slice(-3))
    return { mode, history, cursor, keys: this.newest.size, last }
  }

  #check(call: string, holds: boolean, why: string): void {
    const state = this.#isClosed ? 'the watch was closed' : this.error && `stale was called: ${this.error.message}`
    if (state !== undefined) this.#violated(`${call} was called after ${state}`)
    else if (!holds) this.#violated(`${call}: ${why}`)
  }
}

function isHistory(history: readonly Epoch[]): boolean {
  return (
    history.length > 0 &&
    history.every(({ id, floor }, i) => {
      const before = history[i - 1]
      const isInOrder = before === undefined || (before.id < id && before.floor <= floor)
      return isEpochId(id) && Number.isSafeInteger(floor) && floor >= 0 && isInOrder
    })
  )
}

/** What is wrong with an entry in itself. */
function flawOf(entry: Entry, history: readonly Epoch[]): string | undefined {
  const { key, epoch, n, item, leftMs, cause, place } = entry
  if (typeof key !== 'string' || key === '') return 'an entry without a key'
  if (!isEpochId(epoch) || !Number.isSafeInteger(n) || n < 1) return 'an entry without a revision'
  if (leftMs !== null && !Number.isFinite(leftMs)) return 'leftMs is neither null nor a number'
  if (item === null && cause !== 'delete' && cause !== 'expire') return 'a tombstone without a cause'
  if (!contains(history, place ?? { epoch, n })) return 'an entry with a place outside of the history'
  return undefined
}
