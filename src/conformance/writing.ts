/** Writing: clauses W1 to W6. */
import assert from './assert'
import type { Define, Item } from './scene'
import { expired, observe, refused, same, turn } from './support'

const notTtls: readonly unknown[] = [
  0,
  -0,
  -1,
  -0.001,
  NaN,
  Infinity,
  -Infinity,
  null,
  '1',
  '',
  true,
  1n,
  {},
  [1],
  new Date(),
]
const day = 24 * 3600

export function writing(test: Define): void {
  test('W1 set resolves when the store has taken it', async (scene) => {
    const { items } = await scene.unsubscribed()
    for (let n = 1; n <= 20; n++) {
      assert.equal(await items.set('k', { n }), undefined)
      same(new Map((await scene.replica()).items), new Map([['k', { n }]]))
    }
  })

  test('W1 a ttl that is no number of seconds greater than 0 is refused', async (scene) => {
    const { items } = await scene.replica()
    await items.set('k', { n: 1 })
    for (const ttl of notTtls as readonly number[]) {
      const { message } = await refused(items.set('k', { n: 2 }, ttl), 'INVALID_TTL')
      assert.match(message, /artists/)
    }
    same([...items], [['k', { n: 1 }]])
  })

  test('W1 a ttl of 60 days is as good as one of 60 seconds', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('60 days', {}, 60 * day)
    await writer.items.set('60 seconds', {}, 60)
    await writer.items.set('10 years', {}, 3650 * day)
    await writer.items.set('short', {}, 0.1)
    const late = await scene.replica()
    await scene.eventually(() => {
      for (const { items } of [writer, reader, late]) assert(!items.has('short'))
    })
    const all = [writer, reader, late, await scene.replica()]
    for (const { items } of all) same([...items.keys()].sort(), ['10 years', '60 days', '60 seconds'])
  })

  test('W1 a set without ttl takes the expiry away, also where the contents are the same', async (scene) => {
    const [writer, reader] = await scene.two()
    await Promise.all([
      ...[writer.items.set('other', { n: 1 }, 0.15), writer.items.set('equal', { n: 1 }, 0.15)],
      ...[writer.items.set('other', { n: 2 }), writer.items.set('equal', { n: 1 })],
    ])
    await writer.items.set('later', {}, 0.2)
    await expired(scene, writer, [writer, reader], 'later')
    await scene.eventuallyEqual(
      [writer, reader, await scene.replica()],
      new Map([
        ['other', { n: 2 }],
        ['equal', { n: 1 }],
      ]),
    )
    // A store may tell of two writes that follow each other at once by the second alone.
    same([[...new Set(reader.told('other'))], reader.told('equal')], [['set live'], ['set live']])
  })

  test('W2 writing needs no subscription', async (scene) => {
    const { items } = await scene.unsubscribed()
    const reader = await scene.replica()
    await items.set('a', { n: 1 })
    await items.set('b', { n: 1 })
    assert.equal(await items.delete('a'), true)
    await scene.eventuallyEqual([reader], new Map([['b', { n: 1 }]]))
    await items.clear()
    await scene.eventuallyEqual([reader], new Map())
  })

  test('W3 once a write has resolved, get gives its outcome, and its event came before', async (scene) => {
    const { items, told } = Object.assign(await scene.replica(), { told: [] as string[] })
    items.on('set', (key, { n }) => void told.push(`set ${key} ${n}`))
    items.on('delete', (key) => void told.push(`delete ${key}`))
    for (let n = 1; n <= 50; n++) {
      told.length = 0
      await items.set('k', { n })
      same([items.get('k'), told], [{ n }, [`set k ${n}`]])
      if (n % 3 > 0) continue
      await items.delete('k')
      same([items.get('k'), told.at(-1)], [undefined, 'delete k'])
    }
    await items.set('k', { n: 0 })
    await items.clear()
    same([items.size, told.at(-1)], [0, 'delete k'])
  })

  test('W3 a write that resolves while the first contents are still coming can be read', async (scene) => {
    const { items } = await scene.unsubscribed()
    await Promise.all(Array.from({ length: 1000 }, (_, i) => items.set(`key ${i}`, { i })))
    const joiner = await scene.unsubscribed()
    const waiting = joiner.items.subscribe()
    await joiner.items.set('own', { n: 1 })
    same(joiner.items.get('own'), { n: 1 })
    assert.equal(await joiner.items.delete('key 0'), true)
    assert.equal(joiner.items.get('key 0'), undefined)
    await waiting
    assert.equal(joiner.items.size, 1000)
    same(joiner.told('own').length, 1)
  })

  test('W3 K1 two who write the same keys both read their own writes or newer ones, and agree', async (scene) => {
    const both = await scene.two()
    await Promise.all(
      both.map(async ({ items }, writer) => {
        for (let n = 1; n <= 200; n++) {
          const key = `key ${n % 3}`
          await items.set(key, { writer, n })
          const got = items.get(key) as Item
          assert(got.writer !== writer || got.n === n, `wrote ${n}, then read ${got.n}`)
        }
      }),
    )
    await scene.eventuallyEqual([...both, await scene.replica()])
    assert.equal(both[0].items.size, 3)
  })

  test('W4 writes to one key take effect in the order of the calls, awaited or not', async (scene) => {
    const [writer, reader] = await scene.two()
    const { items } = writer
    const results = await Promise.all([
      ...[
        items.set('a', { n: 1 }),
        items.set('a', { n: 2 }),
        items.delete('a'),
        items.delete('a'),
        items.set('a', { n: 3 }),
      ],
      ...[items.delete('b'), items.set('b', { n: 1 }), items.delete('b')],
      ...[items.set('c', { n: 1 }, 60), items.set('c', { n: 2 })],
    ])
    same(results, [undefined, undefined, true, false, undefined, false, undefined, true, undefined, undefined])
    const expected = new Map([
      ['a', { n: 3 }],
      ['c', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('W4 the order holds over many turns, and every replica sees it', async (scene) => {
    const [writer, reader] = await scene.two()
    const last = new Map<string, Item>()
    const all: Promise<unknown>[] = []
    for (let n = 1; n <= 1000; n++) {
      const key = `key ${(n * 7) % 10}`
      if (n % 11 === 0) all.push(writer.items.delete(key))
      all.push(writer.items.set(key, { n }))
      last.set(key, { n })
      if (n % 40 === 0) await turn()
    }
    await Promise.all(all)
    await scene.eventuallyEqual([writer, reader, await scene.replica()], last)
    writer.assertRising()
    reader.assertRising()
  })

  test('W1 W4 2,500 sets in one turn', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(Array.from({ length: 2500 }, (_, i) => [`key ${i}`, { i, text: 'x'.repeat(100) }]))
    await Promise.all([...expected].map(([key, item]) => writer.items.set(key, item)))
    same(new Map(writer.items), expected)
    await scene.eventuallyEqual([reader, await scene.replica()], expected)
  })

  test('W4 2,500 sets of a hundred keys in one turn: the last of each stays', async (scene) => {
    const [writer, reader] = await scene.two()
    const sets = Array.from({ length: 2500 }, (_, n): [string, Item] => [`key ${(n * 7) % 100}`, { n }])
    await Promise.all(sets.map(([key, item]) => writer.items.set(key, item)))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map(sets))
    writer.assertRising()
    reader.assertRising()
  })

  test('W5 delete resolves to whether the store had the key', async (scene) => {
    const [writer, other] = await scene.two()
    assert.equal(await writer.items.delete('k'), false)
    await writer.items.set('k', {})
    assert.equal(await other.items.delete('k'), true)
    assert.equal(await writer.items.delete('k'), false)
    await writer.items.set('k', {}, 0.05)
    await expired(scene, writer, [writer], 'k')
    assert.equal(await writer.items.delete('k'), false)
  })

  test('W5 deleting what is not there is no error and no event', async (scene) => {
    const [writer, reader] = await scene.two()
    const heard = (item?: Item) => scene.eventually(() => same(reader.items.get('k'), item))
    await writer.items.delete('k')
    await writer.items.set('k', { n: 1 })
    await heard({ n: 1 })
    await writer.items.delete('k')
    await heard()
    await writer.items.delete('k')
    await writer.items.set('k', { n: 2 })
    await heard({ n: 2 })
    for (const replica of [writer, reader]) same(replica.told('k'), ['set live', 'delete live', 'set live'])
  })

  test('W5 clear deletes all, told as deletes', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.clear()
    for (const key of ['a', 'b', 'c']) await writer.items.set(key, { key })
    await scene.eventuallyEqual([writer, reader])
    assert.equal(await reader.items.clear(), undefined)
    same([...reader.items], [])
    await scene.eventuallyEqual([writer, await scene.replica()], new Map())
    for (const replica of [writer, reader]) {
      for (const key of ['a', 'b', 'c']) same(replica.told(key), ['set live', 'delete live'])
    }
  })

  test('W4 W5 clear takes effect in the order of the calls', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('old', {})
    await Promise.all([
      ...[writer.items.set('a', { n: 1 }), writer.items.set('b', { n: 1 }), writer.items.clear()],
      ...[writer.items.set('b', { n: 2 }), writer.items.set('c', { n: 2 })],
    ])
    const expected = new Map([
      ['b', { n: 2 }],
      ['c', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('N2 W5 clear and delete keep to their own collection', async (scene) => {
    const { client, items } = await scene.replica()
    const others = [
      client.database('region-nl').collection<Item>('artists:'),
      client.database('region').collection<Item>('artists'),
    ]
    for (const other of others) {
      await other.subscribe()
      await other.set('k', {})
    }
    await items.set('k', {})
    assert.equal(await items.delete('k'), true)
    await items.set('k', {})
    await items.clear()
    const reader = await scene.client()
    for (const other of others) assert.equal(other.size, 1)
    const again = reader.database('region').collection('artists')
    await again.subscribe()
    assert.equal(again.size, 1)
  })

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

  test.outage(
    'W6 while the connection is away writes wait, the newest per key, and all callers settle',
    async (scene) => {
      const [writer, reader] = await scene.two()
      await writer.items.set('a', { n: 0 })
      await writer.items.set('gone', { n: 0 })
      await scene.eventuallyEqual([writer, reader])
      await scene.cut(writer)
      const { items } = writer
      const all = [
        ...[items.set('a', { n: 1 }), items.set('a', { n: 2 }), items.delete('a'), items.set('a', { n: 3 })],
        ...[items.set('b', { n: 1 }), items.delete('b')],
        ...[items.set('gone', { n: 1 }), items.delete('gone')],
        ...[items.set('c', { n: 1 }, 0.05), items.set('c', { n: 2 }, 60)],
      ].map((write) => observe<unknown>(write))
      await turn()
      assert(all.every(({ state }) => state === 'pending'))
      await scene.heal(writer)
      await scene.eventually(() => assert(all.every(({ state }) => state === 'resolved')))
      const expected = new Map([
        ['a', { n: 3 }],
        ['c', { n: 2 }],
      ])
      await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
      same(reader.told('a'), ['set live', 'set live'])
      same(reader.told('b'), [])
      same(reader.told('gone'), ['set live', 'delete live'])
      same(reader.told('c'), ['set live'])
    },
  )

  test.outage('W5 W6 a clear that waits takes effect in the order of the calls', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('old', {})
    await scene.cut(writer)
    const { items } = writer
    const writes = [
      items.set('a', {}),
      items.set('b', { n: 1 }),
      items.clear(),
      items.set('b', { n: 2 }),
      items.delete('c'),
    ]
    const all = writes.map((write) => observe<unknown>(write))
    await reader.items.set('theirs', {}) // the clear comes after it
    await scene.heal(writer)
    await scene.eventually(() => assert(all.every(({ state }) => state === 'resolved')))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['b', { n: 2 }]]))
  })

  test.outage('W4 W6 the order holds across outages: no write lands over a newer one', async (scene) => {
    const [writer, reader] = await scene.two()
    const last = new Map<string, Item>()
    const all: Promise<unknown>[] = []
    let n = 0
    const write = async (count: number) => {
      for (const end = n + count; n < end; ) {
        const key = `key ${++n % 5}`
        if (n % 11 === 0) all.push(writer.items.delete(key))
        all.push(writer.items.set(key, { n }))
        last.set(key, { n })
        if (n % 10 === 0) await turn()
      }
    }
    for (let outage = 0; outage < 3; outage++) {
      await write(100)
      const cut = scene.cut(writer) // while writes are under way
      await write(50)
      await cut
      await write(50)
      const healed = scene.heal(writer)
      await write(50)
      await healed
    }
    await Promise.all(all)
    await scene.eventuallyEqual([writer, reader, await scene.replica()], last)
    reader.assertRising()
    writer.assertRising()
  })

  test.outage('W4 W6 an outage begins in the midst of 2,500 sets: no write lands over a newer one', async (scene) => {
    const [writer, reader] = await scene.two()
    for (let n = 0; n < 7500; ) {
      const sets = Array.from({ length: 2500 }, (): [string, Item] => [`key ${(++n * 7) % 100}`, { n }])
      const all = Promise.all(sets.map(([key, item]) => writer.items.set(key, item)))
      await turn()
      await scene.cut(writer)
      await scene.heal(writer)
      await all
      await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map(sets))
    }
    writer.assertRising()
    reader.assertRising()
  })

  test.outage('W6 a write that waits longer than writeTimeout is refused, and is never sent', async (scene) => {
    const writer = await scene.replica({ writeTimeout: 1000 })
    const reader = await scene.replica()
    await writer.items.set('k', { n: 0 })
    await scene.cut(writer)
    const started = performance.now()
    const late = [
      writer.items.set('k', { n: 1 }),
      writer.items.set('k', { n: 2 }),
      writer.items.delete('k'),
      writer.items.clear(),
    ].map((write) => refused(write, 'WRITE_TIMEOUT'))
    const errors = await Promise.all(late)
    assert(performance.now() - started >= 999, 'refused before its time')
    for (const { stored } of errors) assert.equal(stored, 'no')
    assert.match(errors[0]?.message ?? '', /artists.*k/)
    await scene.heal(writer)
    // Sent after whatever might still be on its way.
    await writer.items.set('fence', {})
    await scene.eventually(() => assert(reader.items.has('fence')))
    same([reader.items.get('k'), reader.told('k').length], [{ n: 0 }, 1])
  })

  test.outage('W6 a superseded caller settles at its own deadline, its successor goes on waiting', async (scene) => {
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

  test.outage(
    'W6 writes that wait are bounded in number and in bytes, and refused at once over that',
    async (scene) => {
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
    },
  )

  test.outage(
    'W6 refusals of an outage that nobody awaits are no unhandled rejections, and told once',
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
}
