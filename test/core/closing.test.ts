import { suite } from 'uvu'
import type { Item } from '../../src/conformance/api/replica'
import { expired } from '../../src/conformance/api/support'
import assert, { refused, same, throws } from '../../src/conformance/assert'
import { turn } from '../../src/conformance/waiting'
import { assertUnreadable, onMemory } from './on-memory'

const runner = suite('closing')
const test = onMemory(runner)

test('W7 after close every call is refused with a coded error', async (scene) => {
  const { client, items } = await scene.replica()
  const idle = client.database('region-nl').collection<Item>('artists 2')
  const database = client.database('region-nl')
  await items.set('k', {})
  const closing = client.close()
  for (const stage of ['at once', 'when it is closed']) {
    await refused(client.connect(), 'CLOSED')
    throws(() => client.database('d'), 'CLOSED')
    throws(() => client.database('region-nl'), 'CLOSED')
    throws(() => database.collection('not opened before'), 'CLOSED')
    for (const collection of [items, idle]) {
      const calls = [collection.subscribe(), collection.set('k', {}), collection.delete('k'), collection.clear()]
      for (const error of await Promise.all(calls.map((call: Promise<unknown>) => refused(call, 'CLOSED')))) {
        assert.match(error.message, /artists/, stage)
      }
      assertUnreadable(collection, 'CLOSED', /closed/)
      collection.unsubscribe()
      assert.equal(collection.freshness.state, 'idle')
    }
    await closing
  }
})

test('W7 close twice is close once', async (scene) => {
  const { client } = await scene.replica()
  let closes = 0
  client.on('close', () => void closes++)
  await Promise.all([client.close(), client.close()])
  await client.close()
  assert.equal(closes, 1)
})

test('W7 Symbol.asyncDispose closes', async (scene) => {
  const { client, items } = await scene.replica()
  await client[Symbol.asyncDispose]()
  await refused(items.set('k', {}), 'CLOSED')
  await client.close()
})

test('W7 no event comes after close, and close itself is the last', async (scene) => {
  const [writer, reader] = await scene.two()
  await writer.items.set('timed', {}, 0.2)
  const log: string[] = []
  reader.client.on('close', () => void log.push('close')).on('disconnect', () => void log.push('disconnect'))
  reader.items.multi('set expire delete ready stale', () => void log.push('event'))
  await reader.client.close()
  await writer.items.set('k', {})
  await expired(scene, writer, [writer], 'timed')
  await turn()
  same([log.at(-1), log.filter((what) => what === 'close').length], ['close', 1])
})

test('X5 ten thousand ttls are not ten thousand timers', async (scene) => {
  const [writer, reader] = await scene.two()
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  let before = 0
  await scene.eventually(() => {
    before = timers() // waiting takes a timer, too
  })
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => writer.items.set(`key ${i}`, { i }, 60 + i)))
  await scene.eventually(() => assert.equal(reader.items.size, 10_000))
  const more = timers() - before
  assert(more < 1000, `${more} timers more than before`)
})

runner.run()
