/** Objects by name, each kept only as long as somebody else holds it: the same name gives the same object, and nothing piles up. */
export class WeakCache<V extends object> {
  readonly #refs = new Map<string, WeakRef<V>>()
  readonly #collected = new FinalizationRegistry<string>((name) => {
    if (this.#refs.get(name)?.deref() === undefined) this.#refs.delete(name)
  })

  get size(): number {
    return this.#refs.size
  }

  get(name: string, make: () => V): V {
    const held = this.#refs.get(name)?.deref()
    if (held !== undefined) return held
    const made = make()
    this.#refs.set(name, new WeakRef(made))
    this.#collected.register(made, name)
    return made
  }
}
