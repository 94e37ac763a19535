/** The replica under whatever happens to it, against a store that is simple enough to be seen through. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Replica } from '../../src/core/replica'
import type { Change, Gone, Outcome, Write } from '../../src/core/transport'
import { FakeClock } from '../support/fake-clock'
import { gone, setOf, told } from '../support/fake-transport'
import fc from '../support/fast-check'

const test = suite('replica model')

interface Item {
  v: number
}

interface Stored {
  n: number
  /** Null where it is gone. */
  item: Item | null
  kind: Gone
  deadline: number
}

interface Taken {
  write: Write
  epoch: string
  outcome: Extract<Outcome, { n: number }>
}

/** Numbers writes, expires, remembers what is gone, and can lose its memory. Everything told is a copy. */
class Store {
  readonly #clock: FakeClock
  #epochs = 1
  #stored = new Map<string, Stored>()
  head = 0
  /** What is on its way to the replica. */
  feed: Change[] = []
  /** Every write that was ever taken, by revision: what an item of that number must be. */
  readonly written = new Map<string, Item>()

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  get epoch(): string {
    return `e${String(this.#epochs).padStart(4, '0')}` // names sort as their epochs do
  }

  take(write: Write): Taken {
    this.#expire()
    const { epoch } = this
    if (write.kind === 'clear') {
      const n = this.head
      for (const [key, { item }] of [...this.#stored]) if (item !== null) this.#put(key, null, Infinity)
      return { write, epoch, outcome: { n, existed: false } }
    }
    const before = this.#stored.get(write.key)
    const existed = before !== undefined && before.item !== null
    if (write.kind === 'set') {
      const item = write.item.item as Item
      const n = this.#put(write.key, item, write.ttlMs === null ? Infinity : this.#clock.now() + write.ttlMs)
      return { write, epoch, outcome: { n, existed } }
    }
    if (existed) return { write, epoch, outcome: { n: this.#put(write.key, null, Infinity), existed } }
    return { write, epoch, outcome: { n: this.head, existed, gone: before?.kind ?? 'delete' } }
  }

  /** Whether that number is still the last one of the key. */
  knows(key: string, n: number): boolean {
    return this.#stored.get(key)?.n === n
  }

  /** All there is, or what changed after a number. */
  read(after: number | null): Change[] {
    this.#expire()
    const list: Change[] = []
    for (const [key, { n, item, kind, deadline }] of this.#stored) {
      if (after !== null && n <= after) continue
      if (item !== null) list.push(this.#tell(key, n, item, deadline))
      else if (after !== null) list.push(gone(key, n, kind))
    }
    return list
  }

  /** Goes back to an older state, or to none, in a new epoch. */
  lose(keep: number): void {
    this.#epochs++
    this.head = keep % 2 === 0 ? 0 : Math.floor(this.head / 2)
    this.feed = []
    for (const [key, { n }] of this.#stored) if (n > this.head) this.#stored.delete(key)
    for (const [key, { n, item }] of this.#stored)
      if (item !== null) this.written.set(`${this.epoch}.${key}.${n}`, item)
  }

  /** What is there; or what will be for so long, at least. */
  contents(ms = 0): Record<string, Item> {
    const then = this.#clock.now() + ms
    const there = [...this.#stored].filter(([, { item, deadline }]) => item !== null && deadline >= then)
    return Object.fromEntries(there.map(([key, { item }]) => [key, item as Item]))
  }

  #put(key: string, item: Item | null, deadline: number): number {
    const n = ++this.head
    this.#stored.set(key, { n, item, kind: 'delete', deadline })
    if (item !== null) this.written.set(`${this.epoch}.${key}.${n}`, item)
    this.feed.push(item === null ? gone(key, n) : this.#tell(key, n, item, deadline))
    return n
  }

  #tell(key: string, n: number, item: Item, deadline: number): Change {
    return told(key, n, structuredClone(item), deadline === Infinity ? null : deadline - this.#clock.now())
  }

  #expire(): void {
    for (const stored of this.#stored.values()) {
      if (stored.item === null || stored.deadline > this.#clock.now()) continue
      stored.item = null
      stored.kind = 'expire'
    }
  }
}

/** A replica and its store, what is under way between them, and what must hold after every step. */
class World {
  readonly clock = new FakeClock()
  readonly store = new Store(this.clock)
  readonly replica: Replica<Item>
  readonly #replayed = new Map<string, Readonly<Item>>()
  /** The newest number that was told of a key in the epoch at hand. */
  readonly #newest = new Map<string, number>()
  /** Answers to own writes that are under way. */
  readonly #answers: Taken[] = []
  /** What of the contents is still to be told in this session, up to `head`; null where none is under way. */
  #session: { epoch: string; left: Change[]; head: number; live: boolean } | null = null
  /** What was told, to be told again. */
  #echoes: Change[] = []

  constructor() {
    this.replica = new Replica<Item>(this.clock, 1e9, {
      changed: (event, key, item, { revision, previous }) => {
        const before = this.#replayed.get(key)
        assert.equal(previous, before)
        if (event === 'set') {
          assert.equal(this.replica.items.get(key), item)
          assert.notDeepEqual(item, before)
          this.#replayed.set(key, item)
        } else {
          assert.equal(this.replica.items.get(key), undefined)
          assert.equal(item, before)
          assert.ok(this.#replayed.delete(key))
        }
        const [epoch, n] = revision.split('.')
        if (epoch !== this.#session?.epoch) return
        assert.ok(Number(n) >= (this.#newest.get(key) ?? 0), `${key} went back to ${revision}`)
        this.#newest.set(key, Number(n))
      },
      report: assert.fail,
    })
  }

  own(write: Write): void {
    this.#answers.push(this.store.take(write))
  }

  /** The answer to an own write arrives: by then the replica has its outcome, or a newer one. */
  answer(): void {
    const taken = this.#answers.shift()
    if (taken === undefined) return
    const { write, epoch, outcome } = taken
    this.replica.written(write, epoch, outcome)
    const current = epoch === this.#session?.epoch
    for (const [key, held] of this.replica.numbers) {
      if (write.kind === 'clear') assert.ok(numberOf(held) > outcome.n, `${key} outlived a clear`)
      else if (key === write.key && current) assert.ok(numberOf(held) >= outcome.n)
    }
    if (write.kind !== 'set' || write.ttlMs !== null || !this.store.knows(write.key, outcome.n)) return
    assert.deepEqual(this.replica.items.get(write.key), write.item.item)
  }

  begin(whole: boolean): void {
    if (this.#session !== null) return
    const { epoch, head } = this.store
    const { position } = this.replica
    const after = position?.epoch === epoch && !whole ? position.n : null
    if (position?.epoch !== epoch) {
      this.#newest.clear()
      this.#echoes = []
    }
    this.#session = { epoch, left: this.store.read(after), head, live: false }
    this.store.feed = []
    this.replica.begin(after === null ? 'whole' : 'delta', epoch, position?.epoch === epoch ? Infinity : 0, false)
  }

  cut(): void {
    this.#session = null
  }

  /** Tells more of the contents, or of the news, and says so. */
  deliver(count: number): void {
    const session = this.#session
    if (session === null) return
    if (!session.live) {
      this.#tell(session.left.splice(0, count))
      if (session.left.length > 0) return
      session.live = true
      this.replica.live(session.head)
    } else if (session.epoch === this.store.epoch) {
      const news = this.store.feed.splice(0, count)
      this.#tell(news)
      const last = news.at(-1)
      if (last !== undefined) this.replica.live(last.n)
    }
  }

  /** Tells something again, late. What is told of whole contents is what the store holds: no echo among it. */
  echo(which: number): void {
    const echo = this.#echoes[which % Math.max(1, this.#echoes.length)]
    if (echo !== undefined && this.#session?.live) this.replica.changes([structuredClone(echo)])
  }

  lose(keep: number): void {
    this.#answers.length = 0 // the connection breaks
    this.store.lose(keep)
  }

  /** Lets everything arrive, in a session of the epoch that the store is in. */
  settle(): void {
    if (this.#session?.epoch !== this.store.epoch) this.cut()
    while (this.#answers.length > 0) this.answer()
    this.begin(false)
    this.deliver(Infinity)
    this.deliver(Infinity)
  }

  check(): void {
    const { items, numbers } = this.replica
    assert.deepEqual(items, this.#replayed)
    for (const [key, item] of items) assert.equal(this.#replayed.get(key), item)
    assert.deepEqual([...items.keys()].sort(), [...numbers.keys()].sort())
    const epoch = this.#session?.epoch
    for (const [key, held] of numbers) {
      const written = this.store.written.get(`${epoch}.${key}.${numberOf(held)}`)
      if (written !== undefined) assert.deepEqual(items.get(key), written)
    }
  }

  #tell(list: Change[]): void {
    this.#echoes.push(...structuredClone(list))
    this.replica.changes(list)
  }
}

const key = fc.constantFrom('a', 'b', 'c', '__proto__')
const item = fc.record({ v: fc.nat(2) })
const ttlMs = fc.option(fc.integer({ min: 1, max: 60 }), { freq: 2 })
const set = fc.tuple(key, item, ttlMs).map(([key, item, ttlMs]): Write => setOf(key, item, ttlMs))
const remove = key.map((key): Write => ({ kind: 'delete', key }))
const clear = fc.constant<Write>({ kind: 'clear' })
const write = fc.oneof({ weight: 6, arbitrary: set }, { weight: 3, arbitrary: remove }, { weight: 1, arbitrary: clear })

type Step = readonly [string, (world: World) => void]
const step = (name: string, act: (world: World) => void): Step => [name, act]
const show = (write: Write) => JSON.stringify(write, (name, value) => (name === 'item' ? value.json : value))

const steps = (loses: boolean) => {
  const usual: fc.WeightedArbitrary<Step>[] = [
    { weight: 4, arbitrary: write.map((w) => step(`another's ${show(w)}`, ({ store }) => store.take(w))) },
    { weight: 4, arbitrary: write.map((w) => step(`own ${show(w)}`, (world) => world.own(w))) },
    { weight: 3, arbitrary: fc.constant(step('answer', (world) => world.answer())) },
    {
      weight: 5,
      arbitrary: fc.integer({ min: 1, max: 3 }).map((k) => step(`deliver ${k}`, (world) => world.deliver(k))),
    },
    { weight: 2, arbitrary: fc.nat(40).map((i) => step(`echo ${i}`, (world) => world.echo(i))) },
    { weight: 2, arbitrary: fc.boolean().map((whole) => step(`begin, whole ${whole}`, (world) => world.begin(whole))) },
    { weight: 1, arbitrary: fc.constant(step('cut', (world) => world.cut())) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 1, max: 40 }).map((ms) => step(`${ms} ms`, ({ clock }) => clock.advance(ms))),
    },
  ]
  const loss = fc.nat(3).map((keep) => step(`lose ${keep}`, (world) => world.lose(keep)))
  return fc.array(fc.oneof(...usual, ...(loses ? [{ weight: 1, arbitrary: loss }] : [])), {
    maxLength: 100,
    size: 'max',
  })
}

function live(world: World, list: readonly Step[]): void {
  for (const [, act] of list) {
    act(world)
    world.check()
  }
  world.settle()
  world.check()
  // What has a ttl expires in a replica later than in the store, by as long as it travelled.
  assert.deepEqual(lasting(world), world.store.contents(Infinity), 'when all has arrived, the replica equals the store')
  world.clock.advance(1000)
  assert.deepEqual(all(world), world.store.contents(), 'and so it does when all has expired')
  assert.equal(world.clock.pending, 0)
}

const numberOf = (held: number | { readonly n: number }) => (typeof held === 'number' ? held : held.n)
const all = ({ replica }: World) => Object.fromEntries(replica.items)
const lasting = ({ replica: { items, numbers } }: World) =>
  Object.fromEntries([...items].filter(([key]) => typeof numbers.get(key) === 'number'))

test('events replayed give the replica, numbers never go back, and in the end it equals the store', () => {
  fc.assert(
    fc.property(steps(false), (list) => live(new World(), list)),
    { numRuns: 1000 },
  )
})

test('so it is where the store loses what it had, and the replica takes its word', () => {
  fc.assert(
    fc.property(steps(true), (list) => live(new World(), list)),
    { numRuns: 1000 },
  )
})

test.run()
