/** `reached` while something is lost; the rest of S4 is in the api suite. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { FakeClient, outcomeOf } from '../support/fake-client'
import { disconnected, entry, turn } from '../support/fake-transport'

const test = suite('reached')

/** The store has lost `a` and goes on in `e2`: the replica knows everything up to 7 and is about to restore `a`. */
async function reconciling() {
  const made = new FakeClient()
  made.things.subscribe()
  made.session.snapshot([entry('a', 5, { v: 'lost' })])
  made.session.sink.stale(disconnected())
  while (made.transport.sessions.length < 2) made.clock.step()
  made.session.snapshot([], 'e2.7', { e1: 0, e2: 2 })
  const reached = outcomeOf(made.things.reached('e2.6'))
  made.clock.advance(250)
  await turn()
  assert.deepEqual(reached, {}, 'the store may have something newer than what is held of a')
  return { ...made, reached }
}

test('S4 it waits for the answer to a merge', async () => {
  const { transport, reached, things } = await reconciling()
  await transport.merging.refuse()
  assert.deepEqual(reached, { value: undefined })
  assert.equal(things.has('a'), false)
})

test('S4 it waits for what another replica restores', async () => {
  const { transport, reached } = await reconciling()
  transport.session.changes(entry('a', 5, { v: 'lost' }, { place: 'e2.8' }))
  await turn()
  assert.deepEqual(reached, { value: undefined })
})

test('S4 an own write over what is lost ends the wait', async () => {
  const { transport, reached, things } = await reconciling()
  things.set('a', { v: 'own' })
  await turn()
  await transport.call.outcomes({ epoch: 'e2', n: 8, existed: false })
  assert.deepEqual(reached, { value: undefined })
})

test.run()
