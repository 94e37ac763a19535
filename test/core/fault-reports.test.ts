import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type ErrorCode, MemisError } from '../../src/core/errors'
import { FaultReports } from '../../src/core/fault-reports'
import { FakeClock } from '../support/fake-clock'

const test = suite('fault reports')

function make() {
  const clock = new FakeClock()
  const reports = new FaultReports(clock)
  const add = (text: string, code: ErrorCode = 'UNDECODABLE') =>
    reports.add(new MemisError(code, text))?.message ?? null
  return { clock, reports, add }
}

test('E8 the first fault of a burst is told as it is, the others are not', () => {
  const { clock, reports, add } = make()
  const error = new MemisError('UNDECODABLE', 'a')
  assert.equal(reports.add(error), error)
  assert.equal(add('b'), null)
  clock.advance(9999)
  assert.equal(add('c'), null)
})

test('E8 ten seconds of silence end a burst', () => {
  const { clock, add } = make()
  add('a')
  clock.advance(10_000)
  assert.equal(add('b'), 'b')
  clock.advance(9999)
  assert.equal(add('c'), null)
})

test('E8 each code has bursts of its own', () => {
  const { add } = make()
  assert.equal(add('a', 'UNDECODABLE'), 'a')
  assert.equal(add('b', 'DISCONNECTED'), 'b')
  assert.equal(add('c', 'UNDECODABLE'), null)
})

test('E8 a persistent fault is told again each minute, with how often it occurred', () => {
  const { clock, add } = make()
  const told: [number, string][] = []
  const start = clock.now()
  for (let i = 0; i <= 200; i++) {
    const message = add(`fault ${i}`)
    if (message !== null) told.push([clock.now() - start, message])
    clock.advance(1000)
  }
  assert.deepEqual(told, [
    [0, 'fault 0'],
    [60_000, 'fault 60 (60 times in 60 s)'],
    [120_000, 'fault 120 (60 times in 60 s)'],
    [180_000, 'fault 180 (60 times in 60 s)'],
  ])
})

test('E8 a fault that is told again keeps its code, and has the last one as its cause', () => {
  const { clock, reports } = make()
  const fault = () => new MemisError('DISCONNECTED', 'the wire is cut')
  reports.add(fault())
  for (let i = 0; i < 9; i++) {
    clock.advance(6000)
    reports.add(fault())
  }
  clock.advance(6000)
  const last = fault()
  const told = reports.add(last)
  assert.equal(told?.code, 'DISCONNECTED')
  assert.equal(told?.cause, last)
})

test('H1 each fault is counted, told or not; the counts that are given are a copy', () => {
  const { reports, add } = make()
  for (let i = 0; i < 3; i++) add('a')
  add('b', 'STORE_REFUSED')
  reports.count('LISTENER_FAILED')
  assert.deepEqual(reports.counts, { UNDECODABLE: 3, STORE_REFUSED: 1, LISTENER_FAILED: 1 })
  Object.assign(reports.counts, { UNDECODABLE: 99 })
  assert.equal(reports.counts.UNDECODABLE, 3)
})

test.run()
