/**
 * Found by chaos (redis, seed 5): the store began another epoch, and a client that wrote without end never caught up, since
 * each answer of its writes ended the session that was just being asked for. Its replica was stale for up to 22 s.
 */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Subscription } from '../../src/core/subscription'
import { FakeTransport, place, setOf, told } from '../support/fake-transport'

const test = suite('found: starved')

/** A replica of `a`, whose session has just ended: the store has begun the epoch `e2`. */
function make() {
  const transport = new FakeTransport()
  const log: string[] = []
  const subscription = new Subscription<object>(
    transport,
    place,
    { retention: 60_000, dataLoss: 'restore' },
    {
      changed: (event, key) => log.push(`${event} ${key}`),
      report: ({ code }) => log.push(`report ${code}`),
      ready: ({ cause }) => log.push(`ready ${cause}`),
      stale: ({ code }) => log.push(`stale ${code}`),
      refused: ({ code }) => log.push(`refused ${code}`),
    },
  )
  subscription.linkUp()
  transport.session.whole([told('a', 1, { v: 1 })], 1)
  subscription.written(setOf('a', { v: 2 }), 'e2', { n: 2, existed: true })
  transport.clock.advance(50)
  assert.equal(transport.sessions.length, 2)
  log.length = 0
  return { transport, subscription, log }
}

test('own writes that are answered while a session is asked for do not end it', () => {
  const { transport, subscription, log } = make()
  for (let n = 3; n < 10; n++) subscription.written(setOf('a', { v: n }), 'e2', { n, existed: true })
  transport.clock.advance(5000)
  assert.equal(transport.sessions.length, 2)
  transport.session.whole([told('a', 9, { v: 9 })], 9, 'e2')
  assert.deepEqual(log.slice(-1), ['ready resync'])
  assert.deepEqual(subscription.replica.items.get('a'), { v: 9 })
})

test('one that then begins in an older epoch than the answer came from does end, and the next one counts', () => {
  const { transport, subscription, log } = make()
  subscription.written(setOf('a', { v: 3 }), 'e3', { n: 3, existed: true })
  transport.session.whole([told('a', 2, { v: 2 })], 2, 'e2')
  assert.deepEqual(log, ['set a', 'report OUT_OF_TOUCH'])
  assert.equal(transport.sessions[1]?.closed, 1)
  assert.deepEqual(subscription.replica.items.get('a'), { v: 3 })
  transport.clock.advance(5000)
  transport.session.whole([told('a', 3, { v: 3 })], 3, 'e3')
  assert.deepEqual(log.slice(-1), ['ready resync'])
})

test.run()
