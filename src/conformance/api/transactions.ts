/** Writes that are accepted together or not at all: clause C7. */
import type { TransactionWrites } from '../../core/bulk'
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { turn } from '../waiting'
import { conflict, holds, revisionOf } from './conditions'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { aside, observe, outage } from './support'

const sum = (items: Iterable<[string, Item]>) => [...items].reduce((total, [, { n }]) => total + n, 0)

export function transactions(test: Define<Scene>): void {
  test('C7 a transaction sets, deletes and checks, and each change is emitted once', async (scene) => {
    scene.seesTransactions = true
    const [writer, reader] = await scene.two()
    await writer.items.setMany({ changed: { n: 1 }, gone: { n: 1 }, checked: { n: 1 } })
    await scene.eventuallyEqual([writer, reader])
    const [changed, checked] = ['changed', 'checked'].map((key) => revisionOf(writer, key)) as [string, string]
    const result = await writer.items.transaction((t) => {
      t.check('changed', changed)
      t.check('checked', checked)
      t.check('absent', null)
      t.set('changed', { n: 2 })
      t.set('new', { n: 2 }, 600)
      t.delete('gone')
      t.delete('never there')
    })
    same(result, undefined)
    const expected = new Map([
      ['changed', { n: 2 }],
      ['checked', { n: 1 }],
      ['new', { n: 2 }],
    ])
    same(new Map([...writer.items].sort()), expected, 'what its own replica holds at once')
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
    for (const replica of [writer, reader]) {
      same(replica.told('changed'), ['set live', 'set live'])
      same([replica.told('new'), replica.told('gone')], [['set live'], ['set live', 'delete live']])
      same([replica.told('checked'), replica.told('absent'), replica.told('never there')], [['set live'], [], []])
      same(replica.items.entry('checked')?.revision, checked, 'the revision of an item that was only checked')
      must((replica.items.entry('new')?.expiresIn ?? 0) > 500, 'its ttl', replica.items.entry('new'))
    }
    const outside = await scene.unsubscribed()
    await outside.items.transaction((t) => t.set('changed', { n: 3 }, 'keep'))
    await outside.items.transaction(() => {})
    await scene.eventuallyEqual([writer, reader], new Map([...expected, ['changed', { n: 3 }]]))
  })

  test('C7 if one check fails, nothing is written, and the conflict names the key', async (scene) => {
    scene.seesTransactions = true
    const [writer, transport] = await scene.interfered()
    const other = await scene.replica()
    await writer.items.setMany({ a: { n: 1 }, b: { n: 1 } })
    await scene.eventuallyEqual([writer, other])
    const [a, b] = ['a', 'b'].map((key) => revisionOf(writer, key)) as [string, string]
    transport.hold()
    await other.items.set('a', { n: 2 })
    const current = other.items.entry('a')
    const attempts: ((t: TransactionWrites<Item>) => void)[] = [
      (t) => t.check('a', a),
      (t) => t.check('a', null),
      (t) => {
        t.check('a', a)
        t.set('a', { n: 3 })
      },
      (t) => {
        t.check('b', b)
        t.delete('a')
        t.check('a', a)
      },
    ]
    for (const attempt of attempts) {
      const call = writer.items.transaction((t) => {
        t.set('first', { n: 1 })
        attempt(t)
        t.set('last', { n: 1 })
      })
      const error = await conflict(call, current)
      same([error.database, error.collection, error.key], ['region-nl', 'artists', 'a'], 'the names in the error')
    }
    const absent = await conflict(
      writer.items.transaction((t) => {
        t.set('first', { n: 1 })
        t.check('none', b)
      }),
      undefined,
    )
    same(absent.key, 'none')
    transport.release()
    const expected = new Map([
      ['a', { n: 2 }],
      ['b', { n: 1 }],
    ])
    await holds(scene, writer, 'a', current?.revision ?? '')
    await scene.eventuallyEqual([writer, other, await scene.replica()], expected)
    for (const replica of [writer, other]) same([replica.told('first'), replica.told('last')], [[], []])
  })

  test('C7 no listener, and nobody who reads at any other time, sees a part of a transaction', async (scene) => {
    scene.seesTransactions = true
    const [writer, reader] = await scene.two()
    const names = ['a', 'b', 'c', 'd']
    const total = 4000
    await writer.items.transaction((t) => {
      for (const name of names) t.set(name, { n: total / names.length })
    })
    await scene.eventuallyEqual([writer, reader])
    const mustBeWhole = ({ items }: Replica, when: string) => same(sum(items), total, `the sum ${when}`)
    for (const replica of [writer, reader]) {
      replica.items.multi('set delete', (key) => mustBeWhole(replica, `in a listener, at ${key}`))
      replica.items.watch('b', () => mustBeWhole(replica, 'in a watcher'))
    }
    let moving = true
    const looking = aside(async () => {
      while (moving) {
        for (const replica of [writer, reader]) mustBeWhole(replica, 'at any time')
        await turn()
      }
    })
    const joining = aside(async () => {
      for (let i = 0; i < 5; i++) {
        const joiner = await scene.replica()
        mustBeWhole(joiner, 'of a joiner')
        joiner.items.unsubscribe()
      }
    })
    for (let i = 0; i < 40; i++) {
      const [from, to] = [names[i % 4], names[(i * 3 + 1) % 4]] as [string, string]
      if (from === to) continue
      await writer.items.transaction((t) => {
        const amount = i % 2 === 0 ? 1 : (writer.items.get(from)?.n ?? 0)
        const rest = (writer.items.get(from)?.n ?? 0) - amount
        if (rest === 0) t.delete(from)
        else t.set(from, { n: rest })
        t.set(to, { n: (writer.items.get(to)?.n ?? 0) + amount })
      })
    }
    moving = false
    await Promise.all([looking, joining])
    await scene.eventuallyEqual([writer, reader, await scene.replica()])
    mustBeWhole(reader, 'in the end')
  })

  test('C7 W4 a transaction keeps its place among the other writes', async (scene) => {
    scene.seesTransactions = true
    const [writer, reader] = await scene.two()
    const { items } = writer
    await Promise.all([
      items.set('a', { n: 1 }),
      items.set('b', { n: 1 }),
      items.transaction((t) => {
        t.set('a', { n: 2 })
        t.delete('b')
      }),
      items.set('b', { n: 3 }),
      items.transaction((t) => {
        t.set('a', { n: 4 })
        t.set('c', { n: 4 })
      }),
      items.delete('c'),
    ])
    const expected = new Map([
      ['a', { n: 4 }],
      ['b', { n: 3 }],
    ])
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C7 W6 a transaction waits for the link as a whole, and is not overtaken', outage, async (scene) => {
    scene.seesTransactions = true
    const [writer, reader] = await scene.two()
    const { items } = writer
    await items.setMany({ a: { n: 0 }, b: { n: 0 } })
    await scene.eventuallyEqual([writer, reader])
    const stale = revisionOf(writer, 'a')
    await scene.cut(writer)
    const calls = [
      items.set('a', { n: 1 }),
      items.transaction((t) => {
        t.set('a', { n: 2 })
        t.set('b', { n: 2 })
      }),
      items.set('a', { n: 3 }),
      items.transaction((t) => {
        t.check('a', stale)
        t.set('c', { n: 4 })
      }),
      items.delete('b'),
    ].map((call) => observe<unknown>(call))
    await scene.heal(writer)
    await scene.eventually(() =>
      same(
        calls.map(({ state, error }) => error?.code ?? state),
        ['resolved', 'resolved', 'resolved', 'CONFLICT', 'resolved'],
      ),
    )
    same(calls[4]?.value, true, 'whether the delete found what the transaction had set')
    await scene.eventuallyEqual([writer, reader, await scene.replica()], new Map([['a', { n: 3 }]]))
  })

  test('C7 a transaction may have 500 writes with a check each, and no more', async (scene) => {
    scene.seesTransactions = true
    const [writer, reader] = await scene.two()
    const write =
      (count: number, n: number, revision: (key: string) => string | null) => (t: TransactionWrites<Item>) => {
        for (let i = 0; i < count; i++) {
          t.check(`key ${i}`, revision(`key ${i}`))
          t.set(`key ${i}`, { n })
        }
      }
    await writer.items.transaction(write(500, 1, () => null))
    await writer.items.transaction(write(500, 2, (key) => revisionOf(writer, key)))
    await refused(writer.items.transaction(write(501, 3, () => null)), 'INVALID_OPTION')
    const expected = new Map(Array.from({ length: 500 }, (_, i) => [`key ${i}`, { n: 2 }]))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
  })

  test('C7 what its function throws, or does wrong, refuses a transaction before anything is sent', async (scene) => {
    const [writer, transport] = await scene.interfered()
    const { items } = writer
    const { answered } = transport
    const thrown = new Error('mischief')
    const error = await items
      .transaction((t) => {
        t.set('a', { n: 1 })
        throw thrown
      })
      .catch((error: unknown) => error)
    must(error === thrown, 'it rejects with what was thrown', error)
    const twice = (t: TransactionWrites<Item>) => {
      t.set('a', { n: 1 })
      t.delete('a')
    }
    let late: TransactionWrites<Item> | undefined
    const async = async (t: TransactionWrites<Item>) => {
      late = t
      t.set('a', { n: 1 })
    }
    for (const build of [twice, async, (t: TransactionWrites<Item>) => t.check('a', 'no revision')]) {
      await refused(items.transaction(build), 'INVALID_OPTION')
    }
    await refused(
      items.transaction((t) => t.set('a', { date: new Date() })),
      'INVALID_ITEM',
    )
    // It would be lost in silence.
    await refused(
      Promise.resolve().then(() => late?.set('a', { n: 1 })),
      'INVALID_OPTION',
    )
    same(transport.answered, answered, 'how many batches the store was sent')
    same(items.size, 0)
  })
}
