import { suite } from 'uvu'
import type { Item } from '../../src/conformance/api/replica'
import { observe, outage } from '../../src/conformance/api/support'
import assert, { refused, same } from '../../src/conformance/assert'
import { turn } from '../../src/conformance/waiting'
import { onMemory } from './on-memory'

const runner = suite('refusals')
const test = onMemory(runner)

test('W6 a write that nobody awaits and that fails is told on error, once a burst', async (scene) => {
  const { client, items } = await scene.replica()
  const unhandled: unknown[] = []
  const hear = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', hear)
  try {
    scene.expect('INVALID_NAME')
    scene.expect('INVALID_ITEM')
    for (let i = 0; i < 10; i++) void items.set('', {})
    void items.delete('')
    void items.set('k', [])
    await scene.eventually(() => same([client.errorCounts.INVALID_NAME, client.errorCounts.INVALID_ITEM], [11, 1]))
    same(scene.errors.map(({ code }) => code).sort(), ['INVALID_ITEM', 'INVALID_NAME'])
    await turn()
    same(unhandled, [])
  } finally {
    process.off('unhandledRejection', hear)
  }
})

test('W6 a refusal that somebody awaits is told to nobody else', async (scene) => {
  const { client, items } = await scene.replica()
  await refused(items.set('', {}), 'INVALID_NAME')
  await items.set('k', [] as Item).catch(() => {})
  await turn()
  await turn()
  same([client.errorCounts, scene.errors], [{}, []])
})

test('W6 a superseded caller settles at its own deadline, its successor goes on waiting', outage, async (scene) => {
  const writer = await scene.replica({ writeTimeout: 1000 })
  await scene.cut(writer)
  const first = observe(writer.items.set('k', { n: 1 }))
  const half = performance.now() + 500
  await scene.eventually(() => assert(performance.now() > half))
  const second = observe(writer.items.set('k', { n: 2 }))
  await scene.eventually(() => assert.equal(first.error?.code, 'WRITE_TIMEOUT'))
  assert.equal(first.error?.stored, 'no')
  // On a machine that stood still for half a second, it is late as well.
  if (performance.now() < half + 900) assert.equal(second.state, 'pending')
  await scene.heal(writer)
  await scene.eventually(() => assert.notEqual(second.state, 'pending'))
  if (second.state === 'resolved') same(writer.items.get('k'), { n: 2 })
})

test('W6 writes that wait are bounded in number and in bytes, and refused at once over that', outage, async (scene) => {
  const many = await scene.replica({ maxPending: 3 })
  const large = await scene.replica({ maxPendingBytes: 10_000 })
  await scene.cut(many)
  await scene.cut(large)
  const waiting = ['a', 'b', 'c'].map((key) => observe(many.items.set(key, { n: 1 })))
  const { stored, message } = await refused(many.items.set('d', { n: 1 }), 'TOO_MANY_PENDING')
  assert.equal(stored, 'no')
  assert.match(message, /artists.*d/)
  await refused(many.items.delete('d'), 'TOO_MANY_PENDING')
  waiting.push(observe(many.items.set('a', { n: 2 }))) // in the place of the one that waits
  waiting.push(observe(large.items.set('l', { text: 'x'.repeat(6000) })))
  await refused(large.items.set('m', { text: 'x'.repeat(6000) }), 'TOO_MANY_PENDING')
  assert(waiting.every(({ state }) => state === 'pending'))
  await scene.heal(many)
  await scene.heal(large)
  await scene.eventually(() => assert(waiting.every(({ state }) => state === 'resolved')))
  const late = await scene.replica()
  same([...late.items.keys()].sort(), ['a', 'b', 'c', 'l'])
  same(late.items.get('a'), { n: 2 })
  await many.items.set('d', { n: 1 })
})

test(
  'W6 refusals of an outage that nobody awaits are no unhandled rejections, and told once',
  outage,
  async (scene) => {
    scene.expect('WRITE_TIMEOUT')
    const writer = await scene.replica({ writeTimeout: 50 })
    await scene.cut(writer)
    const unhandled: unknown[] = []
    const hear = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', hear)
    try {
      for (let i = 0; i < 10; i++) void writer.items.set(`key ${i}`, {})
      await scene.eventually(() => assert.equal(writer.client.errorCounts.WRITE_TIMEOUT, 10))
      same(scene.errors.filter(({ code }) => code === 'WRITE_TIMEOUT').length, 1)
      await turn()
      same(unhandled, [])
    } finally {
      process.off('unhandledRejection', hear)
    }
  },
)

runner.run()
