/** Conditions, and atomic batches: clauses C1, C2, C5, C7. */
import type { Entry, Revision } from '../../core/transport'
import { must, same } from '../assert'
import type { Define } from '../suite'
import type { Bench } from './bench'
import { accepted, check, conflict, remove, revisionOf, set, Writer } from './writes'

/** A revision that was never of the key. */
const other = ({ epoch, n }: Revision): Revision[] => [
  { epoch, n: n + 1 },
  { epoch, n: n - 1 },
  { epoch: '0000000000000-other', n },
  { epoch, n: 0 },
]

const shown = (entry: Entry | null) =>
  entry && { key: entry.key, ...revisionOf(entry), item: entry.item, leftMs: entry.leftMs }

export function conditions(test: Define<Bench>): void {
  test('C2 if: null writes if there is no item, and else conflicts with the item', async (bench) => {
    const [one, two] = await bench.two()
    const first = accepted((await one.write([set('a', 1, { if: null })]))[0], 'nothing was ever there')
    const current = conflict((await two.write([set('a', 2, { if: null })]))[0], 'an item is there')
    same(
      shown(current),
      { key: 'a', ...revisionOf(first), item: { value: 1 }, leftMs: null },
      'the entry that it conflicts with',
    )
    await one.accepted(remove('a'))
    accepted((await two.write([set('a', 3, { if: null })]))[0], 'the item was deleted')
    await one.accepted(set('timed', 1, { ttlMs: 100 }))
    await bench.pass(110)
    accepted((await two.write([set('timed', 2, { if: null })]))[0], 'the item has expired')
    same((await one.read()).items, { a: { value: 3 }, timed: { value: 2 } }, 'what a joiner is told')
  })

  test('C2 if: revision writes if the item has that revision, and else conflicts with what is there', async (bench) => {
    const [one, two] = await bench.two()
    const first = await one.accepted(set('a', 1))
    for (const wrong of other(first)) {
      const current = conflict((await two.write([set('a', 2, { if: wrong })]))[0], `if ${wrong.epoch}.${wrong.n}`)
      same(
        shown(current),
        { key: 'a', ...revisionOf(first), item: { value: 1 }, leftMs: null },
        'the entry that it conflicts with',
      )
    }
    const second = accepted((await two.write([set('a', 2, { if: revisionOf(first) })]))[0], 'the right revision')
    must(second.n > first.n, 'it takes a new place', second)
    conflict((await one.write([set('a', 3, { if: revisionOf(first) })]))[0], 'the revision before')
    conflict((await one.write([remove('a', { if: revisionOf(first) })]))[0], 'a delete with the revision before')
    same(
      accepted((await one.write([remove('a', { if: revisionOf(second) })]))[0], 'a delete').existed,
      true,
      'whether the delete found an item',
    )
    for (const condition of [first, second].map(revisionOf)) {
      const current = conflict((await one.write([set('a', 4, { if: condition })]))[0], 'the item was deleted')
      must(current === null || current.item === null, 'there is a tombstone, or nothing', current)
    }
    const never = conflict((await one.write([set('never', 1, { if: revisionOf(first) })]))[0], 'nothing was ever there')
    same(never, null)
    same((await two.read()).items, {}, 'what a joiner is told')
  })

  test('C2 a conflict writes nothing, and the other writes of its batch take effect', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    const { epoch, n } = await one.accepted(set('a', 1))
    const stale = { epoch, n: n - 1 }
    const outcomes = await one.write([
      ...[set('before', 1), set('a', 2, { if: stale }), remove('a', { if: stale }), set('a', 3, { if: { epoch, n } })],
      ...[set('a', 4, { if: { epoch, n } }), set('after', 1)],
    ])
    for (const i of [0, 3, 5]) accepted(outcomes[i], `write ${i}`)
    for (const i of [1, 2]) same(conflict(outcomes[i], `write ${i}`)?.n, n)
    same(conflict(outcomes[4], 'write 4')?.n, accepted(outcomes[3], 'write 3').n, 'it conflicts with the one before it')
    const last = accepted(outcomes[5], 'write 5').n
    await follower.reached(last)
    same(follower.valuesOf('a').at(-1), 3, 'what a watcher is told')
    must(![2, 4].some((value) => follower.valuesOf('a').includes(value)), 'no conflict is told', follower.valuesOf('a'))
    same(
      (await one.read()).items,
      { before: { value: 1 }, a: { value: 3 }, after: { value: 1 } },
      'what a joiner is told',
    )
  })

  test('C2 if twenty write on the condition that there is no item, one wins', async (bench) => {
    const peers = await bench.two()
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (peers[i % 2] as (typeof peers)[0]).send(new Writer().batch([set(`key ${round}`, i, { if: null })])),
        ),
      )
      const winners = outcomes.flatMap(([outcome], i) => (outcome && 'n' in outcome ? [i] : []))
      same(winners.length, 1, 'how many writes were accepted')
      same((await peers[0].read()).valueOf(`key ${round}`), winners[0], 'whose item it is')
    }
  })

  test('C5 C2 eight writers that increment a number by compare and set lose no step', async (bench) => {
    const peers = await bench.two()
    await peers[0].accepted(set('count', 0))
    const steps = 10
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const peer = peers[i % 2] as (typeof peers)[0]
        const writer = new Writer()
        let current = (await peer.read()).newest.get('count') as Entry
        for (let done = 0; done < steps; ) {
          const next = (current.item as { value: number }).value + 1
          const [outcome] = await peer.send(writer.batch([set('count', next, { if: revisionOf(current) })]))
          if (outcome !== undefined && 'n' in outcome) {
            done++
            current = { ...current, ...revisionOf(outcome), item: { value: next } }
          } else current = conflict(outcome, 'a step') as Entry
        }
      }),
    )
    same((await peers[1].read()).valueOf('count'), 8 * steps, 'the value that is told')
  })

  test("C4 ttlMs 'keep' keeps the time that the item has left", async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    await one.write([set('timed', 1, { ttlMs: 600_000 }), set('untimed', 1)])
    await bench.pass(100)
    const outcomes = await one.write(['timed', 'untimed', 'absent'].map((key) => set(key, 2, { ttlMs: 'keep' })))
    const [timed, untimed, absent] = outcomes.map((outcome) => accepted(outcome, 'a set that keeps the ttl'))
    const isKept = (leftMs: unknown) => typeof leftMs === 'number' && leftMs <= 599_950 && leftMs > 500_000
    must(isKept(timed?.leftMs), 'the answer gives the time that is left, about 599,900 ms', timed)
    same([untimed?.leftMs ?? null, absent?.leftMs ?? null], [null, null], 'nothing to keep')
    await follower.reached(absent?.n)
    for (const { newest } of [follower, await two.read()]) {
      const told = ['timed', 'untimed', 'absent'].map((key) => newest.get(key))
      same(
        told.map((entry) => (entry?.item as { value?: unknown })?.value),
        [2, 2, 2],
      )
      must(isKept(told[0]?.leftMs), 'the time that is left is told', told[0])
      same([told[1]?.leftMs, told[2]?.leftMs], [null, null])
    }
  })

  test('C7 an atomic batch is written if all conditions hold, and told as one', async (bench) => {
    const [one, two] = await bench.two()
    const a = await one.accepted(set('a', 1))
    const checked = await one.accepted(set('checked', 1))
    const follower = await two.follow()
    const batch = new Writer().atomic([
      ...[set('a', 2, { if: revisionOf(a) }), set('b', 2, { if: null }), check('checked', revisionOf(checked))],
      ...[check('absent', null), remove('a too'), set('c', 2)],
    ])
    const outcomes = (await one.send(batch)).map((outcome) => accepted(outcome, 'a write of the batch'))
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await two.read()]) {
      const expected = { a: { value: 2 }, b: { value: 2 }, c: { value: 2 }, checked: { value: 1 }, fence: { value: 1 } }
      same(items, expected, 'the items that are told')
    }
    const lists = follower.lists.slice(1).filter(({ entries }) => entries.some(({ key }) => 'abc'.includes(key)))
    same(
      lists.map(({ entries, isAtomic }) => [
        entries.flatMap(({ key }) => ('abc'.includes(key) ? key : [])).sort(),
        isAtomic,
      ]),
      [[['a', 'b', 'c'], true]],
      'the lists of entries that told the batch, and whether each is atomic',
    )
    const again = (await two.send(batch)).map((outcome) => accepted(outcome, 'the batch, again'))
    same(
      again.filter((_, i) => i !== 3 && i !== 2 && i !== 4).map(revisionOf),
      [0, 1, 5].map((i) => revisionOf(outcomes[i] as never)),
    )
    same(follower.newest.get('checked')?.n, checked.n, 'a check writes nothing')
  })

  test('C7 nothing of an atomic batch is written if one condition fails', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    const { epoch, n } = await one.accepted(set('a', 1))
    const stale = { epoch, n: n - 1 }
    const batches = [
      [set('b', 1), set('a', 2, { if: stale }), set('c', 1)],
      [set('b', 1), check('a', null), remove('c')],
      [set('b', 1), check('a', stale), set('c', 1, { if: null })],
      [set('b', 1), remove('a', { if: stale }), set('c', 1)],
      [set('b', 1), set('a', 2, { if: null }), set('c', 1)],
    ]
    for (const writes of batches) {
      const batch = new Writer().atomic(writes)
      for (const [first, second, third] of [await one.send(batch), await two.send(batch)]) {
        same(shown(conflict(second, 'the write whose condition fails')), {
          key: 'a',
          epoch,
          n,
          item: { value: 1 },
          leftMs: null,
        })
        for (const outcome of [first, third]) must(outcome && 'aborted' in outcome, 'the others are aborted', outcome)
      }
    }
    const fence = await one.accepted(set('fence', 1))
    await follower.reached(fence.n)
    for (const { items } of [follower, await one.read()])
      same(items, { a: { value: 1 }, fence: { value: 1 } }, 'the items that are told')
    same(follower.valuesOf('b'), [], 'what a watcher is told')
  })

  test('C7 nobody sees a part of an atomic batch, not even a joiner', async (bench) => {
    const [one, two] = await bench.two()
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    const rounds = 20
    const whole = (recorder: Awaited<ReturnType<typeof two.follow>>, when: string) => {
      const values = new Set(keys.map((key) => recorder.valueOf(key)))
      must(values.size === 1, `${when}, all keys have the value of one batch`, values)
    }
    const follower = await two.follow()
    follower.onEntries = () => {
      if (follower.lists.length > 1) whole(follower, 'after each list of entries')
    }
    let last = 0
    const writing = (async () => {
      const writer = new Writer()
      for (let round = 0; round < rounds; round++) {
        const outcomes = await one.send(writer.atomic(keys.map((key) => set(key, round))))
        last = accepted(outcomes[0], 'an atomic batch').n
      }
    })()
    for (let i = 0; i < 10; i++) {
      const joiner = two.watch()
      joiner.onEntries = () => {
        if (joiner.cursor !== undefined) whole(joiner, 'once a joiner is live')
      }
      await joiner.reached()
      whole(joiner, 'when a joiner becomes live')
    }
    await writing
    await follower.reached(last)
    same(follower.valueOf('key 0'), rounds - 1, 'what a watcher is told')
  })

  test('C7 an atomic batch may have 500 writes', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    const writes = Array.from({ length: 500 }, (_, i) => set(`key ${i}`, i, { if: null }))
    const outcomes = await one.send(new Writer().atomic(writes))
    for (const outcome of outcomes) accepted(outcome, 'a write of the batch')
    await follower.reached(accepted(outcomes[0], 'the first').n)
    await follower.until('500 items', () => Object.keys(follower.items).length === 500)
    const told = follower.lists.filter(({ entries }) => entries.length > 0)
    same(
      told.map(({ entries, isAtomic }) => [entries.length, isAtomic]),
      [[500, true]],
    )
  })
}
