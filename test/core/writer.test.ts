import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import type { Write } from '../../src/core/transport'
import { Writer, type WriterOptions } from '../../src/core/writer'
import {
  disconnected,
  FakeTransport,
  place,
  setOf,
  turn,
  unauthorized,
  type WriteCall,
} from '../support/fake-transport'

const test = suite('writer')

const standard: WriterOptions = { writeTimeout: 10_000, maxPending: 1000, maxPendingBytes: 1024 * 1024 }

/** What became of a call: undefined while it waits. */
interface Call {
  outcome: boolean | MemisError | undefined
  settled: number
  /** How many writes the listener had heard of by then. */
  heard: number
}

/** A writer on a transport that a test answers, with a lane; the link is up unless said otherwise. */
function make({ up = true, ...options }: Partial<WriterOptions> & { up?: boolean } = {}) {
  const transport = new FakeTransport()
  const { clock } = transport
  const writer = new Writer(transport, { ...standard, ...options })
  if (up) writer.up()
  const written: string[] = []
  const lane = (collection = place.collection) => {
    const lane = writer.lane({ ...place, collection }, (write, epoch, { n }) =>
      written.push(`${write.kind === 'clear' ? 'clear' : `${write.kind} ${write.key}`} ${epoch}.${n}`),
    )
    const push = (write: Write, bytes = 10): Call => {
      const call: Call = { outcome: undefined, settled: 0, heard: 0 }
      const settle = (outcome: boolean | MemisError) => {
        call.outcome = outcome
        call.settled++
        call.heard = written.length
        assert.equal(call.settled, 1, 'a call settles once')
      }
      lane.push(write, bytes, { deadline: 0, taken: settle, refused: settle })
      return call
    }
    return {
      push,
      set: (key: string, v: unknown = 0, bytes = 10) => push(setOf(key, { v }), bytes),
      delete: (key: string) => push({ kind: 'delete', key }),
      clear: () => push({ kind: 'clear' }, 0),
    }
  }
  /** The keys of each batch that was sent. */
  const sent = () => transport.writes.map(({ keys }) => keys.join(' '))
  return { transport, clock, writer, written, lane, sent, ...lane() }
}

/** What a refused call was told: the code, and whether the store may have it. */
function refusal({ outcome }: Call): string {
  assert.ok(outcome instanceof MemisError, `refused, not ${outcome}`)
  return `${outcome.code} ${outcome.stored}`
}

const keys = (count: number) => Array.from({ length: count }, (_, i) => `key ${i}`)

// How writes travel

test('a lone write leaves at once, and settles with what the store says', async () => {
  const { set, transport, written } = make()
  const call = set('a', 1)
  await turn()
  assert.equal(transport.writes.length, 1)
  const { batch, place: to } = transport.call
  assert.deepEqual(to, place)
  assert.deepEqual(batch.writes, [setOf('a', { v: 1 })])
  assert.equal(batch.sequence, 1)
  assert.equal(call.outcome, undefined)
  await transport.call.take(true)
  assert.equal(call.outcome, true)
  assert.deepEqual(written, ['set a e1.1'])
})

test('writes of one turn travel together, in the order of the calls', async () => {
  const { set, delete: remove, transport, sent } = make()
  set('a')
  remove('b')
  set('a')
  await Promise.resolve()
  set('c') // a moment later: those before are under way
  await turn()
  assert.deepEqual(sent(), ['a b a'])
  assert.deepEqual(
    transport.call.batch.writes.map(({ kind }) => kind),
    ['set', 'delete', 'set'],
  )
})

test('while a call is under way, all that comes waits, and then goes together', async () => {
  const { set, transport, sent } = make()
  set('a')
  await turn()
  for (const key of ['b', 'c', 'b']) {
    set(key)
    await turn()
  }
  assert.deepEqual(sent(), ['a'])
  await transport.call.take()
  assert.deepEqual(sent(), ['a', 'b c b'])
  assert.equal(transport.call.batch.sequence, 2)
})

test('each collection has a way of its own: one that hangs holds up no other', async () => {
  const { lane, transport, sent } = make()
  const [one, two] = [lane('one'), lane('two')]
  one.set('a')
  two.set('b')
  await turn()
  two.set('c')
  assert.deepEqual(
    transport.writes.map(({ place }) => place.collection),
    ['one', 'two'],
  )
  await transport.call.take()
  assert.deepEqual(sent(), ['a', 'b', 'c'])
  const [first, second, third] = transport.writes.map(({ batch }) => batch)
  assert.deepEqual([first?.sequence, second?.sequence, third?.sequence], [1, 1, 2])
  assert.equal(new Set([first?.writer, second?.writer, third?.writer]).size, 1)
})

test('two writers are told apart', async () => {
  const [one, two] = [make(), make()]
  one.set('a')
  two.set('a')
  await turn()
  assert.notEqual(one.transport.call.batch.writer, two.transport.call.batch.writer)
})

test('a batch has 1,000 writes at most', async () => {
  const { set, transport, sent } = make({ maxPending: 5000 })
  for (const key of keys(2500)) set(key)
  await turn()
  await transport.call.take()
  await transport.call.take()
  assert.deepEqual(
    transport.writes.map(({ keys }) => keys.length),
    [1000, 1000, 500],
  )
  assert.deepEqual(sent().join(' '), keys(2500).join(' '))
})

test('a batch has 1 MiB at most, or one write that is larger', async () => {
  const { set, transport, sent } = make({ maxPendingBytes: 1e9 })
  const half = 512 * 1024
  for (const [key, bytes] of Object.entries({
    a: half,
    b: half,
    c: 1,
    d: 10 * half,
    e: 1,
    f: half,
    g: half,
    h: half,
  })) {
    set(key, 0, bytes)
  }
  await turn()
  for (let i = 0; i < 6; i++) await transport.call.take()
  assert.deepEqual(sent(), ['a b', 'c', 'd', 'e f', 'g h'])
})

test('a clear is alone in its batch, and keeps its place', async () => {
  const { set, clear, transport, sent } = make()
  clear()
  clear()
  set('a')
  set('b')
  clear()
  set('c')
  await turn()
  for (let i = 0; i < 6; i++) await transport.call.take()
  assert.deepEqual(sent(), ['*', '*', 'a b', '*', 'c'])
})

test('what the store made of each write is told to its caller, before which the listener has heard of it', async () => {
  const { set, delete: remove, transport, written } = make()
  const calls = [set('a'), remove('b'), set('c'), remove('d'), set('e')]
  await turn()
  const told = new MemisError('ITEM_TOO_LARGE', 'too large', { stored: 'no' })
  const vague = new MemisError('STORE_REFUSED', 'no room')
  await transport.call.outcomes({ n: 1, existed: true }, { n: 2, existed: false }, { error: told }, { error: vague })
  assert.deepEqual([calls[0]?.outcome, calls[1]?.outcome], [true, false])
  assert.deepEqual([calls[0]?.heard, calls[1]?.heard], [1, 2])
  assert.deepEqual(calls.slice(2).map(refusal), [
    'ITEM_TOO_LARGE no',
    'STORE_REFUSED unknown',
    'STORE_REFUSED unknown', // of the last one the store said nothing
  ])
  assert.deepEqual(written, ['set a e1.1', 'delete b e1.2'])
})

test('a transport that answers with a refusal of a write that restores nothing has given no outcome', async () => {
  const { set, transport, written } = make()
  const call = set('a')
  await turn()
  await transport.call.outcomes({ refused: true, asOf: 0 })
  assert.equal(refusal(call), 'STORE_REFUSED unknown')
  assert.deepEqual(written, [])
})

test('a transport that throws at once has failed like any other', async () => {
  const { set, transport } = make()
  transport.write = () => {
    throw new TypeError('a bug')
  }
  const call = set('a')
  await turn()
  assert.equal(refusal(call), 'STORE_REFUSED unknown')
  assert.ok((call.outcome as MemisError).cause instanceof TypeError)
})

test('an answer that is none refuses the writes, and harms nothing', async () => {
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  for (const answer of [undefined, null, {}, { epoch: 'e1', outcomes: null }, { epoch: 'e1', outcomes: [null] }]) {
    const { set, transport } = make()
    const call = set('a')
    await turn()
    const next = set('b')
    await transport.call.answer(answer as never)
    assert.deepEqual(rejections, [])
    assert.equal(refusal(call), 'STORE_REFUSED unknown')
    await transport.call.take()
    assert.equal(next.outcome, false)
  }
  process.off('unhandledRejection', note)
})

test('a failure that is an answer refuses its batch, and the next one goes', async () => {
  const { set, transport, sent } = make()
  const first = [set('a'), set('b')]
  await turn()
  const second = set('a')
  await transport.call.fail(new MemisError('STORE_REFUSED', 'out of memory', { stored: 'no' }))
  assert.deepEqual(first.map(refusal), ['STORE_REFUSED no', 'STORE_REFUSED no'])
  await transport.call.take()
  assert.equal(second.outcome, false)
  assert.deepEqual(sent(), ['a b', 'a'])
})

test('a listener that writes when it hears of a write keeps the order', async () => {
  const transport = new FakeTransport()
  const writer = new Writer(transport, standard)
  writer.up()
  const nobody = () => ({ deadline: 0, taken() {}, refused() {} })
  const lane = writer.lane(place, (write) => {
    if (write.kind === 'set' && write.key === 'a') lane.push(setOf('from the listener', {}), 1, nobody())
  })
  lane.push(setOf('a', {}), 1, nobody())
  await turn()
  lane.push(setOf('b', {}), 1, nobody())
  await transport.call.take()
  await turn()
  const sent = () => transport.writes.map(({ keys }) => keys.join(' '))
  // What waited has left before the listener hears.
  assert.deepEqual(sent(), ['a', 'b'])
  await transport.call.take()
  await turn()
  assert.deepEqual(sent(), ['a', 'b', 'from the listener'])
})

// While the link is down

test('before the link is up, and while it is down, nothing is sent', async () => {
  const { set, writer, transport, sent } = make({ up: false })
  const call = set('a')
  await turn()
  assert.deepEqual(sent(), [])
  writer.up()
  assert.deepEqual(sent(), ['a'])
  await transport.call.take()
  assert.equal(call.outcome, false)
  writer.down()
  set('b')
  await turn()
  assert.deepEqual(sent(), ['a'])
})

test('while the link is down, the newest write of a key takes the place of the older one; all its callers settle', async () => {
  const { set, delete: remove, writer, transport } = make({ up: false })
  const calls = [set('a', 1), set('b', 1), set('a', 2), remove('b'), set('a', 3)]
  writer.up()
  assert.deepEqual(transport.call.batch.writes, [setOf('a', { v: 3 }), { kind: 'delete', key: 'b' }])
  await transport.call.outcomes({ n: 1, existed: false }, { n: 2, existed: true })
  assert.deepEqual(
    calls.map(({ outcome }) => outcome),
    [false, true, false, true, false],
  )
})

test('what waited behind a call when the link went down is superseded as well, in its order', async () => {
  const { set, writer, transport } = make()
  set('under way', 1)
  await turn()
  const waiting = [set('a', 1), set('b', 1), set('a', 2)]
  writer.down()
  waiting.push(set('b', 2))
  await transport.call.fail(disconnected())
  writer.up()
  assert.equal(transport.writes.length, 2)
  await transport.call.take()
  assert.deepEqual(transport.call.batch.writes, [setOf('a', { v: 2 }), setOf('b', { v: 2 })])
  await transport.call.take(true)
  for (const call of waiting) assert.equal(call.outcome, true)
})

test('once the link is up again, nothing is superseded', async () => {
  const { set, writer, transport } = make({ up: false })
  writer.up()
  set('a', 1)
  set('a', 2)
  await turn()
  assert.equal(transport.call.batch.writes.length, 2)
})

test('a link that goes down twice, or comes up twice, is no harm', async () => {
  const { set, writer, transport, sent } = make()
  writer.down()
  set('a', 1)
  writer.down()
  set('a', 2)
  writer.up()
  writer.up()
  assert.deepEqual(sent(), ['a'])
  await transport.call.take()
  assert.deepEqual(sent(), ['a'])
})

test('a clear takes the place of all that waits before it, and of nothing after it', async () => {
  const { set, clear, writer, transport, sent } = make({ up: false })
  const older = [set('a', 1), set('b', 1), clear(), set('a', 2)]
  const [last, newer] = [clear(), set('a', 3)]
  writer.up()
  assert.deepEqual(sent(), ['*'])
  await transport.call.take()
  for (const call of [...older, last]) assert.equal(call.outcome, false)
  assert.equal(newer.outcome, undefined)
  await transport.call.take(true)
  assert.deepEqual(sent(), ['*', 'a'])
  assert.equal(newer.outcome, true)
})

test('deletes stay in front of a clear: whether they find something is theirs to tell', async () => {
  const { set, clear, delete: remove, writer, transport, sent } = make({ up: false })
  const [first, older, second] = [remove('a'), set('b'), remove('c')]
  const last = clear()
  const newer = remove('a')
  writer.up()
  assert.deepEqual(sent(), ['a c'])
  await transport.call.outcomes({ n: 1, existed: true }, { n: 2, existed: false })
  assert.deepEqual([first.outcome, second.outcome, older.outcome], [true, false, undefined])
  await transport.call.take()
  assert.deepEqual([older.outcome, last.outcome], [false, false])
  await transport.call.take()
  assert.deepEqual(sent(), ['a c', '*', 'a'])
  assert.equal(newer.outcome, false)
})

test('a clear that is refused for want of room changes nothing of what waits', async () => {
  const { set, clear, delete: remove, writer, transport } = make({ up: false, maxPending: 2 })
  const [older, other] = [remove('a'), remove('b')]
  assert.equal(refusal(clear()), 'TOO_MANY_PENDING no')
  const newer = set('a', 1)
  assert.equal(newer.outcome, undefined, 'it takes the place of the delete, and needs no room')
  writer.up()
  await transport.call.take(true)
  for (const call of [older, other, newer]) assert.equal(call.outcome, true)
})

test('a write is not superseded across a clear that waited with it when the link went down', async () => {
  const { set, clear, writer, transport, sent } = make()
  set('under way')
  await turn()
  set('a', 1)
  clear()
  set('a', 2)
  writer.down()
  set('a', 3)
  await transport.call.fail(disconnected())
  writer.up()
  await transport.call.take()
  await transport.call.take()
  assert.deepEqual(sent(), ['under way', 'under way', '*', 'a'])
  assert.deepEqual(transport.call.batch.writes, [setOf('a', { v: 3 })])
})

test('a batch whose outcome is not known goes again as it was, before anything newer', async () => {
  const { set, writer, transport, sent } = make()
  const [first, other] = [set('a', 1), set('b', 1)]
  await turn()
  const { batch } = transport.call
  writer.down()
  await transport.call.fail(disconnected())
  const newer = set('a', 2) // the older one may have been sent: it is not superseded
  writer.up()
  assert.deepEqual(sent(), ['a b', 'a b'])
  assert.equal(transport.call.batch, batch)
  await transport.call.take()
  assert.deepEqual([first.outcome, other.outcome, newer.outcome], [false, false, undefined])
  assert.deepEqual(sent(), ['a b', 'a b', 'a'])
  assert.equal(transport.call.batch.sequence, 2)
})

test('a batch that fails for a passing reason while the link is up goes again after a while, as it was', async () => {
  const { set, transport, clock, sent } = make()
  const call = set('a', 1)
  await turn()
  for (let attempt = 1; attempt <= 3; attempt++) {
    await transport.call.fail(disconnected())
    set('later', attempt)
    assert.equal(transport.writes.length, attempt)
    clock.advance(24)
    assert.equal(transport.writes.length, attempt, 'not at once')
    clock.advance(52)
    assert.equal(transport.writes.length, attempt + 1)
    assert.equal(transport.call.batch, transport.writes[0]?.batch)
  }
  await transport.call.take()
  assert.equal(call.outcome, false)
  assert.deepEqual(sent().at(-1), 'later later later')
})

test('a batch that fails while up, and then the link goes down and up: it goes once for each time up', async () => {
  const { set, writer, transport, clock } = make()
  set('a')
  await turn()
  await transport.call.fail(disconnected())
  writer.down()
  clock.advance(1000)
  assert.equal(transport.writes.length, 1)
  writer.up()
  assert.equal(transport.writes.length, 2)
  clock.advance(1000)
  await turn()
  assert.equal(transport.writes.length, 2)
})

test('a call that is out when the link comes up again is not made twice', async () => {
  const { set, writer, transport } = make()
  const call = set('a')
  await turn()
  writer.down()
  writer.up()
  assert.equal(transport.writes.length, 1)
  await transport.call.take()
  assert.equal(call.outcome, false)
})

test('a batch that certainly was not stored, and then was refused, is not stored', async () => {
  const { set, transport, clock } = make()
  const call = set('a')
  await turn()
  await transport.call.fail(new MemisError('DISCONNECTED', 'it is loading', { stored: 'no' }))
  clock.advance(80)
  await transport.call.fail(new MemisError('STORE_REFUSED', 'no room', { stored: 'no' }))
  assert.equal(refusal(call), 'STORE_REFUSED no')
})

test('a batch that may have been stored, and then was refused, may be stored', async () => {
  const { set, transport, clock } = make()
  const calls = [set('a'), set('b')]
  await turn()
  await transport.call.fail(disconnected())
  clock.advance(80)
  await transport.call.outcomes(
    { error: new MemisError('STORE_REFUSED', 'no room', { stored: 'no' }) },
    { n: 1, existed: false },
  )
  assert.equal(refusal(calls[0] as Call), 'STORE_REFUSED unknown')
  assert.equal(calls[1]?.outcome, false)
})

test('a batch that was refused for good after its outcome was unknown may have been stored', async () => {
  const { set, transport, writer } = make()
  const call = set('a')
  await turn()
  writer.down()
  await transport.call.fail(disconnected())
  writer.refuse(unauthorized())
  assert.equal(refusal(call), 'UNAUTHORIZED unknown')
})

// Deadlines

test('a write that waited for writeTimeout and was never sent is refused: it is not stored', async () => {
  const { set, clock, writer, sent } = make({ up: false })
  const call = set('a')
  clock.advance(9999)
  assert.equal(call.outcome, undefined)
  clock.advance(1)
  assert.equal(refusal(call), 'WRITE_TIMEOUT no')
  writer.up()
  await turn()
  assert.deepEqual(sent(), [])
  assert.equal(clock.pending, 0)
})

test('a write that was sent and not confirmed within writeTimeout is refused: it may be stored', async () => {
  const { set, clock, transport } = make()
  const call = set('a')
  await turn()
  clock.advance(9999)
  assert.equal(call.outcome, undefined)
  clock.advance(1)
  assert.equal(refusal(call), 'WRITE_TIMEOUT unknown')
  assert.match(String(call.outcome), /within writeTimeout, 10000 ms/)
  await transport.call.take()
  assert.equal(call.settled, 1, 'what the store says by now is heard by nobody')
})

test('so is one that failed for a passing reason, or whose link went down, and waits to go again', async () => {
  const one = make()
  const call = one.set('a')
  await turn()
  one.writer.down()
  await one.transport.call.fail(disconnected())
  one.clock.advance(10_000)
  assert.equal(refusal(call), 'WRITE_TIMEOUT unknown')
  one.writer.up()
  await turn()
  assert.equal(one.transport.writes.length, 1, 'it does not go again')
})

test('a superseded caller has a deadline of its own; the write goes on for its successor', async () => {
  const { set, clock, writer, transport } = make({ up: false })
  const first = set('a', 1)
  clock.advance(6000)
  const second = set('a', 2)
  clock.advance(4000)
  assert.equal(refusal(first), 'WRITE_TIMEOUT no')
  assert.equal(second.outcome, undefined)
  writer.up()
  assert.deepEqual(transport.call.batch.writes, [setOf('a', { v: 2 })])
  await transport.call.take()
  assert.equal(second.outcome, false)
})

test('a superseded caller whose successor was sent may have been stored, in a way', async () => {
  const { set, clock, writer } = make({ up: false })
  const first = set('a', 1)
  clock.advance(6000)
  const second = set('a', 2)
  writer.up()
  clock.advance(4000)
  assert.equal(refusal(first), 'WRITE_TIMEOUT unknown')
  assert.equal(second.outcome, undefined)
  clock.advance(6000)
  assert.equal(refusal(second), 'WRITE_TIMEOUT unknown')
})

test('no call is refused early, and none late by more than a twentieth of the timeout', async () => {
  const { set, clock } = make({ up: false })
  const calls: [Call, number][] = []
  for (let i = 0; i < 300; i++) {
    calls.push([set(`key ${i % 7}`), clock.now() + 10_000])
    clock.advance(37)
  }
  for (; clock.pending > 0; clock.step()) {
    for (const [{ outcome }, deadline] of calls) {
      assert.ok(outcome === undefined ? clock.now() <= deadline + 500 : clock.now() >= deadline)
    }
  }
  for (const [call] of calls) assert.equal(refusal(call), 'WRITE_TIMEOUT no')
})

test('one timer serves all calls, and none stays when nothing waits', async () => {
  const { lane, set, transport, clock } = make()
  const other = lane('other')
  set('a')
  other.set('b')
  set('c')
  await turn()
  assert.equal(clock.pending, 1)
  await transport.writes[0]?.take()
  assert.equal(clock.pending, 1)
  await transport.call.take()
  assert.equal(clock.pending, 0)
  set('d')
  assert.equal(clock.pending, 1)
})

test('an abandoned call is over: what waits behind it goes, with a higher sequence', async () => {
  const { set, clock, transport, sent, written } = make()
  const first = set('a', 1)
  await turn()
  clock.advance(5000)
  const second = set('a', 2)
  clock.advance(5000)
  assert.equal(refusal(first), 'WRITE_TIMEOUT unknown')
  assert.deepEqual(sent(), ['a', 'a'])
  assert.equal(transport.call.batch.sequence, 2)
  await transport.writes[0]?.take()
  assert.deepEqual(written, [], 'an answer that comes too late is heard by nobody')
  assert.equal(second.outcome, undefined)
  await transport.call.take()
  assert.equal(second.outcome, false)
})

test('an abandoned call that fails late is not made again', async () => {
  const { set, clock, transport, sent } = make()
  set('a', 1)
  await turn()
  clock.advance(10_000)
  const next = set('b')
  await turn()
  await transport.writes[0]?.fail(disconnected())
  clock.advance(200)
  assert.deepEqual(sent(), ['a', 'b'])
  await transport.call.take()
  assert.equal(next.outcome, false)
})

test('a batch is not abandoned while one of its callers still waits', async () => {
  const { set, clock, writer, transport, sent } = make({ up: false })
  const early = set('a')
  clock.advance(1000)
  const late = set('b')
  writer.up()
  await turn()
  set('c')
  clock.advance(9000)
  assert.equal(refusal(early), 'WRITE_TIMEOUT unknown')
  assert.deepEqual(sent(), ['a b'])
  await transport.call.take()
  assert.equal(late.outcome, false)
  assert.deepEqual(sent(), ['a b', 'c'])
})

test('a clear that timed out while it waited takes nothing with it', async () => {
  const { set, clear, clock, writer, sent } = make({ up: false })
  const first = clear()
  clock.advance(5000)
  const second = set('a')
  clock.advance(5000)
  assert.equal(refusal(first), 'WRITE_TIMEOUT no')
  writer.up()
  assert.deepEqual(sent(), ['a'])
  assert.equal(second.outcome, undefined)
})

test('after a write timed out while down, a newer one of its key is a write of its own', async () => {
  const { set, clock, writer, transport } = make({ up: false })
  const first = set('a', 1)
  clock.advance(10_000)
  const second = set('a', 2)
  writer.up()
  await transport.call.take()
  assert.equal(refusal(first), 'WRITE_TIMEOUT no')
  assert.equal(second.outcome, false)
})

// Bounds

test('more writes than may wait are refused at once; those that wait are not', async () => {
  const { set, writer, transport } = make({ up: false, maxPending: 3 })
  const waiting = keys(3).map((key) => set(key))
  const over = set('one more')
  assert.equal(refusal(over), 'TOO_MANY_PENDING no')
  assert.match((over.outcome as MemisError).message, /3 writes wait, maxPending is 3/)
  assert.equal(set('key 1', 2).outcome, undefined, 'a newer write of a key that waits needs no room')
  writer.up()
  await transport.call.take()
  for (const call of waiting) assert.equal(call.outcome, false)
})

test('a clear that takes the place of all that waits needs no room', async () => {
  const { set, clear, writer, transport } = make({ up: false, maxPending: 3 })
  const waiting = keys(3).map((key) => set(key))
  const call = clear()
  assert.equal(call.outcome, undefined)
  writer.up()
  await transport.call.take()
  for (const each of [...waiting, call]) assert.equal(each.outcome, false)
})

test('bytes are bounded as well, and counted anew when a write is superseded', async () => {
  const { set, writer } = make({ up: false, maxPendingBytes: 100 })
  const first = set('a', 1, 60)
  assert.equal(refusal(set('b', 1, 41)), 'TOO_MANY_PENDING no')
  set('b', 1, 40)
  assert.equal(refusal(set('a', 2, 61)), 'TOO_MANY_PENDING no')
  assert.equal(first.outcome, undefined, 'the one that waits still does')
  assert.equal(set('a', 3, 10).outcome, undefined)
  assert.equal(set('c', 1, 50).outcome, undefined)
  assert.equal(refusal(set('d', 1, 1)), 'TOO_MANY_PENDING no')
  writer.up()
  assert.equal(set('d', 1, 100).outcome, undefined, 'what is under way does not wait')
})

test('the bounds are of the client, not of each collection', async () => {
  const { lane, writer } = make({ up: false, maxPending: 2 })
  const [one, two] = [lane('one'), lane('two')]
  one.set('a')
  two.set('a')
  assert.equal(refusal(one.set('b')), 'TOO_MANY_PENDING no')
  assert.equal(refusal(two.set('b')), 'TOO_MANY_PENDING no')
  writer.up()
  assert.equal(one.set('b').outcome, undefined)
})

const ways: [string, (made: ReturnType<typeof make>) => unknown][] = [
  ['sent', ({ writer }) => writer.up()],
  ['timed out', ({ clock }) => clock.advance(11_000)],
  [
    'refused for good',
    ({ writer }) => {
      writer.refuse(unauthorized())
      writer.up()
      writer.down()
    },
  ],
  [
    'superseded by a clear that was sent',
    async ({ writer, transport, clear }) => {
      writer.up()
      writer.down()
      await transport.call.fail(disconnected())
      clear()
      writer.up()
      await transport.call.take()
      await transport.call.take()
      writer.down()
    },
  ],
]

for (const [how, act] of ways) {
  test(`what was ${how} leaves its room to others, all of it`, async () => {
    const made = make({ up: false, maxPending: 3, maxPendingBytes: 100 })
    const fill = () => [...keys(3)].map((key) => made.set(`${key} of ${how}`, 0, 33))
    fill()
    assert.equal(refusal(made.set('over')), 'TOO_MANY_PENDING no')
    await act(made)
    if (how === 'sent') made.writer.down()
    const again = fill()
    for (const call of again) assert.equal(call.outcome, undefined)
    assert.equal(refusal(made.set('over', 0, 1)), 'TOO_MANY_PENDING no')
  })
}

test('a refusal for want of room leaves no timer where nothing waits', () => {
  const { set, clock } = make({ up: false, maxPendingBytes: 10 })
  assert.equal(refusal(set('a', 0, 11)), 'TOO_MANY_PENDING no')
  assert.equal(clock.pending, 0)
})

// Faults that will not pass

test('a fault that will not pass refuses what waits and what comes, until the link is up', async () => {
  const { set, writer, transport, sent } = make({ up: false })
  const waiting = [set('a'), set('b')]
  writer.refuse(unauthorized())
  waiting.push(set('c'))
  assert.deepEqual(waiting.map(refusal), ['UNAUTHORIZED no', 'UNAUTHORIZED no', 'UNAUTHORIZED no'])
  await turn()
  writer.up()
  const next = set('a')
  await turn()
  assert.deepEqual(sent(), ['a'])
  await transport.call.take()
  assert.equal(next.outcome, false)
})

test('it leaves no timer', () => {
  const { set, writer, clock } = make({ up: false })
  set('a')
  writer.refuse(unauthorized())
  assert.equal(clock.pending, 0)
})

test('a permanent fault of one batch refuses that batch', async () => {
  const { set, transport } = make()
  const call = set('a')
  await turn()
  const next = set('b')
  await transport.call.fail(new MemisError('UNAUTHORIZED', 'no permission', { stored: 'no' }))
  assert.equal(refusal(call), 'UNAUTHORIZED no')
  await transport.call.take()
  assert.equal(next.outcome, false)
})

// Closing

test('closing with nothing under way is done at once, and refuses what comes', async () => {
  const { set, writer, clock } = make()
  await writer.close()
  assert.equal(refusal(set('a')), 'CLOSED no')
  assert.equal(clock.pending, 0)
})

test('closing waits until all is sent and answered', async () => {
  const { set, writer, transport, clock, sent } = make()
  const calls = [set('a')]
  await turn()
  calls.push(set('b'))
  let closed = false
  const closing = writer.close().then(() => {
    closed = true
  })
  await turn()
  await transport.call.take()
  assert.deepEqual(sent(), ['a', 'b'])
  assert.equal(closed, false)
  await transport.call.take()
  await closing
  for (const call of calls) assert.equal(call.outcome, false)
  assert.equal(clock.pending, 0)
})

test('closing sends what was written in the same turn', async () => {
  const { set, writer, transport } = make()
  const call = set('a')
  const closing = writer.close()
  await turn()
  await transport.call.take()
  await closing
  assert.equal(call.outcome, false)
})

test('closing while the link is down waits for it, and sends what waits if it comes', async () => {
  const { set, writer, transport, clock } = make({ up: false })
  const call = set('a')
  const closing = writer.close()
  clock.advance(4000)
  writer.up()
  assert.equal(refusal(set('late')), 'CLOSED no', 'what comes is refused all the same')
  await transport.call.take()
  await closing
  assert.equal(call.outcome, false)
  assert.equal(clock.pending, 0)
})

test('closing waits 5 s at most, and then refuses the rest: what was sent may be stored, what was not is not', async () => {
  const { set, writer, clock } = make()
  const flying = set('a')
  await turn()
  const waiting = set('b')
  const closing = writer.close()
  clock.advance(4999)
  await turn()
  assert.equal(flying.outcome, undefined)
  clock.advance(1)
  await closing
  assert.deepEqual([flying, waiting].map(refusal), ['CLOSED unknown', 'CLOSED no'])
  assert.equal(clock.pending, 0)
})

test('closing waits no longer than writeTimeout', async () => {
  const { set, writer, clock } = make({ up: false, writeTimeout: 300 })
  const call = set('a')
  const closing = writer.close()
  clock.advance(300)
  await closing
  assert.match(refusal(call), /^(CLOSED|WRITE_TIMEOUT) no$/)
  assert.equal(clock.pending, 0)
})

test('what fails for a passing reason while closing is sent again', async () => {
  const { set, writer, transport, clock } = make()
  const call = set('a')
  await turn()
  const closing = writer.close()
  await transport.call.fail(disconnected())
  clock.advance(80)
  assert.equal(transport.writes.length, 2)
  await transport.call.take()
  await closing
  assert.equal(call.outcome, false)
  assert.equal(clock.pending, 0)
})

test('a retry that waits when the writer closes for good leaves no timer', async () => {
  const { set, writer, transport, clock } = make({ writeTimeout: 20 })
  set('a')
  await turn()
  await transport.call.fail(disconnected())
  const closing = writer.close()
  clock.advance(20)
  await closing
  assert.equal(clock.pending, 0)
})

test('a transport that answers after the writer has closed is heard by nobody', async () => {
  const { set, writer, transport, clock, written } = make()
  set('a')
  await turn()
  const closing = writer.close()
  clock.advance(5000)
  await closing
  await transport.call.take()
  assert.deepEqual(written, [])
})

/** One on a transport that takes two batches at a time; two writes are a full one. */
function makePipelined() {
  const made = make()
  made.transport.pipelines = true
  made.writer.batchWrites = 2
  /** What was sent: sequence, the batch that it follows, keys. */
  const sent = () =>
    made.transport.writes.map(({ batch: { sequence, follows = '' }, keys }) => `${sequence}<${follows} ${keys.join()}`)
  const set = (...keys: string[]) => {
    const calls = keys.map((key) => made.set(key))
    return turn().then(() => calls)
  }
  return { ...made, sent, set, nth: (i: number) => made.transport.writes[i] as WriteCall }
}

test('behind a batch that is under way leaves a full one that follows it, and no third; less than that waits', async () => {
  const { set, sent, nth } = makePipelined()
  await set('a')
  await set('b')
  assert.deepEqual(sent(), ['1< a'])
  await set('c')
  assert.deepEqual(sent(), ['1< a', '2<1 b,c'])
  const [d, , f] = await set('d', 'e', 'f')
  assert.equal(sent().length, 2)
  await nth(0).take()
  assert.deepEqual(sent().slice(2), ['3<2 d,e'])
  await nth(1).take()
  assert.equal(sent().length, 3, 'f alone is not full')
  await nth(2).take()
  assert.deepEqual(sent().slice(3), ['4< f'])
  await nth(3).take()
  assert.deepEqual([d?.outcome, f?.outcome], [false, false])
})

test('where both fail, the first goes again alone, then the second, that follows none any more', async () => {
  const { set, sent, nth, clock } = makePipelined()
  const [a] = await set('a')
  const [b] = await set('b', 'c')
  await nth(0).fail(disconnected())
  await nth(1).fail(disconnected())
  await set('d', 'e')
  clock.advance(75)
  await turn()
  assert.deepEqual(sent().slice(2), ['1< a'])
  clock.advance(5000)
  assert.equal(sent().length, 3)
  await nth(2).take()
  assert.equal(a?.outcome, false)
  assert.deepEqual(sent().slice(3), ['2< b,c'])
  await nth(3).take()
  assert.equal(b?.outcome, false)
  assert.deepEqual(sent().slice(4), ['3< d,e'])
  await nth(4).take()
  assert.equal(clock.pending, 0)
})

test('the second is taken, and the first, that had no answer, goes again before anything newer', async () => {
  const { set, sent, nth, clock } = makePipelined()
  const [a] = await set('a')
  const [b] = await set('b', 'c')
  await nth(0).fail(disconnected())
  await nth(1).take()
  assert.deepEqual([a?.outcome, b?.outcome], [undefined, false])
  await set('d', 'e')
  clock.advance(75)
  await turn()
  assert.deepEqual(sent().slice(2), ['1< a'])
  await nth(2).take()
  assert.equal(a?.outcome, false)
  assert.deepEqual(sent().slice(3), ['3< d,e'])
})

test('the second settles while the first is under way: nothing newer leaves before that one has settled', async () => {
  const { set, sent, nth } = makePipelined()
  await set('a')
  await set('b', 'c')
  await set('d', 'e', 'f', 'g')
  await nth(1).take()
  assert.deepEqual(sent(), ['1< a', '2<1 b,c'])
  await nth(0).take()
  assert.deepEqual(sent().slice(2), ['3< d,e', '4<3 f,g'])
})

test('the first is refused for good: the second, that was not taken without it, goes again', async () => {
  const { set, sent, nth, clock } = makePipelined()
  const [a] = await set('a')
  const [b] = await set('b', 'c')
  await nth(0).fail(new MemisError('STORE_REFUSED', 'out of memory', { stored: 'no' }))
  await nth(1).fail(new MemisError('DISCONNECTED', 'not taken', { stored: 'no' }))
  assert.equal(refusal(a as Call), 'STORE_REFUSED no')
  clock.advance(75)
  await turn()
  assert.deepEqual(sent().slice(2), ['2< b,c'])
  await nth(2).take()
  assert.equal(b?.outcome, false)
  assert.equal(clock.pending, 0)
})

test('the link is lost and comes back: both go again in their order, before what waits', async () => {
  const { set, sent, nth, writer } = makePipelined()
  await set('a')
  await set('b', 'c')
  writer.down()
  await nth(0).fail(disconnected())
  await nth(1).fail(disconnected())
  await set('d', 'e')
  writer.up()
  await turn()
  assert.deepEqual(sent().slice(2), ['1< a'])
  await nth(2).take()
  await nth(3).take()
  await nth(4).take()
  assert.deepEqual(sent().slice(2), ['1< a', '2< b,c', '3< d,e'])
})

test('who waits for the first gives up: what is under way goes on, and what waits follows that', async () => {
  const { set, sent, nth, clock } = makePipelined()
  const [a] = await set('a')
  clock.advance(5000)
  const [b] = await set('b', 'c')
  clock.advance(5000)
  assert.equal(refusal(a as Call), 'WRITE_TIMEOUT unknown')
  await set('d', 'e')
  assert.deepEqual(sent().slice(2), ['3<2 d,e'])
  await nth(0).take()
  await nth(1).take()
  assert.equal(b?.outcome, false)
  await nth(2).take()
  assert.equal(clock.pending, 0)
})

test('nothing is sent behind a clear, nor is a clear, until what is before it has settled', async () => {
  const { set, sent, nth, clear } = makePipelined()
  await set('a')
  await set('b')
  const cleared = clear()
  await set('c', 'd', 'e', 'f')
  assert.deepEqual(sent(), ['1< a', '2<1 b'])
  await nth(0).take()
  assert.equal(sent().length, 2)
  await nth(1).take()
  assert.equal(sent().length, 3)
  assert.equal(nth(2).batch.writes[0]?.kind, 'clear')
  await nth(2).take()
  assert.equal(cleared.settled, 1)
  assert.deepEqual(sent().slice(3), ['4< c,d', '5<4 e,f'])
})

test('both are refused when the writer is closed for good, and what they may have done is not known', async () => {
  const { set, writer, clock } = makePipelined()
  const [a] = await set('a')
  const [b, c, d] = await set('b', 'c', 'd')
  const closing = writer.close()
  clock.advance(5000)
  await closing
  assert.deepEqual(
    [a, b, c, d].map((call) => refusal(call as Call)),
    ['CLOSED unknown', 'CLOSED unknown', 'CLOSED unknown', 'CLOSED no'],
  )
  assert.equal(clock.pending, 0)
})

test.run()
