import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { suite } from 'uvu'
import { onAbort } from '../../src/core/signals'

const test = suite('signals')

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

/** The warnings of the process while something runs. */
async function warningsOf(run: () => void): Promise<Error[]> {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  run()
  // Warnings are emitted in the next tick.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  return warnings
}

test('each call is made once the signal is aborted, in order', () => {
  const controller = new AbortController()
  const calls: number[] = []
  for (let i = 0; i < 3; i++) onAbort(controller.signal, () => calls.push(i))
  assert.deepEqual(calls, [])
  controller.abort()
  assert.deepEqual(calls, [0, 1, 2])
  assert.equal(listeners(controller.signal), 0)
})

test('a signal that is aborted already calls at once', () => {
  let calls = 0
  const end = onAbort(AbortSignal.abort(), () => calls++)
  assert.equal(calls, 1)
  end()
})

test('a thousand users of a signal are one listener and no warning, and leave nothing behind', async () => {
  const { signal } = new AbortController()
  const warnings = await warningsOf(() => {
    const ends = Array.from({ length: 1000 }, () => onAbort(signal, () => assert.fail('it was aborted')))
    assert.equal(listeners(signal), 1)
    for (const end of ends) end()
    for (const end of ends) end()
    assert.equal(listeners(signal), 0)
  })
  assert.deepEqual(warnings, [])
})

test('whoever has ended is not called, the others are, also if they come later', () => {
  const controller = new AbortController()
  const calls: string[] = []
  const same = () => calls.push('same')
  const end = onAbort(controller.signal, same)
  onAbort(controller.signal, same)
  end()
  end()
  const last = onAbort(controller.signal, () => calls.push('last'))
  last()
  onAbort(controller.signal, () => calls.push('new'))
  controller.abort()
  assert.deepEqual(calls, ['same', 'new'])
})

test('a call may end another, or ask again', () => {
  const controller = new AbortController()
  const calls: string[] = []
  onAbort(controller.signal, () => {
    calls.push('first')
    end()
    onAbort(controller.signal, () => calls.push('again'))
  })
  const end = onAbort(controller.signal, () => calls.push('ended'))
  controller.abort()
  assert.deepEqual(calls, ['first', 'again'])
})

test('signals do not know of each other', () => {
  const [one, two] = [new AbortController(), new AbortController()]
  const calls: string[] = []
  onAbort(one.signal, () => calls.push('one'))
  onAbort(two.signal, () => calls.push('two'))
  two.abort()
  assert.deepEqual(calls, ['two'])
})

test.run()
