/** The write queue under whatever happens to it, against a list of the calls that were made. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import type { Accepted, Batch, Entry, KeyWrite, Outcome, Write } from '../../src/core/transport'
import type { Caller, Transaction } from '../../src/core/waiting-writes'
import { WriteQueue, type WriteTarget } from '../../src/core/write-queue'
import {
  deleteOf,
  disconnected,
  FakeTransport,
  setOf,
  things,
  turn,
  unauthorized,
  WriteCall,
} from '../support/fake-transport'
import fc from '../support/fast-check'

const test = suite('write queue model')

const options = { writeTimeout: 1000, maxPending: 6, maxPendingBytes: 100 }

type Pushed = Write | Transaction

/** One call of `push`, and what is known of it. */
interface Call {
  readonly id: number
  readonly lane: string
  readonly write: Pushed
  readonly bytes: number
  readonly deadline: number
  /** Which call has taken its place. */
  successor: Call | null
  /** The batch that its write is in. */
  batch: Batch | null
  settled: 'accepted' | 'conflicted' | 'refused' | null
  /** It was refused as not stored. */
  isNotStored: boolean
}

/** What became of the attempts to send a batch. */
interface Attempts {
  open: number
  isUncertain: boolean
  /** The last one failed, and certainly nothing is stored. */
  hasFailed: boolean
}

type Answer =
  | 'accept'
  | 'conflict'
  | 'disconnect'
  | 'disconnect, not stored'
  | 'refuse'
  | 'refuse, not stored'
  | 'mixed'

class World {
  readonly transport = new FakeTransport()
  readonly clock = this.transport.clock
  readonly #queue = new WriteQueue(this.transport, options)
  readonly #targets = new Map<string, WriteTarget>()
  readonly #calls: Call[] = []
  readonly #byWrite = new Map<Write, Call>()
  /** Calls of the transport that it has not answered. */
  readonly #open: WriteCall[] = []
  readonly #attempts = new Map<Batch, Attempts>()
  /** The last batch of each lane. */
  readonly #last = new Map<string, Batch>()
  /** What the store says just now of each write of a batch. */
  #answering: Map<Write, Outcome> | null = null
  #up = false
  #refusing = false
  #closed = false
  /** What was wrong within a call of the queue, where a throw would be taken for the transport's. */
  readonly #faults: unknown[] = []

  constructor() {
    for (const collection of ['one', 'two']) {
      this.#targets.set(collection, {
        id: { ...things, collection },
        accepted: (writes) =>
          this.#note(() => assert.notEqual(this.#callOf(writes[0]).settled, 'accepted', 'told first')),
      })
    }
    this.transport.write = (id, batch) => {
      const call = new WriteCall(id, batch, () => 1)
      this.#note(() => this.#sent(id.collection, batch))
      this.#open.push(call)
      return call.promise
    }
  }

  push(lane: string, write: Pushed, bytes: number): void {
    const call: Call = {
      id: this.#calls.length,
      ...{ lane, write, bytes, deadline: this.clock.now() + options.writeTimeout },
      ...{ successor: null, batch: null, settled: null, isNotStored: false },
    }
    const replaced = this.#up ? [] : this.#replacedBy(call)
    const waiting = this.#waiting()
    const [count, more] = [1 - replaced.length, bytes - sum(replaced)]
    const isFull =
      (count > 0 && waiting.length + count > options.maxPending) ||
      (more > 0 && sum(waiting) + more > options.maxPendingBytes)
    const isRefused = this.#closed || this.#refusing
    this.#calls.push(call)
    for (const each of writesOf(write)) this.#byWrite.set(each, call)
    let atOnce: MemisError | undefined
    let hasReturned = false
    const caller: Caller = {
      deadline: 0,
      accepted: (accepted) => this.#note(() => this.#accepted(call, accepted)),
      conflicted: (current) => this.#note(() => this.#conflicted(call, current)),
      refused: (error) => {
        if (!hasReturned) atOnce = error
        this.#note(() => this.#refused(call, error))
      },
    }
    this.#queue.push(this.#targets.get(lane) as WriteTarget, write, bytes, caller)
    hasReturned = true
    if (isRefused) assert.ok(atOnce)
    else assert.equal(atOnce?.code, isFull ? 'TOO_MANY_PENDING' : undefined)
    if (atOnce === undefined) for (const each of replaced) each.successor = call
  }

  up(): void {
    this.#up = true
    if (!this.#closed) this.#refusing = false
    this.#queue.linkUp()
  }

  down(): void {
    if (this.#up) {
      for (const call of this.#waiting()) for (const older of this.#replacedBy(call)) older.successor = call
    }
    this.#up = false
    this.#queue.linkDown()
  }

  refuse(): void {
    this.down()
    this.#refusing = true
    this.#queue.refuse(unauthorized())
  }

  async answer(which: number, how: Answer): Promise<void> {
    const [open] = this.#open.splice(which % Math.max(1, this.#open.length), 1)
    if (open === undefined) return
    const attempts = this.#attempts.get(open.batch) as Attempts
    attempts.open--
    if (how === 'disconnect') attempts.isUncertain = true
    if (how === 'disconnect') return open.fail(disconnected())
    attempts.hasFailed = how === 'disconnect, not stored'
    if (how === 'disconnect, not stored') return open.fail(disconnected('no'))
    const refusal = new MemisError('STORE_REFUSED', 'no room', how === 'refuse, not stored' ? { stored: 'no' } : {})
    const { writes, isAtomic } = open.batch
    const outcomes = writes.map((write, i): Outcome => {
      if (how === 'accept') return { epoch: 'e1', n: 1, existed: this.#callOf(write).id % 3 === 0 }
      if (isAtomic && i > 0) return { aborted: true }
      if (how === 'conflict' && hasCondition(write)) return { conflict: null }
      return how === 'mixed' && i % 2 === 0 && !isAtomic ? { epoch: 'e1', n: 1, existed: false } : { error: refusal }
    })
    this.#answering = new Map(writes.map((write, i) => [write, outcomes[i] as Outcome]))
    if (how.startsWith('refuse')) await open.fail(refusal)
    else await open.answer(outcomes)
    this.#answering = null
  }

  /** Closes, after which everybody was told what became of his call, and nothing is left. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = this.#queue.close()
    this.push('one', setOf('late', {}), 1)
    await turn()
    this.clock.advance(5000)
    await closing
    for (const call of this.#calls) assert.ok(call.settled, `${show(call)} has settled`)
    assert.equal(this.clock.pending, 0, 'no timer is left')
    const sent = this.#last.size
    for (const open of this.#open.splice(0)) await open.accept()
    assert.equal(this.#last.size, sent)
  }

  /** The room of everything that waits no more is given back. */
  async checkRoom(): Promise<void> {
    this.clock.advance(2 * options.writeTimeout)
    this.up()
    for (let i = 0; i < 100 && this.#open.length > 0; i++) await this.answer(0, 'accept')
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
      const isAwaited = open.batch.writes.some((write) => this.#isAwaited(this.#callOf(write)))
      assert.ok(open.id.collection !== lane || !isAwaited, 'one batch of a lane is in flight, but for abandoned ones')
    }
    const attempts = this.#attempts.get(batch) ?? { open: 0, isUncertain: false, hasFailed: false }
    attempts.open++
    attempts.hasFailed = false
    this.#attempts.set(batch, attempts)
    for (const write of batch.writes) {
      const call = this.#callOf(write)
      assert.ok(!call.isNotStored, `${show(call)} was refused as not stored`)
    }
    if (batch.sequence === last?.sequence) return assert.equal(batch, last, 'what goes again is the same')
    assert.ok(batch.sequence > (last?.sequence ?? 0))
    assert.ok(batch.writes.length > 0)
    if (batch.writes.some(({ kind }) => kind === 'clear')) assert.equal(batch.writes.length, 1)
    for (const call of new Set(batch.writes.map((write) => this.#callOf(write)))) {
      const isTransaction = call.write.kind === 'transaction'
      assert.equal(batch.isAtomic ?? false, isTransaction)
      if (isTransaction) assert.deepEqual(batch.writes, writesOf(call.write))
      assert.ok(!this.#isOut(call), `${show(call)} is in one batch only`)
      assert.equal(call.successor, null, `${show(call)} was replaced`)
      for (const other of this.#calls) {
        const meets = other.lane === lane && this.#isOut(other) && meet(other.write, call.write)
        if (meets) assert.ok(other.id < call.id, `${show(other)} was passed by ${show(call)}`)
      }
      call.batch = batch
    }
    this.#last.set(lane, batch)
  }

  #outcomeOf(call: Call): Outcome | undefined {
    return this.#answering?.get(writesOf(headOf(call).write)[0] as Write)
  }

  #accepted(call: Call, accepted: Accepted): void {
    this.#settle(call, 'accepted')
    assert.deepEqual(accepted, this.#outcomeOf(call), `${show(call)} is told what became of its write`)
  }

  #conflicted(call: Call, current: Entry | null): void {
    this.#settle(call, 'conflicted')
    assert.deepEqual({ conflict: current }, this.#outcomeOf(call))
  }

  #refused(call: Call, { code, stored }: MemisError): void {
    this.#settle(call, 'refused')
    call.isNotStored = stored === 'no'
    const now = this.clock.now()
    assert.equal(stored, this.#storedOf(headOf(call), code), `${show(call)}: ${code}`)
    if (code !== 'WRITE_TIMEOUT') return
    assert.ok(now >= call.deadline, `${show(call)} was refused early`)
    assert.ok(now <= call.deadline + options.writeTimeout / 20 + 1, `${show(call)} was refused late`)
  }

  #storedOf(head: Call, code: string): 'no' | 'unknown' {
    const attempts = head.batch && this.#attempts.get(head.batch)
    if (attempts === null || attempts === undefined) return 'no'
    const outcome = this.#outcomeOf(head)
    const refusal = outcome !== undefined && 'error' in outcome ? outcome.error : undefined
    if (attempts.isUncertain) return 'unknown'
    if (refusal !== undefined && code === refusal.code) return refusal.stored ?? 'unknown'
    return attempts.open > 0 ? 'unknown' : 'no'
  }

  /** Its batch was sent, and may be stored. One that is certainly not stored may be made anew. */
  #isOut({ batch }: Call): boolean {
    if (batch === null) return false
    const { open, isUncertain, hasFailed } = this.#attempts.get(batch) as Attempts
    return open > 0 || isUncertain || !hasFailed
  }

  #settle(call: Call, settled: NonNullable<Call['settled']>): void {
    assert.equal(call.settled, null, `${show(call)} settles once`)
    call.settled = settled
  }

  /** Whether somebody waits for what becomes of this write. */
  #isAwaited(call: Call): boolean {
    return this.#calls.some((each) => headOf(each) === call && each.settled === null)
  }

  #waiting(): Call[] {
    return this.#calls.filter((call) => call.batch === null && call.settled === null && call.successor === null)
  }

  /** The sets that a write replaces while the link is down: each is the last that touches its key. */
  #replacedBy({ id, lane, write }: Call): Call[] {
    const waiting = this.#waiting().filter((call) => call.lane === lane && call.id < id)
    const replaceable = waiting.filter(
      (call) => call.write.kind === 'set' && !hasCondition(call.write) && isLastOf(call, waiting),
    )
    if (write.kind === 'clear') return replaceable
    const isWhole = write.kind === 'delete' || (write.kind === 'set' && write.ttlMs !== 'keep')
    if (!isWhole || hasCondition(write)) return []
    return replaceable.filter((call) => meet(call.write, write))
  }

  #callOf(write: Write | undefined): Call {
    return this.#byWrite.get(write as Write) as Call
  }
}

const isLastOf = (call: Call, waiting: readonly Call[]) =>
  !waiting.some((other) => other.id > call.id && meet(other.write, call.write))
const headOf = (call: Call): Call => (call.successor === null ? call : headOf(call.successor))
const sum = (calls: readonly Call[]) => calls.reduce((bytes, call) => bytes + call.bytes, 0)
const writesOf = (write: Pushed): readonly Write[] => (write.kind === 'transaction' ? write.writes : [write])
const keysOf = (write: Pushed) => writesOf(write).map((each) => (each.kind === 'clear' ? '*' : each.key))
const meet = (a: Pushed, b: Pushed) =>
  a.kind === 'clear' || b.kind === 'clear' || keysOf(a).some((key) => keysOf(b).includes(key))
const hasCondition = (write: Write) => 'if' in write
const show = ({ id, write }: Call) => `${id}: ${write.kind} ${keysOf(write)}`

// What happens

interface Step {
  act(world: World): unknown
  [fc.toStringMethod](): string
}
const step = (name: string, act: (world: World) => unknown): Step => ({ act, [fc.toStringMethod]: () => name })

const makers: Record<string, (key: string, other: string) => Pushed> = {
  set: (key) => setOf(key, {}),
  'set keep': (key) => setOf(key, {}, 'keep'),
  'set if': (key) => ({ ...setOf(key, {}), if: null }),
  delete: (key) => deleteOf(key),
  'delete if': (key) => ({ ...deleteOf(key), if: { epoch: 'e1', n: 1 } }),
  clear: () => ({ kind: 'clear' }),
  transaction: (key, other) => ({ kind: 'transaction', writes: transactionOf(key, other) }),
}
const transactionOf = (key: string, other: string): KeyWrite[] => [
  { kind: 'check', key, if: null },
  ...(other === key ? [] : [setOf(other, {})]),
]

const kind = fc.constantFrom(
  ...['set', 'set', 'set', 'set', 'delete', 'delete', 'set keep', 'set if'],
  ...Object.keys(makers),
)
const key = fc.constantFrom('a', 'b', 'c', 'd')
const lane = fc.constantFrom('one', 'one', 'two')
const size = fc.constantFrom(1, 5, 20, 60)
const answers: Answer[] = ['conflict', 'disconnect, not stored', 'refuse', 'refuse, not stored', 'mixed']
const answer = fc.constantFrom<Answer>('accept', 'accept', 'accept', 'disconnect', 'disconnect', ...answers)

const push = fc.tuple(lane, kind, key, key, size).map(([lane, kind, key, other, size]) =>
  step(`${lane}: ${kind} ${key} ${other}, ${size} bytes`, (world) => {
    world.push(lane, (makers[kind] as (typeof makers)[string])(key, other), kind === 'clear' ? 0 : size)
  }),
)
const answering = fc
  .tuple(fc.nat(3), answer)
  .map(([which, how]) => step(`${which}: ${how}`, (world) => world.answer(which, how)))
const time = fc.constantFrom(1, 30, 80, 300, 999).map((ms) => step(`${ms} ms`, ({ clock }) => clock.advance(ms)))

const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: push },
    { weight: 8, arbitrary: answering },
    { weight: 4, arbitrary: time },
    { weight: 4, arbitrary: fc.constant(step('turn', turn)) },
    { weight: 3, arbitrary: fc.constant(step('up', (world) => world.up())) },
    { weight: 2, arbitrary: fc.constant(step('down', (world) => world.down())) },
    { weight: 1, arbitrary: fc.constant(step('refuse', (world) => world.refuse())) },
  ),
  { maxLength: 60, size: 'max' },
)

async function live(world: World, list: readonly Step[]): Promise<void> {
  for (const step of list) {
    await step.act(world)
    world.check()
  }
  await turn()
}

test('W4 W6 every call settles once and rightly, in order, within the limits, and nothing is left after closing', async () => {
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

test('W6 all the room is given back, whatever became of the writes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const world = new World()
      await live(world, list)
      await world.checkRoom()
      world.check()
    }),
    { numRuns: 500 },
  )
})

test.run()
