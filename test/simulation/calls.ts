/** The writes that users make, from the call to its settling. A call of several steps makes one of these for each of its attempts. */
import { compare } from '../../src/core/history'
import type { Revision, Write } from '../../src/core/transport'
import type { VirtualTime } from './time'

/** What is known of a call when it is made. */
export interface CallFacts {
  /** The collection of a client. */
  readonly follower: string
  /** Null for a clear. */
  readonly keys: readonly string[] | null
  readonly text: string
  /** Who made it. */
  readonly process: { readonly stalled: boolean; readonly resumedAt: number }
  /** A plain set: while it waits, a newer write may take its place. */
  readonly isReplaceable?: boolean
  /** A plain write, which takes the place of such a set. */
  readonly replaces?: boolean
  /** One step of a call that takes several. */
  readonly isAttempt?: boolean
}

export interface Call extends CallFacts {
  readonly id: number
  readonly since: number
  /** It was not refused at once. */
  wasQueued: boolean
  /** The point in the ledger's order by which it had taken effect. */
  order: number | null
  existed: boolean
  /** The keys under which it found nothing. */
  readonly absent: Set<string>
  /** The revisions that it was accepted with, by key; '' for a clear. */
  readonly revisions: Map<string, Revision>
  /** What it was refused with: the error's `stored`. */
  refused: 'no' | 'unknown' | null
  settled: number
}

export class Calls {
  /** The call that is being made: what is queued meanwhile is its write. */
  current: Call | null = null
  readonly open = new Set<Call>()
  readonly #byWrite = new WeakMap<Write, Call>()
  /** By collection of a client and key, in their order. Clears have the key ''. */
  readonly #made = new Map<string, Call[]>()
  readonly #time: VirtualTime
  #count = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  begin(facts: CallFacts): Call {
    const id = ++this.#count
    const text = `${facts.follower}#${id} ${facts.text}`
    const nothingYet = { wasQueued: false, order: null, existed: false, refused: null, settled: 0 }
    const call: Call = {
      ...facts,
      id,
      text,
      since: this.#time.now,
      ...nothingYet,
      absent: new Set(),
      revisions: new Map(),
    }
    this.open.add(call)
    for (const key of call.keys ?? ['']) {
      const made = this.#madeOf(call, key)
      if (made.push(call) === 1) this.#made.set(`${call.follower}/${key}`, made)
    }
    return call
  }

  /** For a set that newer writes have replaced: the first of these that took effect. */
  successor(call: Call): Call | undefined {
    if (!call.isReplaceable || call.keys === null) return undefined
    const made = [...this.#madeOf(call, call.keys[0] as string), ...this.#madeOf(call, '')]
    const later = made.filter(({ id, wasQueued }) => id > call.id && wasQueued).sort((a, b) => a.id - b.id)
    for (const each of later) {
      if (!each.replaces) return undefined
      if (each.order !== null) return each
      if (!each.isReplaceable) return undefined
    }
    return undefined
  }

  /** Whether a delete of this follower found nothing, and was answered with that revision: it may be another write's. */
  foundNothing(follower: string, key: string, revision: Revision): boolean {
    return (this.#made.get(`${follower}/${key}`) ?? []).some(({ absent, revisions }) => {
      const answered = absent.has(key) ? revisions.get(key) : undefined
      return answered !== undefined && compare(answered, revision) === 0
    })
  }

  bind(write: Write, call: Call): void {
    this.#byWrite.set(write, call)
  }

  of(write: Write): Call | undefined {
    return this.#byWrite.get(write)
  }

  #madeOf({ follower }: Call, key: string): Call[] {
    return this.#made.get(`${follower}/${key}`) ?? []
  }
}
