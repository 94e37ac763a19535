/** Every call that is built on a condition, while something goes wrong around it: clauses C2 to C7. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { revisionOf } from './conditions'
import type { Item, Replica } from './replica'
import type { Scene } from './scene'
import { observe, outage } from './support'

/** A call on a collection that holds `a` and `b`, what it resolves to, and what is there then. */
interface Example {
  readonly clauses: string
  readonly name: string
  call(replica: Replica): Promise<unknown>
  readonly result?: unknown
  readonly after: Readonly<Record<string, Item>>
}

const a: Item = { n: 1, kept: true }
const b: Item = { n: 1 }
const before: Readonly<Record<string, Item>> = { a, b }
const changed: Item = { n: 2, kept: true }

const examples: readonly Example[] = [
  {
    ...{ clauses: 'C2', name: 'a set with ifAbsent', after: { a, b, c: { n: 1 } } },
    call: ({ items }) => items.set('c', { n: 1 }, { ifAbsent: true }),
  },
  {
    ...{ clauses: 'C2', name: 'a set with ifRevision', after: { a: changed, b } },
    call: (replica) => replica.items.set('a', changed, { ifRevision: revisionOf(replica, 'a') }),
  },
  {
    ...{ clauses: 'C2', name: 'a delete with ifRevision', result: true, after: { b } },
    call: (replica) => replica.items.delete('a', { ifRevision: revisionOf(replica, 'a') }),
  },
  {
    ...{ clauses: 'C4', name: 'an update', result: changed, after: { a: changed, b } },
    call: ({ items }) => items.update('a', (item) => ({ ...item, n: item?.n + 1 })),
  },
  {
    ...{ clauses: 'C4', name: 'an update that deletes', result: undefined, after: { b } },
    call: ({ items }) => items.update('a', () => undefined),
  },
  {
    ...{ clauses: 'C5', name: 'a patch', result: true, after: { a: changed, b } },
    call: ({ items }) => items.patch('a', { n: 2 }),
  },
  {
    ...{ clauses: 'C5', name: 'an increment', result: 2, after: { a: changed, b } },
    call: ({ items }) => items.increment('a', 'n'),
  },
  {
    ...{ clauses: 'C5', name: 'a touch', result: true, after: before },
    call: ({ items }) => items.touch('a', 600),
  },
  {
    ...{ clauses: 'C6', name: 'setMany', after: { a: changed, b, c: { n: 1 } } },
    call: ({ items }) => items.setMany({ a: changed, c: { n: 1 } }),
  },
  {
    ...{ clauses: 'C6', name: 'replaceAll', result: { set: 1, deleted: 1, unchanged: 1 }, after: { a, c: { n: 1 } } },
    call: ({ items }) => items.replaceAll({ a: { kept: true, n: 1 }, c: { n: 1 } }),
  },
  {
    ...{ clauses: 'C7', name: 'a transaction', after: { a: changed, c: { n: 1 } } },
    call: (replica) =>
      replica.items.transaction((t) => {
        t.check('a', revisionOf(replica, 'a'))
        t.set('a', changed)
        t.set('c', { n: 1 })
        t.delete('b')
      }),
  },
]

const mapOf = (items: Readonly<Record<string, Item>>) => new Map(Object.entries(items))

/** The events that lead from `before` to there: one for each key that changes. */
const eventsTo = (after: Readonly<Record<string, Item>>) =>
  Object.fromEntries(
    ['a', 'b', 'c'].map((key) => {
      const was = key in before ? ['set'] : []
      if (after[key] === before[key]) return [key, was]
      return [key, [...was, key in after ? 'set' : 'delete']]
    }),
  )

const eventsOf = (replica: Replica) =>
  Object.fromEntries(['a', 'b', 'c'].map((key) => [key, replica.of(key).map(({ event }) => event)]))

/** Two replicas that hold `before`. */
async function prepared(scene: Scene, [writer, reader]: [Replica, Replica]): Promise<[Replica, Replica]> {
  await writer.items.setMany(before)
  await scene.eventuallyEqual([writer, reader], mapOf(before))
  return [writer, reader]
}

/** Every replica ends with what the call writes, and emits each change once. */
async function takesEffectOnce(scene: Scene, replicas: readonly Replica[], { after }: Example): Promise<void> {
  await scene.eventuallyEqual([...replicas, await scene.replica()], mapOf(after))
  for (const replica of replicas) same(eventsOf(replica), eventsTo(after), 'the events of each key')
}

export function troubled(test: Define<Scene>): void {
  for (const example of examples) {
    const { clauses, name, call, result } = example
    const isTransaction = clauses === 'C7'

    test(`${clauses} ${name} whose answer is lost takes effect once`, async (scene) => {
      scene.seesTransactions = isTransaction
      const [interfered, transport] = await scene.interfered()
      const [writer, reader] = await prepared(scene, [interfered, await scene.replica()])
      transport.loseAnswer(() => transport.loseAnswer())
      same(await call(writer), result, 'what it resolves to')
      await takesEffectOnce(scene, [writer, reader], example)
    })

    test(`${clauses} W6 ${name} waits while the link is down, and takes effect once`, outage, async (scene) => {
      scene.seesTransactions = isTransaction
      const [writer, reader] = await prepared(scene, await scene.two())
      await scene.cut(writer)
      const waiting = observe(call(writer))
      await reader.items.set('meanwhile', {})
      same([waiting.state, writer.items.has('meanwhile')], ['pending', false])
      await reader.items.delete('meanwhile')
      await scene.heal(writer)
      await scene.eventually(() => same([waiting.state, waiting.value], ['resolved', result]))
      await takesEffectOnce(scene, [writer, reader], example)
    })

    // A store that is full may still delete.
    if (!('a' in example.after)) continue
    test(`${clauses} ${name} that the store refuses has changed nothing`, ['refuseWrites'], async (scene) => {
      scene.seesTransactions = isTransaction
      const [writer] = await prepared(scene, await scene.two())
      scene.expect('STORE_REFUSED')
      await scene.do('refuseWrites', true)
      const { code, stored } = await refused(call(writer))
      must(code !== 'CONFLICT' && stored === 'no', 'the code of a store that refuses, and `stored` no', [code, stored])
      await scene.do('refuseWrites', false)
      const { a: item, c } = Object.fromEntries((await scene.replica()).items)
      same([item, c], [before.a, undefined], 'what is there')
      if (name !== 'replaceAll') same(await call(writer), result, 'what it resolves to once the store writes again')
    })
  }
}
