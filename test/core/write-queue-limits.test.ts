import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { disconnected, setOf, turn, unauthorized } from '../support/fake-transport'
import { type CallLog, keys, outcomes, QueueBench } from '../support/queue-bench'

const test = suite('write queue, limits')

// Deadlines

test('W6 a write that waited for writeTimeout and was never sent is refused: it is not stored', async () => {
  const bench = new QueueBench({ up: false })
  const call = bench.set('a')
  bench.clock.advance(9999)
  assert.equal(call.outcome, 'waiting')
  bench.clock.advance(1)
  assert.equal(call.outcome, 'WRITE_TIMEOUT no')
  bench.queue.linkUp()
  await turn()
  assert.deepEqual(bench.sent, [])
  assert.equal(bench.clock.pending, 0)
})

test('W6 a write that was sent and not confirmed within writeTimeout is refused: it may be stored', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  bench.clock.advance(9999)
  assert.equal(call.outcome, 'waiting')
  bench.clock.advance(1)
  assert.equal(call.outcome, 'WRITE_TIMEOUT unknown')
  assert.match(String(call.error), /within writeTimeout, 10000 ms/)
  await bench.call.accept()
  assert.deepEqual(bench.target.told, [], 'nobody is told of an answer that comes too late')
})

test('W6 so is one whose outcome is unknown and that waits to go again', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  bench.queue.linkDown()
  await bench.call.fail(disconnected())
  bench.clock.advance(10_000)
  assert.equal(call.outcome, 'WRITE_TIMEOUT unknown')
  bench.queue.linkUp()
  await turn()
  assert.equal(bench.sent.length, 1, 'it does not go again')
  assert.equal(bench.clock.pending, 0)
})

test('W6 a replaced caller has a deadline of its own; the write goes on for its successor', async () => {
  const bench = new QueueBench({ up: false })
  const first = bench.set('a', 1)
  bench.clock.advance(6000)
  const second = bench.set('a', 2)
  bench.clock.advance(4000)
  assert.deepEqual(outcomes([first, second]), ['WRITE_TIMEOUT no', 'waiting'])
  bench.queue.linkUp()
  assert.deepEqual(bench.call.batch.writes, [setOf('a', { v: 2 })])
  await bench.call.accept()
  assert.equal(second.outcome, 'accepted')
})

test('W6 a replaced caller whose successor was sent is told unknown', async () => {
  const bench = new QueueBench({ up: false })
  const first = bench.set('a', 1)
  bench.clock.advance(6000)
  const second = bench.set('a', 2)
  bench.queue.linkUp()
  bench.clock.advance(4000)
  assert.deepEqual(outcomes([first, second]), ['WRITE_TIMEOUT unknown', 'waiting'])
  bench.clock.advance(6000)
  assert.equal(second.outcome, 'WRITE_TIMEOUT unknown')
})

test('W6 no call is refused early, and none late by more than a twentieth of the timeout', () => {
  const bench = new QueueBench({ up: false })
  const calls: [CallLog, number][] = []
  for (let i = 0; i < 300; i++) {
    calls.push([bench.set(`key ${i % 7}`), bench.clock.now() + 10_000])
    bench.clock.advance(37)
  }
  for (; bench.clock.pending > 0; bench.clock.step()) {
    const now = bench.clock.now()
    for (const [{ outcome }, deadline] of calls) {
      assert.ok(
        outcome === 'waiting' ? now <= deadline + 500 : now >= deadline,
        `${outcome} at ${now}, due ${deadline}`,
      )
    }
  }
  for (const [call] of calls) assert.equal(call.outcome, 'WRITE_TIMEOUT no')
})

test('W4 what waits behind an abandoned batch goes, with a higher sequence', async () => {
  const bench = new QueueBench()
  const first = bench.set('a', 1)
  await turn()
  bench.clock.advance(5000)
  const second = bench.set('a', 2)
  bench.clock.advance(5000)
  assert.equal(first.outcome, 'WRITE_TIMEOUT unknown')
  assert.deepEqual(bench.sent, ['a', 'a'])
  const [abandoned, next] = bench.transport.writes
  assert.ok(abandoned && next && next.batch.sequence > abandoned.batch.sequence)
  await abandoned.accept()
  assert.deepEqual(bench.target.told, [])
  assert.equal(second.outcome, 'waiting')
  await next.accept()
  assert.equal(second.outcome, 'accepted')
})

test('W4 an abandoned batch that fails late does not go again', async () => {
  const bench = new QueueBench()
  bench.set('a', 1)
  await turn()
  bench.clock.advance(10_000)
  const next = bench.set('b')
  await turn()
  await bench.transport.writes[0]?.fail(disconnected())
  bench.clock.advance(200)
  assert.deepEqual(bench.sent, ['a', 'b'])
  await bench.call.accept()
  assert.equal(next.outcome, 'accepted')
})

test('W6 a batch is not abandoned while one of its callers still waits', async () => {
  const bench = new QueueBench({ up: false })
  const early = bench.set('a')
  bench.clock.advance(1000)
  const late = bench.set('b')
  bench.queue.linkUp()
  bench.set('c')
  bench.clock.advance(9000)
  assert.deepEqual(outcomes([early, late]), ['WRITE_TIMEOUT unknown', 'waiting'])
  assert.deepEqual(bench.sent, ['a b'])
  await bench.call.accept()
  assert.equal(late.outcome, 'accepted')
  assert.deepEqual(bench.sent, ['a b', 'c'])
})

test('W6 a clear that timed out while it waited takes nothing with it', () => {
  const bench = new QueueBench({ up: false })
  const first = bench.clear()
  bench.clock.advance(5000)
  const second = bench.set('a')
  bench.clock.advance(5000)
  assert.deepEqual(outcomes([first, second]), ['WRITE_TIMEOUT no', 'waiting'])
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['a'])
})

test('W6 after a write timed out while down, a newer one of its key is a write of its own', async () => {
  const bench = new QueueBench({ up: false })
  const first = bench.set('a', 1)
  bench.clock.advance(5000)
  const other = bench.set('b')
  bench.clock.advance(5000)
  const second = bench.set('a', 2)
  bench.queue.linkUp()
  assert.deepEqual(bench.sent, ['b a'])
  await bench.call.accept()
  assert.deepEqual(outcomes([first, other, second]), ['WRITE_TIMEOUT no', 'accepted', 'accepted'])
})

// Limits

test('W6 more writes than may wait are refused at once; those that wait are not', async () => {
  const bench = new QueueBench({ up: false, maxPending: 3 })
  const waiting = keys(3).map((key) => bench.set(key))
  const over = bench.set('one more')
  assert.equal(over.outcome, 'TOO_MANY_PENDING no')
  assert.match(String(over.error), /3 writes wait, and maxPending is 3/)
  assert.equal(bench.set('key 1', 2).outcome, 'waiting', 'a newer write of a key that waits needs no room')
  bench.queue.linkUp()
  await bench.call.accept()
  assert.deepEqual(outcomes(waiting), ['accepted', 'accepted', 'accepted'])
})

test('W6 a clear that replaces everything that waits needs no room', async () => {
  const bench = new QueueBench({ up: false, maxPending: 3 })
  const calls = [...keys(3).map((key) => bench.set(key)), bench.clear()]
  bench.queue.linkUp()
  await bench.call.accept()
  assert.deepEqual(outcomes(calls), ['accepted', 'accepted', 'accepted', 'accepted'])
})

test('W6 a clear that is refused for want of room changes nothing of what waits', async () => {
  const bench = new QueueBench({ up: false, maxPending: 2 })
  const waiting = [bench.delete('a'), bench.delete('b')]
  assert.equal(bench.clear().outcome, 'TOO_MANY_PENDING no')
  bench.queue.linkUp()
  await bench.call.accept()
  assert.deepEqual(outcomes(waiting), ['accepted', 'accepted'])
})

test('W6 bytes are limited as well, and counted anew when a write is replaced', () => {
  const bench = new QueueBench({ up: false, maxPendingBytes: 100 })
  const first = bench.set('a', 1, 60)
  const over = bench.set('b', 1, 41)
  assert.equal(over.outcome, 'TOO_MANY_PENDING no')
  assert.match(String(over.error), /60 bytes of writes wait, and maxPendingBytes is 100/)
  bench.set('b', 1, 40)
  assert.equal(bench.set('a', 2, 61).outcome, 'TOO_MANY_PENDING no')
  assert.equal(first.outcome, 'waiting')
  assert.equal(bench.set('a', 3, 10).outcome, 'waiting')
  assert.equal(bench.set('c', 1, 50).outcome, 'waiting')
  assert.equal(bench.set('d', 1, 1).outcome, 'TOO_MANY_PENDING no')
  bench.queue.linkUp()
  assert.equal(bench.set('d', 1, 100).outcome, 'waiting', 'what is in flight does not wait')
})

test('W6 the limits are the client’s, not each collection’s', () => {
  const bench = new QueueBench({ up: false, maxPending: 2 })
  const [one, two] = [bench.collection('one'), bench.collection('two')]
  one.set('a')
  two.set('a')
  assert.deepEqual(outcomes([one.set('b'), two.set('b')]), ['TOO_MANY_PENDING no', 'TOO_MANY_PENDING no'])
  bench.queue.linkUp()
  assert.equal(one.set('b').outcome, 'waiting')
})

/** What can become of writes that wait; the link is down after it. */
const ends: Record<string, (bench: QueueBench) => unknown> = {
  sent: ({ queue }) => {
    queue.linkUp()
    queue.linkDown()
  },
  'timed out': ({ clock }) => clock.advance(11_000),
  'refused for good': ({ queue }) => {
    queue.refuse(unauthorized())
    queue.linkUp()
    queue.linkDown()
  },
  'replaced by smaller ones, which were sent': (bench) => {
    for (const key of keys(4)) bench.set(key, 0, 1)
    bench.queue.linkUp()
    bench.queue.linkDown()
  },
  'replaced by a clear that was sent': (bench) => {
    bench.clear()
    bench.queue.linkUp()
    bench.queue.linkDown()
  },
}

for (const [end, happen] of Object.entries(ends)) {
  test(`W6 writes that were ${end} leave their room to others, all of it`, () => {
    const bench = new QueueBench({ up: false, maxPending: 4, maxPendingBytes: 100 })
    /** Takes all the room, of writes and of bytes. */
    const fill = () => {
      const calls = keys(4).map((key) => bench.set(key, 0, 25))
      assert.deepEqual(outcomes(calls), ['waiting', 'waiting', 'waiting', 'waiting'])
      const over = [bench.set('one more', 0, 0), bench.set('key 0', 'larger', 26)]
      assert.deepEqual(outcomes(over), ['TOO_MANY_PENDING no', 'TOO_MANY_PENDING no'])
    }
    fill()
    happen(bench)
    fill()
  })
}

test('K10 a refusal for want of room leaves nothing behind', () => {
  const bench = new QueueBench({ up: false, maxPendingBytes: 10 })
  assert.equal(bench.set('a', 0, 11).outcome, 'TOO_MANY_PENDING no')
  assert.equal(bench.clock.pending, 0)
})

// Faults that do not pass

test('K8 a fault that does not pass refuses what waits and what comes, until the link is up', async () => {
  const bench = new QueueBench({ up: false })
  const calls = [bench.set('a'), bench.set('b')]
  bench.queue.refuse(unauthorized())
  calls.push(bench.set('c'))
  assert.deepEqual(outcomes(calls), ['UNAUTHORIZED no', 'UNAUTHORIZED no', 'UNAUTHORIZED no'])
  assert.equal(bench.clock.pending, 0)
  bench.queue.linkUp()
  const next = bench.set('a')
  await turn()
  assert.deepEqual(bench.sent, ['a'])
  await bench.call.accept()
  assert.equal(next.outcome, 'accepted')
})

test('K8 a batch that is refused for a permanent fault is alone in that', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  const next = bench.set('b')
  await bench.call.fail(new MemisError('UNAUTHORIZED', 'no permission', { stored: 'no' }))
  assert.equal(call.outcome, 'UNAUTHORIZED no')
  await bench.call.accept()
  assert.equal(next.outcome, 'accepted')
})

// Closing

/** Begins to close; `closed` says whether that has ended. */
function closing(bench: QueueBench) {
  const state = { closed: false, done: Promise.resolve() }
  state.done = bench.queue.close().then(() => {
    state.closed = true
  })
  return state
}

test('W7 closing with nothing in flight is done at once, and refuses what comes', async () => {
  const bench = new QueueBench()
  await bench.queue.close()
  assert.equal(bench.set('a').outcome, 'CLOSED no')
  assert.equal(bench.clock.pending, 0)
})

test('W7 closing waits until everything is sent and answered', async () => {
  const bench = new QueueBench()
  const calls = [bench.set('a')]
  await turn()
  calls.push(bench.set('b'))
  const close = closing(bench)
  await turn()
  await bench.call.accept()
  assert.deepEqual(bench.sent, ['a', 'b'])
  assert.equal(close.closed, false)
  await bench.call.accept()
  await close.done
  assert.deepEqual(outcomes(calls), ['accepted', 'accepted'])
  assert.equal(bench.clock.pending, 0)
})

test('W7 closing sends what was written in the same turn', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  const close = closing(bench)
  await turn()
  await bench.call.accept()
  await close.done
  assert.equal(call.outcome, 'accepted')
})

test('W7 closing while the link is down waits for it, and sends what waits if it comes', async () => {
  const bench = new QueueBench({ up: false })
  const call = bench.set('a')
  const close = closing(bench)
  bench.clock.advance(4000)
  bench.queue.linkUp()
  assert.equal(bench.set('late').outcome, 'CLOSED no', 'what comes is refused all the same')
  await bench.call.accept()
  await close.done
  assert.equal(call.outcome, 'accepted')
  assert.equal(bench.clock.pending, 0)
})

test('W7 closing waits at most 5 s, then refuses the rest: what was sent may be stored, the other is not', async () => {
  const bench = new QueueBench()
  const inFlight = bench.set('a')
  await turn()
  const waiting = bench.set('b')
  const close = closing(bench)
  bench.clock.advance(4999)
  await turn()
  assert.equal(close.closed, false)
  bench.clock.advance(1)
  await close.done
  assert.deepEqual(outcomes([inFlight, waiting]), ['CLOSED unknown', 'CLOSED no'])
  assert.equal(bench.clock.pending, 0)
  await bench.call.accept()
  assert.deepEqual(bench.target.told, [], 'nobody is told of an answer after that')
})

test('W7 closing waits no longer than writeTimeout', async () => {
  const bench = new QueueBench({ up: false, writeTimeout: 300 })
  bench.set('a')
  bench.clock.advance(290)
  bench.set('b')
  bench.clock.advance(9)
  const last = bench.set('c') // what is overdue is looked for after `b`, and then not for 15 ms
  const close = closing(bench)
  bench.clock.advance(300)
  await close.done
  assert.equal(last.outcome, 'CLOSED no')
  assert.equal(bench.clock.pending, 0)
})

test('W7 what fails for a passing reason while closing goes again', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  await turn()
  const close = closing(bench)
  await bench.call.fail(disconnected())
  bench.clock.advance(80)
  assert.equal(bench.sent.length, 2)
  await bench.call.accept()
  await close.done
  assert.equal(call.outcome, 'accepted')
  assert.equal(bench.clock.pending, 0)
})

test('W7 a retry that waits when the time is over leaves no timer', async () => {
  const bench = new QueueBench({ writeTimeout: 20 })
  bench.set('a')
  await turn()
  await bench.call.fail(disconnected())
  const close = closing(bench)
  bench.clock.advance(20)
  await close.done
  assert.equal(bench.clock.pending, 0)
})

test('W7 a permanent fault while closing ends it', async () => {
  const bench = new QueueBench()
  const call = bench.set('a')
  const close = closing(bench)
  bench.queue.linkDown()
  bench.queue.refuse(unauthorized())
  await close.done
  assert.equal(call.outcome, 'UNAUTHORIZED no')
  assert.equal(bench.set('b').outcome, 'CLOSED no')
  assert.equal(bench.clock.pending, 0)
})

// Many collections

/** How much time of the processor (ms) it takes. */
async function cost(act: () => unknown): Promise<number> {
  const start = process.cpuUsage()
  await act()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

/** A queue with a write in each of so many collections. */
function many(count: number, up: boolean) {
  const bench = new QueueBench({ up, maxPending: 100_000, maxPendingBytes: 1e9 })
  const writings = Array.from({ length: count }, (_, i) => bench.collection(`${i}`))
  const calls = writings.map((writing) => writing.set('a'))
  return { bench, writings, calls }
}

const endings: Record<string, [up: boolean, outcome: string, (bench: QueueBench) => unknown]> = {
  'whose writes are refused for good': [false, 'UNAUTHORIZED no', ({ queue }) => queue.refuse(unauthorized())],
  'whose writes time out': [true, 'WRITE_TIMEOUT unknown', ({ clock }) => clock.advance(10_000)],
  'that are closed with writes in flight': [
    true,
    'CLOSED unknown',
    (bench) => {
      const { done } = closing(bench)
      bench.clock.advance(5000)
      return done
    },
  ],
}

for (const [what, [up, outcome, end]] of Object.entries(endings)) {
  test(`P4 30,000 collections ${what} cost less than half a second`, async () => {
    const { bench, calls } = many(30_000, up)
    await turn()
    const ms = await cost(() => end(bench))
    assert.ok(calls.every((call) => call.outcome === outcome))
    assert.equal(bench.clock.pending, 0)
    assert.ok(ms < 500, `${ms} ms`)
  })
}

test('P4 an answer costs the same, whether one collection writes or ten thousand', async () => {
  const costOf500 = async (others: number) => {
    const { bench } = many(others, true)
    await turn()
    return cost(async () => {
      for (let i = 0; i < 500; i++) {
        bench.set('a')
        await Promise.resolve()
        await bench.call.accept()
      }
    })
  }
  await costOf500(1)
  const [alone, amongMany] = [await costOf500(1), await costOf500(10_000)]
  assert.ok(amongMany < 5 * alone + 100, `${alone} ms alone, ${amongMany} ms among ten thousand`)
})

test.run()
