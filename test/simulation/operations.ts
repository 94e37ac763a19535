/**
 * The contents that users give to items, and what was to become of them: an update starts from what its function was given, a patch
 * keeps the other fields, an increment counts once.
 */

/** An item. Contents are told apart by `v`. `t` is the `v` with which the whole item was written last. */
export interface Item {
  readonly k: string
  readonly v: number
  readonly t: number
}

/** A call that reads, changes and writes. */
export interface Operation {
  readonly kind: 'update' | 'patch' | 'increment'
  readonly text: string
  readonly key: string
  /** For an increment: what it adds to `v`. Otherwise the `v` that it writes. */
  readonly v: number
  /** For an update: the contents that its function was given last; null for no item. */
  base: Item | null
  /** The points in the ledger's order at which it took effect. */
  readonly taken: number[]
}

/** What the store has of a key. */
type Contents = Pick<Item, 'v' | 't'>

/** One step of a call, and its effect on an item. */
export interface Step {
  readonly after: Contents
  readonly before: Contents | undefined
  readonly keepsTtl: boolean
  /** It has another ttl than before, or none any more. */
  readonly changesTtl: boolean
  readonly order: number
  /** When the store lost something last. */
  readonly lostAt: number
}

/** Sums of a thousand of these stay exact, and do not meet by chance. */
const largestIncrement = 2 ** 42

export class Operations {
  #count = 0
  readonly #byContents = new Map<number, Operation>()
  readonly #increments = new Map<number, Operation>()
  readonly #broughtBack = new Set<number>()

  /** Contents that no item has had. */
  item(key: string): Item {
    const v = ++this.#count
    // The order of the fields is no difference.
    return v % 2 === 0 ? { k: key, v, t: v } : { t: v, v, k: key }
  }

  change(kind: 'update' | 'patch', key: string, text: string): Operation {
    const operation: Operation = { kind, key, text, v: ++this.#count, base: null, taken: [] }
    this.#byContents.set(operation.v, operation)
    return operation
  }

  /** `random`: from 0 to 1. */
  increment(key: string, text: string, random: number): Operation {
    const v = 1 + Math.floor(random * largestIncrement)
    const operation: Operation = { kind: 'increment', key, text: `${text} ${v}`, v, base: null, taken: [] }
    this.#increments.set(v, operation)
    return operation
  }

  /** `replaceAll` writes contents that were there once. */
  bringBack(v: number): void {
    this.#broughtBack.add(v)
  }

  /**
   * A step of a call takes effect: it sets `after` in place of `before`. Returns what is wrong with that, if
   * anything.
   */
  took({ after, before, keepsTtl, changesTtl, order, lostAt }: Step): string | null {
    const { v, t } = after
    const operation = this.#byContents.get(v) ?? this.#increments.get(v - (before?.v ?? 0))
    if (v === before?.v && t === before.t) return keepsTtl ? 'nothing is new' : null
    // `setMany` and `replaceAll` write whole items.
    if (this.#broughtBack.has(v) || (operation === undefined && v === t && !keepsTtl)) return null
    if (operation === undefined) return `${v} is not made of ${before?.v}`
    const { kind, text, base, taken } = operation
    const last = taken.at(-1)
    taken.push(order)
    if (last !== undefined && last > lostAt) return `${text} counts twice`
    if (kind !== 'update' && changesTtl) return `${text} takes the ttl away`
    if (kind === 'update') return base?.v === before?.v ? null : `${text} was made of ${base?.v}, not of ${before?.v}`
    return t === before?.t ? null : `${text} did not keep ${before?.t}`
  }
}
