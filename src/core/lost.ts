/** Keys of which a replica knows something that the store has lost. */

/** What came of a loss: how many keys the store had lost, and how many of them some replica has restored. */
export interface LossReport {
  readonly lost: number
  readonly restored: number
}

export class Lost {
  readonly #keys = new Set<string>()
  #lost = 0
  #restored = 0

  get size(): number {
    return this.#keys.size
  }

  get keys(): string[] {
    return [...this.#keys]
  }

  has(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(key)
  }

  add(key: string): void {
    if (this.#keys.has(key)) return
    this.#keys.add(key)
    this.#lost++
  }

  /** The store knows the key again: by a restored entry, or by something newer. */
  resolve(key: string, isRestored: boolean): void {
    if (this.#keys.size > 0 && this.#keys.delete(key) && isRestored) this.#restored++
  }

  /** The store knew the key all the time. */
  found(key: string): void {
    if (this.#keys.size > 0 && this.#keys.delete(key)) this.#lost--
  }

  clear(): void {
    this.#keys.clear()
  }

  /** Reports once. */
  takeReport(): LossReport {
    const report = { lost: this.#lost, restored: this.#restored }
    this.#lost = this.#keys.size
    this.#restored = 0
    return report
  }
}
