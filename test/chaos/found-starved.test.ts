/**
 * Found by chaos (redis, seed 5): the store began another epoch, and a client that wrote without end never caught up, because each
 * answer to its writes ended the session that was just opening. Its replica was stale for up to 22 s.
 */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Subscription } from '../../src/core/subscription'
import { entry, FakeTransport, setOf, things } from '../support/fake-transport'

const test = suite('found: starved')

test('K4 own writes that are answered out of another epoch do not end a session that is opening', () => {
  const transport = new FakeTransport()
  const log: string[] = []
  const subscription = new Subscription<object>(
    transport,
    things,
    { retention: 60_000, livenessTimeout: 15_000, dataLoss: 'restore', maxItems: Infinity },
    {
      changed: ({ kind, key }) => log.push(`${kind} ${key}`),
      report: ({ code }) => log.push(`report ${code}`),
      ready: ({ cause }) => log.push(`ready ${cause}`),
      progressed: () => {},
      stale: ({ code }) => log.push(`stale ${code}`),
      refused: ({ code }) => log.push(`refused ${code}`),
    },
  )
  subscription.linkUp()
  transport.session.snapshot([entry('a', 1, { v: 1 })])
  const answered = (n: number) => {
    subscription.written([setOf('a', { v: n })], [{ epoch: 'e2', n, existed: true }])
  }
  answered(2)
  assert.deepEqual(log, ['set a', 'ready snapshot', 'set a', 'stale OUT_OF_TOUCH'])
  transport.clock.advance(50)
  for (let n = 3; n < 10; n++) answered(n)
  transport.clock.advance(5000)
  assert.equal(transport.sessions.length, 2)
  assert.equal(transport.session.closed, 0)
  transport.session.delta([entry('a', 'e2.9', { v: 9 })], 'e2.9', { e1: 0, e2: 1 })
  assert.equal(log.at(-1), 'ready resync')
  assert.deepEqual(subscription.replica.items.get('a'), { v: 9 })
})

test.run()
