/** The way of the memory transport to its hub, message by message. */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { Client } from '../../src/core/client'
import { takeSettings } from '../../src/core/options'
import { MemoryHub, type Message } from '../../src/transports/memory/hub'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { FakeClock } from '../support/fake-clock'
import { turn } from '../support/fake-transport'

const test = suite('memory transport')

/** A hub whose messages of one kind can be held back, and a client with a replica. */
async function laboratory() {
  const clock = new FakeClock()
  const held: (() => void)[] = []
  let holding: Message | null = null
  const hub = new MemoryHub(clock, (message, deliver) => {
    if (message === holding) held.push(deliver)
    else Promise.resolve().then(deliver)
  })
  const open = () => new Client(new MemoryTransport(hub), takeSettings({ auditInterval: 1000 }).settings)
  const client = open()
  const items = client.database('d').collection<{ v: number }>('c')
  await items.subscribe()
  const hold = (message: Message) => {
    holding = message
  }
  const release = () => {
    holding = null
    for (const deliver of held.splice(0)) deliver()
    return turn()
  }
  const pass = async (ms: number) => {
    for (let i = 0; i < ms; i += 50) {
      clock.advance(50)
      await turn()
    }
  }
  return { clock, hub, client, items, open, hold, release, pass }
}

test('K7 an item that was evicted while the client was cut off is restored when it returns', async () => {
  const { hub, client, items, open, pass } = await laboratory()
  await items.set('a', { v: 1 })
  hub.cut(client)
  hub.evict('a')
  await pass(2000)
  hub.heal(client)
  await pass(2000)
  assert.equal(items.freshness.state, 'live')
  const late = open().database('d').collection('c')
  await late.subscribe()
  assert.deepEqual([...late], [['a', { v: 1 }]])
})

test('W5 a clear deletes what was evicted in the replicas that hold it', async () => {
  const { hub, items, open, pass } = await laboratory()
  await items.set('a', { v: 1 })
  hub.evict('a')
  const writer = open().database('d').collection('c')
  await writer.clear()
  await turn()
  assert.equal(items.has('a'), false)
  await pass(3000)
  await writer.subscribe()
  assert.deepEqual([[...items], [...writer]], [[], []])
})

test('K1 a notification that is lost while the contents are on their way is found by the next audit', async () => {
  const { hub, client, items, open, hold, release, pass } = await laboratory()
  const writer = open().database('d').collection<{ v: number }>('c')
  hub.cut(client)
  hub.heal(client)
  hold('contents')
  await pass(500)
  hub.drop(1, client)
  await writer.set('a', { v: 1 })
  await pass(1000) // the first audit is due, and there is nothing to compare yet
  await release()
  assert.equal(items.has('a'), false)
  await pass(2000)
  assert.deepEqual([...items], [['a', { v: 1 }]])
})

test('C1 nobody is told of more time than the ttl, between two whole milliseconds either', async () => {
  const { clock, items, open, hold, release } = await laboratory()
  clock.advance(0.3)
  await items.set('a', { v: 1 }, 600)
  const reader = open().database('d').collection('c')
  hold('contents')
  const subscribed = reader.subscribe()
  await turn()
  clock.advance(0.1)
  await release()
  await subscribed
  assert.equal(reader.entry('a')?.expiresIn, 600)
})

test.run()
