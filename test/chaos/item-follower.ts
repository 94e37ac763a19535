/** A replica of items that tell who wrote them: each event is checked against that. */
import type { Change, Collection } from '../../src'
import { Follower, type FollowerOptions } from './follower'
import { type Item, isGenuine, isSteady, ownerOf } from './item'

/** An expiry may seem early by so many ms: the clocks of the store and of this process count whole ms. */
const clockSlack = 3

export class ItemFollower extends Follower<Item> {
  /** The items that were ever visible, as `writer n`. */
  readonly seen = new Set<string>()
  /** The number of the last item that was seen of a key that has an owner. */
  readonly #last = new Map<string, number>()
  readonly #mayRepeat: boolean

  /** `mayRepeat`: the store recognises a repeated write only as long as the item that it wrote is there. */
  constructor(collection: Collection<Item>, mayRepeat: boolean, options: FollowerOptions) {
    super(collection, options)
    this.#mayRepeat = mayRepeat
  }

  override ended(): void {
    super.ended()
    this.#last.clear()
  }

  protected override onSet({ key, item }: Change<Item>): void {
    this.seen.add(`${item.by} ${item.n}`)
    if (!isGenuine(key, item)) this.wrong('invented', `${key} is ${JSON.stringify(item)}, which nobody wrote`)
    const owner = ownerOf(key)
    if (owner === undefined) return
    if (owner !== item.by) this.wrong('invented', `${key} is of ${item.by}`)
    if (this.mode !== 'kept') return
    const last = this.#last.get(key) ?? -1
    const isRepeated = this.#mayRepeat && item.n === last && item.ttl !== null && !this.shadow.has(key)
    if (item.n <= last && !isRepeated) {
      this.wrong('K1', `${key} went from item ${last} back to ${item.n}: ${this.historyOf(key)}`)
    }
    this.#last.set(key, item.n)
  }

  protected override onGone({ kind, key, item }: Change<Item>, isOfVersion: boolean): void {
    if (kind === 'delete' && isSteady(key) && this.mode !== 'accept') {
      this.wrong('false delete', `${key}, which nobody ever deleted: ${this.historyOf(key)}`)
    }
    // Otherwise the expiry is of a later item that this replica never had.
    if (kind !== 'expire' || !isOfVersion) return
    const left = item.ttl === null ? Infinity : item.at + item.ttl - Date.now()
    if (left > clockSlack) this.wrong('X1', `${key} expired ${left} ms too early: ${this.historyOf(key)}`)
  }
}
