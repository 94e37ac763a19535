import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Due, ExpiryQueue } from '../../src/core/expiry'
import fc from '../support/fast-check'

const test = suite('expiry')

const due = (deadline: number): Due => ({ deadline, slot: -1 })

/** Takes all that is due, and gives the deadlines. */
function takeAll(queue: ExpiryQueue<Due>, now: number): number[] {
  const taken: number[] = []
  for (let entry = queue.take(now); entry !== undefined; entry = queue.take(now)) taken.push(entry.deadline)
  return taken
}

test('an empty queue has nothing due', () => {
  const queue = new ExpiryQueue<Due>()
  assert.equal(queue.size, 0)
  assert.equal(queue.next, undefined)
  assert.equal(queue.take(Infinity), undefined)
})

test('entries fall due in the order of their deadlines, not before', () => {
  const queue = new ExpiryQueue<Due>()
  for (const deadline of [5, 3, 9, 1, 7, 3]) queue.put(due(deadline))
  assert.equal(queue.next, 1)
  assert.deepEqual(takeAll(queue, 0.999), [])
  assert.deepEqual(takeAll(queue, 5), [1, 3, 3, 5])
  assert.equal(queue.next, 7)
  assert.deepEqual(takeAll(queue, Infinity), [7, 9])
  assert.equal(queue.size, 0)
})

test('an entry that was put again moves, and leaves nothing behind', () => {
  const queue = new ExpiryQueue<Due>()
  const [a, b] = [due(10), due(20)]
  queue.put(a)
  queue.put(b)
  for (let i = 0; i < 1000; i++) {
    a.deadline = 30 + i
    queue.put(a)
  }
  assert.equal(queue.size, 2)
  assert.equal(queue.take(Infinity), b)
  a.deadline = 5
  queue.put(a)
  assert.equal(queue.next, 5)
})

test('an entry that is not in the queue may be removed, and one that was removed may be put again', () => {
  const queue = new ExpiryQueue<Due>()
  const [a, b] = [due(1), due(2)]
  queue.remove(a)
  queue.put(a)
  queue.put(b)
  queue.remove(a)
  queue.remove(a)
  assert.deepEqual([queue.size, queue.next, a.slot], [1, 2, -1])
  queue.put(a)
  assert.deepEqual(takeAll(queue, 2), [1, 2])
})

test('the queue is as good as a sorted list, whatever is put, moved, removed and taken', () => {
  const action = fc.record({
    what: fc.constantFrom('put', 'put', 'put', 'move', 'remove', 'take'),
    entry: fc.nat(30),
    deadline: fc.integer({ min: 0, max: 40 }),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200, size: 'max' }), (actions) => {
      const queue = new ExpiryQueue<Due>()
      const entries = Array.from({ length: 31 }, () => due(0))
      const model = new Set<Due>()
      const first = () => Math.min(...[...model].map((entry) => entry.deadline))
      for (const { what, entry: index, deadline } of actions) {
        const entry = entries[index] as Due
        if (what === 'put' || (what === 'move' && model.has(entry))) {
          entry.deadline = deadline
          queue.put(entry)
          model.add(entry)
        } else if (what === 'remove') {
          queue.remove(entry)
          model.delete(entry)
        } else if (what === 'take') {
          const expected = first()
          const taken = queue.take(deadline)
          assert.equal(taken?.deadline, expected <= deadline ? expected : undefined)
          if (taken !== undefined) {
            assert.ok(model.delete(taken))
            assert.equal(taken.slot, -1)
          }
        }
        assert.equal(queue.size, model.size)
        assert.equal(queue.next ?? Infinity, first())
        for (const each of entries) assert.equal(each.slot !== -1, model.has(each))
      }
      const rest = [...model].map((entry) => entry.deadline)
      assert.deepEqual(
        takeAll(queue, Infinity),
        rest.sort((a, b) => a - b),
      )
    }),
    { numRuns: 300 },
  )
})

test('two queues with the same deadlines do not meet', () => {
  const [one, two] = [new ExpiryQueue<Due>(), new ExpiryQueue<Due>()]
  one.put(due(1))
  assert.equal(two.size, 0)
})

test.run()
