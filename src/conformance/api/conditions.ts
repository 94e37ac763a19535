/** Conditional writes: clauses C1 to C3. */
import type { MemisError } from '../../core/errors'
import type { ItemEntry } from '../../core/types'
import { must, refused, same, throws } from '../assert'
import type { Define } from '../suite'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { expired, observe, outage } from './support'

/** The revision of an item that the replica holds. */
export function revisionOf({ items }: Replica, key: string): string {
  const entry = items.entry(key)
  must(entry !== undefined, `the replica holds ${key}`, [...items.keys()])
  return entry.revision
}

/** Waits until the replica holds that version. */
export const holds = (scene: Scene, { items }: Replica, key: string, revision: string) =>
  scene.eventually(() => same(items.entry(key)?.revision, revision, `the revision of ${key}`))

/** The write is refused, since the store holds this entry; undefined for none. */
export async function conflict(write: Promise<unknown>, current: ItemEntry<Item> | undefined): Promise<MemisError> {
  const error = await refused(write, 'CONFLICT')
  same([error.stored, error.current], ['no', current], 'whether it is stored, and what is there')
  return error
}

export function conditions(test: Define<Scene>): void {
  test('C1 entry gives an item with its revision, the same in every replica, and the time that is left', async (scene) => {
    const [writer, reader] = await scene.two()
    same(writer.items.entry('a'), undefined, 'the entry of an absent key')
    await writer.items.set('a', { n: 1 })
    await writer.items.set('timed', { n: 1 }, 600)
    await scene.eventuallyEqual([writer, reader])
    const late = await scene.replica()
    for (const { items, of } of [writer, reader, late].map((each) => ({
      items: each.items,
      of: each.of('a').at(-1),
    }))) {
      const entry = items.entry('a')
      same(entry, { key: 'a', item: { n: 1 }, revision: revisionOf(writer, 'a'), expiresIn: null })
      must(entry?.item === items.get('a'), 'the item is the object that get() returns', entry)
      same(of?.change.revision, entry?.revision, 'the revision in its event')
      const left = items.entry('timed')?.expiresIn
      must(typeof left === 'number' && left > 500 && left <= 600, 'the seconds that are left, about 600', left)
    }
    const first = revisionOf(writer, 'a')
    await writer.items.set('a', { n: 1 })
    must(revisionOf(writer, 'a') !== first, 'an equal set has a revision of its own', first)
    await holds(scene, reader, 'a', revisionOf(writer, 'a'))
    await reader.items.delete('a')
    same(reader.items.entry('a'), undefined, 'the entry of a deleted key')
    reader.leave()
    throws(() => reader.items.entry('timed'), 'NOT_SUBSCRIBED')
  })

  test('C2 ifAbsent writes if there is no item, and else conflicts with the item', async (scene) => {
    const [writer, reader] = await scene.two()
    const outside = await scene.unsubscribed()
    await outside.items.set('a', { n: 1 }, { ifAbsent: true })
    await scene.eventuallyEqual([writer, reader], new Map([['a', { n: 1 }]]))
    for (const { items } of [writer, outside]) {
      const error = await conflict(items.set('a', { n: 2 }, { ifAbsent: true }), reader.items.entry('a'))
      same([error.database, error.collection, error.key], ['region-nl', 'artists', 'a'], 'the names in the error')
      same(error.retryable, false, 'whether to repeat it unchanged helps')
    }
    await reader.items.delete('a')
    await outside.items.set('a', { n: 3 }, { ifAbsent: true })
    await writer.items.set('brief', { n: 1 }, 0.05)
    await expired(scene, writer, [writer], 'brief')
    await writer.items.set('brief', { n: 2 }, { ifAbsent: true, ttl: 600 })
    const expected = new Map([
      ['a', { n: 3 }],
      ['brief', { n: 2 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
    must((reader.items.entry('brief')?.expiresIn ?? 0) > 500, 'the ttl counts', reader.items.entry('brief'))
  })

  test('C2 ifRevision writes if the item has that revision, and else conflicts with what is there', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    const first = revisionOf(writer, 'a')
    await holds(scene, reader, 'a', first)
    await reader.items.set('a', { n: 2 }, { ifRevision: first })
    const current = reader.items.entry('a')
    await holds(scene, writer, 'a', revisionOf(reader, 'a'))
    const outside = await scene.unsubscribed()
    for (const { items } of [reader, writer, outside]) {
      await conflict(items.set('a', { n: 3 }, { ifRevision: first }), current)
      await conflict(items.delete('a', { ifRevision: first }), current)
    }
    same(await outside.items.delete('a', { ifRevision: current?.revision ?? '' }), true)
    for (const { items } of [reader, outside]) {
      await conflict(items.set('a', { n: 4 }, { ifRevision: first }), undefined)
      await conflict(items.delete('a', { ifRevision: first }), undefined)
    }
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map())
    for (const replica of [writer, reader]) same(replica.told('a'), ['set live', 'set live', 'delete live'])
  })

  test('C2 of two that write on the same revision, one wins, and the other is told with what', async (scene) => {
    const both = await scene.two()
    await both[0].items.set('a', { n: 0 })
    for (let n = 1; n <= 20; n++) {
      const ifRevision = revisionOf(both[0], 'a')
      await holds(scene, both[1], 'a', ifRevision)
      const writes = both.map(({ items }, by) => observe(items.set('a', { n, by }, { ifRevision })))
      await scene.eventually(() => same(writes.filter(({ state }) => state === 'pending').length, 0, 'how many wait'))
      const winner = writes.findIndex(({ state }) => state === 'resolved')
      same(
        writes.map(({ error }) => error?.code),
        winner === 0 ? [undefined, 'CONFLICT'] : ['CONFLICT', undefined],
        'how the two ended',
      )
      const told = writes[1 - winner]?.error?.current
      same(told, both[winner]?.items.entry('a'), 'what the other one is told')
      if (winner === 1) await holds(scene, both[0], 'a', revisionOf(both[1], 'a'))
    }
  })

  test('C2 the store decides, not the replica that lags', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    for (const key of ['a', 'gone', 'new']) if (key !== 'new') await writer.items.set(key, { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const [a, gone] = ['a', 'gone'].map((key) => revisionOf(reader, key))
    transport.hold()
    await writer.items.set('a', { n: 2 })
    await writer.items.delete('gone')
    await writer.items.set('new', { n: 1 })
    await conflict(reader.items.set('a', { n: 3 }, { ifRevision: a as string }), writer.items.entry('a'))
    await conflict(reader.items.delete('gone', { ifRevision: gone as string }), undefined)
    await conflict(reader.items.set('new', { n: 2 }, { ifAbsent: true }), writer.items.entry('new'))
    // A revision from elsewhere counts, too, though the replica has not been told of it.
    await reader.items.set('a', { n: 3 }, { ifRevision: revisionOf(writer, 'a') })
    await reader.items.set('gone', { n: 3 }, { ifAbsent: true })
    transport.release()
    const expected = new Map([
      ['a', { n: 3 }],
      ['new', { n: 1 }],
      ['gone', { n: 3 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C2 K7 a revision holds after the store lost the item and a replica restored it', ['lose'], async (scene) => {
    const [writer, reader] = await scene.two({ auditInterval: 200 })
    await writer.items.set('a', { n: 1 })
    const first = revisionOf(writer, 'a')
    await writer.items.set('a', { n: 2 })
    const second = revisionOf(writer, 'a')
    await scene.eventuallyEqual([writer, reader])
    await scene.do('lose')
    await scene.eventually(() => {
      for (const { items, readies } of [writer, reader]) {
        must(items.freshness.state === 'live' && readies.length > 1, 'awaited: ready, after the loss', readies)
      }
    })
    const outside = await scene.unsubscribed()
    await conflict(outside.items.set('a', { n: 3 }, { ifRevision: first }), writer.items.entry('a'))
    await outside.items.set('a', { n: 3 }, { ifRevision: second })
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['a', { n: 3 }]]))
  })

  test('C3 W6 during an outage a conditional write is neither replaced nor overtaken', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    for (const key of ['before', 'after', 'deleted']) await writer.items.set(key, { n: 0 })
    await scene.eventuallyEqual([writer, reader])
    const ifRevision = (key: string) => ({ ifRevision: revisionOf(writer, key) })
    await scene.cut(writer)
    const { items } = writer
    const calls = Object.entries({
      // The set before it counts: the condition fails.
      before: [items.set('before', { n: 1 }), items.set('before', { n: 2 }, ifRevision('before'))],
      // It counts before the sets after it.
      after: [
        items.set('after', { n: 1 }, ifRevision('after')),
        items.set('after', { n: 2 }),
        items.set('after', { n: 3 }),
      ],
      deleted: [
        items.delete('deleted', ifRevision('deleted')),
        items.set('deleted', { n: 1 }, { ifAbsent: true }),
        items.set('deleted', { n: 2 }, { ifAbsent: true }),
      ],
      new: [items.set('new', { n: 1 }, { ifAbsent: true }), items.delete('new'), items.delete('new')],
    }).map(([key, promises]) => [key, promises.map((promise) => observe<unknown>(promise))] as const)
    await scene.heal(writer)
    await scene.eventually(() => {
      const told = calls.map(([key, all]) => [key, all.map(({ state, value, error }) => error?.code ?? value ?? state)])
      same(Object.fromEntries(told), {
        before: ['resolved', 'CONFLICT'],
        after: ['resolved', 'resolved', 'resolved'],
        deleted: [true, 'resolved', 'CONFLICT'],
        new: ['resolved', true, false],
      })
    })
    const expected = new Map([
      ['before', { n: 1 }],
      ['after', { n: 3 }],
      ['deleted', { n: 1 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })
}
