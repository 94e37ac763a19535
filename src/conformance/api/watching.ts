/** Following one key, and waiting for it: clauses S1 and S2. */
import type { Change } from '../../core/contents'
import { MemisError } from '../../core/errors'
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { type Observed, observe, outage } from './support'

/** Sets a key, and waits until the replica was told of everything before it. */
async function fence(scene: Scene, writer: Replica, reader: Replica): Promise<void> {
  const n = (writer.items.get('fence')?.n ?? 0) + 1
  await writer.items.set('fence', { n })
  await scene.eventually(() => same(reader.items.get('fence'), { n }))
}

export function watching(test: Define<Scene>): void {
  test('S1 watch tells each change of one key, or of a prefix, until it is stopped', async (scene) => {
    const [writer, reader] = await scene.two()
    const told: string[] = []
    const note =
      (name: string) =>
      (item: Item | undefined, key: string, { kind, cause, previous }: Change<Item>) => {
        must(reader.items.get(key) === item, 'the item is the one that get() returns', item)
        told.push(`${name} ${kind} ${key} ${item?.n} ${previous?.n} ${cause}`)
      }
    const stop = reader.items.watch('a:1', note('key'))
    const stopPrefix = reader.items.watch({ prefix: 'a:' }, note('prefix'))
    reader.items.watch({ prefix: '' }, note('all'))
    for (const [key, n] of [
      ['a:1', 1],
      ['a:1', 2],
      ['a:2', 1],
      ['a', 1],
    ] as const) {
      await writer.items.set(key, { n })
      await fence(scene, writer, reader)
    }
    stop()
    stop()
    await writer.items.delete('a:1')
    await fence(scene, writer, reader)
    stopPrefix()
    await writer.items.set('a:1', { n: 3 })
    await fence(scene, writer, reader)
    same(
      told.filter((line) => !line.includes('fence')),
      [
        ...['key set a:1 1 undefined live', 'prefix set a:1 1 undefined live', 'all set a:1 1 undefined live'],
        ...['key set a:1 2 1 live', 'prefix set a:1 2 1 live', 'all set a:1 2 1 live'],
        ...['prefix set a:2 1 undefined live', 'all set a:2 1 undefined live', 'all set a 1 undefined live'],
        ...['prefix delete a:1 undefined 2 live', 'all delete a:1 undefined 2 live', 'all set a:1 3 undefined live'],
      ],
    )
  })

  test('S1 watch needs no subscription, and outlasts one', async (scene) => {
    const writer = await scene.replica()
    await writer.items.set('a', { n: 1 })
    const reader = await scene.unsubscribed()
    const told: string[] = []
    const stop = reader.items.watch('a', (item, _, { cause }) => void told.push(`${item?.n} ${cause}`))
    await reader.items.subscribe()
    reader.leave()
    await writer.items.set('a', { n: 2 })
    await reader.items.subscribe()
    await writer.items.set('a', { n: 3 })
    await fence(scene, writer, reader)
    stop()
    await writer.items.delete('a')
    await fence(scene, writer, reader)
    same(told, ['1 snapshot', '2 snapshot', '3 live'])
  })

  test('S1 E5 a watcher that fails is reported, and harms no other', async (scene) => {
    const [writer, reader] = await scene.two()
    scene.expect('LISTENER_FAILED')
    const told: string[] = []
    const mischief = new Error('mischief')
    reader.items.watch('a', () => {
      throw mischief
    })
    reader.items.watch('a', async () => {
      throw mischief
    })
    const stop = reader.items.watch('a', (_, key) => {
      told.push(key)
      stop()
      // While the change is told: this one is not told of it any more.
      stopNext()
    })
    const stopNext = reader.items.watch('a', () => void told.push('next'))
    reader.items.watch('a', (_, key) => void told.push(`${key} again`))
    await writer.items.set('a', { n: 1 })
    await fence(scene, writer, reader)
    await writer.items.set('a', { n: 2 })
    await fence(scene, writer, reader)
    same(
      told.filter((each) => each !== 'next'),
      ['a', 'a again', 'a again'],
    )
    await scene.eventually(() => {
      const causes = scene.errors.flatMap(({ code, cause }) => (code === 'LISTENER_FAILED' ? [cause] : []))
      same(causes, [mischief, mischief, mischief, mischief], 'the failures that the client told')
    })
  })

  test('S2 waitFor resolves to the first item that matches, at once if it does now', async (scene) => {
    const [writer, reader] = await scene.two()
    const { items } = reader
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    must((await items.waitFor('a', (item) => item?.n === 1)) === items.get('a'), 'it is what get() returns')
    same(await items.waitFor('absent', (item) => item === undefined), undefined)
    const later = observe(items.waitFor('a', (item) => (item?.n ?? 0) >= 3))
    const gone = observe(items.waitFor('a', (item) => item === undefined))
    const created = observe(items.waitFor('b', (item) => item !== undefined))
    await writer.items.set('a', { n: 2 })
    await fence(scene, writer, reader)
    same([later.state, gone.state, created.state], ['pending', 'pending', 'pending'])
    await writer.items.set('a', { n: 3 })
    await writer.items.set('b', { n: 1 })
    await scene.eventually(() => same([later.value, created.value, gone.state], [{ n: 3 }, { n: 1 }, 'pending']))
    await writer.items.delete('a')
    await scene.eventually(() => same([gone.state, gone.value], ['resolved', undefined]))
    const expired = observe(items.waitFor('brief', (item) => item === undefined))
    same(await items.waitFor('brief', (item) => item === undefined), undefined)
    await writer.items.set('brief', { n: 1 }, 0.1)
    await scene.eventually(() => same(expired.state, 'resolved'))
  })

  test('S2 waitFor notices that an item expires', async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('brief', { n: 1 }, 0.3)
    const gone = reader.items
      .waitFor('brief', (item) => item !== undefined)
      .then(() => reader.items.waitFor('brief', (item) => item === undefined))
    const ended = observe(gone)
    await scene.inTime(100, () => same(ended.state, 'resolved'))
    same(reader.told('brief'), ['set live', 'expire live'])
  })

  test('S2 while the first contents come, a key that is not there yet is not absent', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    await writer.items.set('a', { n: 1 })
    reader.leave()
    transport.hold()
    const subscribed = observe(reader.items.subscribe())
    const absent = observe(reader.items.waitFor('a', (item) => item === undefined))
    const never = observe(reader.items.waitFor('never', (item) => item === undefined))
    await turn()
    same([subscribed.state, absent.state, never.state], ['pending', 'pending', 'pending'])
    transport.release()
    await scene.eventually(() =>
      same([subscribed.state, never.state, absent.state], ['resolved', 'resolved', 'pending']),
    )
    await writer.items.delete('a')
    await scene.eventually(() => same(absent.state, 'resolved'))
  })

  test('S2 R3 W7 waitFor is refused by its signal, unsubscribe, close and what the predicate throws', async (scene) => {
    const [reader, other] = await scene.two()
    const { items } = reader
    const never = () => false
    const abort = new AbortController()
    const aborted = items.waitFor('a', never, { signal: abort.signal })
    const left = items.waitFor('a', never)
    const closed = other.items.waitFor('a', never)
    abort.abort('why')
    same((await refused(aborted, 'ABORTED')).cause, 'why')
    await refused(
      items.waitFor('a', () => true, { signal: abort.signal }),
      'ABORTED',
    )
    const thrown = new TypeError('mischief')
    const fails = () => {
      throw thrown
    }
    must((await items.waitFor('a', fails).catch((error: unknown) => error)) === thrown, 'what the predicate throws')
    const failsLater = items.waitFor('b', (item) => item !== undefined && fails())
    await items.set('b', {})
    must((await failsLater.catch((error: unknown) => error)) === thrown, 'what the predicate throws later')
    items.unsubscribe()
    await refused(left, 'UNSUBSCRIBED')
    await refused(items.waitFor('a', never), 'NOT_SUBSCRIBED')
    await Promise.all([refused(closed, 'CLOSED'), other.client.close()])
    await refused(other.items.waitFor('a', never), 'CLOSED')
  })

  test('S2 K4 waitFor outlasts an outage, and resolves by what was missed', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const waiting: Observed<unknown>[] = [2, 3].map((n) => observe(reader.items.waitFor('a', (item) => item?.n === n)))
    await scene.cut(reader)
    await writer.items.set('a', { n: 2 })
    await scene.heal(reader)
    await scene.eventually(() => same(waiting[0]?.value, { n: 2 }))
    same(waiting[1]?.state, 'pending')
    await writer.items.set('a', { n: 3 })
    await scene.eventually(() => same(waiting[1]?.value, { n: 3 }))
  })

  test('S4 reached lets a process read the write whose revision it was given', async (scene) => {
    const [writer, reader] = await scene.two()
    for (let n = 1; n <= 30; n++) {
      await writer.items.set('a', { n })
      const revision = writer.items.entry('a')?.revision ?? ''
      await reader.items.reached(revision)
      must(reader.items.get('a')?.n >= n, `what is read is ${n}, or newer`, reader.items.get('a'))
      await writer.items.reached(revision)
    }
    let revision = ''
    writer.items.on('delete', (_key, _last, change) => {
      revision = change.revision
    })
    await writer.items.delete('a')
    await reader.items.reached(revision)
    same(reader.items.get('a'), undefined)
    await writer.items.set('b', { n: 1 })
    await writer.items.touch('b', 600)
    const touched = writer.items.entry('b')?.revision ?? ''
    await reader.items.reached(touched)
    same(reader.items.entry('b')?.revision, touched)
  })

  test('S4 reached waits until the replica was told', async (scene) => {
    const [reader, transport] = await scene.interfered()
    const writer = await scene.replica()
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const older = writer.items.entry('a')?.revision ?? ''
    transport.hold()
    await writer.items.set('a', { n: 2 })
    const revision = writer.items.entry('a')?.revision ?? ''
    await writer.items.set('a', { n: 3 })
    const waiting = observe(reader.items.reached(revision))
    await reader.items.reached(older)
    await turn()
    same([waiting.state, reader.items.get('a')], ['pending', { n: 1 }])
    transport.release()
    await scene.eventually(() => same([waiting.state, reader.items.get('a')], ['resolved', { n: 3 }]))
  })

  test('S4 R3 W7 reached is refused by its signal, unsubscribe, close, and a revision that is none', async (scene) => {
    const [reader, other] = await scene.two()
    const writer = await scene.unsubscribed()
    await writer.items.set('a', {})
    await scene.eventuallyEqual([reader, other], new Map([['a', {}]]))
    // Far ahead: nobody has written so much.
    const future = (reader.items.entry('a')?.revision ?? '').replace(/\d+$/, '9007199254740000')
    const abort = new AbortController()
    const aborted = reader.items.reached(future, { signal: abort.signal })
    const left = reader.items.reached(future)
    const closed = other.items.reached(future)
    abort.abort()
    const error = await refused(aborted, 'ABORTED')
    must(error instanceof MemisError && error.collection === 'artists', 'the error names the collection', error)
    for (const bad of ['', 'x', '1', 1, null]) await refused(reader.items.reached(bad as string), 'INVALID_OPTION')
    reader.items.unsubscribe()
    await refused(left, 'UNSUBSCRIBED')
    await refused(reader.items.reached(future), 'NOT_SUBSCRIBED')
    await Promise.all([refused(closed, 'CLOSED'), other.client.close()])
  })

  test('S4 K4 reached resolves after an outage', outage, async (scene) => {
    const [writer, reader] = await scene.two()
    await scene.cut(reader)
    await writer.items.set('a', { n: 1 })
    const waiting = observe(reader.items.reached(writer.items.entry('a')?.revision ?? ''))
    await turn()
    same(waiting.state, 'pending')
    await scene.heal(reader)
    await scene.eventually(() => same([waiting.state, reader.items.get('a')], ['resolved', { n: 1 }]))
  })
}
