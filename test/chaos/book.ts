/** What the store may hold in the end, judged by the journals of all writers. See shared.ts for the shared items. */
import type { Mode } from './follower'
import type { Item } from './item'
import type { Entry } from './journal'

export interface Writer {
  readonly name: string
  readonly entries: readonly Entry[]
  /** It was killed, or its replica was emptied: it cannot restore what it alone knew. */
  readonly forgetful: boolean
}

/** Deadlines are judged with so many ms of grace: a restored item lives a little longer. */
const grace = 3000
/** NATS removes an item within about a second of its deadline; on a busy machine, within so many ms. */
const longestRemoval = 10_000

export class Book {
  readonly #writers: readonly Writer[]
  readonly #mode: Mode
  readonly #lossy: boolean
  readonly #mayErase: boolean

  /** `losses`: how often the store lost everything. `mayErase`: see `ChaosStore`. */
  constructor(writers: readonly Writer[], mode: Mode, losses: number, mayErase: boolean) {
    this.#writers = writers
    this.#mode = mode
    this.#lossy = losses > 0
    this.#mayErase = mayErase
  }

  /** The keys of a collection that anybody ever wrote. */
  keys(collection: string): Set<string> {
    const all = this.#writers.flatMap(({ entries }) => entries.filter((entry) => entry.collection === collection))
    return new Set(all.map(({ key }) => key).filter((key) => key !== ''))
  }

  /** Why the store cannot hold this item under that key, or null. */
  contradiction(collection: string, key: string, item: Item | undefined, now: number): string | null {
    const possible = new Set<string>()
    for (const writer of this.#writers) {
      for (const one of this.#finals(writer, collection, key, now)) possible.add(one)
    }
    if (possible.size === 0) possible.add('absent')
    if (this.#mode === 'accept' && this.#lossy) possible.add('absent')
    const is = item === undefined ? 'absent' : `${item.by} ${item.n}`
    return possible.has(is) ? null : `${key} is ${is}, must be ${[...possible].join(' or ')}`
  }

  /** The last writes of a key, for the report of a violation. */
  story(collection: string, key: string): string[] {
    const all = this.#writers.flatMap(({ name, entries }) =>
      entries
        .filter((each) => each.collection === collection && (each.key === key || each.kind === 'clear'))
        .map((each) => ({ name, ...each })),
    )
    return all
      .sort((one, other) => one.at - other.at)
      .slice(-12)
      .map(({ name, kind, n, ttl, at, outcome, settledAt }) => {
        const end = settledAt === undefined ? '' : ` at ${settledAt % 100_000}`
        return `${at % 100_000} ${name}: ${kind} ${n}${ttl === null ? '' : `, ttl ${ttl}`}; ${outcome ?? 'open'}${end}`
      })
  }

  /** What one writer may have left under a key; empty if it wrote nothing there. */
  #finals({ name, entries, forgetful }: Writer, collection: string, key: string, now: number): string[] {
    const own = entries.filter((each) => each.collection === collection && (each.key === key || each.kind === 'clear'))
    const accepted = own.findLastIndex(({ outcome }) => outcome === 'ok')
    // What it alone knew may be lost with it: then anything that was ever stored is possible.
    const isLost = this.#lossy && forgetful
    const candidates = own.filter(({ outcome }, i) => {
      if (outcome === 'no') return false
      return isLost || i === accepted || (i > accepted && outcome !== 'ok')
    })
    const finals = candidates.flatMap((entry) => {
      if (entry.kind !== 'set') return ['absent']
      const { n, ttl, at, outcome, settledAt = Infinity } = entry
      const item = `${name} ${n}`
      if (this.#mayErase && this.#expiresAbout(collection, key, entry)) return [item, 'absent']
      if (ttl === null) return [item]
      if (now < at + ttl - 5) return [item]
      return outcome === 'ok' && now > settledAt + ttl + grace ? ['absent'] : [item, 'absent']
    })
    if (accepted === -1 || isLost) finals.push('absent')
    return own.length === 0 ? [] : finals
  }

  /** An older item of the key was over shortly before this one was accepted: the store may have been removing it just then. */
  #expiresAbout(collection: string, key: string, { at, settledAt = Infinity }: Entry): boolean {
    const older = this.#writers.flatMap(({ entries }) => entries.filter((each) => each.collection === collection))
    return older.some((each) => {
      if (each.key !== key || each.ttl === null || each.at >= at) return false
      const end = (each.settledAt ?? each.at) + each.ttl
      return end > at - longestRemoval && end < settledAt + grace
    })
  }

  /** Why an item that was seen should not have been, or null. */
  strangeness(seen: string): string | null {
    const [, by = '', n] = /^(.*) (\d+)$/.exec(seen) ?? []
    const writer = this.#writers.find(({ name }) => name === by)
    const entry = writer?.entries.find((each) => each.collection !== 'shared' && each.n === Number(n))
    if (entry === undefined) return `item ${n} of ${by} was seen, and never written`
    return entry.outcome === 'no' ? `${by}: ${entry.key} ${n} was seen, and refused as not stored` : null
  }
}
