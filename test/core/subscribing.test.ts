import { suite } from 'uvu'
import { expired, inTime, observe, outage } from '../../src/conformance/api/support'
import assert, { refused, same } from '../../src/conformance/assert'
import { turn } from '../../src/conformance/waiting'
import { assertUnreadable, onMemory } from './on-memory'

const runner = suite('subscribing')
const test = onMemory(runner)

test('R2 R3 subscribe joins the same subscription until unsubscribe', async (scene) => {
  const replica = await scene.unsubscribed()
  const { items } = replica
  await Promise.all([items.subscribe(), items.subscribe()])
  await items.subscribe()
  same(replica.readies.length, 1)
  items.unsubscribe()
  await items.subscribe()
  same(replica.readies.length, 2)
})

test('R2 a signal that is aborted already refuses at once', async (scene) => {
  const { items } = await scene.unsubscribed()
  const error = await refused(items.subscribe({ signal: AbortSignal.abort('why') }), 'ABORTED')
  same([error.name, error.cause], ['AbortError', 'why'])
  assert.equal(items.freshness.state, 'idle')
  await items.subscribe()
  assert.equal(items.size, 0)
})

test('R2 a signal that is aborted afterwards changes nothing', async (scene) => {
  const { items } = await scene.unsubscribed()
  const controller = new AbortController()
  await items.subscribe({ signal: controller.signal })
  controller.abort()
  await items.set('k', {})
  same([items.size, items.freshness.state], [1, 'live'])
  await refused(items.subscribe({ signal: controller.signal }), 'ABORTED')
  same(items.freshness.state, 'live')
})

test(
  'S2 a waitFor that was refused during the first contents leaves nothing that waits or rejects',
  outage,
  async (scene) => {
    const replica = await scene.unsubscribed()
    const { items } = replica
    await replica.client.connect()
    await scene.cut(replica)
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    try {
      const controller = new AbortController()
      const subscribing = refused(items.subscribe({ signal: controller.signal }), 'ABORTED')
      await refused(items.waitFor('', Boolean), 'INVALID_NAME')
      await refused(items.waitFor('k', Boolean, { signal: AbortSignal.abort() }), 'ABORTED')
      // Nobody else waits for the subscription: an aborted signal ends it.
      controller.abort()
      await subscribing
      same(items.freshness.state, 'idle')
      await turn()
      same(unhandled, [])
    } finally {
      process.off('unhandledRejection', note)
    }
  },
)

test('R2 R3 a subscribe that waits ends by its signal, or by unsubscribe', outage, async (scene) => {
  const [writer, replica] = [await scene.replica(), await scene.unsubscribed()]
  await replica.client.connect()
  await scene.cut(replica)
  const controller = new AbortController()
  const aborted = observe(replica.items.subscribe({ signal: controller.signal }))
  await turn()
  assert.equal(aborted.state, 'pending')
  const reason = new Error('enough')
  controller.abort(reason)
  await scene.eventually(() => assert.equal(aborted.error?.code, 'ABORTED'))
  same(aborted.error?.cause, reason)
  assertUnreadable(replica.items, 'NOT_SUBSCRIBED', /subscribe\(\)/)

  const ended = observe(replica.items.subscribe())
  replica.items.unsubscribe()
  await scene.eventually(() => assert.equal(ended.error?.code, 'UNSUBSCRIBED'))

  const third = observe(replica.items.subscribe())
  await writer.items.set('k', {})
  await scene.heal(replica)
  await scene.eventually(() => assert.equal(third.state, 'resolved'))
  await scene.eventuallyEqual([replica], new Map([['k', {}]]))
})

test('R3 unsubscribe refuses a subscribe that waits', async (scene) => {
  const { items } = await scene.unsubscribed()
  const waiting = items.subscribe()
  items.unsubscribe()
  const { message } = await refused(waiting, 'UNSUBSCRIBED')
  assert.match(message, /artists/)
  await items.subscribe()
})

test('R3 unsubscribe empties at once and without events, and stops updates and timers', async (scene) => {
  const [writer, reader] = await scene.two()
  await writer.items.set('stays', { n: 1 })
  let timed = ''
  await inTime(0.3, async (ttl) => {
    timed = `expires after ${ttl} s`
    await writer.items.set(timed, { n: 1 }, ttl)
    await writer.items.set('stays', { ttl })
    await scene.eventually(() => same(reader.items.get('stays'), { ttl }))
    return reader.items.has(timed)
  })
  const told = reader.events.length
  reader.items.unsubscribe()
  assertUnreadable(reader.items, 'NOT_SUBSCRIBED', /subscribe\(\)/)
  reader.items.unsubscribe()
  await writer.items.set('stays', { n: 2 })
  await expired(scene, writer, [writer], timed)
  await writer.items.delete('stays')
  // By now it would have been told, as the next replica was.
  await scene.replica()
  same(reader.events.slice(told), [])
  assert.equal(reader.items.freshness.state, 'idle')
})

test('K6 freshness tells the state, since when, and the age of the last proof', async (scene) => {
  const { items } = await scene.unsubscribed()
  const started = items.freshness.since
  same({ ...items.freshness, since: 0 }, { state: 'idle', since: 0, age: null, reason: null })
  const waiting = items.subscribe()
  same([items.freshness.state, items.freshness.age], ['syncing', null])
  await waiting
  const { state, since, age } = items.freshness
  assert(state === 'live' && since >= started && age !== null && age >= 0 && age <= 3 * scene.patience)
  items.once('set', () => assert.equal(items.freshness.state, 'live'))
  await items.set('k', {})
  items.unsubscribe()
  same([items.freshness.state, items.freshness.age], ['idle', null])
  assert(items.freshness.since >= since)
})

test('E4 an empty collection is ready too', async (scene) => {
  const { events, readies } = await scene.replica()
  same([events, readies.map(({ cause, size }) => [cause, size])], [[], [['snapshot', 0]]])
})

runner.run()
