import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { Call } from '../../src/core/write-result'
import { turn } from '../support/fake-transport'

const test = suite('write result')

/** A write to be settled by hand, and what nobody heard of. */
function make() {
  const unheard: Error[] = []
  const owner = { named: (error: MemisError) => error, unheard: (error: Error) => void unheard.push(error) }
  const call = new Call<boolean>(owner, 'k', true)
  return { call, result: call.result, unheard }
}

const failure = new MemisError('STORE_REFUSED', 'the store is full')

/** What becomes of the failure of a write that is treated so. */
async function unheardAfter(treat: (result: Promise<boolean>) => unknown): Promise<Error[]> {
  const { call, result, unheard } = make()
  const treated = treat(result)
  call.refused(failure)
  await Promise.resolve(treated).catch(() => {})
  await turn()
  await turn()
  return unheard
}

const rejections: unknown[] = []
const note = (reason: unknown) => rejections.push(reason)
process.on('unhandledRejection', note)

test('it is a promise, to be awaited like any other', async () => {
  const { call, result } = make()
  assert.ok(result instanceof Promise)
  call.taken(true)
  assert.equal(await result, true)
  assert.equal(await result.then((value) => !value), false)
})

test('what then, catch and finally give is an ordinary promise', async () => {
  const { call, result } = make()
  for (const next of [result.then(), result.catch(() => {}), result.finally(() => {})]) {
    assert.equal(next.constructor, Promise)
  }
  call.taken(true)
  await result
})

test('a failure that nobody awaits is told once, and is no unhandled rejection', async () => {
  assert.deepEqual(await unheardAfter(() => undefined), [failure])
})

test('a failure that came at once, and that nobody awaits, is told as well', async () => {
  const { call, unheard } = make()
  call.fail(failure)
  assert.deepEqual(unheard, [], 'not in the same turn: the caller may still await it')
  await turn()
  await turn()
  assert.deepEqual(unheard, [failure])
})

test('a call answers whether the store had the key, or nothing, and its errors have a name in front', async () => {
  const owner = { named: ({ code }: MemisError, key?: string) => new MemisError(code, `${key}: no`), unheard: () => {} }
  const [asks, tells, fails] = [new Call(owner, 'a', true), new Call(owner, 'b', false), new Call(owner, 'c', false)]
  asks.taken(true)
  tells.taken(true)
  fails.refused(failure)
  assert.deepEqual(await Promise.all([asks.result, tells.result]), [true, undefined])
  await assert.rejects(fails.result, { code: 'STORE_REFUSED', message: 'c: no' })
})

test('success is not told to anybody', async () => {
  const { call, result, unheard } = make()
  call.taken(false)
  await turn()
  await turn()
  assert.deepEqual(unheard, [])
  assert.equal(await result, false)
})

const heard: [string, (result: Promise<boolean>) => unknown][] = [
  ['await', async (result) => await result],
  ['then with a second argument', (result) => result.then(undefined, () => {})],
  ['catch', (result) => result.catch(() => {})],
  ['finally and catch', (result) => result.finally(() => {}).catch(() => {})],
  ['Promise.all', (result) => Promise.all([result])],
  ['Promise.allSettled', (result) => Promise.allSettled([result])],
  ['Promise.race', (result) => Promise.race([result])],
  ['Promise.any', (result) => Promise.any([result])],
  ['Promise.resolve', (result) => Promise.resolve(result)],
  ['the return of an async function', async (result) => result],
]

for (const [how, treat] of heard) {
  test(`a failure that somebody hears by ${how} is not told besides`, async () => {
    assert.deepEqual(await unheardAfter(treat), [])
  })
}

test('a caller that awaits in the same turn hears of a failure that came at once', async () => {
  const { call, result, unheard } = make()
  call.fail(failure)
  await assert.rejects(result, failure)
  await turn()
  assert.deepEqual(unheard, [])
})

test('nothing of this was an unhandled rejection', () => {
  assert.deepEqual(rejections, [])
})

test('a chain that nobody ends is an unhandled rejection, as with any promise', async () => {
  process.off('unhandledRejection', note)
  const told = once(process, 'unhandledRejection')
  const { call, result, unheard } = make()
  void result.then(() => 1)
  call.refused(failure)
  assert.equal((await told)[0], failure)
  assert.deepEqual(unheard, [])
})

test.run()
