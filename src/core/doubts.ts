/**
 * What a store lost, or may have: keys of which a replica knows a later change than the store's history has. The store's
 * newer changes overrule them; the rest is put back, or given up. No I/O.
 */
import { precedes } from './epochs'
import type { Change, Revision } from './transport'

/** What came of a store's loss: how many keys it lost, and how many of those some replica has put back. */
export interface LossReport {
  readonly lost: number
  readonly restored: number
}

/** What became of a key. */
export type Fate = Exclude<Change, { kind: 'lost' }>

/** An older state of a key, which the store has instead, and when it was told. */
export interface Older {
  readonly change: Fate
  readonly at: number
}

interface Doubt {
  /** When the store took what is in doubt. */
  readonly origin: Revision
  /** Up to this number the store's history is the one in which it was taken. */
  floor: number
  /** It is an own write, of an epoch that no session had begun. */
  readonly isOwn: boolean
  older: Older | undefined
}

export class Doubts {
  readonly #doubts = new Map<string, Doubt>()
  #lost = 0
  #restored = 0

  get size(): number {
    return this.#doubts.size
  }

  get keys(): string[] {
    return [...this.#doubts.keys()]
  }

  get(key: string): Readonly<Doubt> | undefined {
    return this.#doubts.get(key)
  }

  /** What is in doubt already keeps its first origin. */
  raise(key: string, origin: Revision, floor: number, isOwn = false): void {
    const doubt = this.#doubts.get(key)
    if (doubt !== undefined) {
      doubt.floor = Math.max(doubt.floor, floor)
      return
    }
    this.#doubts.set(key, { origin, floor, isOwn, older: undefined })
    this.#lost++
  }

  /** The store parted from that history once more: what was told of it since does not count. */
  lower(floor: number): void {
    for (const doubt of this.#doubts.values()) {
      doubt.floor = Math.min(doubt.floor, floor)
      doubt.older = undefined
    }
  }

  /** The whole contents are told: what was told before, and is not told again, is gone. */
  retell(): void {
    for (const doubt of this.#doubts.values()) doubt.older = undefined
  }

  /**
   * Whether a change is no news of a key that is in doubt: the store has it from before what it lost, or somebody put back an
   * older one. It is kept, for the case that nothing comes of putting back what is in doubt.
   */
  overrules(change: Fate, at: number): boolean {
    const doubt = this.#doubts.get(change.key)
    if (doubt === undefined) return false
    const { n, origin } = change
    if (n > doubt.floor && (origin === undefined || !precedes(origin, doubt.origin))) return false
    doubt.older = { change, at }
    return true
  }

  /**
   * The store has a newer change of the key, numbered so, which may be the same contents, put back. An own write of an epoch that no
   * session had begun was not lost, as far as anybody can tell, where the numbers went on from it.
   */
  resolve(key: string, n: number, restored: boolean): void {
    const doubt = this.#doubts.get(key)
    if (doubt === undefined) return
    this.#doubts.delete(key)
    if (restored) this.#restored++
    else if (doubt.isOwn && n >= doubt.origin.n) this.#lost--
  }

  /** Ends a doubt without an answer; gives what the store has instead. */
  giveUp(key: string): Older | undefined {
    const older = this.#doubts.get(key)?.older
    this.#doubts.delete(key)
    return older
  }

  /** Ends all doubts: everything was deleted as of a number, or they get no answer. Returns whether there were any. */
  clear(n = 0): boolean {
    const { size } = this.#doubts
    for (const key of this.keys) this.resolve(key, n, false)
    return size > 0
  }

  /** What came of the loss that was noticed last; told once. */
  takeReport(): LossReport {
    const report = { lost: this.#lost, restored: this.#restored }
    this.#lost = 0
    this.#restored = 0
    return report
  }
}
