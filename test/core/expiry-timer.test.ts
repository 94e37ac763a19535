import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Due } from '../../src/core/expiry'
import { ExpiryTimer } from '../../src/core/expiry-timer'
import { FakeClock, SocketClock } from '../support/fake-clock'

const test = suite('expiry timer')

interface Named extends Due {
  readonly name: string
}

const due = (name: string): Named => ({ name, deadline: 0, slot: -1 })

/** A timer with all that it has expired. */
function make<C extends FakeClock>(clock: C) {
  const expired: string[] = []
  const hooks: { expired?: (name: string) => void } = {}
  const timer = new ExpiryTimer<Named>(clock, ({ name }) => {
    expired.push(name)
    hooks.expired?.(name)
  })
  const put = (name: string, leftMs: number) => {
    const entry = due(name)
    timer.put(entry, leftMs)
    return entry
  }
  return { clock, timer, hooks, put, expired: () => expired.splice(0) }
}

test('X5 one timer of the clock serves all entries, and stands for the first of them', () => {
  const { clock, put, expired } = make(new FakeClock())
  put('a', 300)
  put('b', 100)
  put('c', 200)
  assert.equal(clock.pending, 1)
  assert.equal(clock.wait, 100)
  clock.advance(250)
  assert.deepEqual(expired(), ['b', 'c'])
  assert.equal(clock.pending, 1)
  clock.advance(50)
  assert.deepEqual(expired(), ['a'])
  assert.equal(clock.pending, 0)
})

test('X1 entries that are due a millisecond apart expire each at its own time', () => {
  const { clock, put, expired } = make(new FakeClock())
  put('a', 100)
  put('b', 101)
  put('c', 102)
  clock.advance(99)
  for (const name of ['a', 'b', 'c']) {
    clock.advance(1)
    assert.deepEqual(expired(), [name])
  }
})

test('X5 an entry that is put again and again leaves no timer behind, and costs none while its deadline grows', () => {
  const { clock, timer, expired } = make(new FakeClock())
  const entry = due('a')
  for (let i = 0; i < 1000; i++) {
    timer.put(entry, 3000)
    clock.advance(10)
    assert.ok(clock.pending <= 1)
  }
  assert.deepEqual(expired(), [])
  clock.advance(2989)
  assert.deepEqual(expired(), [])
  clock.advance(1)
  assert.deepEqual(expired(), ['a'])
  assert.equal(clock.pending, 0)
})

test('X3 the remaining time is whole, at least a millisecond, and null without an entry', () => {
  const { clock, timer, put } = make(new FakeClock())
  const entry = put('a', 99.6)
  assert.equal(timer.leftMs(entry), 100)
  clock.pass(60.3)
  assert.equal(timer.leftMs(entry), 40)
  clock.pass(1000)
  assert.equal(timer.leftMs(entry), 1)
  assert.equal(timer.leftMs(undefined), null)
})

test('X3 an entry whose time is over is so though its timer has not fired', () => {
  const { clock, timer, put } = make(new FakeClock())
  const entry = put('a', 100)
  clock.pass(99)
  assert.equal(timer.isOver(entry), false)
  clock.pass(1)
  assert.equal(timer.isOver(entry), true)
  clock.pass(1e6)
  assert.equal(timer.isOver(entry), true, 'a process without sockets has nothing to read')
})

test('E7 an entry that arrives when its time is over waits for the sockets: a newer one may follow', () => {
  const { clock, timer, put, expired } = make(new SocketClock())
  const late = put('renewed', -500)
  put('gone', 0)
  clock.advance(100)
  assert.equal(timer.isOver(late), false)
  assert.deepEqual(expired(), [])
  timer.put(late, 1000)
  clock.inputRead()
  assert.deepEqual(expired(), ['gone'])
  clock.advance(1000)
  assert.deepEqual(expired(), ['renewed'])
})

// Slices

test('X5 a hundred thousand that are due at once expire in slices of 10 ms', () => {
  const { clock, put, hooks, expired } = make(new FakeClock())
  const count = 100_000
  for (let i = 0; i < count; i++) put(`${i}`, 500)
  let done = 0
  hooks.expired = () => {
    done++
    clock.pass(0.01) // what a listener takes
  }
  clock.advance(499)
  let slices = 0
  while (clock.pending > 0) {
    const before = done
    const start = clock.now()
    assert.ok(clock.step())
    slices++
    assert.ok(done > before || slices === 1, 'each slice gets on')
    assert.ok(clock.now() - start < 12, `a slice took ${clock.now() - start} ms`)
    assert.ok(clock.pending <= 1)
  }
  assert.equal(expired().length, count)
  assert.ok(slices >= 90 && slices <= 120, `${slices} slices`)
})

test('X5 a slice ends also if one listener takes longer than a slice', () => {
  const { clock, put, hooks, expired } = make(new FakeClock())
  put('a', 10)
  put('b', 11)
  put('c', 12)
  hooks.expired = () => clock.pass(100)
  for (const name of ['a', 'b', 'c']) {
    clock.step()
    assert.deepEqual(expired(), [name])
  }
  assert.equal(clock.pending, 0)
})

test('X5 a listener may put and remove entries in the midst of a slice', () => {
  const { clock, timer, put, hooks, expired } = make(new FakeClock())
  put('a', 10)
  const b = put('b', 10)
  const c = put('c', 10)
  hooks.expired = (name) => {
    if (name !== 'a') return
    timer.remove(b)
    timer.put(c, 50)
    put('d', 0)
  }
  clock.advance(10)
  assert.deepEqual(expired(), ['a', 'd'])
  assert.equal(clock.pending, 1)
  clock.advance(50)
  assert.deepEqual(expired(), ['c'])
  assert.equal(clock.pending, 0)
})

// Stopping

test('R3 stopping leaves no timer, and nothing expires any more', () => {
  const { clock, timer, put, expired } = make(new FakeClock())
  put('a', 10)
  timer.stop()
  assert.equal(clock.pending, 0)
  clock.advance(1000)
  assert.deepEqual(expired(), [])
  timer.stop()
})

test('R3 a listener may stop it: nothing else expires, and no timer stays', () => {
  const { clock, timer, put, hooks, expired } = make(new FakeClock())
  put('a', 10)
  put('b', 10)
  put('c', 20)
  hooks.expired = () => timer.stop()
  clock.advance(10)
  assert.deepEqual(expired(), ['a'])
  assert.equal(clock.pending, 0)
})

// A blocked event loop

test('E7 a timer that is late by more than 50 ms lets the sockets be read before anything expires', () => {
  const { clock, timer, put, expired } = make(new SocketClock())
  const entry = put('a', 100)
  clock.pass(4000)
  assert.equal(timer.isOver(entry), false, 'a renewal may be waiting in a socket')
  clock.advance(0)
  assert.deepEqual([clock.reading, expired()], [1, []])
  assert.equal(timer.isOver(entry), false)
  clock.inputRead()
  assert.deepEqual(expired(), ['a'])
  assert.equal(clock.pending, 0)
})

test('E7 an entry that was renewed meanwhile does not expire, and the timer stands for its new deadline', () => {
  const { clock, timer, put, expired } = make(new SocketClock())
  const entry = put('a', 100)
  put('b', 100)
  clock.pass(4000)
  clock.advance(0)
  timer.put(entry, 100)
  assert.equal(clock.pending, 0, 'while it reads, no other timer is needed')
  clock.inputRead()
  assert.deepEqual(expired(), ['b'])
  assert.equal(clock.wait, 100)
  clock.advance(100)
  assert.deepEqual(expired(), ['a'])
})

test('E7 a timer that is late by 50 ms waits for nothing', () => {
  const { clock, timer, put, expired } = make(new SocketClock())
  const entry = put('a', 100)
  clock.pass(150)
  assert.equal(timer.isOver(entry), true)
  clock.advance(0)
  assert.deepEqual([clock.reading, expired()], [0, ['a']])
})

test('E7 slices that follow one another are not taken for a blocked loop', () => {
  const { clock, put, hooks, expired } = make(new SocketClock())
  for (let i = 0; i < 5; i++) put(`${i}`, 100)
  hooks.expired = () => clock.pass(30)
  clock.advance(100)
  for (let i = 0; i < 5; i++) clock.step()
  assert.equal(expired().length, 5)
  assert.equal(clock.reading, 0)
})

test('E7 stopping while the sockets are read expires nothing', () => {
  const { clock, timer, put, expired } = make(new SocketClock())
  put('a', 100)
  clock.pass(4000)
  clock.advance(0)
  timer.stop()
  clock.inputRead()
  assert.deepEqual(expired(), [])
  assert.equal(clock.pending, 0)
})

test.run()
