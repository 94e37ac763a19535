/** The items of a replica as a `ReadonlyMap`. */

import type { CollectionEvents } from './collection-events'
import { type MemisError, quote } from './errors'
import { Emitter } from './events'
import { toPlainObject } from './inspect'
import type { DeepReadonly } from './types'

/** Gives the view its items, or null for none. No method, so that users cannot call it. */
export let hold: <T extends object>(view: MapView<T>, items: ReadonlyMap<string, DeepReadonly<T>> | null) => void

export abstract class MapView<T extends object>
  extends Emitter<CollectionEvents<T>>
  implements ReadonlyMap<string, DeepReadonly<T>>
{
  /** The items of the subscription: `get` is called most, and each step on the way to them is felt. */
  #held: ReadonlyMap<string, DeepReadonly<T>> | null = null

  /** The item of that key, or undefined. The very same frozen object at each call, until the item changes. */
  get(key: string): DeepReadonly<T> | undefined {
    return this.#items.get(key)
  }

  has(key: string): boolean {
    return this.#items.has(key)
  }

  get size(): number {
    return this.#items.size
  }

  keys(): MapIterator<string> {
    return this.#items.keys()
  }

  values(): MapIterator<DeepReadonly<T>> {
    return this.#items.values()
  }

  entries(): MapIterator<[string, DeepReadonly<T>]> {
    return this.#items.entries()
  }

  [Symbol.iterator](): MapIterator<[string, DeepReadonly<T>]> {
    return this.#items.entries()
  }

  forEach(
    callback: (item: DeepReadonly<T>, key: string, map: ReadonlyMap<string, DeepReadonly<T>>) => void,
    thisArg?: unknown,
  ): void {
    if (typeof callback !== 'function') throw new TypeError(`${quote(callback)} is not a function`)
    for (const [key, item] of this.#items) Reflect.apply(callback, thisArg, [item, key, this])
  }

  /** The items as a plain object. */
  toJSON(): Record<string, DeepReadonly<T>> {
    return toPlainObject(this.#items)
  }

  /** @internal Why nothing can be read. */
  abstract unreadable(): MemisError

  get #items(): ReadonlyMap<string, DeepReadonly<T>> {
    return this.#held ?? this.#refuse()
  }

  #refuse(): never {
    throw this.unreadable()
  }

  static {
    hold = (view, items) => {
      view.#held = items
    }
  }
}
