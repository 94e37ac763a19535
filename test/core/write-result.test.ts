import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite } from 'uvu'
import { WriteResult } from '../../src/core/write-result'
import { turn } from '../support/fake-transport'

const test = suite('write result')

/** A write to be settled by hand, and what nobody heard of. */
function make() {
  const unheard: Error[] = []
  let resolve!: (value: number) => void
  let reject!: (error: Error) => void
  const result = WriteResult.of<number>(
    (yes, no) => {
      resolve = yes
      reject = no
    },
    (error) => unheard.push(error),
  )
  return { result, resolve, reject, unheard }
}

const failure = new Error('the store is full')

/** What becomes of the failure of a write that is treated so. */
async function unheardAfter(treat: (result: Promise<number>) => unknown): Promise<Error[]> {
  const { result, reject, unheard } = make()
  const treated = treat(result)
  reject(failure)
  await Promise.resolve(treated).catch(() => {})
  await turn()
  await turn()
  return unheard
}

const rejections: unknown[] = []
const note = (reason: unknown) => rejections.push(reason)
process.on('unhandledRejection', note)

test('it is a promise, to be awaited like any other', async () => {
  const { result, resolve } = make()
  assert.ok(result instanceof Promise)
  resolve(7)
  assert.equal(await result, 7)
  assert.equal(await result.then((value) => value + 1), 8)
})

test('what then, catch and finally give is an ordinary promise', async () => {
  const { result, resolve } = make()
  for (const next of [result.then(), result.catch(() => {}), result.finally(() => {})]) {
    assert.equal(next.constructor, Promise)
  }
  resolve(1)
  await result
})

test('a failure that nobody awaits is told once, and is no unhandled rejection', async () => {
  assert.deepEqual(await unheardAfter(() => undefined), [failure])
})

test('a failure that came at once, and that nobody awaits, is told as well', async () => {
  const unheard: Error[] = []
  WriteResult.of(
    (_, reject) => reject(failure),
    (error) => unheard.push(error),
  )
  assert.deepEqual(unheard, [], 'not in the same turn: the caller may still await it')
  await turn()
  await turn()
  assert.deepEqual(unheard, [failure])
})

test('success is not told to anybody', async () => {
  const { result, resolve, unheard } = make()
  resolve(1)
  await turn()
  await turn()
  assert.deepEqual(unheard, [])
  assert.equal(await result, 1)
})

const heard: [string, (result: Promise<number>) => unknown][] = [
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
  const unheard: Error[] = []
  const result = WriteResult.of(
    (_, reject) => reject(failure),
    (error) => unheard.push(error),
  )
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
  const { result, reject, unheard } = make()
  void result.then(() => 1)
  reject(failure)
  assert.equal((await told)[0], failure)
  assert.deepEqual(unheard, [])
})

test.run()
