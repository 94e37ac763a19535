/** Something that the leader has and that was not delivered. It may be on its way, or lost. */
export class Undelivered {
  /** Since when (the clock's time) it is missing, and up to where everything had been delivered then. */
  #missing: { readonly reached: number; readonly since: number } | null = null

  get isAwaited(): boolean {
    return this.#missing !== null
  }

  /** Whether it has not come for so many ms, nor anything else. `reached`: up to where everything is delivered now. */
  isLost(reached: number, now: number, patience: number): boolean {
    if (this.#missing?.reached === reached) return now - this.#missing.since >= patience
    this.#missing = { reached, since: now }
    return false
  }

  arrived(): void {
    this.#missing = null
  }
}
