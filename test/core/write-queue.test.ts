import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { deleteOf, entry, setOf, things, turn } from '../support/fake-transport'
import { accepted, keys, outcomes, QueueBench } from '../support/queue-bench'

const test = suite('write queue')

// How writes travel

test('W1 a lone write leaves in the next promise job, and settles with what the store says', async () => {
  const bench = new QueueBench()
  const call = bench.set('a', 1)
  assert.deepEqual(bench.sent, [])
  await Promise.resolve()
  assert.deepEqual(bench.sent, ['a'])
  const { batch, id } = bench.call
  assert.deepEqual(id, things)
  assert.deepEqual(batch.writes, [setOf('a', { v: 1 })])
  assert.equal(call.outcome, 'waiting')
  await bench.call.accept(true)
  assert.equal(call.outcome, 'accepted, existed')
  assert.deepEqual(bench.target.told, ['set a e1.1'])
})

test('H5 fake timers hold up no write', async () => {
  const { queueMicrotask, setImmediate, setTimeout } = globalThis
  const nextTick = process.nextTick
  const never = () => assert.fail('a fake timer was set')
  const bench = new QueueBench()
  try {
    Object.assign(globalThis, { queueMicrotask: never, setImmediate: never, setTimeout: never })
    process.nextTick = never
    bench.set('a')
    await Promise.resolve()
  } finally {
    Object.assign(globalThis, { queueMicrotask, setImmediate, setTimeout })
    process.nextTick = nextTick
  }
  assert.deepEqual(bench.sent, ['a'])
})

test('W4 writes of one turn travel together, in the order of the calls', async () => {
  const bench = new QueueBench()
  bench.set('a')
  bench.delete('b')
  bench.set('a')
  await Promise.resolve()
  bench.set('c') // a moment later: those before are in flight
  await turn()
  assert.deepEqual(bench.sent, ['a b a'])
  const kinds = bench.call.batch.writes.map(({ kind }) => kind)
  assert.deepEqual(kinds, ['set', 'delete', 'set'])
})

test('W4 while a batch is in flight, everything waits; then it goes together', async () => {
  const bench = new QueueBench()
  bench.set('a')
  await turn()
  for (const key of ['b', 'c', 'b']) {
    bench.set(key)
    await turn()
  }
  assert.deepEqual(bench.sent, ['a'])
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b c b'])
})

test('P3 a collection whose batch hangs holds up no other', async () => {
  const bench = new QueueBench()
  const [one, two] = [bench.collection('one'), bench.collection('two')]
  one.set('a')
  two.set('b')
  await turn()
  two.set('c')
  assert.deepEqual(
    bench.transport.writes.map(({ id }) => id.collection),
    ['one', 'two'],
  )
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b', 'c'])
})

test('W4 the sequence grows with each batch, also of a collection that was idle meanwhile', async () => {
  const bench = new QueueBench()
  const other = bench.collection('other')
  for (const each of [bench, other, bench, bench]) {
    each.set('a')
    await turn()
    await bench.call.accept()
  }
  const batches = bench.transport.writes.map(({ batch }) => batch)
  const sequences = batches.map(({ sequence }) => sequence)
  assert.ok(
    sequences.every((each, i) => Number.isSafeInteger(each) && each > (sequences[i - 1] ?? 0)),
    `${sequences}`,
  )
  assert.equal(new Set(batches.map(({ writer }) => writer)).size, 1)
})

test('W4 two clients are told apart', async () => {
  const [one, two] = [new QueueBench(), new QueueBench()]
  one.set('a')
  two.set('a')
  await turn()
  assert.notEqual(one.call.batch.writer, two.call.batch.writer)
})

test('a batch has at most 1,000 writes', async () => {
  const bench = new QueueBench({ maxPending: 5000 })
  for (const key of keys(2500)) bench.set(key)
  await turn()
  await bench.acceptAll()
  assert.deepEqual(
    bench.transport.writes.map(({ keys }) => keys.length),
    [1000, 1000, 500],
  )
  assert.equal(bench.sent.join(' '), keys(2500).join(' '))
})

test('a batch has at most 1 MiB, or one write that is larger', async () => {
  const bench = new QueueBench({ maxPendingBytes: 1e9 })
  const half = 512 * 1024
  const sizes = { a: half, b: half, c: 1, d: 10 * half, e: 1, f: half, g: half, h: half }
  for (const [key, bytes] of Object.entries(sizes)) bench.set(key, 0, bytes)
  await turn()
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['a b', 'c', 'd', 'e f', 'g h'])
})

test('W5 a clear is alone in its batch, and keeps its place', async () => {
  const bench = new QueueBench()
  bench.clear()
  bench.clear()
  bench.set('a')
  bench.set('b')
  bench.clear()
  bench.set('c')
  await turn()
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['*', '*', 'a b', '*', 'c'])
})

test('C7 a transaction is an atomic batch of its own, and keeps its place', async () => {
  const bench = new QueueBench()
  bench.set('a')
  bench.transaction(setOf('b', {}), deleteOf('c'))
  bench.transaction(setOf('d', {}))
  bench.set('e')
  await turn()
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['a', 'b c', 'd', 'e'])
  assert.deepEqual(
    bench.transport.writes.map(({ batch }) => batch.isAtomic),
    [undefined, true, true, undefined],
  )
})

// What becomes of them

test('W3 each caller is told what the store made of its write, after the collection', async () => {
  const bench = new QueueBench()
  const calls = [bench.set('a'), bench.delete('b'), bench.set('c'), bench.delete('d'), bench.set('e')]
  await turn()
  const tooLarge = new MemisError('ITEM_TOO_LARGE', 'too large', { stored: 'no' })
  const vague = new MemisError('STORE_REFUSED', 'no room')
  await bench.call.outcomes(accepted(1, true), accepted(2), { error: tooLarge }, { error: vague })
  assert.deepEqual(outcomes(calls), [
    'accepted, existed',
    'accepted',
    'ITEM_TOO_LARGE no',
    'STORE_REFUSED unknown',
    'STORE_REFUSED unknown', // the store said nothing of the last one
  ])
  assert.deepEqual([calls[0]?.told, calls[1]?.told], [1, 2])
  assert.deepEqual(bench.target.told, ['set a e1.1', 'delete b e1.2'])
})

test('C2 a write whose condition failed is told the entry of the store; the others of its batch are accepted', async () => {
  const bench = new QueueBench()
  const calls = [bench.setIf('a', 1, 7), bench.set('b'), bench.setIf('c', 1, null)]
  await turn()
  const current = entry('a', 9, { v: 9 })
  await bench.call.outcomes({ conflict: current }, accepted(10), { conflict: null })
  assert.deepEqual(outcomes(calls), ['conflict a', 'accepted', 'conflict c'])
  assert.deepEqual([calls[0]?.current, calls[2]?.current], [current, null])
  assert.deepEqual(bench.target.told, ['set b e1.10'])
})

test('C7 a transaction is told to the collection as a whole, and settles once', async () => {
  const bench = new QueueBench()
  const call = bench.transaction(setOf('a', {}), deleteOf('b'))
  await turn()
  await bench.call.outcomes(accepted(1), accepted(2))
  assert.equal(call.outcome, 'accepted')
  assert.deepEqual(bench.target.told, ['set a e1.1, delete b e1.2'])
})

test('C7 a transaction of which a condition failed names the key; nothing is told to the collection', async () => {
  const bench = new QueueBench()
  const current = entry('b', 9, {})
  const call = bench.transaction(setOf('a', {}), { kind: 'check', key: 'b', if: null })
  await turn()
  await bench.call.outcomes({ aborted: true }, { conflict: current })
  assert.equal(call.outcome, 'conflict b')
  assert.deepEqual(call.current, current)
  assert.deepEqual(bench.target.told, [])
})

test('C7 a transaction that the store refuses, or of which it gives no outcome, is refused as a whole', async () => {
  const refusal = new MemisError('STORE_REFUSED', 'no room', { stored: 'no' })
  const answers = {
    'STORE_REFUSED no': [{ error: refusal }, { aborted: true }],
    'STORE_REFUSED unknown': [accepted(1)],
  } as const
  for (const [outcome, answer] of Object.entries(answers)) {
    const bench = new QueueBench()
    const call = bench.transaction(setOf('a', {}), setOf('b', {}))
    await turn()
    await bench.call.outcomes(...answer)
    assert.equal(call.outcome, outcome)
    assert.deepEqual(bench.target.told, [])
  }
})

test('H2 a failure that is an answer refuses its batch, and the next one goes', async () => {
  const bench = new QueueBench()
  const first = [bench.set('a'), bench.set('b')]
  await turn()
  const second = bench.set('a')
  await bench.call.fail(new MemisError('STORE_REFUSED', 'out of memory', { stored: 'no' }))
  assert.deepEqual(outcomes(first), ['STORE_REFUSED no', 'STORE_REFUSED no'])
  await bench.call.accept()
  assert.equal(second.outcome, 'accepted')
  assert.deepEqual(bench.sent, ['a b', 'a'])
})

test('W3 a collection that writes when it is told of a write keeps the order', async () => {
  const bench = new QueueBench()
  bench.target.onAccepted = () => {
    bench.target.onAccepted = () => {}
    bench.set('from the listener')
  }
  bench.set('a')
  await turn()
  bench.set('b')
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b'], 'what waited has left before the listener is told')
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b', 'from the listener'])
})

// A transport that is wrong

test('H1 a transport that throws at once has failed like any other', async () => {
  const bench = new QueueBench()
  bench.transport.write = () => {
    throw new TypeError('a bug')
  }
  const call = bench.set('a')
  await turn()
  assert.equal(call.outcome, 'STORE_REFUSED unknown')
  assert.ok(call.error?.cause instanceof TypeError)
})

/** Runs it, and fails if anything was rejected that nobody handles. */
async function withoutUnhandled(run: () => Promise<void>): Promise<void> {
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  try {
    await run()
    await turn()
  } finally {
    process.off('unhandledRejection', note)
  }
  assert.deepEqual(rejections, [])
}

for (const answer of [undefined, null, {}, [], [null], [undefined], [{}], [{ error: null }], [7]]) {
  test(`H1 ${JSON.stringify(answer) ?? 'undefined'} is no answer: the write is refused, and the next one goes`, () =>
    withoutUnhandled(async () => {
      const bench = new QueueBench()
      const call = bench.set('a')
      await turn()
      const next = bench.set('b')
      await bench.call.answer(answer as never)
      assert.equal(call.outcome, 'STORE_REFUSED unknown')
      await bench.call.accept()
      assert.equal(next.outcome, 'accepted')
      assert.equal(bench.clock.pending, 0)
    }))
}

for (const reason of [undefined, null, 'a string', new TypeError('a bug'), { code: 'DISCONNECTED' }]) {
  test(`H1 a rejection with ${String(reason)} refuses the write, and the next one goes`, () =>
    withoutUnhandled(async () => {
      const bench = new QueueBench()
      const call = bench.set('a')
      await turn()
      const next = bench.set('b')
      await bench.call.fail(reason)
      assert.equal(call.outcome, 'STORE_REFUSED unknown')
      await bench.call.accept()
      assert.equal(next.outcome, 'accepted')
    }))
}

// What is left behind

test('K10 a collection that writes in the midst of its last answer leaves nothing behind either', async () => {
  const bench = new QueueBench()
  bench.target.onAccepted = () => {
    bench.target.onAccepted = () => {}
    bench.set('b')
  }
  bench.set('a')
  await turn()
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b'])
  assert.equal(bench.clock.pending, 1)
  await bench.call.accept()
  assert.equal(bench.clock.pending, 0)
})

test('K10 one timer serves all calls, and none is left when nothing waits', async () => {
  const bench = new QueueBench()
  bench.set('a')
  bench.collection('other').set('b')
  bench.set('c')
  await turn()
  assert.equal(bench.clock.pending, 1)
  await bench.transport.writes[0]?.accept()
  assert.equal(bench.clock.pending, 1)
  await bench.call.accept()
  assert.equal(bench.clock.pending, 0)
  bench.set('d')
  assert.equal(bench.clock.pending, 1)
})

test.run()
