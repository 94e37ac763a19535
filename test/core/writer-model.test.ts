/** The writer under whatever happens to it, against a list of the calls that were made. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import type { Lane } from '../../src/core/lane'
import type { Batch, Write } from '../../src/core/transport'
import { Writer } from '../../src/core/writer'
import { disconnected, FakeTransport, place, setOf, turn, unauthorized, WriteCall } from '../support/fake-transport'
import fc from '../support/fast-check'

const test = suite('writer model')

const options = { writeTimeout: 1000, maxPending: 6, maxPendingBytes: 100 }

/** One call of `push`, and what is known of it. */
interface Call {
  readonly id: number
  readonly lane: string
  readonly write: Write
  readonly bytes: number
  readonly deadline: number
  /** Which call has taken its place. */
  successor: Call | null
  /** The batch that its write is in. */
  batch: Batch | null
  settled: 'taken' | 'refused' | null
  stored?: string | undefined
}

class World {
  readonly transport = new FakeTransport()
  readonly clock = this.transport.clock
  readonly #writer = new Writer(this.transport, options)
  readonly #lanes = new Map<string, Lane>()
  readonly #calls: Call[] = []
  readonly #byWrite = new Map<Write, Call>()
  /** Calls of the transport that it has not answered. */
  readonly #open: WriteCall[] = []
  /** What the store says just now of each write of a batch. */
  #answering: Map<Write, boolean> | null = null
  /** The last batch of each lane. */
  readonly #last = new Map<string, Batch>()
  #up = false
  #refusing = false
  #closed = false
  /** What was wrong within a call of the writer, where a throw would be taken for the transport's. */
  readonly #faults: unknown[] = []

  constructor() {
    for (const collection of ['one', 'two']) {
      const lane = this.#writer.lane({ ...place, collection }, (write) => {
        this.#note(() => assert.notEqual(this.#call(write).settled, 'taken', 'the listener hears of it first'))
      })
      this.#lanes.set(collection, lane)
    }
    this.transport.write = (to, batch) =>
      new Promise((resolve, reject) => {
        this.#note(() => this.#sent(to.collection, batch))
        this.#open.push(new WriteCall(to, batch, resolve, reject, () => 0))
      })
  }

  push(lane: string, write: Write, bytes: number): void {
    const call: Call = {
      id: this.#calls.length,
      lane,
      write,
      bytes,
      deadline: this.clock.now() + options.writeTimeout,
      successor: null,
      batch: null,
      settled: null,
    }
    const older = this.#up ? [] : this.#superseded(lane, write)
    const waiting = this.#waiting()
    const count = waiting.length + (older.length > 0 ? 0 : 1)
    const total = sum(waiting) + bytes - sum(older)
    const refuses = this.#closed || this.#refusing
    const full = count > options.maxPending || (bytes > sum(older) && total > options.maxPendingBytes)
    this.#calls.push(call)
    this.#byWrite.set(write, call)
    let error: MemisError | undefined
    let pushed = false
    const settle = (outcome: boolean | MemisError) => {
      if (!pushed) error = outcome as MemisError
      this.#note(() => this.#settle(call, outcome))
    }
    this.#lane(lane).push(write, bytes, { deadline: 0, taken: settle, refused: settle })
    pushed = true
    if (refuses) assert.ok(error)
    else assert.equal(error?.code, full ? 'TOO_MANY_PENDING' : undefined)
    if (error === undefined) for (const each of older) each.successor = call
  }

  up(): void {
    this.#up = true
    if (!this.#closed) this.#refusing = false
    this.#writer.up()
  }

  down(): void {
    if (this.#up) {
      for (const call of this.#waiting()) {
        for (const older of this.#superseded(call.lane, call.write, call.id)) older.successor = call
      }
    }
    this.#up = false
    this.#writer.down()
  }

  refuse(): void {
    this.down()
    this.#refusing = true
    this.#writer.refuse(unauthorized())
  }

  async answer(which: number, how: 'take' | 'disconnect' | 'fail' | 'mixed'): Promise<void> {
    const [open] = this.#open.splice(which % Math.max(1, this.#open.length), 1)
    if (open === undefined) return
    if (how === 'disconnect') return open.fail(disconnected())
    if (how === 'fail') return open.fail(new MemisError('STORE_REFUSED', 'no room'))
    const { writes } = open.batch
    const taken = writes.filter((_, i) => how === 'take' || i % 2 === 0)
    this.#answering = new Map(taken.map((write) => [write, this.#call(write).id % 3 === 0]))
    const outcomes = writes.map((write) => {
      const existed = this.#answering?.get(write)
      return existed === undefined ? { error: new MemisError('STORE_REFUSED', 'no room') } : { n: 1, existed }
    })
    await open.answer({ epoch: 'e1', outcomes })
    this.#answering = null
  }

  /** Closes, after which everybody has been told what became of his call, and nothing is left. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = this.#writer.close()
    this.push('one', setOf('late', {}), 1)
    await turn()
    this.clock.advance(5000)
    await closing
    for (const call of this.#calls) assert.ok(call.settled, `${show(call)} has settled`)
    assert.equal(this.clock.pending, 0, 'no timer is left')
    const sent = this.transport.writes.length
    for (const open of this.#open.splice(0)) await open.take()
    assert.equal(this.transport.writes.length, sent)
    for (const call of this.#calls)
      if (call.stored === 'no') assert.equal(call.batch, null, `${show(call)} was not sent`)
  }

  /** Room is given back for all that waits no more. */
  async checkRoom(): Promise<void> {
    this.clock.advance(2 * options.writeTimeout)
    this.up()
    for (let i = 0; i < 100 && this.#open.length > 0; i++) await this.answer(0, 'take')
    await turn()
    this.down()
    const bytes = options.maxPendingBytes / options.maxPending - 1
    for (let i = 0; i <= options.maxPending; i++) this.push('two', setOf(`key ${i}`, {}), bytes)
  }

  check(): void {
    for (const fault of this.#faults) throw fault
    const now = this.clock.now()
    const latest = options.writeTimeout / 20 + 1
    for (const call of this.#calls) {
      if (call.settled === null) assert.ok(now <= call.deadline + latest, `${show(call)} is overdue`)
    }
    assert.ok(this.clock.pending <= 3, 'a timer for the deadlines, and one a lane')
  }

  #note(check: () => void): void {
    try {
      check()
    } catch (fault) {
      this.#faults.push(fault)
    }
  }

  #sent(lane: string, batch: Batch): void {
    const last = this.#last.get(lane)
    assert.ok(this.#up, 'nothing is sent while the link is down')
    for (const open of this.#open) {
      const waited = open.batch.writes.some((write) => this.#isAwaited(this.#call(write)))
      assert.ok(open.place.collection !== lane || !waited, 'one call a lane at a time, but for those given up')
    }
    if (batch.sequence === last?.sequence) return assert.equal(batch, last, 'what is sent again is the same')
    assert.equal(batch.sequence, (last?.sequence ?? 0) + 1)
    assert.ok(batch.writes.length > 0)
    if (batch.writes.some(({ kind }) => kind === 'clear')) assert.equal(batch.writes.length, 1)
    for (const write of batch.writes) {
      const call = this.#call(write)
      assert.equal(call.batch, null, `${show(call)} is in one batch only`)
      assert.equal(call.successor, null, `${show(call)} was superseded`)
      for (const other of this.#calls) {
        const meets = other.lane === lane && meet(other.write, write)
        if (meets && other.batch !== null)
          assert.ok(other.id < call.id, `${show(other)} was overtaken by ${show(call)}`)
      }
      call.batch = batch
    }
    this.#last.set(lane, batch)
  }

  #settle(call: Call, outcome: boolean | MemisError): void {
    assert.equal(call.settled, null, `${show(call)} settles once`)
    const head = headOf(call)
    if (typeof outcome === 'boolean') {
      call.settled = 'taken'
      assert.equal(outcome, this.#answering?.get(head.write), `${show(call)} hears what became of ${show(head)}`)
      return
    }
    const now = this.clock.now()
    const { code, stored } = outcome
    call.settled = 'refused'
    call.stored = stored
    assert.equal(stored, head.batch === null ? 'no' : 'unknown', `${show(call)}: ${code}`)
    if (code === 'WRITE_TIMEOUT') {
      assert.ok(now >= call.deadline, `${show(call)} was refused early`)
      assert.ok(now <= call.deadline + options.writeTimeout / 20 + 1, `${show(call)} was refused late`)
    }
  }

  /** Whether somebody waits for what becomes of this write. */
  #isAwaited(call: Call): boolean {
    return this.#calls.some((each) => headOf(each) === call && each.settled === null)
  }

  /** What waits to be sent. */
  #waiting(): Call[] {
    return this.#calls.filter((call) => call.batch === null && call.settled === null && call.successor === null)
  }

  /** What a write takes the place of, while the link is down. */
  #superseded(lane: string, write: Write, id = Infinity): Call[] {
    const waiting = this.#waiting().filter((call) => call.lane === lane && call.id < id)
    // A delete is to tell whether it found something: no clear takes its place.
    if (write.kind === 'clear') return waiting.filter((call) => call.write.kind !== 'delete')
    const cleared = waiting.filter((call) => call.write.kind === 'clear').at(-1)?.id ?? -1
    return waiting.filter(({ write: older, id }) => older.kind !== 'clear' && older.key === write.key && id > cleared)
  }

  #lane(name: string): Lane {
    return this.#lanes.get(name) as Lane
  }

  #call(write: Write): Call {
    return this.#byWrite.get(write) as Call
  }
}

const headOf = (call: Call): Call => (call.successor === null ? call : headOf(call.successor))
const sum = (calls: Call[]) => calls.reduce((bytes, call) => bytes + call.bytes, 0)
const meet = (a: Write, b: Write) => a.kind === 'clear' || b.kind === 'clear' || a.key === b.key
const show = ({ id, write }: Call) => `${id}: ${write.kind} ${write.kind === 'clear' ? '' : write.key}`

type Step = readonly [string, (world: World) => unknown]
const step = (name: string, act: (world: World) => unknown): Step => [name, act]

const write = fc
  .tuple(fc.constantFrom('set', 'set', 'set', 'delete', 'clear'), fc.constantFrom('a', 'b', 'c', 'd'))
  .map(([kind, key]) => [kind, key] as const)
const make = (kind: string, key: string): Write =>
  kind === 'set' ? setOf(key, {}) : kind === 'delete' ? { kind, key } : { kind: 'clear' }

const steps = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc
        .tuple(fc.constantFrom('one', 'one', 'two'), write, fc.constantFrom(1, 5, 20, 60))
        .map(([lane, [kind, key], bytes]) =>
          step(`${lane}: ${kind} ${key}, ${bytes} bytes`, (world) =>
            world.push(lane, make(kind, key), kind === 'clear' ? 0 : bytes),
          ),
        ),
    },
    { weight: 4, arbitrary: fc.constant(step('turn', turn)) },
    { weight: 3, arbitrary: fc.constant(step('up', (world) => world.up())) },
    { weight: 2, arbitrary: fc.constant(step('down', (world) => world.down())) },
    { weight: 1, arbitrary: fc.constant(step('refuse', (world) => world.refuse())) },
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.nat(3), fc.constantFrom('take', 'take', 'take', 'disconnect', 'disconnect', 'fail', 'mixed'))
        .map(([which, how]) => step(`${how} ${which}`, (world) => world.answer(which, how as 'take'))),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom(1, 30, 80, 300, 999).map((ms) => step(`${ms} ms`, (world) => world.clock.advance(ms))),
    },
  ),
  { maxLength: 60, size: 'max' },
)

async function live(world: World, list: readonly Step[]): Promise<void> {
  for (const [, act] of list) {
    await act(world)
    world.check()
  }
  await turn()
}

test('every call settles once and rightly, in order, within bounds, and nothing is left after closing', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const world = new World()
      await live(world, list)
      await world.close()
      world.check()
    }),
    { numRuns: 500 },
  )
})

test('all the room is given back, whatever became of the writes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const world = new World()
      await live(world, list)
      await world.checkRoom()
      world.check()
    }),
    { numRuns: 300 },
  )
})

test.run()
