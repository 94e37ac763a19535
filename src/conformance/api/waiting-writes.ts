/** Writes while the store is away: clauses W4 to W6. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item } from './replica'
import type { Scene } from './scene'
import { observe, outage } from './support'

export function waitingWrites(test: Define<Scene>): void {
  test(
    'W5 W6 while the link is down, writes wait, the newest per key, and all callers settle',
    outage,
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
      must(
        all.every(({ state }) => state === 'pending'),
        'all writes wait',
        all,
      )
      await scene.heal(writer)
      await scene.eventually(() =>
        must(
          all.every(({ state }) => state === 'resolved'),
          'awaited: all writes are accepted',
          all,
        ),
      )
      const expected = new Map([
        ['a', { n: 3 }],
        ['c', { n: 2 }],
      ])
      await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
      // A delete is not replaced by the set after it: it has to find out whether the store had the key.
      same([all[2]?.value, all[5]?.value, all[7]?.value], [true, false, true], 'whether the deletes found an item')
      const sets = reader.of('a').filter(({ event }) => event === 'set')
      same(
        sets.map(({ item }) => item.n),
        [0, 3],
        'the sets of a that the reader was told',
      )
      same(reader.told('b'), [])
      same(reader.told('gone'), ['set live', 'delete live'])
      same(reader.told('c'), ['set live'])
    },
  )

  test('W5 W6 a clear that waits takes effect in the order of the calls', outage, async (scene) => {
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
    await scene.eventually(() =>
      must(
        all.every(({ state }) => state === 'resolved'),
        'awaited: all writes are accepted',
        all,
      ),
    )
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['b', { n: 2 }]]))
  })

  test('W4 W6 the order holds across outages: no write lands over a newer one', outage, async (scene) => {
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

  test('W4 W6 an outage begins in the midst of 2,500 sets: no write lands over a newer one', outage, async (scene) => {
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

  test('W6 a write that waits longer than writeTimeout is refused, and is never sent', outage, async (scene) => {
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
    must(
      performance.now() - started >= 999,
      'refused after writeTimeout (1000 ms), not earlier',
      performance.now() - started,
    )
    for (const { stored } of errors) same(stored, 'no')
    must(/artists.*k/.test(errors[0]?.message ?? ''), 'the message names collection and key', errors[0])
    await scene.heal(writer)
    // Sent after whatever might still be on its way.
    await writer.items.set('fence', {})
    await scene.eventually(() => must(reader.items.has('fence'), 'awaited: fence', [...reader.items.keys()]))
    same([reader.items.get('k'), reader.told('k').length], [{ n: 0 }, 1])
  })
}
