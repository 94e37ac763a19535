import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { SocketClock } from '../support/fake-clock'
import { entry, tombstone } from '../support/fake-transport'
import { liveWith, ReplicaBench } from '../support/replica-bench'

const test = suite('replica, expiry')

const day = 24 * 3600 * 1000

test('X1 an item expires by itself, not a moment early', () => {
  const bench = liveWith({})
  bench.clock.pass(0.4)
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100.5 }))
  bench.emitted()
  const due = bench.clock.now() + 100.5
  while (bench.clock.now() < due - 1) {
    bench.clock.advance(Math.min(0.7, due - 1 - bench.clock.now()))
    assert.deepEqual(bench.get('a'), { v: 1 })
  }
  bench.clock.advance(0.999)
  assert.deepEqual(bench.events(), [])
  bench.clock.advance(1.5)
  assert.deepEqual(bench.events(), ['expire a'])
  assert.equal(bench.clock.pending, 0)
})

test('C1 nobody is told of more time than an item was given', () => {
  for (const fraction of [0, 0.1, 0.5, 0.9]) {
    const bench = liveWith({})
    bench.clock.pass(fraction)
    bench.tell(entry('a', 1, {}, { leftMs: 600 }))
    assert.equal(bench.replica.describe('a')?.leftMs, 600)
    bench.clock.pass(599.9)
    assert.equal(bench.replica.describe('a')?.leftMs, 1)
  }
})

test('X1 a timer that fires early does not expire early', () => {
  const bench = liveWith({})
  const { clock } = bench
  clock.pass(0.9)
  bench.tell(entry('a', 1, {}, { leftMs: 10 }))
  const { setTimeout } = clock
  clock.setTimeout = (callback, ms) => setTimeout.call(clock, callback, ms - 1) // as those of Node.js do
  bench.tell(entry('b', 2, {}, { leftMs: 5 }))
  bench.emitted()
  const dues: Record<string, number> = { 'expire a': 1010.9, 'expire b': 1005.9 }
  const seen: string[] = []
  for (let i = 0; i < 60; i++) {
    clock.advance(0.25)
    for (const event of bench.events()) {
      seen.push(event)
      assert.ok(clock.now() >= (dues[event] as number), `${event} at ${clock.now()}`)
    }
  }
  assert.deepEqual(seen, ['expire b', 'expire a'])
})

test('X3 a new ttl replaces the old one: longer, shorter or none', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }), entry('b', 2, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(50)
  bench.tell(entry('a', 11, { v: 2 }, { leftMs: 100 }), entry('b', 12, { v: 2 }, { leftMs: 20 }))
  bench.emitted()
  bench.clock.advance(20)
  assert.deepEqual(bench.events(), ['expire b'])
  bench.clock.advance(79)
  assert.deepEqual(bench.events(), [])
  bench.tell(entry('a', 13, { v: 3 }))
  assert.deepEqual(bench.events(), ['set a'])
  bench.clock.advance(1e9)
  assert.deepEqual(bench.events(), [])
})

test('X1 a deleted item does not expire', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, {}, { leftMs: 100 }), tombstone('a', 2))
  bench.emitted()
  bench.clock.advance(1000)
  assert.deepEqual(bench.events(), [])
  assert.equal(bench.clock.pending, 0)
})

test('X3 a set that comes after the expiry emits expire, then set', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(100)
  bench.tell(entry('a', 2, { v: 2 }))
  assert.deepEqual(bench.events(), ['set a', 'expire a', 'set a'])
})

test('X3 so it does if the timer is late, as in a busy process', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }), entry('b', 2, { v: 1 }, { leftMs: 100 }))
  bench.emitted()
  bench.clock.pass(130)
  bench.tell(entry('a', 3, { v: 2 }), tombstone('b', 4))
  assert.deepEqual(
    bench.emitted().map(({ kind, key, previous }) => [kind, key, previous]),
    [
      ['expire', 'a', { v: 1 }],
      ['set', 'a', undefined],
      ['expire', 'b', { v: 1 }],
    ],
  )
  bench.clock.advance(1000)
  assert.deepEqual(bench.events(), [])
})

test('X3 an item that has expired here expires once, also if a resync still finds it with a millisecond left', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }))
  bench.live(1)
  bench.clock.advance(100)
  assert.deepEqual(bench.events(), ['set a', 'expire a'])
  for (const mode of ['snapshot', 'delta', 'snapshot'] as const) {
    bench.begin(mode)
    bench.tell(entry('a', 1, { v: 1 }, { leftMs: 1 }))
    bench.live(1)
    bench.clock.advance(10)
  }
  bench.tell(tombstone('a', 1, 'expire'))
  assert.deepEqual(bench.events(), [])
})

test('X3 an item whose expiry the store tells first expires once', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }))
  bench.clock.advance(95)
  bench.tell(tombstone('a', 1, 'expire'))
  bench.clock.advance(100)
  assert.deepEqual(bench.events(), ['set a', 'expire a'])
})

test('X1 an item that is overdue when it arrives expires at once, but not in the same turn', () => {
  const bench = liveWith({})
  bench.tell(entry('a', 1, {}, { leftMs: -5 }), entry('b', 2, {}, { leftMs: 0 }))
  assert.deepEqual(bench.events(), ['set a', 'set b'])
  bench.clock.advance(1)
  assert.deepEqual(bench.events(), ['expire a', 'expire b'])
})

test('E7 expiry goes on out of touch and while catching up, with cause stale, and live again after that', () => {
  const bench = liveWith({})
  const [a, b, c] = [100, 200, 300].map((leftMs, i) => entry(`k${i}`, i + 1, {}, { leftMs }))
  bench.tell(a as never, b as never, c as never)
  bench.live(3)
  bench.emitted()
  bench.replica.outOfTouch()
  bench.clock.advance(100)
  bench.begin('delta')
  bench.clock.advance(100)
  bench.live(3)
  bench.clock.advance(100)
  assert.deepEqual(bench.causes(), ['expire k0 stale', 'expire k1 stale', 'expire k2 live'])
})

test('E7 so it does if touch is lost before the first contents were complete', () => {
  const bench = new ReplicaBench()
  bench.begin('snapshot')
  bench.tell(entry('a', 1, {}, { leftMs: 100 }), entry('b', 2, {}, { leftMs: 200 }))
  bench.clock.advance(100)
  bench.replica.outOfTouch()
  bench.clock.advance(100)
  assert.deepEqual(bench.causes().slice(2), ['expire a live', 'expire b stale'])
})

test('X1 a ttl can be longer than a timer of Node.js: 60 days, and 100 years', () => {
  const bench = liveWith({})
  const { clock } = bench
  bench.tell(entry('a', 1, {}, { leftMs: 60 * day }), entry('b', 2, {}, { leftMs: 100 * 365.25 * day }))
  bench.emitted()
  const due = 1000 + 60 * day
  for (let steps = 0; clock.now() + (clock.wait ?? 0) < due; steps++) {
    assert.ok(steps < 60, 'no timer that fires again and again')
    clock.step()
  }
  assert.deepEqual(bench.events(), [])
  clock.advance(due - 1 - clock.now())
  assert.deepEqual(bench.events(), [])
  clock.advance(1)
  assert.deepEqual(bench.events(), ['expire a'])
  clock.advance(99 * 365.25 * day)
  assert.deepEqual(bench.events(), [])
  clock.advance(365.25 * day)
  assert.deepEqual(bench.events(), ['expire b'])
})

// A blocked event loop

/** Fifty heartbeats of 3 s each, and a process that is blocked for 4 s. */
function blocked() {
  const clock = new SocketClock()
  const bench = liveWith({}, { clock })
  const beat = (n: number) =>
    Array.from({ length: 50 }, (_, i) => entry(`host ${i}`, n + i, { v: i }, { leftMs: 3000 }))
  bench.tell(...beat(1))
  bench.live(50)
  bench.emitted()
  clock.pass(4000)
  return { bench, clock, renewals: beat(51) }
}

test('E7 what was renewed while the event loop was blocked does not expire: the sockets are read before', () => {
  const { bench, clock, renewals } = blocked()
  clock.advance(0)
  assert.equal(clock.reading, 1, 'the timer waits for the input')
  assert.deepEqual(bench.events(), [])
  bench.tell(...renewals.slice(0, 48))
  clock.inputRead()
  assert.deepEqual(bench.events().sort(), ['expire host 48', 'expire host 49'])
  clock.advance(2999)
  assert.deepEqual(bench.events(), [])
  clock.advance(1)
  assert.equal(bench.events().length, 48)
})

test('E7 so it is if the sockets are read before the timer has its turn', () => {
  const { bench, clock, renewals } = blocked()
  bench.tell(...renewals)
  clock.advance(0)
  clock.inputRead()
  assert.deepEqual(bench.events(), [])
  assert.equal(bench.replica.items.size, 50)
})

test('E7 an own write that is answered then emits no expire either', () => {
  const { bench, clock } = blocked()
  bench.acceptSet('host 0', 'own', 51)
  clock.advance(0)
  clock.inputRead()
  assert.equal(bench.events()[0], 'set host 0')
})

test('E7 a timer that is a little late is no blocked loop: what is overdue expires before what follows it', () => {
  const clock = new SocketClock()
  const bench = liveWith({}, { clock })
  bench.tell(entry('a', 1, { v: 1 }, { leftMs: 100 }))
  bench.emitted()
  clock.pass(140)
  bench.tell(entry('a', 2, { v: 2 }))
  assert.deepEqual(bench.events(), ['expire a', 'set a'])
})

test('E7 discarding while the sockets are read leaves nothing', () => {
  const { bench, clock } = blocked()
  clock.advance(0)
  bench.replica.discard()
  clock.inputRead()
  assert.deepEqual(bench.events(), [])
  assert.equal(clock.pending, 0)
})

test.run()
