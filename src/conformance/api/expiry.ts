/** Expiry: clauses X1 to X5. Early is measured to the millisecond; late is not, since machines are busy. */
import { must, same } from '../assert'
import type { Define } from '../suite'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { expired, inTime, outage } from './support'

/** A replica's own timer, as far as one `performance.now()` is exact. */
const early = 1

const _expiries = ({ events }: Replica) => events.filter(({ event }) => event === 'expire')

const _isEmpty = (item: Item) => Object.keys(item).length === 0

export function expiry(test: Define<Scene>): void {
  test('X1 every replica emits each expiry once, and never early', async (scene) => {
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
        for (const { items } of all) {
          const left = [...due.keys()].filter((key) => items.has(key))
          must(left.length === 0, 'awaited: all have expired', left)
        }
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
          if (event === 'expire') must(toldAt >= at - early, `${key} does not expire early (ms)`, at - toldAt)
        }
      }
      late.leave()
      return heard === 2 * due.size
    })
  })

  test('X1 a late joiner counts the time that is left, not the whole ttl', async (scene) => {
    const writer = await scene.replica()
    await inTime(1.2, async (ttl) => {
      const [key, due] = [`ttl of ${ttl} s`, performance.now() + ttl * 1000]
      await Promise.all([writer.items.set('half', {}, ttl / 2), writer.items.set(key, {}, ttl)])
      await scene.eventually(() =>
        must(!writer.items.has('half'), 'awaited: half the time is over', [...writer.items.keys()]),
      )
      const asked = performance.now()
      const late = await scene.replica()
      const joining = performance.now() - asked
      if (!late.items.has(key)) {
        must(
          performance.now() >= due - early,
          'it must not be gone before its time (ms too early)',
          due - performance.now(),
        )
        return false
      }
      await scene.eventually(() => {
        for (const replica of [writer, late]) same(replica.told(key).at(-1), 'expire live')
      })
      const [there, here] = [writer, late].map((replica) => replica.of(key).at(-1)?.at as number) as [number, number]
      must(here >= due - early, 'it does not expire early (ms)', due - here)
      // What delays the one timer delays the other; beside that, what is left is counted from when it was learned.
      must(here - there < ttl * 300 + joining, 'it expires soon after that of the other replica (ms)', here - there)
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
      if (last !== undefined) {
        const elapsed = last.at - started
        must(last.event === 'expire' && elapsed >= ttl * 1000 - early, `expires after ${ttl} s`, { ...last, elapsed })
      }
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
            must(at >= started + ttl * 1000 - early, `expires after ${ttl} s, not earlier (ms)`, at - started)
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

  test('X1 K3 a replica that is cut off lets items expire once, and on time', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    const started = performance.now()
    await writer.items.set('k', { n: 1 }, 1)
    await writer.items.set('stays', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(reader)
    await scene.eventually(() =>
      must(!reader.items.has('k'), 'awaited: the reader lets it expire', reader.items.get('k')),
    )
    must((reader.of('k').at(-1)?.at as number) >= started + 1000 - early, 'not before 1000 ms', reader.of('k'))
    same([...reader.items.keys()], ['stays'])
    await scene.eventually(() =>
      must(!writer.items.has('k'), 'awaited: the writer lets it expire', writer.items.get('k')),
    )
    await scene.heal(reader)
    await scene.eventuallyEqual([writer, reader], new Map([['stays', { n: 1 }]]))
    same(
      reader.of('k').map(({ event }) => event),
      ['set', 'expire'],
    )
  })
}
