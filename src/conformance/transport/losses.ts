/** A store that lost or forked its history: clauses K7, H9. */
import { contains, currentEpoch } from '../../core/history'
import type { Cursor, Revision } from '../../core/transport'
import assert, { must, same, show } from '../assert'
import type { Define } from '../suite'
import type { Bench, Peer } from './bench'
import type { Recorder } from './recorder'
import { accepted, clear, kept, lost, mergedAt, remove, revisionOf, set, Writer } from './writes'

/** Waits until the transport is up again, and a session is live in another history than `former`. */
async function another(bench: Bench, peer: Peer, former: Recorder, from: Cursor | null): Promise<Recorder> {
  return bench.eventually(async () => {
    await peer.isUp()
    const session = await peer.follow(from)
    if (currentEpoch(session.history).id !== currentEpoch(former.history).id) return session
    session.close()
    assert.fail(`awaited: another epoch; seen: ${show(session.history)}`)
  })
}

export function losses(test: Define<Bench>): void {
  test('K7 a store that lost everything begins another epoch, which sorts later', ['lose'], async (bench) => {
    const [one, two] = await bench.two()
    const before = await one.accepted(set('a', 1), set('b', 1))
    const follower = await two.follow()
    const cursor = await follower.reached(before.n)
    await bench.do('lose')
    await follower.ended('the store lost everything')
    const session = await another(bench, two, follower, cursor)
    const { id } = currentEpoch(session.history)
    must(id > before.epoch, `the epoch sorts after ${before.epoch}`, id)
    same([session.mode, session.items], ['snapshot', {}], 'how the session begins, and what it tells')
    for (const known of [cursor, before]) {
      must(!contains(session.history, known), 'what was known is not of its history', {
        known,
        history: session.history,
      })
    }
    await one.isUp()
    const after = await one.accepted(set('c', 1))
    must(after.epoch === id, 'a write is of the new epoch', after)
    await session.reached(after.n)
    same(session.items, { c: { value: 1 } }, 'what a watcher is told')
  })

  test('K7 the first write after a loss is of another epoch, though nobody watches', ['lose'], async (bench) => {
    const one = await bench.peer()
    const before = await one.accepted(set('a', 1))
    await bench.do('lose')
    const after = await bench.eventually(async () => {
      await one.isUp()
      return one.accepted(set('b', 1))
    })
    must(after.epoch > before.epoch, `its epoch sorts after ${before.epoch}`, after)
  })

  test('K7 lost items can be merged, and later writes win', ['lose'], async (bench) => {
    const [one, two] = await bench.two()
    const writer = new Writer()
    const outcomes = await one.send(writer.batch(['a', 'b', 'c'].map((key) => set(key, 'old'))))
    const [a, b, c] = outcomes.map((outcome) => revisionOf(accepted(outcome, 'a set'))) as [
      Revision,
      Revision,
      Revision,
    ]
    const follower = await two.follow()
    await bench.do('lose')
    const session = await another(bench, two, follower, follower.cursor ?? null)
    await one.isUp()
    await one.accepted(set('b', 'new'), remove('c'))
    const base = { epoch: currentEpoch(session.history).id, n: 0 }
    const entry = (key: string, revision: Revision) => ({ key, ...revision, item: { value: 'old' }, leftMs: null })
    const merged = await two.merge(base, [entry('a', a), entry('b', b), entry('c', c)])
    mergedAt(merged[0], 'a, which the store lost')
    same(kept(merged[1], 'b, which was set since')?.item, { value: 'new' }, 'what the store keeps')
    same(kept(merged[2], 'c, which was deleted since')?.item, null, 'what the store keeps')
    const { newest, items } = await one.read()
    same(items, { a: { value: 'old' }, b: { value: 'new' } }, 'the items that are told')
    same(revisionOf(newest.get('a') as never), a, 'the revision of what was merged')
  })

  test('K7 a store that was rolled back begins another epoch after what is left', ['backUp'], async (bench) => {
    const [one, two] = await bench.two()
    const kept = await one.accepted(set('a', 1), set('b', 1))
    const follower = await two.follow()
    const early = await follower.reached(kept.n)
    const restore = await bench.do('backUp')
    const gone = await one.accepted(set('a', 2), remove('b'), set('c', 1))
    const cursor = await follower.reached(gone.n)
    await restore()
    await follower.ended('the store was rolled back')
    const session = await another(bench, two, follower, cursor)
    const { id, floor } = currentEpoch(session.history)
    must(id > gone.epoch, `the epoch sorts after ${gone.epoch}`, id)
    must(floor >= kept.n && floor < gone.n, `it began after the place ${kept.n}, before ${gone.n}`, session.history)
    for (const known of [early, kept]) must(contains(session.history, known), 'what was kept is of its history', known)
    for (const known of [cursor, gone]) must(!contains(session.history, known), 'what was lost is not', known)
    same(
      [session.mode, session.items],
      ['snapshot', { a: { value: 1 }, b: { value: 1 } }],
      'how the session begins, and what it tells',
    )
    const resumed = await two.read(early)
    same(
      Object.keys(resumed.items),
      resumed.mode === 'delta' ? [] : ['a', 'b'],
      'what a replica is told that was away since before the copy',
    )
    await one.isUp()
    const after = await one.accepted(set('d', 1))
    must(after.epoch === id && after.n > floor, 'places are counted on', { after, floor })
  })

  test('K7 W4 a batch that was lost is accepted when it is repeated', ['backUp'], async (bench) => {
    const one = await bench.peer()
    const writer = new Writer()
    await one.send(writer.batch([set('a', 1)]))
    const restore = await bench.do('backUp')
    const batch = writer.batch([set('a', 2)])
    const before = accepted((await one.send(batch))[0], 'a set')
    await restore()
    const after = await bench.eventually(async () => {
      await one.isUp()
      return accepted((await one.send(batch))[0], 'the set, again')
    })
    must(after.epoch > before.epoch, 'it is of the new epoch', { before, after })
    same((await one.read()).items, { a: { value: 2 } }, 'what a joiner is told')
  })

  test('K7 each loss begins another epoch, and the history tells all that are left', ['backUp'], async (bench) => {
    const [one, two] = await bench.two()
    const epochs = [(await one.accepted(set('a', 0))).epoch]
    for (let round = 1; round <= 3; round++) {
      const follower = await two.follow()
      const restore = await bench.do('backUp')
      await follower.reached((await one.accepted(set('a', round), set('b', round))).n)
      await restore()
      await follower.ended('the store was rolled back')
      const session = await another(bench, two, follower, follower.cursor ?? null)
      epochs.push(currentEpoch(session.history).id)
      same(epochs, [...new Set(epochs)].sort(), 'the epochs sort by when they began')
      same(
        session.history.map(({ id }) => id),
        epochs,
        'the history that a session is told',
      )
      await one.isUp()
      await one.accepted(set(`round ${round}`, round))
    }
  })

  test('K7 beginEpoch: the epoch that goes on sorts later, and what it has is counted to it', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await one.follow()
    const { epoch, n } = await one.accepted(set('a', 1))
    const merged = await one.merge({ epoch, n }, [lost('merged', 5, 'back')])
    await follower.reached(mergedAt(merged[0], 'a lost entry').n)
    await bench.pass(10)
    const after = (await (await (await bench.elsewhere()).peer()).accepted(set('a', 1))).epoch
    must(after > epoch, 'the epoch of a store that was made later sorts later', { epoch, after })
    same(await two.beginEpoch(after), true, 'what beginEpoch resolves to')
    await follower.ended('another epoch began')
    const renamed = await two.read()
    const { id, floor } = currentEpoch(renamed.history)
    must(id > after, `the epoch sorts after ${after}`, id)
    same([floor, renamed.history.length], [0, 1], 'where it began, and how many epochs there are')
    same(renamed.items, { a: { value: 1 }, merged: { value: 'back' } }, 'what a watcher is told')
    const told = ['a', 'merged'].map((key) => renamed.newest.get(key))
    same(told[0] && revisionOf(told[0]), { epoch: id, n }, 'what was written since counts to the later epoch')
    same(
      told[1] && [told[1].epoch, told[1].place?.epoch],
      [lost('', 5, 0).epoch, id],
      'what was merged keeps its revision',
    )
    const next = await one.accepted(set('b', 1))
    same(next.epoch, id)
    for (const known of [after, id]) {
      same(await two.beginEpoch(known), true, 'what beginEpoch resolves to')
      same((await two.read()).history, renamed.history, `nothing changes if it is asked for one after ${known}`)
    }
  })

  test(
    'K7 an emptied store whose clock is behind begins a later epoch when it is asked to',
    ['loseWithClockBehind'],
    async (bench) => {
      const [one, two] = await bench.two()
      const before = await one.accepted(set('a', 'old'))
      const follower = await two.follow()
      const stranger = await bench.peer() // it knows nothing of the lost epoch
      await bench.do('loseWithClockBehind')
      await bench.eventually(async () => {
        await stranger.isUp()
        await stranger.accepted(set('a', 'new'))
      })
      await follower.ended('the store lost everything')
      const session = await another(bench, two, follower, follower.cursor ?? null)
      const isEarly = currentEpoch(session.history).id < before.epoch
      same(await two.beginEpoch(before.epoch), true, 'what beginEpoch resolves to')
      // A store may have begun a later epoch by itself, since a client told it of the lost one.
      if (isEarly) await session.ended('another epoch began')
      const later = await two.follow()
      const { id } = currentEpoch(later.history)
      must(id > before.epoch, `the epoch sorts after ${before.epoch}`, id)
      const told = later.newest.get('a')
      same([told?.epoch, told?.item], [id, { value: 'new' }], 'what was written since counts to the later epoch')
      const entry = { key: 'a', ...revisionOf(before), item: { value: 'old' }, leftMs: null }
      const [merged] = await two.merge({ epoch: id, n: 0 }, [entry])
      same(
        kept(merged, 'what was written since wins over what was lost')?.item,
        { value: 'new' },
        'what the store keeps',
      )
      same(await two.beginEpoch(before.epoch), true, 'what beginEpoch resolves to')
      const again = await two.read()
      must(currentEpoch(again.history).id > before.epoch, 'asking twice does no harm', again.history)
      same(again.items, { a: { value: 'new' } }, 'what a watcher is told')
    },
  )

  test('K7 H9 an epoch that is malformed or far ahead of the store’s clock is refused', async (bench) => {
    const one = await bench.peer()
    await one.accepted(set('a', 1))
    const before = await one.read()
    const { id } = currentEpoch(before.history)
    const far = [id.replace(/\d/g, '9'), id.replace(/[\da-f]/g, 'f')] // of the store's own form, or nearly so
    const odd = [
      ...far,
      '',
      ' ',
      '\0',
      'a b',
      'é',
      'x'.repeat(101),
      '~'.repeat(100),
      'zzzz',
      '9'.repeat(15),
      '9'.repeat(100),
    ]
    for (const after of odd) {
      const isBegun = await one.beginEpoch(after)
      // Nothing need be done for an id that sorts before the one that goes on.
      if (after > id) same(isBegun, false, `beginEpoch(${JSON.stringify(after)})`)
    }
    const { history, items } = await one.read()
    same([history, items], [before.history, { a: { value: 1 } }], 'nothing has changed')
  })

  test(
    'K7 an item that vanished is told as lost, and can be merged with its own revision',
    ['evict'],
    async (bench) => {
      const [one, two] = await bench.two()
      const { epoch, n } = await one.accepted(set('a', 1))
      const other = await one.accepted(set('b', 1))
      const follower = await two.follow()
      await bench.do('evict', bench.id, 'a')
      // It may be found while the session goes on, or end it.
      const lost = await bench.inTime(250, async () => {
        const told = [follower.newest.get('a'), (await two.read()).newest.get('a')].find((entry) => entry?.isLost)
        must(told !== undefined, 'awaited: the entry is told with isLost', follower.newest.get('a'))
        return told
      })
      same([revisionOf(lost), lost.item ?? undefined], [{ epoch, n }, undefined], 'what is told of it')
      const entry = { key: 'a', epoch, n, item: { value: 1 }, leftMs: null }
      const place = mergedAt((await two.merge({ epoch, n: other.n }, [entry]))[0], 'the item that vanished')
      must(place.n > other.n, 'it takes a new place', place)
      const back = (await one.read()).newest.get('a')
      same([back?.item, back && revisionOf(back), back?.place], [{ value: 1 }, { epoch, n }, place])
      accepted((await one.write([set('a', 2, { if: { epoch, n } })]))[0], 'a set with the revision that it kept')
    },
  )

  test('K7 W5 the tombstones of a clear that the store lost can be merged', ['backUp'], async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1))
    const restore = await bench.do('backUp')
    const follower = await two.follow()
    const cleared = await one.accepted(clear)
    const cursor = await follower.reached(cleared.n)
    const gone = follower.newest.get('a')
    must(gone?.item === null, 'the clear is told', gone)
    await restore()
    const session = await another(bench, two, follower, cursor)
    const base = { epoch: session.history.at(-2)?.id as string, n: currentEpoch(session.history).floor }
    mergedAt((await two.merge(base, [gone]))[0], 'the tombstone of the clear that was lost')
    same((await two.read()).items, {}, 'what a joiner is told')
  })
}
