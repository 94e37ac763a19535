/** Putting back what the store lost: clauses K7, C1. */
import type { Cursor, Entry } from '../../core/transport'
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import type { Bench, Peer } from './bench'
import {
  accepted,
  check,
  clear,
  kept,
  lost,
  lostRevision,
  lostTombstone,
  mergedAt,
  remove,
  revisionOf,
  set,
  Writer,
} from './writes'

/** A writer, and a replica that followed the store until now. */
async function stage(bench: Bench) {
  const [one, two] = await bench.two()
  await one.accepted(set('first', 0))
  const follower = await two.follow()
  const base = (await follower.reached(1)) as Cursor
  /** Merges one entry by a replica that followed until the beginning of the case. */
  const merge = async (entry: Entry, peer: Peer = one) => (await peer.merge(base, [entry]))[0]
  return { one, two, follower, base, merge }
}

const ids = (list: readonly (Entry | undefined)[]) => list.map((entry) => entry && revisionOf(entry))

export function merging(test: Define<Bench>): void {
  test('K7 C1 an entry of which the store knows nothing is accepted: it keeps its revision and takes a new place', async (bench) => {
    const { one, two, follower, base } = await stage(bench)
    const entries = [lost('a', 5, 'back'), lostTombstone('gone', 6), lost('timed', 7, 'back', 600_000)]
    const places = (await one.merge(base, entries)).map((merged) => mergedAt(merged, 'a lost entry'))
    for (const { epoch, n } of places) {
      must(epoch === base.epoch && n > base.n, 'its place is a new one of the current epoch', { epoch, n, base })
    }
    const fence = await one.accepted(set('fence', 1))
    must(
      places.every(({ n }) => n < fence.n),
      'a later write has a later place',
      { places, fence },
    )
    await follower.reached(fence.n)
    const joiner = await two.read()
    const resumed = await two.read(base)
    same(resumed.mode, 'delta', 'how a session begins that was there before the merge')
    for (const [who, { newest }] of Object.entries({
      'a watcher': follower,
      'a joiner': joiner,
      'a resumed session': resumed,
    })) {
      const [back, timed] = [newest.get('a'), newest.get('timed')]
      same([back?.item, timed?.item], [{ value: 'back' }, { value: 'back' }], `what ${who} is told`)
      same(ids([back, timed]), [lostRevision(5), lostRevision(7)], `the revisions that ${who} is told`)
      same([back?.place, timed?.place], [places[0], places[2]], `the places that ${who} is told`)
      must(Number(timed?.leftMs) <= 600_001 && Number(timed?.leftMs) > 500_000, 'the time that is left', timed)
    }
    for (const { newest } of [follower, resumed]) {
      const gone = newest.get('gone')
      same([gone?.item, gone && revisionOf(gone), gone?.cause], [null, lostRevision(6), 'delete'], 'a tombstone')
    }
  })

  test('K7 the newer of two entries stays, whichever is merged first', async (bench) => {
    const { one, merge } = await stage(bench)
    const orders: [string, Entry, Entry][] = [
      ['items', lost('items', 7, 'new'), lost('items', 6, 'old')],
      [
        'a tombstone over an item',
        lostTombstone('a tombstone over an item', 7),
        lost('a tombstone over an item', 6, 'old'),
      ],
      [
        'an item over a tombstone',
        lost('an item over a tombstone', 7, 'new'),
        lostTombstone('an item over a tombstone', 6),
      ],
    ]
    for (const [key, newer, older] of orders) {
      mergedAt(await merge(newer), `${key}, the newer one first`)
      const current = kept(await merge(older), `${key}, then the older one`)
      same(
        [current?.item ?? null, current && revisionOf(current)],
        [newer.item, revisionOf(newer)],
        'what the store keeps',
      )
    }
    for (const [key, newer, older] of orders) {
      const rename = (entry: Entry) => ({ ...entry, key: `${key}, again` })
      mergedAt(await merge(rename(older)), `${key}, the older one first`)
      mergedAt(await merge(rename(newer)), `${key}, then the newer one`)
    }
    const { items } = await one.read()
    const expected = ['items', 'items, again', 'an item over a tombstone', 'an item over a tombstone, again']
    same(
      items,
      { first: { value: 0 }, ...Object.fromEntries(expected.map((key) => [key, { value: 'new' }])) },
      'the items that are told',
    )
  })

  test('K7 a merge that is repeated changes nothing', async (bench) => {
    const { one, two, follower, base } = await stage(bench)
    const entries = [lost('a', 5, 'back'), lostTombstone('gone', 6), lost('b', 7, 'back')]
    await one.merge(base, entries)
    await two.accepted(set('b', 'newer'))
    for (const peer of [one, two]) {
      const answers = await peer.merge(base, entries)
      const current = kept(answers[2], 'the key was written since')
      same((current?.item as { value?: unknown })?.value, 'newer')
      for (const [i, merged] of answers.slice(0, 2).entries()) {
        if ('current' in merged) same(merged.current && revisionOf(merged.current), revisionOf(entries[i] as Entry))
      }
    }
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { newest, items } of [follower, await two.read()]) {
      same(Object.keys(items).sort(), ['a', 'b', 'fence', 'first'], 'the items that are told')
      same(revisionOf(newest.get('a') as Entry), lostRevision(5))
    }
  })

  test('K7 a write of the current epoch wins over what is merged', async (bench) => {
    const { one, two, merge, follower } = await stage(bench)
    const written = await one.accepted(set('set', 'new'))
    await one.accepted(set('deleted', 'new'), remove('deleted'))
    const current = kept(await merge(lost('set', 9, 'old'), two), 'the key was set since')
    same(
      [current?.item, current && revisionOf(current)],
      [{ value: 'new' }, revisionOf(written)],
      'what the store keeps',
    )
    const gone = kept(await merge(lost('deleted', 9, 'old'), two), 'the key was deleted since')
    same(gone?.item, null)
    same(
      kept(await merge(lostTombstone('set', 9), two), 'a lost tombstone')?.item,
      { value: 'new' },
      'what the store keeps',
    )
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await two.read()]) {
      same(items, { first: { value: 0 }, set: { value: 'new' }, fence: { value: 1 } }, 'the items that are told')
    }
  })

  test('K7 a delete that found nothing wins over what is merged later', async (bench) => {
    const { one, two, merge, follower } = await stage(bench)
    same((await one.accepted(remove('a'))).existed, false, 'whether the delete found an item')
    kept(await merge(lost('a', 5, 'old'), two), 'it was deleted while the store did not have it')
    // Also if a merged tombstone says the same already: another replica may know a later item.
    mergedAt(await merge(lostTombstone('b', 5)), 'a lost tombstone')
    same((await two.accepted(remove('b'))).existed, false, 'whether the delete found an item')
    kept(await merge(lost('b', 7, 'old')), 'it was deleted over a merged tombstone')
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await two.read()])
      same(Object.keys(items).sort(), ['fence', 'first'], 'the items that are told')
  })

  test('K7 W5 a clear wins over what is merged later', async (bench) => {
    const { one, two, merge, follower } = await stage(bench)
    mergedAt(await merge(lost('a', 5, 'old')), 'before the clear')
    await one.accepted(clear)
    for (const entry of [lost('a', 6, 'old'), lost('b', 7, 'old'), lostTombstone('c', 8)]) {
      kept(await merge(entry, two), `${entry.key} is older than the clear`)
    }
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await two.read()])
      same(items, { fence: { value: 1 } }, 'the items that are told')
  })

  test('K7 X1 a merged item expires when its time is over, and is known to be gone by its revision', async (bench) => {
    const { one, two, merge, base } = await stage(bench)
    mergedAt(await merge(lost('a', 5, 'back', 100)), 'a lost item')
    await bench.pass(110)
    await bench.inTime(50, async () => same(Object.keys((await one.read()).items), ['first'], 'the keys that are left'))
    const tombstone = await bench.inTime(50, async () => {
      const told = (await two.read(base)).newest.get('a')
      must(told?.item === null, 'awaited: a session that resumes is told that it is gone', told)
      return told
    })
    same(tombstone.cause, 'expire')
    kept(await merge(lost('a', 4, 'older')), 'an older version')
    mergedAt(await merge(lost('a', 7, 'newer')), 'a newer version of the lost history')
    same((await two.read()).valueOf('a'), 'newer')
  })

  test('K7 a merge whose time is over brings nothing back', async (bench) => {
    const { one, two, merge } = await stage(bench)
    await merge(lost('a', 5, 'back', 1))
    await bench.pass(10)
    await bench.inTime(50, async () => same(Object.keys((await two.read()).items), ['first'], 'the keys that are left'))
    same((await one.accepted(remove('a'))).existed, false, 'whether the delete found an item')
  })

  test('C1 C2 a condition may name the revision of a merged item', async (bench) => {
    const { one, two, merge } = await stage(bench)
    for (const key of ['set', 'deleted', 'wrong']) mergedAt(await merge(lost(key, 5, 'back')), key)
    const place = (await two.read()).newest.get('set')?.place
    must(place !== undefined, 'a merged entry is told with its place', place)
    const [byPlace] = await one.write([set('set', 2, { if: place })])
    must(byPlace && 'conflict' in byPlace, 'the place is not the revision', byPlace)
    accepted((await one.write([set('set', 2, { if: lostRevision(5) })]))[0], 'a set')
    same(
      accepted((await one.write([remove('deleted', { if: lostRevision(5) })]))[0], 'a delete').existed,
      true,
      'whether the delete found an item',
    )
    const [conflicted] = await one.write([set('wrong', 2, { if: lostRevision(6) })])
    const current = conflicted && 'conflict' in conflicted ? conflicted.conflict : undefined
    same(current && revisionOf(current), lostRevision(5), 'the revision of the entry that it conflicts with')
    same(
      (await two.read()).items,
      { first: { value: 0 }, set: { value: 2 }, wrong: { value: 'back' } },
      'what a joiner is told',
    )
  })

  test('C1 C7 a check may name the revision of a merged item', async (bench) => {
    const { one, merge } = await stage(bench)
    mergedAt(await merge(lost('a', 5, 'back')), 'a lost item')
    const batch = new Writer().atomic([check('a', lostRevision(5)), set('b', 1)])
    for (const outcome of await one.send(batch)) accepted(outcome, 'the batch')
  })

  test('K7 a merge may have 500 entries, and answers each', async (bench) => {
    const { one, two, follower, base } = await stage(bench)
    await one.accepted(set('key 7', 'newer'))
    const entries = Array.from({ length: 500 }, (_, i) => lost(`key ${i}`, i + 1, i))
    const answers = await one.merge(base, entries)
    same(
      answers.flatMap((merged, i) => ('current' in merged ? [i] : [])),
      [7],
      'which entries the store did not accept',
    )
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { items } of [follower, await two.read()]) {
      same(Object.keys(items).length, 502, 'the items that are told')
      same([items['key 7'], items['key 499']], [{ value: 'newer' }, { value: 499 }])
    }
  })

  test('K7 two replicas that merge the same at once end with the newest of each key', async (bench) => {
    const { one, two, follower, base } = await stage(bench)
    const entries = (offset: number) =>
      Array.from({ length: 50 }, (_, i) => lost(`key ${i}`, 10 + ((i + offset) % 2), (i + offset) % 2))
    await Promise.all([one.merge(base, entries(0)), two.merge(base, entries(1))])
    const { n } = await one.accepted(set('fence', 1))
    await follower.reached(n)
    for (const { newest } of [follower, await one.read()]) {
      for (let i = 0; i < 50; i++) same(newest.get(`key ${i}`)?.item, { value: 1 }, `key ${i}`)
    }
  })

  test('K7 a merge is not answered while the store is away', ['cut', 'heal'], async (bench) => {
    const { one, two, base } = await stage(bench)
    await bench.do('cut', one.transport)
    await one.isDown()
    await refused(one.merge(base, [lost('a', 5, 'back')]), 'DISCONNECTED')
    await bench.do('heal', one.transport)
    await one.isUp()
    await one.merge(base, [lost('a', 5, 'back')])
    same((await two.read()).valueOf('a'), 'back')
  })
}
