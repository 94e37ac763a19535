import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { encodeRevision } from '../../src/core/history'
import type { Accepted } from '../../src/core/transport'
import { Call, type CallOwner, WriteResult } from '../../src/core/write-result'
import { entry, tombstone, turn } from '../support/fake-transport'
import { at } from '../support/revisions'
import { rejection } from '../support/testing'

const test = suite('write result')

/** A write to be settled by hand, and the errors that nobody has heard. */
function make() {
  const unheard: Error[] = []
  const owner: CallOwner = {
    named: (error, key) => error.at({ key }),
    entry: ({ key, item, leftMs, ...revision }) => {
      const expiresIn = leftMs === null ? null : leftMs / 1000
      return { key, item, revision: encodeRevision(revision), expiresIn }
    },
    unheard: (error) => void unheard.push(error),
  }
  const call = new Call<boolean>(owner, 'k', ({ existed }) => existed)
  return { call, owner, result: call.result, unheard }
}

const accepted = (existed: boolean): Accepted => ({ ...at(1), existed })

const failure = new MemisError('STORE_REFUSED', 'the store is full')
const codesOf = (errors: Error[]) => errors.map((error) => (error as MemisError).code)

/** Lets a write fail whose promise is treated so, and returns what nobody has heard. */
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

test('W6 it is a promise, to be awaited like any other', async () => {
  const { call, result } = make()
  assert.ok(result instanceof Promise)
  call.accepted(accepted(true))
  assert.equal(await result, true)
  assert.equal(await result.then((value) => !value), false)
})

test('W6 what then, catch and finally give is an ordinary promise', async () => {
  const { call, result } = make()
  for (const next of [result.then(), result.catch(() => {}), result.finally(() => {})]) {
    assert.equal(next.constructor, Promise)
  }
  call.accepted(accepted(true))
  await result
})

test('W6 a failure that nobody awaits is told once, and is no unhandled rejection', async () => {
  assert.deepEqual(codesOf(await unheardAfter(() => undefined)), ['STORE_REFUSED'])
})

test('W6 a failure that came at once, and that nobody awaits, is told as well', async () => {
  const { call, unheard } = make()
  call.refused(failure)
  assert.deepEqual(unheard, [], 'not in the same turn: the caller may still await it')
  await turn()
  await turn()
  assert.deepEqual(codesOf(unheard), ['STORE_REFUSED'])
})

test('W5 a call answers what it makes of the acceptance', async () => {
  const { owner } = make()
  const asks = new Call<boolean>(owner, 'a', ({ existed }) => existed)
  const tells = new Call<void>(owner, 'b', () => {})
  asks.accepted(accepted(true))
  tells.accepted(accepted(true))
  assert.deepEqual(await Promise.all([asks.result, tells.result]), [true, undefined])
})

test('H2 a refusal has the name of the key', async () => {
  const { call, result } = make()
  call.refused(failure)
  await assert.rejects(result, { code: 'STORE_REFUSED', message: 'k: the store is full', key: 'k' })
})

test('C2 a conflict has the entry of the store, or undefined if there is no item; nothing was stored', async () => {
  const currents = [entry('k', 7, { v: 1 }, { leftMs: 1500 }), tombstone('k', 8), null]
  const errors = await Promise.all(
    currents.map((current) => {
      const { call, result } = make()
      call.conflicted(current)
      return rejection(result)
    }),
  )
  assert.deepEqual(
    errors.map(({ code, stored, key, current }) => ({ code, stored, key, current })),
    [{ key: 'k', item: { v: 1 }, revision: 'e1.7', expiresIn: 1.5 }, undefined, undefined].map((current) => {
      return { code: 'CONFLICT', stored: 'no', key: 'k', current }
    }),
  )
})

test('C7 the conflict of a transaction names the key whose condition failed', async () => {
  const { owner } = make()
  const call = new Call<void>(owner, undefined, () => {})
  call.conflicted(null, 'which')
  assert.equal((await rejection(call.result)).key, 'which')
})

test('W6 a write that takes several steps is such a promise, too', async () => {
  const { owner, unheard } = make()
  assert.equal(await WriteResult.of(Promise.resolve(1), owner.unheard), 1)
  WriteResult.of(Promise.reject(failure), owner.unheard)
  await turn()
  await turn()
  assert.deepEqual(unheard, [failure])
  await assert.rejects(WriteResult.of(Promise.reject(failure), owner.unheard), failure)
  await turn()
  await turn()
  assert.equal(unheard.length, 1)
})

test('W6 success is not told to anybody', async () => {
  const { call, result, unheard } = make()
  call.accepted(accepted(false))
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
  test(`W6 a failure that somebody hears by ${how} is not told besides`, async () => {
    assert.deepEqual(await unheardAfter(treat), [])
  })
}

test('W6 a caller that awaits in the same turn is told of a failure that came at once', async () => {
  const { call, result, unheard } = make()
  call.refused(failure)
  await assert.rejects(result, { code: 'STORE_REFUSED' })
  await turn()
  assert.deepEqual(unheard, [])
})

test('W6 nothing of this was an unhandled rejection', () => {
  assert.deepEqual(rejections, [])
})

test('W6 a chain that nobody ends is an unhandled rejection, as with any promise', async () => {
  process.off('unhandledRejection', note)
  const told = once(process, 'unhandledRejection')
  const { call, result, unheard } = make()
  void result.then(() => 1)
  call.refused(failure)
  assert.equal((await told)[0].code, 'STORE_REFUSED')
  assert.deepEqual(unheard, [])
})

test.run()
