/** From connecting to closing, and what errors look like: clauses W7, E4, H2. */

import { MemisError } from '../core/errors'
import assert from './assert'
import { assertUnreadable } from './reading'
import type { Define, Item } from './scene'
import { expired, observe, refused, same, throws, turn } from './support'

/** What would keep the process from ending. A server is not counted: it may be of the setup's. */
const resources = () => process.getActiveResourcesInfo().filter((name) => !name.endsWith('ServerWrap'))

export function lifecycle(test: Define): void {
  test('E4 a client connects by itself, and tells it; connect waits for that', async (scene) => {
    const client = await scene.client()
    let connects = 0
    client.on('connect', () => void connects++)
    await client.connect()
    await client.connect()
    assert(connects <= 1) // it may have been before we listened
    const items = client.database('d').collection<Item>('c')
    await items.set('k', {})
    assert.equal(await items.delete('k'), true)
  })

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

  test('W7 close first sends what waits', async (scene) => {
    const reader = await scene.replica()
    const writer = await scene.replica()
    const writes = Array.from({ length: 1500 }, (_, i) => observe(writer.items.set(`key ${i}`, { i })))
    await writer.client.close()
    same(new Set(writes.map(({ state }) => state)), new Set(['resolved']))
    await scene.eventually(() => assert.equal(reader.items.size, 1500))
  })

  test('W7 close sends what was written before the client had connected', async (scene) => {
    const reader = await scene.replica()
    const writer = await scene.unsubscribed()
    const write = observe(writer.items.set('k', { n: 1 }))
    await writer.client.close()
    same([write.state, write.error], ['resolved', undefined])
    await scene.eventuallyEqual([reader], new Map([['k', { n: 1 }]]))
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

  test('W7 close harms no other client', async (scene) => {
    const [a, b] = await scene.two()
    await a.items.set('k', { n: 1 })
    await a.client.close()
    await b.items.set('k', { n: 2 })
    await scene.eventuallyEqual([b, await scene.replica()], new Map([['k', { n: 2 }]]))
  })

  test('W7 after close no timer and no socket stays', async (scene) => {
    await turn() // the case's own time limit counts too
    const before = resources()
    const [a, b] = await scene.two()
    await Promise.all(Array.from({ length: 50 }, (_, i) => a.items.set(`key ${i}`, { i }, 60)))
    await scene.eventuallyEqual([a, b])
    const never = a.client.database('region-nl').collection<Item>('never ready')
    void never.subscribe()
    await a.client.close()
    await b.client.close()
    await scene.eventually(() => {
      const left = resources()
      for (const name of new Set(left)) {
        const [now, then] = [left, before].map((all) => all.filter((each) => each === name).length) as [number, number]
        assert(now <= then, `${now - then} more of ${name} than before`)
      }
    })
  })

  test.outage('W7 close while cut off ends in time, and says of each write whether it was stored', async (scene) => {
    const writer = await scene.replica({ writeTimeout: 300 })
    const reader = await scene.replica()
    await scene.cut(writer)
    const writes = [observe(writer.items.set('k', {})), observe(writer.items.set('l', {}))]
    await writer.client.close()
    for (const { error } of writes) {
      assert(error?.code === 'CLOSED' || error?.code === 'WRITE_TIMEOUT', String(error))
      assert.equal(error.stored, 'no')
    }
    assert.equal(reader.items.size, 0)
  })

  test.outage('W7 close while cut off sends what waits if the store comes back in time', async (scene) => {
    const writer = await scene.replica()
    const reader = await scene.replica()
    await scene.cut(writer)
    const write = observe(writer.items.set('k', { n: 1 }))
    const closing = writer.client.close()
    await turn()
    await scene.reconnect(writer)
    await closing
    same([write.state, write.error], ['resolved', undefined])
    await scene.eventuallyEqual([reader], new Map([['k', { n: 1 }]]))
  })

  test('H2 an error is a MemisError with a code and a message that names collection and key', async (scene) => {
    const { items } = await scene.replica()
    const errors = await Promise.all([
      refused(items.set('coldplay', { start: new Date() }), 'INVALID_ITEM'),
      refused(items.set('coldplay', { text: 'x'.repeat(2 ** 20) }), 'ITEM_TOO_LARGE'),
      refused(items.set('coldplay', {}, -1), 'INVALID_TTL'),
    ])
    for (const error of errors) {
      assert(error instanceof MemisError && error instanceof Error)
      assert.equal(error.name, 'MemisError')
      assert.match(error.message, /region-nl.*artists.*coldplay/)
    }
    const odd = items.set('a\u001b[31m\nb', { start: new Date() })
    const { message } = await refused(odd, 'INVALID_ITEM')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not reach a terminal
    assert.doesNotMatch(message, /[\u0000-\u001f]/)
  })
}
