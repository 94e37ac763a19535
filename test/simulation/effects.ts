/** Writes take effect in the order of the calls, once, and never after they were refused as not stored. */
import type { Write } from '../../src/core/transport'
import type { Call } from './calls'

export class Effects {
  #landed = new Set<Write>()
  /** The id of the last call that took effect: by follower, then by key; '' for clears. */
  #last = new Map<string, Map<string, number>>()

  /** The store has lost something: what was lost may take effect again. */
  forget(): void {
    this.#landed = new Set()
    this.#last = new Map()
  }

  /** A write takes effect. Returns what is wrong with that, if anything. */
  note(write: Write, call: Call | undefined): readonly [invariant: string, detail: string] | null {
    const text = call?.text ?? JSON.stringify(write)
    if (this.#landed.has(write)) return ['once', `${text} took effect twice`]
    this.#landed.add(write)
    if (call === undefined) return null
    const last = this.#last.get(call.follower) ?? new Map<string, number>()
    this.#last.set(call.follower, last)
    const before = write.kind === 'clear' ? Math.max(0, ...last.values()) : this.#before(last, write.key)
    last.set(write.kind === 'clear' ? '' : write.key, Math.max(before, call.id))
    if (before > call.id) return ['order', `${text} took effect after call ${before}`]
    if (call.refused === 'no') return ['refused', `${text} took effect, though it was refused as not stored`]
    return null
  }

  #before(last: ReadonlyMap<string, number>, key: string): number {
    return Math.max(last.get(key) ?? 0, last.get('') ?? 0)
  }
}
