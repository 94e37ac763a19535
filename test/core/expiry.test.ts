import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Due, ExpiryQueue } from '../../src/core/expiry'
import fc from '../support/fast-check'

const test = suite('expiry')

const due = (): Due => ({ deadline: 0, slot: -1 })

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
  for (const deadline of [5, 3, 9, 1, 7, 3]) queue.put(due(), deadline, 0)
  assert.equal(queue.next, 1)
  assert.deepEqual(takeAll(queue, 0.999), [])
  assert.deepEqual(takeAll(queue, 5), [1, 3, 3, 5])
  assert.equal(queue.next, 7)
  assert.deepEqual(takeAll(queue, Infinity), [7, 9])
  assert.equal(queue.size, 0)
})

test('a deadline within a millisecond is over at its end, and entries of the same one come in their order', () => {
  const queue = new ExpiryQueue<Due>()
  const entries = [due(), due()]
  for (const entry of entries) queue.put(entry, 5.2, 0.4)
  assert.equal(queue.next, 6)
  assert.equal(queue.take(5.9), undefined)
  assert.deepEqual([queue.take(6), queue.take(6)], entries)
})

test('an entry that was put again moves, and leaves nothing behind', () => {
  const queue = new ExpiryQueue<Due>()
  const [a, b] = [due(), due()]
  queue.put(a, 10, 0)
  queue.put(b, 20, 0)
  for (let i = 0; i < 10_000; i++) queue.put(a, 30 + i, 0)
  assert.equal(queue.size, 2)
  assert.equal(queue.take(1000), b)
  queue.put(a, 5, 0)
  assert.equal(queue.next, 5)
})

test('an entry that is not in the queue may be removed, and one that was removed may be put again', () => {
  const queue = new ExpiryQueue<Due>()
  const [a, b] = [due(), due()]
  queue.remove(a)
  queue.put(a, 1, 0)
  queue.put(b, 2, 0)
  queue.remove(a)
  queue.remove(a)
  assert.deepEqual([queue.size, queue.next, a.slot], [1, 2, -1])
  queue.put(a, 1, 0)
  assert.deepEqual(takeAll(queue, 2), [1, 2])
})

test('what falls due much later is looked for when that time begins', () => {
  const queue = new ExpiryQueue<Due>()
  queue.put(due(), 86_400_500, 0)
  const next = queue.next as number
  assert.ok(next <= 86_400_500 && next > 86_399_000, `${next}`)
  assert.equal(queue.take(next), undefined)
  assert.equal(queue.next, 86_400_500)
  assert.deepEqual(takeAll(queue, 86_400_500), [86_400_500])
})

test('the queue is as good as a sorted list, whatever is put, moved, removed and taken', () => {
  const action = fc.record({
    what: fc.constantFrom('put', 'put', 'put', 'move', 'remove', 'take'),
    entry: fc.nat(30),
    deadline: fc.integer({ min: 0, max: 9000 }),
    after: fc.nat(700),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200, size: 'max' }), (actions) => {
      const queue = new ExpiryQueue<Due>()
      const entries = Array.from({ length: 31 }, due)
      const model = new Set<Due>()
      const first = () => Math.min(...[...model].map((entry) => entry.deadline))
      let now = 0
      /** When the queue heard the time last. */
      let heard = 0
      for (const { what, entry: index, deadline, after } of actions) {
        now += after
        const entry = entries[index] as Due
        if (what === 'put' || (what === 'move' && model.has(entry))) {
          queue.put(entry, deadline, now)
          heard = now
          model.add(entry)
        } else if (what === 'remove') {
          queue.remove(entry)
          model.delete(entry)
        } else if (what === 'take') {
          const expected = first()
          const taken = queue.take(now)
          heard = now
          assert.equal(taken?.deadline, expected <= now ? expected : undefined)
          if (taken !== undefined) {
            assert.ok(model.delete(taken))
            assert.equal(taken.slot, -1)
          }
        }
        assert.equal(queue.size, model.size)
        // Exact for what falls due soon.
        const next = queue.next ?? Infinity
        assert.ok(next === first() || (next < first() && next > first() - 1000))
        if (first() < heard + 1000) assert.equal(next, first())
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
  one.put(due(), 1, 0)
  assert.equal(two.size, 0)
})

test.run()
