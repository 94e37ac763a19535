import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { checkOptions, checkSignal, Waiters } from '../../src/core/waiters'
import { outcomeOf } from '../support/fake-client'
import { turn } from '../support/fake-transport'

const test = suite('waiters')

test('all who wait settle together, and those who come later wait anew', async () => {
  const waiters = new Waiters()
  const [one, two] = [outcomeOf(waiters.wait(undefined)), outcomeOf(waiters.wait(undefined))]
  await turn()
  assert.deepEqual([one, two], [{}, {}])
  waiters.settle()
  const late = outcomeOf(waiters.wait(undefined))
  await turn()
  assert.deepEqual([one, two, late], [{ value: undefined }, { value: undefined }, {}])
})

test('all who wait are refused together', async () => {
  const waiters = new Waiters()
  const waiting = [waiters.wait(undefined), waiters.wait(undefined)]
  const error = new MemisError('UNSUBSCRIBED', 'unsubscribe() was called')
  waiters.refuse(error)
  for (const each of waiting) await assert.rejects(each, error)
})

test('R2 a signal ends only the call that it was given to', async () => {
  const waiters = new Waiters()
  const controller = new AbortController()
  const aborted = waiters.wait(controller.signal)
  const other = outcomeOf(waiters.wait(undefined))
  controller.abort(new Error('too slow'))
  await assert.rejects(aborted, { code: 'ABORTED', name: 'AbortError', cause: controller.signal.reason })
  assert.deepEqual(other, {})
  waiters.settle()
  await turn()
  assert.deepEqual(other, { value: undefined })
})

test('R2 when the last call is aborted, the owner is told once', async () => {
  const abandoned: MemisError[] = []
  const waiters = new Waiters((error) => abandoned.push(error))
  const controllers = [new AbortController(), new AbortController()]
  const waiting = controllers.map(({ signal }) => waiters.wait(signal))
  controllers[0]?.abort()
  assert.equal(abandoned.length, 0)
  controllers[1]?.abort()
  assert.deepEqual(
    abandoned.map(({ code }) => code),
    ['ABORTED'],
  )
  await Promise.allSettled(waiting)
})

test('R2 a signal that is aborted already refuses at once, and is no call that was waiting', async () => {
  const abandoned: MemisError[] = []
  const waiters = new Waiters((error) => abandoned.push(error))
  await assert.rejects(waiters.wait(AbortSignal.abort()), { code: 'ABORTED' })
  assert.equal(abandoned.length, 0)
})

test('R2 a signal that is aborted after the call has settled changes nothing', async () => {
  const abandoned: MemisError[] = []
  const waiters = new Waiters((error) => abandoned.push(error))
  const [settled, refused] = [new AbortController(), new AbortController()]
  const first = waiters.wait(settled.signal)
  waiters.settle()
  await first
  const second = waiters.wait(refused.signal)
  waiters.refuse(new MemisError('CLOSED', 'the client is closed'))
  await assert.rejects(second, { code: 'CLOSED' })
  settled.abort()
  refused.abort()
  assert.equal(abandoned.length, 0)
})

test('a wait ends as it says, and what it began is ended once', async () => {
  const ended: string[] = []
  const waiters = new Waiters()
  let settle: (value: string) => void = () => {}
  const found = waiters.wait<string>(undefined, (resolve) => {
    settle = resolve
    return () => ended.push('found')
  })
  settle('it')
  settle('again')
  assert.equal(await found, 'it')
  const failed = waiters.wait<string>(undefined, (_, fail) => {
    fail(new Error('at once'))
    return () => ended.push('failed')
  })
  await assert.rejects(failed, { message: 'at once' })
  const { signal } = new AbortController()
  const refused = waiters.wait<string>(signal, () => () => ended.push('refused'))
  waiters.refuse(new MemisError('CLOSED', 'the client is closed'))
  await assert.rejects(refused)
  assert.deepEqual(ended, ['found', 'failed', 'refused'])
})

test('H4 options are an object with names that the method knows; a signal is an AbortSignal', () => {
  const { signal } = new AbortController()
  assert.equal(checkSignal('subscribe', {}), undefined)
  assert.equal(checkSignal('subscribe', { signal }), signal)
  for (const options of [null, 1, 'x', { signal: null }, { signal: {} }, { signal: 42 }, { sginal: signal }]) {
    assert.throws(() => checkSignal('subscribe', options as object), { code: 'INVALID_OPTION' })
  }
  assert.throws(
    () => checkOptions('changes', { prefx: 'a' }, ['signal', 'prefix']),
    /changes\(\).*prefx.*signal, prefix/,
  )
})

test.run()
