/** Expiry: clauses X1 to X5. Early is measured to the millisecond; late is not, since machines are busy. */
import assert from './assert'
import type { Define, Item, Replica } from './scene'
import { expired, inTime, same } from './support'

/** A replica's own timer, as far as one `performance.now()` is exact. */
const early = 1

const expiries = ({ events }: Replica) => events.filter(({ event }) => event === 'expire')

const isEmpty = (item: Item) => Object.keys(item).length === 0

export function expiry(test: Define): void {
  test('X1 every replica tells each expiry once, and never early', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(0.02, async (least) => {
      const due = new Map<string, number>()
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => {
          const [key, ttl] = [`key ${i} of ${least} s`, least + i * 0.0053]
          due.set(key, performance.now() + ttl * 1000)
          return writer.items.set(key, { i }, ttl)
        }),
      )
      const late = await scene.replica()
      const all = [writer, reader, late]
      await scene.eventually(() => {
        for (const { items } of all) assert(![...due.keys()].some((key) => items.has(key)))
      })
      await writer.items.set('fence', { least })
      await scene.eventuallyEqual(all, new Map([['fence', { least }]]))
      let heard = 0
      for (const [key, at] of due) {
        for (const replica of all) {
          // What a replica hears of when its time is over, it has nothing to tell of.
          const told = replica.of(key).map(({ event }) => event)
          if (told.length > 0) same(told, ['set', 'expire'])
          if (told.length > 0 && replica !== late) heard++
        }
        for (const { event, at: toldAt } of all.flatMap((replica) => replica.of(key))) {
          if (event === 'expire') assert(toldAt >= at - early, `${key} expired ${at - toldAt} ms early`)
        }
      }
      late.leave()
      return heard === 2 * due.size
    })
  })

  test('X1 who joins late counts the time that is left, not the whole ttl', async (scene) => {
    const writer = await scene.replica()
    await inTime(1.2, async (ttl) => {
      const [key, due] = [`ttl of ${ttl} s`, performance.now() + ttl * 1000]
      await Promise.all([writer.items.set('half', {}, ttl / 2), writer.items.set(key, {}, ttl)])
      await scene.eventually(() => assert(!writer.items.has('half')))
      const asked = performance.now()
      const late = await scene.replica()
      const joining = performance.now() - asked
      if (!late.items.has(key)) {
        assert(performance.now() >= due - early, 'it is gone before its time')
        return false
      }
      await scene.eventually(() => {
        for (const replica of [writer, late]) same(replica.told(key).at(-1), 'expire live')
      })
      const [there, here] = [writer, late].map((replica) => replica.of(key).at(-1)?.at as number) as [number, number]
      assert(here >= due - early, `expired ${due - here} ms early`)
      // What delays the one timer delays the other; beside that, what is left is counted from when it was learned.
      assert(here - there < ttl * 300 + joining, `expired ${here - there} ms after the other replica`)
      return true
    })
  })

  test('X1 fractions of a second count', async (scene) => {
    const replica = await scene.replica()
    const play = async (ttl: number): Promise<boolean> => {
      const key = `ttl of ${ttl} s`
      const started = performance.now()
      await replica.items.set(key, { ttl }, ttl)
      const heard = await expired(scene, replica, [replica], key)
      const last = replica.of(key).at(-1)
      if (last !== undefined) assert(last.event === 'expire' && last.at >= started + ttl * 1000 - early)
      return heard
    }
    // What is over before it arrives is told by none.
    for (const ttl of [1e-9, 0.0004, 0.001, 0.0125]) await play(ttl)
    await inTime(0.3125, play)
  })

  test('X2 a jump of the wall clock changes nothing', async (scene) => {
    const [writer, reader] = await scene.two()
    const { now } = Date
    await writer.items.set('stays', {}, 600)
    try {
      for (const jump of [3_600_000, -3_600_000]) {
        await inTime(0.15, async (ttl) => {
          const started = performance.now()
          const key = `${ttl} s, and a jump of ${jump}`
          await writer.items.set(key, {}, ttl)
          Date.now = () => now() + jump
          const late = await scene.replica()
          const heard = await expired(scene, writer, [writer, reader], key)
          await scene.eventuallyEqual([writer, reader, late], new Map([['stays', {}]]))
          for (const { at } of [writer, reader, late].flatMap((each) => each.of(key).slice(1))) {
            assert(at >= started + ttl * 1000 - early)
          }
          late.leave()
          Date.now = now
          return heard
        })
      }
    } finally {
      Date.now = now
    }
  })

  test('X3 a new set replaces the deadline: the old one never fires', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(1, async (old) => {
      const named = (what: string) => `${what} ${old}`
      const set = (n: number, ttls: Record<string, number | undefined>) =>
        Promise.all(Object.entries(ttls).map(([what, ttl]) => writer.items.set(named(what), { n }, ttl)))
      const due = performance.now() + old * 1000
      await set(1, { longer: old, shorter: 600, removed: old, added: undefined })
      await scene.eventuallyEqual([writer, reader])
      const again = performance.now()
      await set(2, { longer: old + 0.2, shorter: 0.2, removed: undefined, added: 0.2 })
      await scene.eventually(() => {
        for (const what of ['longer', 'removed']) assert(reader.of(named(what)).some(({ item }) => item.n === 2))
      })
      if (performance.now() >= due - early) return false
      const told = (replica: Replica) =>
        ['longer', 'shorter', 'added', 'removed'].map((what) => replica.told(named(what)))
      const expected = ['set live', 'set live', 'expire live']
      await scene.eventually(() => {
        for (const replica of [writer, reader])
          same(told(replica), [expected, expected, expected, expected.slice(0, 2)])
      })
      for (const replica of [writer, reader]) {
        same(replica.items.get(named('removed')), { n: 2 })
        assert((replica.of(named('longer')).at(-1)?.at as number) >= again + old * 1000 + 200 - early)
        for (const what of ['shorter', 'added']) {
          assert((replica.of(named(what)).at(-1)?.at as number) >= again + 200 - early)
        }
      }
      return true
    })
  })

  test('X3 an item set again and again stays, and expires once, at its last deadline', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(1, async (ttl) => {
      const key = `presence of ${ttl} s`
      const firstDue = performance.now() + ttl * 1000
      let due = 0
      for (let n = 1; n <= 50; n++) {
        due = performance.now() + ttl * 1000
        await writer.items.set(key, { n }, ttl)
      }
      await scene.eventually(() => assert(reader.of(key).some(({ item }) => item.n === 50)))
      if (performance.now() >= firstDue - early) return false
      await scene.eventually(() => {
        for (const { items } of [writer, reader]) assert(!items.has(key))
      })
      for (const replica of [writer, reader]) {
        const expired = replica.of(key).filter(({ event }) => event === 'expire')
        same(
          expired.map(({ item }) => item),
          [{ n: 50 }],
        )
        assert((expired[0]?.at as number) >= due - early)
      }
      return true
    })
  })

  test('X3 a set after the expiry gives expire, then set', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(0.03, async (ttl) => {
      const key = `again after ${ttl} s`
      for (let n = 1; n <= 3; n++) {
        await writer.items.set(key, { n: 1 }, ttl)
        await expired(scene, writer, [writer, reader], key)
      }
      await reader.items.set(key, { n: 1 })
      await scene.eventuallyEqual([writer, reader])
      const told = [writer, reader].map((replica) => replica.told(key))
      const expected = ['set live', 'expire live', 'set live', 'expire live', 'set live', 'expire live', 'set live']
      if (told.some(({ length }) => length < expected.length)) return false
      same(told, [expected, expected])
      return true
    })
  })

  test('X3 sets that race with the expiry of what they replace: every replica tells one expire at most for each', async (scene) => {
    const [writer, reader] = await scene.two()
    for (let n = 1; n <= 40; n++) {
      const due = performance.now() + 10
      await writer.items.set('k', { n }, 0.01)
      // On purpose about when it falls due.
      while (performance.now() < due - 1 + (n % 3)) await new Promise((resolve) => setImmediate(resolve))
    }
    await writer.items.set('k', { n: 100 })
    await scene.eventuallyEqual([writer, reader], new Map([['k', { n: 100 }]]))
    for (const replica of [writer, reader]) {
      replica.assertRising()
      const last = expiries(replica).map(({ item }) => item.n)
      same(last, [...new Set(last)])
    }
  })

  test('X3 W5 what is deleted or cleared does not expire', async (scene) => {
    const [writer, reader] = await scene.two()
    await inTime(0.5, async (ttl) => {
      const [cleared, deleted, later] = [`cleared ${ttl}`, `deleted ${ttl}`, `later ${ttl}`]
      const due = performance.now() + ttl * 1000
      await Promise.all([writer.items.set(cleared, {}, ttl), writer.items.clear()])
      await Promise.all([writer.items.set(deleted, {}, ttl), writer.items.delete(deleted)])
      await writer.items.set(later, {}, ttl + 0.05)
      await scene.eventually(() => same([reader.told(later)[0], reader.items.has(deleted)], ['set live', false]))
      if (performance.now() >= due - early) return false
      await scene.eventually(() => {
        for (const replica of [writer, reader]) same(replica.told(later), ['set live', 'expire live'])
      })
      for (const key of [cleared, deleted]) {
        // A store that keeps the last of each key may not show what is overwritten at once, and answer after it has shown that.
        for (const told of [writer, reader].map((replica) => replica.told(key)))
          if (told.length > 0) same(told, ['set live', 'delete live'])
      }
      return true
    })
  })

  test('X4 expired items leave the store', async (scene) => {
    const writer = await scene.unsubscribed()
    const { items } = writer
    const witness = await scene.replica()
    await Promise.all([items.set('a', {}, 0.05), items.set('b', {}, 0.05), items.set('c', {})])
    for (const key of ['a', 'b']) await expired(scene, writer, [witness], key)
    const late = await scene.replica()
    same([[...late.items.keys()], late.events.length], [['c'], 1])
    same([await items.delete('a'), await items.delete('c')], [false, true])
  })

  test('X4 expired items leave the store with no replica around', async (scene) => {
    // Where a store's time is known by its answers, one that came late makes a client late: another one asks anew.
    await inTime(0.05, async (ttl) => {
      const { items } = await scene.unsubscribed()
      await items.set('k', {}, ttl)
      const due = performance.now() + ttl * 1000 + early
      await scene.eventually(() => assert(performance.now() > due))
      const existed = await items.delete('k')
      assert(!existed || ttl < 1, `it is there after ${ttl} s`)
      return !existed
    })
    assert.equal((await scene.replica()).items.size, 0)
  })

  test('X5 ten thousand ttls are not ten thousand timers', async (scene) => {
    const [writer, reader] = await scene.two()
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => writer.items.set(`key ${i}`, { i }, 60 + i)))
    await scene.eventually(() => assert.equal(reader.items.size, 10_000))
    const more = timers() - before
    assert(more < 1000, `${more} timers more than before`)
  })

  test('X5 many that fall due at once are all told', async (scene) => {
    const [writer, reader] = await scene.two()
    const count = 5000
    await inTime(0.3, async (ttl) => {
      const last = `after those of ${ttl} s`
      const sets = Array.from({ length: count }, (_, i) => writer.items.set(`${ttl} s, ${i}`, { i }, ttl))
      await Promise.all([...sets, writer.items.set(last, {})])
      await scene.eventually(() => {
        for (const { items } of [writer, reader]) assert(items.has(last) && [...items.values()].every(isEmpty))
      })
      for (const replica of [writer, reader]) {
        const told = (event: string) =>
          replica.events.filter((each) => each.event === event && each.key.startsWith(`${ttl} s,`))
        // What a replica hears of when its time is over, it has nothing to tell of.
        const heard = new Set(told('set').map(({ key }) => key)).size
        assert.equal(told('expire').length, heard)
        assert.equal(new Set(told('expire').map(({ key }) => key)).size, heard)
        if (heard < count) return false
      }
      return true
    })
  })

  test.outage('X1 K3 a replica that is cut off expires what falls due, once, and on time', async (scene) => {
    const [writer, reader] = await scene.two()
    const started = performance.now()
    await writer.items.set('k', { n: 1 }, 1)
    await writer.items.set('stays', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    await scene.eventually(() => assert(!reader.items.has('k')))
    assert((reader.of('k').at(-1)?.at as number) >= started + 1000 - early)
    same([...reader.items.keys()], ['stays'])
    await scene.eventually(() => assert(!writer.items.has('k')))
    await scene.heal(reader)
    await scene.eventuallyEqual([writer, reader], new Map([['stays', { n: 1 }]]))
    same(
      reader.of('k').map(({ event }) => event),
      ['set', 'expire'],
    )
  })

  test.outage('X3 an item that was set again while a replica was away: expire, and on return set', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('k', { n: 1 }, 1)
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    await writer.items.set('k', { n: 1 }, 600)
    await scene.eventually(() => assert(!reader.items.has('k')))
    await scene.heal(reader)
    await scene.eventuallyEqual([writer, reader], new Map([['k', { n: 1 }]]))
    same(
      reader.of('k').map(({ event }) => event),
      ['set', 'expire', 'set'],
    )
  })
}
