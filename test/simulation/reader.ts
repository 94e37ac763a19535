/** One user's `for await` over the changes of a collection, at a pace of its own. Replayed, they must be the replica. */
import type { Change } from '../../src/core/contents'
import type { MemisError } from '../../src/core/errors'
import type { Follower } from './follower'
import type { Item } from './operations'
import type { World } from './world'

export class Reader {
  /** The changes, replayed. */
  readonly #items = new Map<string, Readonly<Item>>()
  readonly #world: World
  readonly #follower: Follower
  readonly #changes: AsyncIterableIterator<Change<Item>>
  /** The subscription that it reads. */
  readonly #generation: number
  /** Reads as fast as it can. */
  isEager: boolean
  #state: 'paused' | 'reading' | 'ended' = 'paused'

  constructor(world: World, follower: Follower, isEager: boolean) {
    this.#world = world
    this.#follower = follower
    this.isEager = isEager
    this.#changes = follower.collection.changes()
    this.#generation = follower.generation
    if (isEager) this.read()
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  /** Reads one change, or waits for it. */
  read(): void {
    if (this.#state !== 'paused') return
    this.#state = 'reading'
    this.#changes.next().then(
      ({ value, done }) => {
        if (done) return this.#ended(null)
        this.#state = 'paused'
        this.#apply(value)
        if (this.isEager) this.read()
      },
      (error: MemisError) => this.#ended(error),
    )
  }

  leave(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#changes.return?.()
  }

  /** Whoever waits for the next change has read all of them. */
  check(): void {
    if (this.#state !== 'reading') return
    const { shadow } = this.#follower
    const isSame = this.#items.size === shadow.size && [...shadow].every(([key, item]) => this.#items.get(key) === item)
    if (!isSame) this.#fail(`has ${show(this.#items)}, not ${show(shadow)}`)
  }

  #apply({ kind, key, item, previous }: Change<Item>): void {
    this.#world.trace(() => `${this.#follower.name} reads ${kind} ${key}=${item.v}`)
    if (previous !== this.#items.get(key)) this.#fail(`${kind} of ${key}: previous is ${previous?.v}`)
    if (kind === 'set') this.#items.set(key, item)
    else if (!this.#items.delete(key)) this.#fail(`${kind} of ${key}, which was not there`)
  }

  #ended(error: MemisError | null): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    const { generation, actor } = this.#follower
    if (generation === this.#generation) this.#fail(`ended too early: ${error?.code}`)
    if (error !== null && !(error.code === 'CLOSED' && actor.state !== 'open')) this.#fail(error.message)
  }

  #fail(detail: string): void {
    this.#follower.fail('S3', `a reader of changes: ${detail}`)
  }
}

const show = (items: ReadonlyMap<string, Readonly<Item>>) => [...items].map(([key, { v }]) => `${key}=${v}`).join(' ')
