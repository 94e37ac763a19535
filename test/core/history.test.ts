import assert from 'node:assert/strict'
import { suite } from 'uvu'
import {
  compare,
  contains,
  currentEpoch,
  decodeRevision,
  encodeRevision,
  epochAt,
  isEpochId,
  isSameHistory,
  lastCommon,
  precedes,
} from '../../src/core/history'
import type { Epoch } from '../../src/core/transport'
import fc from '../support/fast-check'
import { at, type Floors, historyOf } from '../support/revisions'

const test = suite('history')

const forked = historyOf({ e1: 0, e2: 5, e3: 7 })

test('revisions are ordered by epoch, then place', () => {
  const ordered = ['e1.1', 'e1.2', 'e1.10', 'e10.1', 'e2.1', 'e2.3'].map(at)
  ordered.forEach((one, i) => {
    ordered.forEach((other, j) => {
      assert.equal(Math.sign(compare(one, other)), Math.sign(i - j))
      assert.equal(precedes(one, other), i < j)
    })
  })
})

test('a place belongs to a history if its epoch is listed and had not ended before it', () => {
  const contained = ['e1.1', 'e1.5', 'e2.6', 'e2.7', 'e3.8', 'e3.1000']
  const others = ['e1.6', 'e2.8', 'e0.1', 'e4.1', 'e2~.6']
  for (const place of contained) assert.ok(contains(forked, at(place)), place)
  for (const place of others) assert.ok(!contains(forked, at(place)), place)
})

test('the last epoch goes on', () => {
  assert.deepEqual(currentEpoch(forked), { id: 'e3', floor: 7 })
})

test('histories are the same if each epoch and each place that it began after is', () => {
  assert.ok(isSameHistory(forked, historyOf({ e1: 0, e2: 5, e3: 7 })))
  assert.ok(isSameHistory([], []))
  for (const other of [
    { e1: 0, e2: 5 },
    { e1: 0, e2: 5, e3: 6 },
    { e1: 0, e2: 5, e4: 7 },
    { e2: 5, e3: 7 },
  ] as Floors[]) {
    assert.ok(!isSameHistory(forked, historyOf(other)))
    assert.ok(!isSameHistory(historyOf(other), forked))
  }
})

test('the floors tell in which epoch a place was taken', () => {
  const epochs = [1, 5, 6, 7, 8, 1000].map((n) => epochAt(forked, n))
  assert.deepEqual(epochs, ['e1', 'e1', 'e2', 'e2', 'e3', 'e3'])
})

test('an epoch in which nothing was written has no place', () => {
  const history = historyOf({ e1: 0, e2: 5, e3: 5 })
  assert.deepEqual([epochAt(history, 5), epochAt(history, 6)], ['e1', 'e3'])
  assert.ok(!contains(history, at('e2.6')))
})

test('the last common place lies where the first of the two histories parted, or where the reader was', () => {
  const known = historyOf({ e1: 0, e2: 5 })
  assert.deepEqual(lastCommon(historyOf({ e1: 0, e2: 5 }), known, 9), at('e2.9'))
  assert.deepEqual(lastCommon(historyOf({ e1: 0, e2: 5, e3: 7 }), known, 9), at('e2.7'))
  assert.deepEqual(lastCommon(historyOf({ e1: 0, e3: 7 }), known, 9), at('e1.5'))
  assert.deepEqual(lastCommon(historyOf({ e1: 0, e3: 3 }), known, 9), at('e1.3'))
  assert.deepEqual(lastCommon(historyOf({ e1: 0, e3: 3 }), known, 2), at('e1.2'))
  assert.equal(lastCommon(historyOf({ e3: 0 }), known, 9), null)
  assert.equal(lastCommon(historyOf({ e1: 0 }), [], 9), null)
})

/** Each write of a log that was rolled back now and then: what a reader knows of it is in the store, or is not. */
test('nothing that a reader knew up to the last common place was lost, and the next was', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('write' as const) },
    { weight: 1, arbitrary: fc.nat(5).map((back) => back) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), (steps, when) => {
      const history: Epoch[] = [{ id: 'e01', floor: 0 }]
      /** Which write each place stands for. */
      let log: number[] = []
      let written = 0
      let reader = { history: [...history], log }
      steps.forEach((step, i) => {
        if (step === 'write') log = [...log, ++written]
        else {
          log = log.slice(0, Math.max(0, log.length - step))
          while ((history.at(-1) as Epoch).floor > log.length) history.pop()
          history.push({ id: `e${String(i + 2).padStart(2, '0')}`, floor: log.length })
        }
        if (i === when) reader = { history: [...history], log }
      })
      let shared = 0
      while (shared < reader.log.length && reader.log[shared] === log[shared]) shared++
      const common = lastCommon(history, reader.history, reader.log.length)
      assert.equal(common?.n, shared)
      assert.ok(shared === 0 || (common !== null && contains(history, common) && contains(reader.history, common)))
    }),
    { numRuns: 1000 },
  )
})

test('a revision can be written down and read again, whatever characters its epoch has', () => {
  const epochId = fc.stringMatching(/^[\w:.~-]{1,100}$/)
  fc.assert(
    fc.property(epochId, fc.maxSafeNat(), (epoch, n) => {
      assert.deepEqual(decodeRevision(encodeRevision({ epoch, n })), { epoch, n })
    }),
  )
})

test('H9 what is not a revision is undefined', () => {
  const texts = [
    '',
    '.',
    'e1',
    '202',
    'e1.',
    '.1',
    'e1.-1',
    'e1.01',
    'e1.1e3',
    'e1.1.5x',
    'e1. 1',
    'e1.9007199254740992',
  ]
  const others = [
    'e 1.1',
    'e1\n.1',
    'ü.1',
    `${'e'.repeat(101)}.1`,
    'e1.NaN',
    'e1.0x1',
    1,
    null,
    undefined,
    {},
    ['e1.1'],
  ]
  for (const each of [...texts, ...others]) assert.equal(decodeRevision(each), undefined, String(each))
})

test('H9 an epoch id has 1 to 100 characters that need no escaping anywhere', () => {
  for (const id of ['e', '2026-01-02T03:04:05.678Z-ab_c', 'x'.repeat(100), 'a~b']) assert.ok(isEpochId(id), id)
  for (const id of ['', 'x'.repeat(101), 'a b', 'a\n', 'ü', '{a}', 'a*', 7, null, undefined]) {
    assert.ok(!isEpochId(id), String(id))
  }
})

test.run()
