/** The digest by which replicas of several processes are compared. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Client, type Collection, createClient, MemoryHub } from '../../src'
import { until } from '../support/testing'

const test = suite('digest')

interface Item {
  n: number
}

const clients: Client[] = []
test.after.each(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})

function make(hub: MemoryHub): Collection<Item> {
  const client = createClient({ transport: 'memory', hub, auditInterval: 20 })
  clients.push(client)
  return client.database('test').collection<Item>('items')
}

test('it is the same for replicas with the same versions, in whatever order they came', async () => {
  const hub = new MemoryHub()
  const [one, late] = [make(hub), make(hub)]
  await one.subscribe()
  const empty = one.digest()
  await one.setMany({ a: { n: 1 }, b: { n: 2 }, c: { n: 3 } })
  await one.set('a', { n: 4 }, 60)
  const before = one.digest()
  assert.match(before, /^[0-9a-f]{16}$/)
  assert.notEqual(before, empty)
  await late.subscribe()
  assert.notDeepEqual([...one.keys()], [...late.keys()])
  assert.equal(late.digest(), before)
  await one.set('b', { n: 2 })
  assert.notEqual(one.digest(), before, 'another version of the same item')
  assert.equal(late.digest(), one.digest())
  await one.clear()
  assert.equal(one.digest(), empty)
})

test('it shows that a replica has missed something, until the replica finds out', async () => {
  const hub = new MemoryHub()
  const [one, other] = [make(hub), make(hub)]
  await Promise.all([one.subscribe(), other.subscribe()])
  hub.drop(2)
  await one.set('a', { n: 1 })
  assert.notEqual(other.digest(), one.digest())
  await until('the audit has found it', () => other.digest() === one.digest())
})

test('items that were restored have the digest that they had', async () => {
  const hub = new MemoryHub()
  const items = make(hub)
  await items.subscribe()
  await items.set('a', { n: 1 })
  const before = items.digest()
  let isReady = false
  items.on('ready', () => {
    isReady = true
  })
  hub.lose()
  await until('it is restored', () => isReady)
  assert.equal(items.digest(), before)
  const late = make(hub)
  await late.subscribe()
  assert.equal(late.digest(), before)
})

test('a collection that is not subscribed has none', () => {
  assert.throws(() => make(new MemoryHub()).digest(), { code: 'NOT_SUBSCRIBED' })
})

test.run()
