/** Items and tombstones leave the store: clauses X4, X1, K5. */
import type { Cursor } from '../../core/transport'
import { must, same } from '../assert'
import type { Define } from '../suite'
import type { Bench } from './bench'
import { accepted, kept, lost, mergedAt, remove, set } from './writes'

/** Place 0 of the epoch: the base of a replica that has followed nothing. */
const nothing = ({ epoch }: Cursor): Cursor => ({ epoch, n: 0 })

export function cleaning(test: Define<Bench>): void {
  test('X1 X4 an item is there until its time is over, and not after', async (bench) => {
    const [one, two] = await bench.two()
    const now = () => one.transport.clock.now()
    for (let ttlMs = 50; ; ttlMs *= 2) {
      const key = `ttl ${ttlMs}`
      await one.accepted(set(key, 1, { ttlMs }))
      const accepted = now()
      const { items } = await two.read()
      // On a busy machine its time may be over already: again, with more of it.
      if (now() - accepted >= ttlMs - 1 && ttlMs < bench.patience) continue
      same(items, { [key]: { value: 1 } }, `after ${now() - accepted} of ${ttlMs} ms`)
      await bench.pass(ttlMs + 1)
      await bench.inTime(50, async () => same((await two.read()).items, {}, `after ${now() - accepted} of ${ttlMs} ms`))
      same((await one.accepted(remove(key))).existed, false, 'whether a delete finds it')
      return
    }
  })

  test('X1 a ttl is kept to the millisecond', async (bench) => {
    const [one, two] = await bench.two()
    const ttls = [250, 1500, 1999, 60_001, 3_600_123]
    await one.write(ttls.map((ttlMs) => set(`ttl ${ttlMs}`, 1, { ttlMs })))
    const asked = one.transport.clock.now()
    const { newest } = await two.read()
    const elapsed = one.transport.clock.now() - asked
    for (const ttlMs of ttls.slice(1)) {
      const { leftMs } = newest.get(`ttl ${ttlMs}`) ?? {}
      // Writing took time, too, but not on this clock.
      // Stores may count in whole ms, rounded up.
      const isExact = Number(leftMs) <= ttlMs + 1 && Number(leftMs) > ttlMs - elapsed - bench.patience / 20
      must(isExact, `no more than ${ttlMs} ms are left, and not much less`, leftMs)
    }
  })

  test('X4 K5 tombstones leave the store when the retention is over', async (bench) => {
    const brief = { retention: 1000 }
    const [one, two] = [await bench.peer(brief), await bench.peer(brief)]
    const followed = await (await two.follow()).reached()
    await one.accepted(set('deleted', 1), remove('deleted'), set('timed', 1, { ttlMs: 100 }), remove('never'))
    for (const key of ['deleted', 'timed', 'never']) {
      await bench.inTime(1100, async () => {
        await one.accepted(set('stays', 1)) // writing is what may make a store forget
        // A merge by a replica that has followed nothing is refused for ever: the key may have been deleted meanwhile.
        const current = kept((await two.merge(nothing(followed), [lost(key, 1, 'old')]))[0], `an old version of ${key}`)
        must(current === null, `awaited: the store has forgotten ${key}`, current)
      })
    }
    const base = (await two.read()).cursor as Cursor
    const [merged] = await two.merge(base, [lost('deleted', 1, 'back')])
    mergedAt(merged, 'a key that was forgotten, by a replica that has followed until now')
    same(Object.keys((await two.read()).items).sort(), ['deleted', 'stays'], 'what a joiner is told')
  })

  test('X4 K10 the store does not grow with items that came and went', ['countRecords'], async (bench) => {
    const brief = { retention: 1000 }
    const one = await bench.peer(brief)
    await one.accepted(set('stays', 1))
    const count = () => bench.do('countRecords', bench.id)
    const before = await count()
    for (let round = 0; round < 3; round++) {
      const writes = Array.from({ length: 100 }, (_, i) => [
        set(`timed ${round} ${i}`, 1, { ttlMs: 100 }),
        set(`key ${round} ${i}`, 1),
      ])
      await one.write(writes.flat())
      await one.write(Array.from({ length: 100 }, (_, i) => remove(`key ${round} ${i}`)))
    }
    must((await count()) > before, 'the store keeps items and tombstones at first', { before })
    await bench.inTime(1100, async () => {
      await one.accepted(set('stays', 1))
      const after = await count()
      must(after < before + 100, `awaited: about ${before} records, of 600 that came and went`, after)
    })
  })

  test('K7 K5 a merge after tombstones were forgotten brings back nothing that was deleted', async (bench) => {
    const brief = { retention: 1000 }
    const [one, two] = [await bench.peer(brief), await bench.peer(brief)]
    const first = await one.accepted(set('a', 1))
    const away = await (await two.follow()).reached(first.n)
    await one.accepted(remove('a'))
    for (let i = 0; i < 3; i++) {
      await bench.pass(700)
      await one.accepted(set('other', i))
      const held = { key: 'a', epoch: first.epoch, n: first.n, item: { value: 1 }, leftMs: null }
      kept((await two.merge(away, [held]))[0], 'an item that was deleted after its replica went away')
      same((await two.read()).items, { other: { value: i } }, 'what a joiner is told')
    }
  })

  test('X4 W1 a set in time keeps the item from expiring', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('longer', 1, { ttlMs: 200 }), set('untimed', 1, { ttlMs: 200 }), set('shorter', 1))
    await one.write([set('longer', 2, { ttlMs: 600_000 }), set('untimed', 2), set('shorter', 2, { ttlMs: 200 })])
    const last = accepted((await one.write([set('fence', 1)]))[0], 'a set')
    await bench.pass(250)
    await bench.inTime(50, async () => {
      const { items } = await two.read()
      same(Object.keys(items).sort(), ['fence', 'longer', 'untimed'], `after the place ${last.n}`)
    })
  })

  test('H8 an item that is larger than the client accepts is told without an item, and reported', async (bench) => {
    const writer = await bench.peer()
    const reader = await bench.peer({ maxItemBytes: 1000 })
    const cursor = await (await reader.follow()).reached()
    const follower = await reader.follow()
    await writer.accepted(set('small', 1), set('large', 'x'.repeat(1000)))
    const { n } = await writer.accepted(set('fits', 'é'.repeat(490)))
    await follower.reached(n)
    for (const session of [follower, await reader.read(), await reader.read(cursor)]) {
      same([...session.newest.keys()].sort(), ['fits', 'large', 'small'])
      same([session.valueOf('small'), session.valueOf('fits')], [1, 'é'.repeat(490)], 'the value that is told')
      same(session.newest.get('large')?.item, undefined, 'the item that is too large')
    }
    must(
      reader.reports.some(({ code }) => code === 'LIMIT_EXCEEDED'),
      'LIMIT_EXCEEDED is reported',
      reader.reports,
    )
    const told = writer.reports.filter(({ code }) => code === 'LIMIT_EXCEEDED')
    same(told, [], 'what was reported to the writer')
  })

  test('H1 an item that is no JSON is told without an item, and harms no other', ['damage'], async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1), set('b', 1))
    await bench.do('damage', bench.id, 'a')
    const joiner = await two.read()
    same(joiner.valueOf('b'), 1, 'what a watcher is told')
    must((joiner.newest.get('a')?.item ?? undefined) === undefined, 'what is told of it', joiner.newest.get('a'))
    const { n } = await one.accepted(set('a', 2))
    const again = await two.follow()
    await again.reached(n)
    same(again.items, { a: { value: 2 }, b: { value: 1 } }, 'what a watcher is told')
  })
}
