/** Changes as a stream: clause S3. */
import type { Change } from '../../core/contents'
import { must, refused, same, throws } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { aside, observe, outage } from './support'

type Stream = AsyncIterableIterator<Change<Item>>

const shown = ({ kind, key, item, previous, cause }: Change<Item>) => `${kind} ${key} ${item.n} ${previous?.n} ${cause}`

/** The next so many changes. */
async function take(stream: Stream, count: number): Promise<string[]> {
  const told: string[] = []
  while (told.length < count) {
    const { value, done } = await stream.next()
    if (done) break
    told.push(shown(value))
  }
  return told
}

/** Waits until the replica holds that number under the key; undefined for none. */
const heard = (scene: Scene, { items }: Replica, key: string, n: number | undefined) =>
  scene.eventually(() => same(items.get(key)?.n, n, key))

export function streams(test: Define<Scene>): void {
  test('S3 changes gives the current items first, then each change in order', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    await writer.items.set('b', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const stream = reader.items.changes()
    same((await take(stream, 2)).sort(), ['set a 1 undefined snapshot', 'set b 1 undefined snapshot'])
    const next = stream.next()
    await writer.items.set('a', { n: 2 })
    await heard(scene, reader, 'a', 2)
    const { key, item, previous, revision } = (await next).value as Change<Item>
    same([key, item, previous], ['a', { n: 2 }, { n: 1 }])
    must(item === reader.items.get('a'), 'the item is the object that get() returns', item)
    same(revision, writer.items.entry('a')?.revision, 'the revision of the change')
    await writer.items.delete('b')
    await writer.items.set('c', { n: 1 })
    same(await take(stream, 2), ['delete b 1 1 live', 'set c 1 undefined live'])
    await writer.items.set('brief', { n: 1 }, 0.1)
    same(await take(stream, 1), ['set brief 1 undefined live'])
    const expiry = observe(take(stream, 1))
    await scene.inTime(50, () => same(expiry.value, ['expire brief 1 1 live']))
  })

  test('S3 a prefix chooses keys; each reader has a pace of its own', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.setMany({ 'a:1': { n: 1 }, 'b:1': { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    const [some, slow] = [reader.items.changes({ prefix: 'a:' }), reader.items.changes({ prefix: 'a:' })]
    same(await take(some, 1), ['set a:1 1 undefined snapshot'])
    await writer.items.setMany({ 'a:2': { n: 1 }, 'b:2': { n: 1 }, a: { n: 1 } })
    await writer.items.set('a:1', { n: 2 })
    same((await take(some, 2)).sort(), ['set a:1 2 1 live', 'set a:2 1 undefined live'])
    same((await take(slow, 2)).sort(), ['set a:1 2 undefined live', 'set a:2 1 undefined live'])
  })

  test('S3 what a slow reader has not read is merged per key, and no delete is dropped', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.setMany({ set: { n: 1 }, gone: { n: 1 }, back: { n: 1 }, still: { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    const stream = reader.items.changes()
    same((await take(stream, 4)).length, 4)
    for (let n = 2; n <= 5; n++) await writer.items.set('set', { n })
    await heard(scene, reader, 'set', 5)
    for (const n of [1, 2, 3]) {
      await writer.items.set('brief', { n })
      await heard(scene, reader, 'brief', n)
    }
    await writer.items.delete('brief')
    await heard(scene, reader, 'brief', undefined)
    await writer.items.set('gone', { n: 2 })
    await heard(scene, reader, 'gone', 2)
    await writer.items.delete('gone')
    await heard(scene, reader, 'gone', undefined)
    await writer.items.delete('back')
    await heard(scene, reader, 'back', undefined)
    await writer.items.set('back', { n: 2 })
    await heard(scene, reader, 'back', 2)
    same(await take(stream, 3), ['set set 5 1 live', 'delete gone 2 1 live', 'set back 2 1 live'])
    // There is nothing else.
    const next = observe(stream.next())
    await turn()
    same(next.state, 'pending')
    await writer.items.delete('still')
    await scene.eventually(() => same(next.value?.value?.kind, 'delete'))
  })

  test('S3 the changes, replayed, give the replica, whatever is done and however slowly one reads', async (scene) => {
    const writers = await scene.two()
    const reader = await scene.replica()
    const follow = async (pace: number, replayed: Map<string, Item>) => {
      let count = 0
      for await (const { kind, key, item, previous } of reader.items.changes()) {
        must(replayed.get(key) === previous, `${kind} ${key}: previous is what was read before`, previous)
        if (kind === 'set') replayed.set(key, item)
        else must(replayed.delete(key), `${kind} ${key}: it was there`, item)
        if (++count % pace === 0) await turn()
        if (replayed.has('last 0') && replayed.has('last 1')) break
      }
    }
    const maps = [new Map<string, Item>(), new Map<string, Item>()]
    const following = maps.map((map, i) => aside(() => follow([1, 1000][i] as number, map)))
    await Promise.all(
      writers.map(async ({ items }, writer) => {
        for (let n = 0; n < 200; n++) {
          const key = `key ${(n * 13 + writer) % 17}`
          const kind = (n * 7 + writer) % 10
          if (kind < 5) void items.set(key, { writer, n })
          else if (kind < 6) void items.set(key, { writer, n }, 0.001 + (n % 5) / 50)
          else if (kind < 8) void items.delete(key)
          else if (kind < 9) void items.patch(key, { n })
          else if (n % 100 < 10) void items.clear()
          if (n % 10 === 0) await turn()
        }
        await items.set(`last ${writer}`, {})
      }),
    )
    await Promise.all(following)
    await scene.eventuallyEqual([...writers, reader])
  })

  test('S3 leaving the loop ends the stream, and so does unsubscribe', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.setMany({ a: { n: 1 }, b: { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    const left = reader.items.changes()
    for await (const _ of left) break
    same(await left.next(), { done: true, value: undefined })
    const unread = reader.items.changes()
    const told: string[] = []
    const reading = aside(async () => {
      for await (const change of reader.items.changes()) told.push(change.key)
    })
    await scene.eventually(() => same(told, ['a', 'b']))
    reader.leave()
    await reading
    same(await unread.next(), { done: true, value: undefined })
    throws(() => reader.items.changes(), 'NOT_SUBSCRIBED')
    await reader.items.subscribe()
    same((await take(reader.items.changes(), 2)).sort(), ['set a 1 undefined snapshot', 'set b 1 undefined snapshot'])
  })

  test('S3 W7 a reader is told when the client is closed, or its signal aborted: once', async (scene) => {
    const [reader, other] = await scene.two()
    const abort = new AbortController()
    const { signal } = abort
    const [waiting, idle] = [reader.items.changes({ signal }), reader.items.changes({ signal })]
    const next = waiting.next()
    abort.abort('why')
    same((await refused(next, 'ABORTED')).cause, 'why')
    await refused(idle.next(), 'ABORTED')
    for (const stream of [waiting, idle]) same(await stream.next(), { done: true, value: undefined })
    const reading = aside(async () => {
      for await (const _ of other.items.changes());
    })
    const [error] = await Promise.all([refused(reading, 'CLOSED'), other.client.close()])
    same(error.collection, 'artists')
    throws(() => other.items.changes(), 'CLOSED')
    throws(() => reader.items.changes({ prefix: 1 as never }), 'INVALID_OPTION')
  })

  test('S3 changes that are asked for at once come one after the other', async (scene) => {
    const [writer, reader] = await scene.two()
    const stream = reader.items.changes()
    const both = [observe(stream.next()), observe(stream.next())]
    await turn()
    await writer.items.set('a', { n: 1 })
    await scene.eventually(() => same(both[0]?.value?.value?.key, 'a'))
    same(both[1]?.state, 'pending')
    await writer.items.set('b', { n: 1 })
    await scene.eventually(() => same(both[1]?.value?.value?.key, 'b'))
    const last = observe(stream.next())
    await stream.return?.()
    await scene.eventually(() => same(last.value?.done, true))
  })

  test('S3 K4 an outage ends no stream: what was missed is read with the cause resync', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.setMany({ changed: { n: 1 }, gone: { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    const stream = reader.items.changes()
    await take(stream, 2)
    await scene.cut(reader)
    await writer.items.set('changed', { n: 2 })
    await writer.items.delete('gone')
    await writer.items.set('new', { n: 1 })
    await scene.heal(reader)
    same((await take(stream, 3)).sort(), [
      ...['delete gone 1 1 resync', 'set changed 2 1 resync', 'set new 1 undefined resync'],
    ])
  })
}
