/** Reading and subscribing: clauses R1 to R4. */

import type { Collection } from '../core/collection'
import type { ErrorCode } from '../core/errors'
import assert from './assert'
import type { Define, Item, Replica } from './scene'
import { expired, inTime, observe, refused, same, throws, turn } from './support'

/** Every way of reading is refused, by an error that names the collection. */
export function assertUnreadable(items: Collection<Item>, code: ErrorCode, words: RegExp): void {
  const reads = [
    () => items.get('k'),
    () => items.has('k'),
    () => items.size,
    () => items.keys(),
    () => items.values(),
    () => items.entries(),
    () => items[Symbol.iterator](),
    () => items.forEach(() => {}),
  ]
  for (const read of reads) {
    const { message } = throws(read, code)
    assert.match(message, words)
    assert.match(message, /artists/)
  }
}

export function reading(test: Define): void {
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

  test('R2 subscribe resolves once the replica holds everything that was in the store', async (scene) => {
    const { items } = await scene.unsubscribed()
    const expected = new Map(Array.from({ length: 3000 }, (_, i) => [`key ${i}`, { i }]))
    await Promise.all([...expected].map(([key, item]) => items.set(key, item)))
    const late = await scene.replica()
    same(new Map(late.items), expected)
    same(new Set(late.events.map(({ change }) => change.cause)), new Set(['snapshot']))
    assert.equal(late.events.length, 3000)
  })

  test('R2 R3 subscribe gives the same promise until unsubscribe', async (scene) => {
    const { items } = await scene.unsubscribed()
    const first = items.subscribe()
    assert.equal(items.subscribe(), first)
    await first
    assert.equal(items.subscribe(), first)
    items.unsubscribe()
    const second = items.subscribe()
    assert.notEqual(second, first)
    await second
  })

  test('R2 W1 K1 who joins while others write misses nothing and never goes back', async (scene) => {
    const writers = [await scene.unsubscribed(), await scene.unsubscribed()]
    const joiners = [await scene.unsubscribed(), await scene.unsubscribed()]
    const stored = new Map<string, Item>()
    const deleted = new Set<string>()
    let joining = true

    const write = async ({ items }: Replica, writer: number) => {
      for (let n = 1; joining || n < 200; n++) {
        // Each writer has keys of its own: of these, it knows what is in the store.
        const key = `${writer}.${n % 5}`
        const brief = `brief ${writer}.${n}`
        await Promise.all([items.set(brief, { n }), items.set(key, { n })])
        stored.set(key, { n })
        await items.delete(brief)
        deleted.add(brief)
        await turn() // a store in memory answers without one
      }
    }
    const join = async (replica: Replica) => {
      for (let i = 0; i < 20; i++) {
        replica.leave()
        const [held, gone] = [new Map(stored), [...deleted]]
        await replica.items.subscribe()
        for (const [key, { n }] of held) {
          assert((replica.items.get(key) ?? { n: 0 }).n >= n, `${key} is older than what was stored before`)
        }
        for (const key of gone) assert(!replica.items.has(key), `${key} was deleted before`)
        await turn()
        replica.assertRising()
      }
    }
    const joined = Promise.all(joiners.map(join)).finally(() => {
      joining = false
    })
    await Promise.all([joined, ...writers.map(write)])
    await scene.eventuallyEqual([...joiners, await scene.replica()], stored)
    for (const joiner of joiners) joiner.assertRising()
  })

  test('R2 W3 who joins while writing itself catches up all the same', async (scene) => {
    const { items } = await scene.unsubscribed()
    await Promise.all(Array.from({ length: 1000 }, (_, i) => items.set(`key ${i}`, { n: 0 })))
    const joiner = await scene.unsubscribed()
    let joining = true
    const write = async () => {
      for (let n = 1; joining || n < 20; n++) {
        await joiner.items.set(`key ${n % 10}`, { n })
        if (joining) same(joiner.items.get(`key ${n % 10}`), { n })
        await turn()
      }
    }
    const joined = joiner.items.subscribe().finally(() => {
      joining = false
    })
    await Promise.all([joined, write()])
    assert.equal(joiner.items.size, 1000)
    same([joiner.stales, joiner.readies.length], [[], 1])
    joiner.assertRising()
    await scene.eventuallyEqual([joiner, await scene.replica()])
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
    await items.subscribe({ signal: controller.signal })
  })

  test.outage('R2 R3 a subscribe that waits ends by its signal, or by unsubscribe', async (scene) => {
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

  test('R3 a later subscribe starts anew', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    await writer.items.set('b', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    reader.leave()
    await writer.items.delete('a')
    await writer.items.set('c', { n: 1 })
    await reader.items.subscribe()
    same(
      new Map(reader.items),
      new Map([
        ['b', { n: 1 }],
        ['c', { n: 1 }],
      ]),
    )
    same([reader.told('a'), reader.told('b'), reader.told('c')], [[], ['set snapshot'], ['set snapshot']])
    same([reader.readies.at(-1)?.cause, reader.readies.at(-1)?.size], ['snapshot', 2])
    await writer.items.set('d', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    same(reader.told('d'), ['set live'])
  })

  test('R3 unsubscribe harms no other collection and no other process', async (scene) => {
    const [a, b] = await scene.two()
    const other = a.client.database('region-nl').collection<Item>('other')
    await other.subscribe()
    a.items.unsubscribe()
    await b.items.set('k', {})
    await b.client.database('region-nl').collection<Item>('other').set('l', {})
    await scene.eventually(() => same([[...b.items.keys()], [...other.keys()]], [['k'], ['l']]))
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
}
