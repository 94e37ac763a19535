/** Changing an item that is there: clauses C4 and C5. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import { holds, revisionOf } from './conditions'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { expired, observe, outage } from './support'

const addOne = (item: Item | undefined) => ({ ...item, n: (item?.n ?? 0) + 1 })

/** How many seconds an item has left; null if it does not expire. */
const expiresIn = ({ items }: Replica, key: string) => items.entry(key)?.expiresIn

function mustBeAbout(seconds: number, left: number | null | undefined): void {
  const isAbout = typeof left === 'number' && Math.abs(seconds - 50 - left) < 50.1
  must(isAbout, `about ${seconds} s are left`, left)
}

export function updating(test: Define<Scene>): void {
  test('C4 update gives the function what is stored, stores what it returns, and resolves to that', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    const given: unknown[] = []
    const add = (item: Item | undefined) => {
      given.push(item)
      return addOne(item)
    }
    same(await writer.items.update('a', add), { n: 1 })
    same(await outside.items.update('a', add), { n: 2 })
    await scene.eventuallyEqual([writer, reader], new Map([['a', { n: 2 }]]))
    same(await reader.items.update('a', add), { n: 3 })
    same(given, [undefined, { n: 1 }, { n: 2 }], 'what the function was given')
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['a', { n: 3 }]]))
  })

  test('C4 update: the same object writes nothing, undefined deletes', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    await writer.items.set('a', { n: 1 }, 600)
    const revision = revisionOf(writer, 'a')
    await holds(scene, reader, 'a', revision)
    for (const { items } of [writer, outside]) {
      same(await items.update('a', (item) => item), { n: 1 })
      same(await items.update('absent', (item) => item), undefined)
    }
    same(await reader.items.set('fence', {}, { ifAbsent: true }), undefined)
    same(
      [writer, reader].map((each) => revisionOf(each, 'a')),
      [revision, revision],
      'the revision',
    )
    same(await outside.items.update('a', () => undefined), undefined)
    same(await writer.items.update('fence', () => undefined), undefined)
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map())
    for (const replica of [writer, reader]) same(replica.told('a'), ['set live', 'delete live'])
  })

  test('C4 if the function throws, or returns no item, nothing is written', async (scene) => {
    const { items } = await scene.replica()
    await items.set('a', { n: 1 })
    const thrown = new Error('mischief')
    const fails = () => {
      throw thrown
    }
    for (const key of ['a', 'absent']) {
      const error = await items.update(key, fails).catch((error: unknown) => error)
      must(error === thrown, 'it rejects with what was thrown', error)
      for (const bad of [{ date: new Date() }, [], 'text', null]) {
        await refused(
          items.update(key, () => bad as Item),
          'INVALID_ITEM',
        )
      }
    }
    same(new Map((await scene.replica()).items), new Map([['a', { n: 1 }]]))
  })

  test('C4 after a conflict the function runs again, with what the store holds', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    for (const key of ['deleted', 'a', 'gone']) await writer.items.set(key, { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    transport.hold()
    await writer.items.set('deleted', { n: 2 })
    await writer.items.set('a', { n: 5, other: true })
    await writer.items.delete('gone')
    await writer.items.set('new', { n: 7 })
    const given: unknown[] = []
    const add = (item: Item | undefined) => {
      given.push(item?.n)
      return addOne(item)
    }
    same(await reader.items.update('a', add), { n: 6, other: true })
    same(await reader.items.update('gone', add), { n: 1 })
    same(await reader.items.update('new', add), { n: 8 })
    same(given, [1, 5, 1, undefined, undefined, 7], 'what the function was given')
    const deleteOld = (item: Item | undefined) => (item?.n === 1 ? undefined : item)
    same(await reader.items.update('deleted', deleteOld), { n: 2 })
    transport.release()
    const expected = new Map<string, Item>([
      ['deleted', { n: 2 }],
      ['a', { n: 6, other: true }],
      ['new', { n: 8 }],
      ['gone', { n: 1 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C4 C5 a replica that lags does not decide that there is nothing to write', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    await writer.items.set('a', { on: false })
    await scene.eventuallyEqual([writer, reader])
    transport.hold()
    await writer.items.set('a', { on: true })
    for (const key of ['patched', 'counted', 'touched']) await writer.items.set(key, { n: 1 })
    const { items } = reader
    same(await items.update('a', (item) => (item?.on ? { on: 'done' } : item)), { on: 'done' })
    same(await items.patch('patched', { n: 2 }), true)
    same(await items.increment('counted', 'n'), 2)
    same(await items.touch('touched', 600), true)
    await writer.items.delete('counted')
    await refused(items.increment('counted', 'n'), 'NOT_FOUND')
    same([await items.patch('counted', { n: 2 }), await items.touch('counted', 600)], [false, false])
    transport.release()
    const expected = new Map<string, Item>([
      ['a', { on: 'done' }],
      ['patched', { n: 2 }],
      ['touched', { n: 1 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
    mustBeAbout(600, expiresIn(writer, 'touched'))
  })

  test('C4 no change is lost if many update the same item', async (scene) => {
    const all = [...(await scene.two()), await scene.unsubscribed(), await scene.unsubscribed()]
    await Promise.all(
      all.map(async ({ items }, by) => {
        for (let n = 0; n < 5; n++) {
          // Two at a time.
          await Promise.all(
            ['x', 'y'].map((half) =>
              items.update('list', (item) => ({ list: [...(item?.list ?? []), `${by} ${n} ${half}`] })),
            ),
          )
        }
      }),
    )
    const { list } = (await scene.replica()).items.get('list') ?? {}
    const expected = all.flatMap((_, by) => Array.from({ length: 10 }, (_, i) => `${by} ${i >> 1} ${'xy'[i % 2]}`))
    same([...list].sort(), expected.sort(), 'the changes that are in the item')
  })

  test('C4 update keeps the time that is left, or takes the ttl that it is given', async (scene) => {
    const writer = await scene.replica()
    const { items } = writer
    await items.set('a', { n: 0 }, 600)
    await items.update('a', addOne)
    mustBeAbout(600, expiresIn(writer, 'a'))
    await items.update('a', addOne, { ttl: 1200 })
    mustBeAbout(1200, expiresIn(writer, 'a'))
    await items.update('a', addOne, { ttl: 'keep' })
    mustBeAbout(1200, expiresIn(writer, 'a'))
    await items.set('a', { n: 3 }, { ttl: 'keep', ifRevision: revisionOf(writer, 'a') })
    mustBeAbout(1200, expiresIn(writer, 'a'))
    await items.set('a', { n: 4 })
    same(expiresIn(writer, 'a'), null)
    const late = await scene.replica()
    same([late.items.get('a'), expiresIn(late, 'a')], [{ n: 4 }, null])
    await items.update('untimed', addOne)
    same(expiresIn(writer, 'untimed'), null)
  })

  test('C4 an aborted signal ends an update between two attempts', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const before = await refused(reader.items.update('a', addOne, { signal: AbortSignal.abort('why') }), 'ABORTED')
    same([before.stored, before.cause], ['no', 'why'], 'whether it is stored, and the reason of the signal')
    transport.hold()
    await writer.items.set('a', { n: 5 })
    const abort = new AbortController()
    const add = (item: Item | undefined) => {
      abort.abort()
      return addOne(item)
    }
    await refused(reader.items.update('a', add, { signal: abort.signal }), 'ABORTED')
    transport.release()
    // An attempt is not called back, and this one had to fail.
    await reader.items.set('fence', {})
    const expected = new Map<string, Item>([
      ['a', { n: 5 }],
      ['fence', {}],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C4 W6 an aborted signal ends an update that waits for the store', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.cut(writer)
    const abort = new AbortController()
    const { signal } = abort
    const calls = [1, 2, 3].map(() => observe(writer.items.update('a', addOne, { signal })))
    const untouched = observe(writer.items.update('a', addOne))
    await turn()
    abort.abort()
    await scene.eventually(() => {
      same(
        calls.map(({ error }) => [error?.code, error?.stored]),
        // The first may still be sent.
        [
          ['ABORTED', 'unknown'],
          ['ABORTED', 'no'],
          ['ABORTED', 'no'],
        ],
      )
    })
    same(untouched.state, 'pending')
    await scene.heal(writer)
    await scene.eventually(() => same(untouched.value, { n: 3 }))
    await scene.eventuallyEqual([writer, reader], new Map([['a', { n: 3 }]]))
  })

  test('C5 patch changes fields, and keeps the others and the ttl', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    await writer.items.set('a', { n: 1, kept: { deep: true }, gone: 1 }, 600)
    await holds(scene, reader, 'a', revisionOf(writer, 'a'))
    same(await reader.items.patch('a', { n: 2, added: [1] }), true)
    same(await outside.items.patch('a', { gone: undefined }), true)
    same(await outside.items.patch('absent', { n: 1 }), false)
    same(await reader.items.patch('absent', { n: 1 }), false)
    await refused(writer.items.patch('a', { n: new Date() }), 'INVALID_ITEM')
    const fields = { n: 3, added: [1] }
    const patched = writer.items.patch('a', fields)
    fields.n = 4
    fields.added.push(2)
    same(await patched, true)
    const expected = new Map([['a', { n: 3, kept: { deep: true }, added: [1] }]])
    const late = await scene.replica()
    await scene.eventuallyEqual([writer, reader, late], expected)
    mustBeAbout(600, expiresIn(late, 'a'))
  })

  test('C5 patches of different fields do not undo each other', async (scene) => {
    const [one, two] = await scene.two()
    await one.items.set('a', {})
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => [
        one.items.patch('a', { [`one ${i}`]: i }),
        two.items.patch('a', { [`two ${i}`]: i }),
      ]).flat(),
    )
    const expected = Object.fromEntries(
      ['one', 'two'].flatMap((by) => Array.from({ length: 10 }, (_, i) => [`${by} ${i}`, i])),
    )
    // The second may not have known of the item yet: then its patches asked the store.
    await scene.eventuallyEqual([one, two, await scene.replica()], new Map([['a', expected]]))
  })

  test('C5 touch changes the ttl, without an event', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    await writer.items.set('a', { n: 1 })
    const first = revisionOf(writer, 'a')
    await scene.eventuallyEqual([writer, reader])
    same([await writer.items.touch('absent', 1), await outside.items.touch('absent', 1)], [false, false])
    for (const [i, each] of [writer, reader, outside].entries()) {
      const ttl = 600 * (i + 1)
      same(await each.items.touch('a', ttl), true)
      const late = await scene.replica()
      mustBeAbout(ttl, expiresIn(late, 'a'))
      await scene.eventually(() => {
        for (const replica of [writer, reader]) mustBeAbout(ttl, expiresIn(replica, 'a'))
      })
    }
    const { current } = await refused(outside.items.delete('a', { ifRevision: first }), 'CONFLICT')
    same(current?.revision, revisionOf(writer, 'a'), 'a touch makes a version of its own')
    await outside.items.touch('a', 0.05)
    await scene.eventually(() => {
      for (const replica of [writer, reader]) same(replica.told('a'), ['set live', 'expire live'])
    })
    same(await outside.items.touch('a', 600), false)
    await expired(scene, writer, [writer, reader], 'a')
  })
}
