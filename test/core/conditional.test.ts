/** Updates that wait: for the store, for each other, and after a conflict. What they write, the api suite asks of every store. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { FakeClient, outcomeOf } from '../support/fake-client'
import { disconnected, entry, turn } from '../support/fake-transport'

const test = suite('conditional writes')

const timeout = 10_000
const add = (item: { v?: unknown } | undefined) => ({ v: Number(item?.v ?? 0) + 1 })
const told = (calls: readonly { error?: { code: string; stored?: string } }[]) =>
  calls.map(({ error }) => error && `${error.code} ${error.stored}`)

test('C4 W6 updates of one key that wait for the store are refused at the same time, not one after the other', async () => {
  const { things, clock, transport } = new FakeClient({ up: false })
  const calls = [1, 2, 3].map(() => outcomeOf(things.update('a', add)))
  await turn()
  clock.advance(4000)
  const later = outcomeOf(things.update('a', add))
  await turn()
  clock.advance(timeout - 4000 - 1)
  await turn()
  assert.deepEqual(told([...calls, later]), [undefined, undefined, undefined, undefined])
  clock.advance(1)
  await turn()
  // None of them was sent. The later one has time left, and tries now.
  assert.deepEqual(told([...calls, later]), [...Array(3).fill('WRITE_TIMEOUT no'), undefined])
  assert.equal(transport.writes.length, 0)
  transport.host.up()
  await turn()
  await transport.call.accept() // the check
  await transport.call.accept()
  assert.deepEqual(later, { value: { v: 1 } })
})

test('C4 an update waits for the one before it, whatever becomes of that', async () => {
  const { things, transport } = new FakeClient()
  const thrown = new Error('mischief')
  const calls = [
    outcomeOf(
      things.update('a', () => {
        throw thrown
      }),
    ),
    outcomeOf(things.update('a', add)),
  ]
  await turn()
  assert.equal(transport.writes.length, 1)
  await transport.call.accept()
  assert.equal(calls[0]?.error as unknown, thrown)
  await transport.call.accept()
  await transport.call.accept()
  assert.deepEqual(calls[1], { value: { v: 1 } })
  assert.equal(transport.writes.length, 3)
})

test('C4 the delay after a conflict is random, and grows up to 200 ms', async () => {
  const { things, transport, clock } = new FakeClient()
  const { random } = Math
  Math.random = () => 0.5
  try {
    const call = outcomeOf(things.update('a', add))
    await turn()
    const delays: number[] = []
    await transport.call.outcomes({ conflict: entry('a', 1, { v: 1 }) }) // the answer to the check
    for (let conflicts = 0; conflicts < 10; conflicts++) {
      await transport.call.outcomes({ conflict: entry('a', conflicts + 2, { v: conflicts + 2 }) })
      delays.push(clock.wait ?? -1)
      clock.advance(clock.wait ?? 0)
      await turn()
    }
    assert.deepEqual(delays, [1, 1, 2, 4, 8, 16, 32, 64, 100, 100])
    assert.deepEqual(call, {})
    await transport.call.accept()
    assert.deepEqual(call, { value: { v: 12 } })
  } finally {
    Math.random = random
  }
})

test('C4 a signal that is aborted after the store has the write says that it may be stored', async () => {
  const { things, transport, errors } = new FakeClient()
  const abort = new AbortController()
  const call = outcomeOf(things.update('a', add, { signal: abort.signal }))
  const next = outcomeOf(things.update('a', add))
  await turn()
  await transport.call.accept()
  assert.equal(transport.call.batch.writes[0]?.kind, 'set')
  abort.abort()
  await turn()
  assert.deepEqual(told([call]), ['ABORTED unknown'])
  await transport.call.accept()
  // The next one has its turn as ever.
  await transport.call.accept()
  await transport.call.accept()
  assert.deepEqual(next, { value: { v: 1 } })
  assert.deepEqual(errors, [])
})

test('C6 W6 replaceAll is refused if the collection cannot be read in time, and leaves nothing behind', async () => {
  const { client, things, clock, transport } = new FakeClient({ up: false })
  const outside = outcomeOf(things.replaceAll({ a: {} }))
  const other = client.database('db').collection<object>('other')
  const subscribed = outcomeOf(other.subscribe())
  const inside = outcomeOf(other.replaceAll({ a: {} }))
  await turn()
  clock.advance(timeout)
  await turn()
  assert.deepEqual(told([outside, inside]), ['WRITE_TIMEOUT no', 'WRITE_TIMEOUT no'])
  assert.deepEqual(subscribed, {})
  assert.equal(clock.pending, 0)
  transport.host.up()
  assert.deepEqual(
    transport.sessions.map(({ id }) => id.collection),
    ['other'],
  )
})

test('C6 W7 replaceAll that waits is refused by close', async () => {
  const { client, things } = new FakeClient({ up: false })
  const call = outcomeOf(things.replaceAll({ a: {} }))
  await turn()
  await client.close()
  await turn()
  assert.equal(call.error?.code, 'CLOSED')
})

test('C5 an increment whose answer is lost is sent again as it was', async () => {
  const { things, transport, clock } = new FakeClient()
  const call = outcomeOf(things.increment('a', 'v' as never))
  await turn()
  await transport.call.outcomes({ conflict: entry('a', 1, { v: 4 }) })
  const { batch } = transport.call
  await transport.call.fail(disconnected())
  clock.advance(clock.wait ?? 0)
  await turn()
  assert.equal(transport.call.batch, batch)
  await transport.call.accept()
  assert.deepEqual(call, { value: 5 })
  assert.equal(transport.writes.length, 3)
})

test.run()
