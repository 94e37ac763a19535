import { suite } from 'uvu'
import type { Item } from '../../src/conformance/api/replica'
import assert, { same } from '../../src/conformance/assert'
import { assertUnreadable, onMemory } from './on-memory'

const runner = suite('map')
const test = onMemory(runner)

test('R1 a subscribed collection reads as a Map does', async (scene) => {
  const { items } = await scene.replica()
  for (const key of ['a', 'b', 'c']) await items.set(key, { key })
  await items.delete('b')
  await items.set('b', { key: 'b again' })
  await items.set('a', { key: 'a again' })
  const map = new Map(['a', 'c', 'b'].map((key) => [key, items.get(key)]))

  same([...items], [...map])
  same([...items.keys()], [...map.keys()])
  same([...items.values()], [...map.values()])
  same([...items.entries()], [...map.entries()])
  assert.equal(items.size, 3)
  same(
    ['a', 'x', '__proto__', 'size'].map((key) => items.has(key)),
    [true, false, false, false],
  )
  same(
    ['x', '__proto__', 'constructor'].map((key) => items.get(key)),
    [undefined, undefined, undefined],
  )
  const given: unknown[] = []
  const self = {}
  items.forEach(function (this: unknown, ...args) {
    given.push([this, ...args])
  }, self)
  assert.equal(given.length, 3)
  for (const [i, [key, item]] of [...map].entries()) {
    const args = given[i] as unknown[]
    assert(args[0] === self && args[1] === item && args[2] === key && args[3] === items && args.length === 4)
  }
  const iterator = items.keys()
  assert.equal(iterator[Symbol.iterator](), iterator)
  same(
    [iterator.next(), iterator.next(), iterator.next(), iterator.next()].map(({ done }) => done),
    [false, false, false, true],
  )
})

test('R1 adding and removing while iterating behaves as in a Map', async (scene) => {
  const { items } = await scene.replica()
  const map = new Map<string, Item>()
  for (const key of ['a', 'b', 'c', 'd']) {
    await items.set(key, { key })
    map.set(key, { key })
  }
  const ofMap: string[] = []
  for (const [key] of map) {
    ofMap.push(key)
    if (key === 'a') map.delete('c') // not visited yet
    if (key === 'b') map.delete('a') // visited already
    if (key === 'd') map.set('e', {}).set('a', {})
    if (key === 'e') map.delete('e')
  }
  const ofItems: string[] = []
  for (const [key] of items) {
    ofItems.push(key)
    if (key === 'a') await items.delete('c')
    if (key === 'b') await items.delete('a')
    if (key === 'd') await Promise.all([items.set('e', {}), items.set('a', {})])
    if (key === 'e') await items.delete('e')
  }
  same(ofItems, ofMap)
  same([...items.keys()], [...map.keys()])
})

test('R4 reading what is not subscribed is refused, by an error that says what to call', async (scene) => {
  const { items } = await scene.unsubscribed()
  assertUnreadable(items, 'NOT_SUBSCRIBED', /subscribe\(\)/)
  await items.set('k', {})
  assertUnreadable(items, 'NOT_SUBSCRIBED', /subscribe\(\)/)
})

test('R4 between subscribe and ready, what has arrived can be read', async (scene) => {
  await (await scene.unsubscribed()).items.set('k', {})
  const { items } = await scene.unsubscribed()
  let sizeInListener: number | undefined
  items.once('set', () => {
    sizeInListener = items.size
  })
  const waiting = items.subscribe()
  same([items.size, items.get('k'), [...items]], [0, undefined, []])
  await waiting
  assert.equal(sizeInListener, 1)
})

runner.run()
