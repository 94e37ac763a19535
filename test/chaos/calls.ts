/** The writing calls of a member: written to its journal, watched until they settle, and judged when they do. */
import type { ErrorCode, MemisError } from '../../src'
import type { Fail } from './follower'
import { type Entry, Journal, type Kind } from './journal'

export interface CallLimits {
  /** ms */
  readonly writeTimeout: number
  readonly maxPending: number
}

interface Open {
  readonly text: string
  readonly kind: Kind
  /** The collection and the key. */
  readonly where: string
  /** For how long its process had its turn meanwhile (ms). */
  age: number
}

/** With these, a call may fail while faults are injected. */
const usualCodes: readonly ErrorCode[] = ['WRITE_TIMEOUT', 'TOO_MANY_PENDING', 'CLOSED']
/** How long a call may take beyond `writeTimeout` on a busy machine (ms). */
const slack = 3000
/** An update is several writes, one after the other if it conflicts. */
const mostWrites: Partial<Record<Kind, number>> = { increment: 10, update: 10 }

export class Calls {
  count = 0
  /** How often calls failed, by code. */
  readonly refused: Record<string, number> = {}
  readonly #name: string
  readonly #journal: Journal
  readonly #limits: CallLimits
  readonly #lanes: number
  readonly #fail: Fail
  readonly #open = new Set<Open>()

  /** `lanes`: how many collections are written to. */
  constructor(name: string, journal: string, limits: CallLimits, lanes: number, fail: Fail) {
    this.#name = name
    this.#journal = new Journal(journal)
    this.#limits = limits
    this.#lanes = lanes
    this.#fail = fail
  }

  get open(): number {
    return this.#open.size
  }

  /** Makes a call. Resolves to null once it is accepted, or to its error. `codes`: with these it may fail, too. */
  async make(
    entry: Entry,
    run: () => PromiseLike<unknown>,
    codes: readonly ErrorCode[] = [],
  ): Promise<MemisError | null> {
    const { collection, key, kind, n } = entry
    this.count++
    const id = this.#journal.called(entry)
    const open: Open = { text: `${this.#name}: ${kind} ${key} ${n}`, kind, where: `${collection} ${key}`, age: 0 }
    this.#open.add(open)
    try {
      await run()
      this.#journal.settled(id, 'ok')
      return null
    } catch (error) {
      const { code, stored } = error as MemisError
      this.#journal.settled(id, stored ?? (codes.includes(code) ? 'no' : 'unknown'))
      this.refused[code] = (this.refused[code] ?? 0) + 1
      this.#judge(open, error as MemisError, codes)
      return error as MemisError
    } finally {
      this.#open.delete(open)
    }
  }

  /** Called from time to time: so many ms have passed. */
  tick(ms: number): void {
    const { writeTimeout, maxPending } = this.#limits
    for (const open of this.#open) {
      open.age += ms
      if (open.age < (mostWrites[open.kind] ?? 1) * writeTimeout * 1.1 + slack) continue
      this.#fail('W6', `${open.text} has not settled after ${Math.round(open.age)} ms`)
      this.#open.delete(open)
    }
    // Those that wait, and one batch in flight per collection, which waited before. Updates of a key wait for each other elsewhere.
    const plain = [...this.#open].filter(({ kind }) => mostWrites[kind] === undefined)
    const waiting = new Set(plain.map(({ where }) => where)).size
    if (waiting > maxPending * (1 + this.#lanes)) {
      this.#fail('W6', `${this.#name}: writes of ${waiting} keys wait, maxPending is ${maxPending}`)
    }
  }

  /** After the client was closed: nothing may be open. */
  close(): void {
    for (const { text } of this.#open) this.#fail('W6', `${text} never settled`)
    this.#journal.close()
  }

  #judge({ text }: Open, { code, stored, message }: MemisError, codes: readonly ErrorCode[]): void {
    if (codes.includes(code)) return
    if (!usualCodes.includes(code)) this.#fail('W6', `${text}: ${code} ${message}`)
    else if (stored !== 'no' && stored !== 'unknown') {
      this.#fail('W6', `${text} was refused without 'stored': ${code} ${message}`)
    }
  }
}
