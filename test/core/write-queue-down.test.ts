import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { deleteOf, disconnected, setOf, turn, unauthorized } from '../support/fake-transport'
import { accepted, outcomes, QueueBench } from '../support/queue-bench'

const test = suite('write queue, while the link is down')

// Coalescing

test('W6 while the link is down, nothing is sent', async () => {
  const bench = new QueueBench({ up: false })
  const call = bench.set('a')
  await turn()
  assert.deepEqual(bench.sent, [])
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a'])
  await bench.call.accept()
  assert.equal(call.outcome, 'accepted')
  bench.queue.linkDown()
  bench.set('b')
  await turn()
  assert.deepEqual(bench.sent, ['a'])
})

test('W6 a link that goes down in the turn of the call sends nothing either', async () => {
  const bench = new QueueBench()
  bench.set('a', 1)
  bench.queue.linkDown()
  await turn()
  assert.deepEqual(bench.sent, [])
  bench.set('a', 2)
  bench.queue.linkUp()
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 2 })])
})

test('W6 the newest write of a key replaces an older set; all their callers settle with it', async () => {
  const bench = new QueueBench({ up: false })
  const calls = [bench.set('a', 1), bench.set('b', 1), bench.set('a', 2), bench.delete('b'), bench.set('a', 3)]
  bench.queue.linkUp()
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 3 }), deleteOf('b')])
  await bench.call.outcomes(accepted(1), accepted(2, true))
  assert.deepEqual(outcomes(calls), ['accepted', 'accepted, existed', 'accepted', 'accepted, existed', 'accepted'])
})

test('W6 what waited behind a batch when the link went down is replaced as well, in its order', async () => {
  const bench = new QueueBench()
  bench.set('in flight', 1)
  await turn()
  const waiting = [bench.set('a', 1), bench.set('b', 1), bench.set('a', 2)]
  bench.queue.linkDown()
  waiting.push(bench.set('b', 2))
  await bench.call.fail(disconnected())
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['in flight', 'in flight'])
  await bench.call.accept()
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 2 }), setOf('b', { v: 2 })])
  await bench.call.accept()
  assert.deepEqual(outcomes(waiting), ['accepted', 'accepted', 'accepted', 'accepted'])
})

test('W6 once the link is up again, nothing is replaced', async () => {
  const bench = new QueueBench({ up: false })
  bench.queue.linkUp()
  bench.set('a', 1)
  bench.set('a', 2)
  await turn()
  assert.equal(bench.call.batch.writes.length, 2)
})

test('W6 a link that goes down twice, or comes up twice, does no harm', async () => {
  const bench = new QueueBench()
  bench.queue.linkDown()
  bench.set('a', 1)
  bench.queue.linkDown()
  bench.set('a', 2)
  bench.queue.linkUp()
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a'])
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a'])
})

test('W5 a waiting delete is not replaced by a set: whether it found something is the delete’s to tell', async () => {
  const bench = new QueueBench({ up: false })
  const calls = [bench.delete('a'), bench.set('a', 1), bench.set('a', 2), bench.delete('a'), bench.set('a', 3)]
  bench.queue.linkUp()
  assert.deepEqual(bench.call.batch.writes, [deleteOf('a'), deleteOf('a'), setOf('a', { v: 3 })])
  await bench.call.outcomes(accepted(1, true), accepted(2, false), accepted(3, false))
  assert.deepEqual(outcomes(calls), ['accepted, existed', 'accepted', 'accepted', 'accepted', 'accepted'])
})

test('C3 a conditional write is neither replaced nor passed, and replaces nothing', async () => {
  const bench = new QueueBench({ up: false })
  bench.set('a', 1)
  bench.set('b', 1)
  bench.setIf('a', 2, 7)
  bench.set('a', 3)
  bench.set('a', 4)
  bench.deleteIf('b', 8)
  bench.set('b', 2)
  bench.delete('b')
  bench.queue.linkUp()
  const words = bench.call.batch.writes.map((write) => {
    const condition = 'if' in write ? ' if' : ''
    return write.kind === 'set'
      ? `set ${write.key} ${(write.item.item as { v: number }).v}${condition}`
      : write.kind + condition
  })
  assert.deepEqual(words, ['set a 1', 'set b 1', 'set a 2 if', 'set a 4', 'delete if', 'delete'])
})

test('C3 so is a transaction, for each of its keys', async () => {
  const bench = new QueueBench({ up: false })
  bench.set('a', 1)
  bench.set('c', 1)
  bench.transaction({ kind: 'check', key: 'a', if: null }, setOf('b', {}))
  bench.set('a', 2)
  bench.set('c', 2)
  bench.set('a', 3)
  bench.queue.linkUp()
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['a c', 'a b', 'a'])
  assert.deepEqual(bench.transport.writes[0]?.batch.writes, [setOf('a', { v: 1 }), setOf('c', { v: 2 })])
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 3 })])
})

test('W6 a set that keeps the ttl does not replace a set that may give another one', async () => {
  const bench = new QueueBench({ up: false })
  bench.push(setOf('a', { v: 1 }, 5000))
  bench.push(setOf('a', { v: 2 }, 'keep'))
  bench.push(setOf('b', { v: 1 }, 'keep'))
  bench.push(setOf('b', { v: 2 }, 'keep'))
  bench.push(setOf('c', { v: 1 }, 'keep'))
  bench.push(setOf('c', { v: 2 }, 5000))
  bench.queue.linkUp()
  const writes = bench.call.batch.writes.filter(({ kind }) => kind === 'set')
  assert.deepEqual(writes.slice(0, 2), [setOf('a', { v: 1 }, 5000), setOf('a', { v: 2 }, 'keep')])
  assert.deepEqual(writes.at(-1), setOf('c', { v: 2 }, 5000))
})

test('W6 a clear replaces all sets that wait before it, and nothing after it', async () => {
  const bench = new QueueBench({ up: false })
  const older = [bench.set('a', 1), bench.set('b', 1)]
  const clear = bench.clear()
  const newer = bench.set('a', 3)
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['*'])
  await bench.call.accept()
  assert.deepEqual(outcomes([...older, clear, newer]), ['accepted', 'accepted', 'accepted', 'waiting'])
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['*', 'a'])
  assert.equal(newer.outcome, 'accepted')
})

test('W5 deletes, conditional writes and transactions stay before a clear', async () => {
  const bench = new QueueBench({ up: false })
  const first = bench.delete('a')
  const replaced = bench.set('b')
  const conditional = bench.setIf('c', 1, null)
  bench.transaction(setOf('d', {}))
  const clear = bench.clear()
  bench.delete('a')
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a c'])
  await bench.call.outcomes(accepted(1, true), { conflict: null })
  assert.deepEqual(outcomes([first, conditional, replaced]), ['accepted, existed', 'conflict c', 'waiting'])
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['a c', 'd', '*', 'a'])
  assert.deepEqual(outcomes([replaced, clear]), ['accepted', 'accepted'])
})

test('W6 a write is not replaced across a clear that waited with it when the link went down', async () => {
  const bench = new QueueBench()
  bench.set('in flight')
  await turn()
  bench.set('a', 1)
  bench.clear()
  bench.set('a', 2)
  bench.queue.linkDown()
  bench.set('a', 3)
  await bench.call.fail(disconnected())
  bench.queue.linkUp()
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['in flight', 'in flight', '*', 'a'])
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 3 })])
})

// Retries

test('W4 a batch whose outcome is unknown goes again as it was, before anything newer', async () => {
  const bench = new QueueBench()
  const calls = [bench.set('a', 1), bench.set('b', 1)]
  await turn()
  const { batch } = bench.call
  bench.queue.linkDown()
  await bench.call.fail(disconnected())
  calls.push(bench.set('a', 2)) // the older one may have been sent: it is not replaced
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a b', 'a b'])
  assert.equal(bench.call.batch, batch)
  await bench.call.accept()
  assert.deepEqual(outcomes(calls), ['accepted', 'accepted', 'waiting'])
  assert.deepEqual(bench.sent, ['a b', 'a b', 'a'])
  assert.ok(bench.call.batch.sequence > batch.sequence)
})

test('C7 so does a transaction', async () => {
  const bench = new QueueBench()
  const call = bench.transaction(setOf('a', {}), deleteOf('b'))
  await turn()
  const { batch } = bench.call
  await bench.call.fail(disconnected())
  bench.clock.advance(50)
  assert.equal(bench.call.batch, batch)
  await bench.call.accept()
  assert.equal(call.outcome, 'accepted')
})

test('K9 a batch that fails for a passing reason while the link is up goes again after a growing while', async () => {
  const bench = new QueueBench()
  const call = bench.set('a', 1)
  await turn()
  const waits: number[] = []
  for (let attempt = 1; attempt <= 10; attempt++) {
    await bench.call.fail(disconnected('no'))
    assert.equal(bench.sent.length, attempt, 'not at once')
    const start = bench.clock.now()
    while (bench.sent.length === attempt && bench.clock.now() - start < 5000) bench.clock.advance(1)
    waits.push(bench.clock.now() - start)
    assert.equal(bench.call.batch, bench.transport.writes[0]?.batch)
    if (call.outcome !== 'waiting') break
  }
  waits.slice(0, 6).forEach((wait, i) => {
    const most = Math.min(2000, 50 * 2 ** i)
    assert.ok(wait >= Math.floor(most / 2) && wait <= most + 1, `the wait ${i} is ${wait} ms`)
  })
})

test('K9 a deadline of somebody else does not make a batch go again earlier', async () => {
  const bench = new QueueBench({ writeTimeout: 1000 })
  bench.collection('other').set('hangs')
  await turn()
  bench.clock.advance(990)
  bench.set('a')
  await turn()
  const { length } = bench.sent
  await bench.call.fail(disconnected())
  const { random } = Math
  Math.random = () => 1
  bench.clock.advance(20)
  Math.random = random
  assert.equal(bench.sent.length, length, 'the backoff is 25 ms at least')
  bench.clock.advance(40)
  assert.equal(bench.sent.length, length + 1)
})

test('W4 a batch that fails while up, and then the link goes down and up, goes once for each time up', async () => {
  const bench = new QueueBench()
  bench.set('a')
  await turn()
  await bench.call.fail(disconnected())
  bench.queue.linkDown()
  bench.clock.advance(1000)
  assert.equal(bench.sent.length, 1)
  bench.queue.linkUp()
  assert.equal(bench.sent.length, 2)
  bench.clock.advance(1000)
  await turn()
  assert.equal(bench.sent.length, 2)
})

test('W4 while a batch is out, nothing is handed over when the link comes up again', async () => {
  const bench = new QueueBench()
  const calls = [bench.set('a')]
  await turn()
  calls.push(bench.set('b'))
  bench.queue.linkDown()
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a'])
  await bench.acceptAll()
  assert.deepEqual(bench.sent, ['a', 'b'])
  assert.deepEqual(outcomes(calls), ['accepted', 'accepted'])
})

// What is certain

test('H9 a batch that certainly was not stored, and then was refused, is not stored', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  await bench.call.fail(disconnected('no'))
  bench.clock.advance(80)
  await bench.call.fail(new MemisError('STORE_REFUSED', 'no room', { stored: 'no' }))
  assert.equal(call.outcome, 'STORE_REFUSED no')
})

test('H9 a batch that may have been stored, and then was refused, may be stored', async () => {
  const bench = new QueueBench()
  const calls = [bench.set('a'), bench.set('b')]
  await turn()
  await bench.call.fail(disconnected())
  bench.clock.advance(80)
  const refusal = new MemisError('STORE_REFUSED', 'no room', { stored: 'no' })
  await bench.call.outcomes({ error: refusal }, accepted(1))
  assert.deepEqual(outcomes(calls), ['STORE_REFUSED unknown', 'accepted'])
})

test('H9 so it may if only an earlier attempt is uncertain', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  await bench.call.fail(disconnected())
  bench.clock.advance(80)
  await bench.call.fail(disconnected('no'))
  bench.clock.advance(10_000)
  assert.equal(call.outcome, 'WRITE_TIMEOUT unknown')
})

test('H9 a batch that was refused for good after its outcome was unknown may have been stored', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  bench.queue.linkDown()
  await bench.call.fail(disconnected())
  bench.queue.refuse(unauthorized())
  assert.equal(call.outcome, 'UNAUTHORIZED unknown')
})

test('H9 a batch that certainly was not stored, and waits to go again, is not stored when it is given up', async () => {
  const refused = new QueueBench()
  const late = new QueueBench()
  const calls = [refused.set('a'), late.set('a')]
  await turn()
  await refused.call.fail(disconnected('no'))
  await late.call.fail(disconnected('no'))
  refused.queue.refuse(unauthorized())
  late.queue.linkDown()
  late.clock.advance(10_000)
  assert.deepEqual(outcomes(calls), ['UNAUTHORIZED no', 'WRITE_TIMEOUT no'])
  assert.deepEqual([refused.clock.pending, late.clock.pending], [0, 0])
})

test('W6 H2 what was refused as not stored does not go again with the rest of its batch', async () => {
  const bench = new QueueBench()
  bench.set('first')
  await turn()
  const calls = [bench.set('a')]
  bench.clock.advance(500)
  calls.push(bench.set('b'))
  await bench.call.accept()
  await bench.call.fail(disconnected('no'))
  bench.queue.linkDown()
  bench.clock.advance(9500)
  assert.deepEqual(outcomes(calls), ['WRITE_TIMEOUT no', 'waiting'])
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['first', 'a b', 'b'])
  await bench.call.accept()
  assert.deepEqual(outcomes(calls), ['WRITE_TIMEOUT no', 'accepted'])
})

test.run()
