/** Deadlines that are replaced, or that fall due together: clauses X3 and X5. */
import { must, same } from '../assert'
import type { Define } from '../suite'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { expired, inTime, outage } from './support'

/** A replica's own timer, as far as one `performance.now()` is exact. */
const early = 1

const expiries = ({ events }: Replica) => events.filter(({ event }) => event === 'expire')

const isEmpty = (item: Item) => Object.keys(item).length === 0

export function deadlines(test: Define<Scene>): void {
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
        for (const what of ['longer', 'removed']) {
          const told = reader.of(named(what)).map(({ item }) => item.n)
          must(told.includes(2), `awaited: the second set of ${what}`, told)
        }
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
        const elapsed = (replica.of(named('longer')).at(-1)?.at as number) - again
        must(elapsed >= old * 1000 + 200 - early, `the longer ttl counts: ${old * 1000 + 200} ms`, elapsed)
        for (const what of ['shorter', 'added']) {
          const elapsed = (replica.of(named(what)).at(-1)?.at as number) - again
          must(elapsed >= 200 - early, `${what} expires after 200 ms`, elapsed)
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
      await scene.eventually(() =>
        must(reader.items.get(key)?.n === 50, 'awaited: the last set', reader.items.get(key)),
      )
      if (performance.now() >= firstDue - early) return false
      await scene.eventually(() => {
        for (const { items } of [writer, reader]) must(!items.has(key), 'awaited: it has expired', items.get(key))
      })
      for (const replica of [writer, reader]) {
        const expired = replica.of(key).filter(({ event }) => event === 'expire')
        same(
          expired.map(({ item }) => item),
          [{ n: 50 }],
        )
        must(
          (expired[0]?.at as number) >= due - early,
          'expires by its last ttl, not earlier (ms)',
          (expired[0]?.at as number) - due,
        )
      }
      return true
    })
  })

  test('X3 a set after the expiry emits expire, then set', async (scene) => {
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

  test('X3 a set that races with the expiry of the item before it: every replica emits one expire at most', async (scene) => {
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

  test('X3 W5 a deleted or cleared item does not expire', async (scene) => {
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

  test('X5 all of many items that fall due at once are emitted', async (scene) => {
    const [writer, reader] = await scene.two()
    const count = 5000
    await inTime(0.3, async (ttl) => {
      const last = `after those of ${ttl} s`
      const sets = Array.from({ length: count }, (_, i) => writer.items.set(`${ttl} s, ${i}`, { i }, ttl))
      await Promise.all([...sets, writer.items.set(last, {})])
      await scene.eventually(() => {
        for (const { items } of [writer, reader]) {
          const left = [...items.values()].filter((item) => !isEmpty(item)).length
          must(items.has(last) && left === 0, `awaited: ${last}, and all others have expired`, { left })
        }
      })
      for (const replica of [writer, reader]) {
        const told = (event: string) =>
          replica.events.filter((each) => each.event === event && each.key.startsWith(`${ttl} s,`))
        // What a replica hears of when its time is over, it has nothing to tell of.
        const heard = new Set(told('set').map(({ key }) => key)).size
        same(told('expire').length, heard, 'how many expired')
        same(new Set(told('expire').map(({ key }) => key)).size, heard, 'how many keys expired')
        if (heard < count) return false
      }
      return true
    })
  })

  test(
    'X3 an item that was set again while a replica was away emits expire, and on return set',
    outage,
    async (scene) => {
      const [writer, reader] = await scene.two()
      await writer.items.set('k', { n: 1 }, 1)
      await scene.eventuallyEqual([writer, reader])
      await scene.cut(reader)
      await writer.items.set('k', { n: 1 }, 600)
      await scene.eventually(() =>
        must(!reader.items.has('k'), 'awaited: the reader lets it expire', reader.items.get('k')),
      )
      await scene.heal(reader)
      await scene.eventuallyEqual([writer, reader], new Map([['k', { n: 1 }]]))
      same(
        reader.of('k').map(({ event }) => event),
        ['set', 'expire', 'set'],
      )
    },
  )
}
