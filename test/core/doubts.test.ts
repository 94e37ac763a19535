import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Doubts } from '../../src/core/doubts'
import { gone, told } from '../support/fake-transport'

const test = suite('doubts')

const origin = (n: number, epoch = 'e1') => ({ epoch, n })

/** Two keys, taken as 5 and 6 of a history that the store shares up to 2. */
function make(): Doubts {
  const doubts = new Doubts()
  doubts.raise('a', origin(5), 2)
  doubts.raise('b', origin(6), 2)
  return doubts
}

test('what is in doubt is known by key, with when it was taken', () => {
  const doubts = make()
  assert.equal(doubts.size, 2)
  assert.deepEqual(doubts.keys, ['a', 'b'])
  assert.deepEqual(doubts.get('a')?.origin, origin(5))
  assert.equal(doubts.get('b')?.floor, 2)
  assert.equal(doubts.get('c'), undefined)
})

test('what is in doubt already keeps its first origin, and is counted once', () => {
  const doubts = make()
  doubts.raise('a', origin(9, 'e2'), 1)
  assert.deepEqual(doubts.get('a')?.origin, origin(5))
  assert.equal(doubts.get('a')?.floor, 2)
  doubts.raise('a', origin(9, 'e2'), 7)
  assert.equal(doubts.get('a')?.floor, 7, 'the store has nothing newer up to there')
  assert.deepEqual(doubts.takeReport(), { lost: 2, restored: 0 })
})

test('a change up to the floor is older; it is kept, the newest of them', () => {
  const doubts = make()
  assert.equal(doubts.overrules(told('a', 1, {}), 100), true)
  assert.equal(doubts.overrules(told('a', 2, { v: 2 }), 200), true)
  assert.deepEqual(doubts.giveUp('a'), { change: told('a', 2, { v: 2 }), at: 200 })
  assert.equal(doubts.get('a'), undefined)
})

test('a change above the floor is not older, nor is one of what is not in doubt', () => {
  const doubts = make()
  assert.equal(doubts.overrules(gone('a', 3), 0), false)
  assert.equal(doubts.overrules(gone('c', 1), 0), false)
  assert.equal(doubts.giveUp('a'), undefined)
})

test('what was put back is older if its origin is, in whatever epoch; else it is not, though somebody put it back', () => {
  const doubts = make()
  assert.equal(doubts.overrules(told('a', 9, {}, null, origin(4)), 0), true)
  assert.equal(doubts.overrules(gone('a', 9, 'delete', origin(4)), 0), true)
  assert.equal(doubts.overrules(told('a', 9, {}, null, origin(99, 'e0')), 0), true)
  assert.equal(doubts.overrules(told('a', 9, {}, null, origin(5)), 0), false)
  assert.equal(doubts.overrules(told('a', 9, {}, null, origin(6)), 0), false)
  assert.equal(doubts.overrules(told('a', 9, {}, null, origin(1, 'e2')), 0), false)
  // Numbered within the history that is shared, it is older whatever it was before.
  assert.equal(doubts.overrules(told('a', 2, {}, null, origin(1, 'e2')), 0), true)
})

test('when the store has parted once more, the floor is lower, and what it told since counts no more', () => {
  const doubts = make()
  doubts.overrules(told('a', 2, {}), 0)
  doubts.lower(1)
  doubts.lower(7)
  assert.equal(doubts.get('a')?.floor, 1)
  assert.equal(doubts.overrules(told('b', 2, {}), 0), false)
  assert.equal(doubts.giveUp('a'), undefined)
})

test('the report counts what was lost and what is restored, and is told once', () => {
  const doubts = make()
  doubts.raise('c', origin(7), 2)
  doubts.resolve('a', 9, true)
  doubts.resolve('b', 9, false)
  doubts.resolve('never in doubt', 9, true)
  doubts.resolve('a', 9, true)
  assert.deepEqual(doubts.keys, ['c'])
  assert.deepEqual(doubts.takeReport(), { lost: 3, restored: 1 })
  assert.deepEqual(doubts.takeReport(), { lost: 0, restored: 0 })
})

test('an own write that no session had told of was not lost where the numbers went on from it', () => {
  const doubts = new Doubts()
  for (const key of ['a', 'b', 'c', 'd']) doubts.raise(key, origin(5), 0, true)
  doubts.resolve('a', 5, false)
  doubts.resolve('b', 4, false)
  doubts.resolve('c', 6, true)
  assert.equal(doubts.clear(7), true)
  assert.equal(doubts.clear(7), false)
  assert.deepEqual(doubts.takeReport(), { lost: 2, restored: 1 })
})

test.run()
