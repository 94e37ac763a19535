import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Epoch, resume } from '../../src/core/epochs'
import fc from '../support/fast-check'

const test = suite('epochs')

const epochs = (...list: [string, number][]): Epoch[] => list.map(([id, floor]) => ({ id, floor }))
const from = (epoch: string, n: number, ...past: [string, number][]) => ({
  epoch,
  n,
  past: past.map(([epoch, n]) => ({ epoch, n })),
})

test('an empty replica is told everything', () => {
  const history = { epochs: epochs(['e1', 0]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(null, history), { after: null, common: 0 })
})

test('within one epoch a replica goes on after what it knows; nothing was lost', () => {
  const history = { epochs: epochs(['e1', 0]), head: 9, forgotten: 0 }
  for (const n of [0, 5, 9]) assert.deepEqual(resume(from('e1', n), history), { after: n, common: Infinity })
})

test('so it does after an epoch began, at or above what it knows', () => {
  const history = { epochs: epochs(['e1', 0], ['e2', 5]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(from('e1', 5), history), { after: 5, common: 5 })
  assert.deepEqual(resume(from('e1', 3), history), { after: 3, common: 5 })
})

test('a replica that is further than where its epoch ended holds what was lost: all is told', () => {
  const history = { epochs: epochs(['e1', 0], ['e2', 5]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(from('e1', 6), history), { after: null, common: 5 })
})

test('what counts is the lowest beginning of all epochs that came after', () => {
  const history = { epochs: epochs(['e1', 0], ['e2', 5], ['e3', 2], ['e4', 7]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(from('e1', 4), history), { after: null, common: 2 })
  assert.deepEqual(resume(from('e2', 2), history), { after: 2, common: 2 })
  assert.deepEqual(resume(from('e3', 8), history), { after: null, common: 7 })
  assert.deepEqual(resume(from('e4', 8), history), { after: 8, common: Infinity })
})

test('an epoch that the store does not know shares nothing', () => {
  const history = { epochs: epochs(['e2', 0]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(from('e1', 3), history), { after: null, common: 0 })
  assert.deepEqual(resume(from('e1', 3), { epochs: [], head: 0, forgotten: 0 }), { after: null, common: 0 })
})

test('a replica in the same epoch that is further than the store holds numbers that it never gave', () => {
  const history = { epochs: epochs(['e1', 0]), head: 9, forgotten: 0 }
  assert.deepEqual(resume(from('e1', 10), history), { after: null, common: 9 })
})

test('a replica that asks for everything is told everything, whatever its position', () => {
  const history = { epochs: epochs(['e1', 0], ['e2', 6]), head: 9, forgotten: 0 }
  assert.deepEqual(resume({ ...from('e2', 9), whole: true }, history), { after: null, common: Infinity })
  assert.deepEqual(resume({ ...from('e1', 5), whole: true }, history), { after: null, common: 6 })
})

test('a store that missed the epoch of a replica may know one that it came through', () => {
  const history = { epochs: epochs(['e1', 0], ['e2', 6], ['e4', 8]), head: 9, forgotten: 0 }
  // The replica went from e1 to e3 at number 5; this copy of the store never heard of e3.
  assert.deepEqual(resume(from('e3', 5, ['e1', 5]), history), { after: 5, common: 5 })
  assert.deepEqual(resume(from('e3', 7, ['e1', 5]), history), { after: null, common: 5 })
  assert.deepEqual(resume(from('e3', 3, ['e1', 3]), { ...history, head: 2 }), { after: null, common: 2 })
  assert.deepEqual(resume(from('e3', 5, ['e2', 7], ['e1', 5]), history), { after: 5, common: 7 })
  assert.deepEqual(resume(from('e3', 5, ['e0', 4]), history), { after: null, common: 0 })
})

test('where marks of what is gone are forgotten, all is told; but nothing was lost', () => {
  const history = { epochs: epochs(['e1', 0]), head: 9, forgotten: 4 }
  assert.deepEqual(resume(from('e1', 3), history), { after: null, common: Infinity })
  assert.deepEqual(resume(from('e1', 4), history), { after: 4, common: Infinity })
})

/** Every write of a history that was rolled back now and then: what a replica knows of it is in the store, or is not. */
test('common is the last number up to which nothing that the replica knew was lost', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('write' as const) },
    { weight: 1, arbitrary: fc.nat(5).map((back) => back) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), (steps, when) => {
      const list: Epoch[] = [{ id: 'e1', floor: 0 }]
      /** Which write each number stands for. */
      let log: number[] = []
      let written = 0
      let replica = { epoch: 'e1', log: [] as number[] }
      steps.forEach((step, i) => {
        if (step === 'write') log = [...log, ++written]
        else {
          log = log.slice(0, Math.max(0, log.length - step))
          list.push({ id: `e${list.length + 1}`, floor: log.length })
        }
        if (i === when) replica = { epoch: list.at(-1)?.id ?? '', log }
      })
      let shared = 0
      while (shared < replica.log.length && replica.log[shared] === log[shared]) shared++
      const n = replica.log.length
      const { after, common } = resume(from(replica.epoch, n), { epochs: list, head: log.length, forgotten: 0 })
      assert.equal(after, shared === n ? n : null)
      assert.equal(Math.min(common, n), shared)
    }),
  )
})

test.run()
