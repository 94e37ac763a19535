/** Two replicas under whatever happens to them, against a store that is simple enough to be seen through. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Change } from '../../src/core/contents'
import { contains, currentEpoch, precedes } from '../../src/core/history'
import { Replica } from '../../src/core/replica'
import type { Accepted, Entry, Merged, Revision, Write } from '../../src/core/transport'
import { FakeClock } from '../support/fake-clock'
import { deleteOf, setOf } from '../support/fake-transport'
import fc from '../support/fast-check'
import { ReferenceStore } from '../support/reference-store'
import { revisionOf } from '../support/revisions'

const test = suite('replica model')
const numRuns = 500

interface Item {
  v: number
}

interface Session {
  readonly epoch: string
  /** What is still to be told of the contents, then of what changed since. */
  readonly left: Entry[]
  readonly feed: Entry[]
  readonly cursor: Revision
  isLive: boolean
}

/** A replica, and what is on its way to it. */
class Follower {
  readonly replica: Replica<Item>
  readonly replayed = new Map<string, unknown>()
  /** The newest version of each item that an event named. */
  readonly newest = new Map<string, Revision>()
  session: Session | null = null
  readonly #world: World
  readonly #last = new Map<string, Revision>()
  #answers: { readonly write: Write; readonly accepted: Accepted }[] = []
  #merging: { readonly entry: Entry; readonly answer: Merged }[] = []
  #told: Entry[] = []

  constructor(world: World) {
    this.#world = world
    this.replica = new Replica<Item>(world.clock, 1e9, {
      changed: (change) => this.#changed(change),
      report: assert.fail,
    })
  }

  own(write: Write): void {
    const accepted = this.#world.store.write(write)
    this.#answers.push({ write, accepted })
  }

  /** The answer to the oldest own write arrives. */
  answer(): void {
    const next = this.#answers.shift()
    if (next === undefined) return
    const isElsewhere = this.replica.written([next.write], [next.accepted])
    if (isElsewhere && this.session !== null) this.cut()
  }

  loseAnswers(): void {
    this.#answers = []
  }

  begin(prefersSnapshot: boolean): void {
    if (this.session !== null) return
    const { store, restores } = this.#world
    const later = restores ? this.replica.laterEpoch(store.history) : null
    if (later !== null) store.beginEpoch(later)
    const { mode, history, entries, cursor } = store.read(this.replica.cursor, prefersSnapshot)
    this.#told = []
    if (!this.replica.begin(mode, history, restores)) return this.begin(true)
    this.session = { epoch: cursor.epoch, left: [...entries], feed: [], cursor, isLive: false }
  }

  /** Tells more of the contents, or of what changed. */
  deliver(count: number): void {
    const { session } = this
    if (session === null) return
    if (session.epoch !== currentEpoch(this.#world.store.history).id) return this.cut()
    if (!session.isLive) {
      this.#tell(session.left.splice(0, count))
      if (session.left.length > 0) return
      session.isLive = true
      this.replica.live(session.cursor)
      return
    }
    const changes = session.feed.splice(0, count)
    // What a clear takes has one place.
    while (changes.length > 0 && placeOf(session.feed[0]) === placeOf(changes.at(-1))) {
      changes.push(...session.feed.splice(0, 1))
    }
    this.#tell(changes)
    const last = changes.at(-1)
    if (last !== undefined) this.replica.live(last.place ?? last)
  }

  /** Tells something of this session again, late. A snapshot is told as the store has it: no echo within it. */
  echo(which: number): void {
    const echo = this.#told[which % Math.max(1, this.#told.length)]
    if (echo !== undefined && this.session?.isLive) this.replica.entries([structuredClone(echo)])
  }

  /** Offers some of what the store lost. */
  merge(count: number): void {
    if (!this.session?.isLive || this.#merging.length > 0) return
    if (this.session.epoch !== currentEpoch(this.#world.store.history).id) return this.cut()
    const entries = this.replica.lost.keys.slice(0, count).flatMap((key) => this.replica.restorable(key) ?? [])
    const answers = this.#world.store.merge(this.replica.base, entries)
    this.#merging = entries.map((entry, i) => ({ entry, answer: answers[i] as Merged }))
  }

  /** The answers to that arrive. */
  merged(): void {
    for (const { entry, answer } of this.#merging.splice(0)) {
      this.replica.merged(entry, answer)
      // The store knows better, and may lose what it knows again.
      if ('current' in answer) this.newest.delete(entry.key)
    }
  }

  cut(): void {
    this.session = null
    this.#merging = []
    this.replica.outOfTouch()
  }

  check(): void {
    assert.equal(this.replica.items.size, this.replayed.size)
    for (const [key, item] of this.replica.items) assert.equal(this.replayed.get(key), item)
  }

  /** Lets everything arrive; returns whether there was something. */
  settle(): boolean {
    while (this.#answers.length > 0) this.answer()
    if (this.session !== null && this.session.epoch !== currentEpoch(this.#world.store.history).id) this.cut()
    const wasLive = this.session?.isLive ?? false
    this.begin(false)
    this.deliver(Infinity)
    const changes = this.session?.feed.length ?? 0
    this.deliver(Infinity)
    this.merged()
    const { size } = this.replica.lost
    this.merge(Infinity)
    this.merged()
    return !wasLive || changes + size > 0
  }

  #tell(list: readonly Entry[]): void {
    this.#told.push(...structuredClone(list))
    this.replica.entries(list)
  }

  #changed({ kind, key, item, previous, revision }: Change<Item>): void {
    const before = this.replayed.get(key)
    assert.equal(previous, before)
    if (kind === 'set') {
      assert.equal(this.replica.items.get(key), item)
      assert.notDeepEqual(item, before)
      this.replayed.set(key, item)
    } else {
      assert.equal(this.replica.items.get(key), undefined)
      assert.equal(item, before)
      assert.ok(this.replayed.delete(key))
    }
    const named = revisionOf(revision)
    const last = this.#last.get(key)
    if (last !== undefined && precedes(named, last)) {
      const { history } = this.#world.store
      assert.ok(!contains(history, last), `${key} went back from ${last.epoch}.${last.n} to ${revision}`)
    }
    this.#last.set(key, named)
    const newest = this.newest.get(key)
    // What is gone may be named by the place up to which a snapshot was told.
    if (kind === 'set' && (newest === undefined || precedes(newest, named))) this.newest.set(key, named)
  }
}

const placeOf = (entry: Entry | undefined) => (entry?.place ?? entry)?.n

class World {
  readonly clock = new FakeClock()
  readonly store: ReferenceStore
  readonly followers: readonly Follower[]

  constructor(readonly restores: boolean) {
    this.store = new ReferenceStore(this.clock, (entry) => {
      for (const { session } of this.followers) session?.feed.push(structuredClone(entry))
    })
    this.followers = [new Follower(this), new Follower(this)]
  }

  check(): void {
    for (const follower of this.followers) follower.check()
  }

  /** Lets everything arrive everywhere, until nothing happens any more. */
  settle(): void {
    for (let round = 0; this.followers.map((follower) => follower.settle()).some(Boolean); round++) {
      assert.ok(round < 20, 'it comes to rest')
    }
  }
}

const key = fc.constantFrom('a', 'b', 'c', '__proto__')
const item = fc.record({ v: fc.nat(2) })
const ttlMs = fc.option(fc.integer({ min: 1, max: 60 }), { freq: 2 })
const set = fc.tuple(key, item, ttlMs).map(([key, item, ttlMs]): Write => setOf(key, item, ttlMs))
const remove = key.map((key): Write => deleteOf(key))
const clear = fc.constant<Write>({ kind: 'clear' })
const write = fc.oneof({ weight: 6, arbitrary: set }, { weight: 3, arbitrary: remove }, { weight: 1, arbitrary: clear })

const show = (write: Write) => JSON.stringify(write, (name, value) => (name === 'item' ? value.json : value))

interface Step {
  act(world: World): void
  [fc.toStringMethod](): string
}

type Doing<Of> = readonly [name: string, act: (of: Of) => void]
type Weighted = readonly [weight: number, step: fc.Arbitrary<Step>]

/** A step of the world. */
const world = <A>(argument: fc.Arbitrary<A>, make: (argument: A) => Doing<World>) =>
  argument.map((argument): Step => {
    const [name, act] = make(argument)
    return { act, [fc.toStringMethod]: () => name }
  })

/** A step of one of the followers. */
const one = <A>(argument: fc.Arbitrary<A>, make: (argument: A) => Doing<Follower>) =>
  world(fc.tuple(fc.nat(1), argument), ([i, argument]) => {
    const [name, act] = make(argument)
    return [`${i}: ${name}`, ({ followers }) => act(followers[i] as Follower)]
  })

const always = fc.constant(null)
const few = fc.integer({ min: 1, max: 3 })
const time = fc.integer({ min: 1, max: 40 })
const share = fc.double({ min: 0, max: 0.99, noNaN: true })

const usual: Weighted[] = [
  [4, world(write, (w) => [`another's ${show(w)}`, ({ store }) => store.write(w)])],
  [2, world(time, (ms) => [`${ms} ms`, ({ clock }) => clock.advance(ms)])],
  [4, one(write, (w) => [`own ${show(w)}`, (follower) => follower.own(w)])],
  [3, one(always, () => ['answer', (follower) => follower.answer()])],
  [5, one(few, (count) => [`deliver ${count}`, (follower) => follower.deliver(count)])],
  [2, one(fc.nat(40), (i) => [`echo ${i}`, (follower) => follower.echo(i)])],
  [3, one(fc.boolean(), (whole) => [`begin, whole: ${whole}`, (follower) => follower.begin(whole)])],
  [1, one(always, () => ['cut', (follower) => follower.cut()])],
]
const merges: Weighted[] = [
  [2, one(few, (count) => [`merge ${count}`, (follower) => follower.merge(count)])],
  [2, one(always, () => ['merged', (follower) => follower.merged()])],
]
const losses: Weighted[] = [
  [1, world(share, (share) => [`lose the end after ${share}`, ({ store }) => store.loseEnd(share)])],
  [
    1,
    world(fc.boolean(), (isBehind) => [`lose all, clock behind: ${isBehind}`, ({ store }) => store.loseAll(isBehind)]),
  ],
  [1, one(always, () => ['lose answers', (follower) => follower.loseAnswers()])],
]
const forgetting: Weighted[] = [[1, world(always, () => ['forget', ({ store }) => store.forget()])]]

const list = (...steps: Weighted[]) =>
  fc.array(fc.oneof(...steps.map(([weight, arbitrary]) => ({ weight, arbitrary }))), { maxLength: 100, size: 'max' })

function live(world: World, steps: readonly Step[]): void {
  for (const step of steps) {
    step.act(world)
    world.check()
  }
  world.settle()
  world.check()
}

/** What has a ttl expires in a replica later than in the store, by as long as it travelled. */
function assertEqualInTheEnd({ clock, store, followers }: World): void {
  for (const { replica } of followers) {
    assert.deepEqual(replica.lost.keys, [])
    const lasting = [...replica.items].filter(([key]) => replica.describe(key)?.leftMs === null)
    assert.deepEqual(Object.fromEntries(lasting), store.contents(false), 'a replica equals the store')
  }
  clock.advance(1000)
  for (const { replica } of followers) {
    assert.deepEqual(Object.fromEntries(replica.items), store.contents(), 'so it does when all has expired')
  }
  assert.equal(clock.pending, 0)
}

test('E2 K1 events replayed give the replica, no key goes back, and in the end replicas equal the store', () => {
  fc.assert(
    fc.property(list(...usual, ...forgetting), (steps) => {
      const world = new World(true)
      live(world, steps)
      assertEqualInTheEnd(world)
    }),
    { numRuns },
  )
})

test('K7 so it is if the store loses what it had, and the replicas take its word', () => {
  fc.assert(
    fc.property(list(...usual, ...losses, ...forgetting), (steps) => {
      const world = new World(false)
      live(world, steps)
      assertEqualInTheEnd(world)
    }),
    { numRuns },
  )
})

test('K7 so it is if they restore it, though tombstones are forgotten', () => {
  fc.assert(
    fc.property(list(...usual, ...merges, ...losses, ...forgetting), (steps) => {
      const world = new World(true)
      live(world, steps)
      assertEqualInTheEnd(world)
    }),
    { numRuns },
  )
})

test('K7 as long as tombstones are kept, the store ends up with all that a replica ever knew, or something newer', () => {
  fc.assert(
    fc.property(list(...usual, ...merges, ...losses), (steps) => {
      const world = new World(true)
      live(world, steps)
      for (const { newest } of world.followers) {
        for (const [key, revision] of newest) {
          assert.ok(world.store.knows(key, revision), `${key} of ${revision.epoch}.${revision.n} is lost for good`)
        }
      }
      assertEqualInTheEnd(world)
    }),
    { numRuns },
  )
})

test.run()
