/** Errors, reading only, and closing: clauses H2, H11, W7, K10. */
import { MemisError } from '../../core/errors'
import type { Cursor } from '../../core/transport'
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import { within } from '../waiting'
import type { Bench } from './bench'
import { accepted, lost, remove, set } from './writes'

/** What keeps the process from ending. Servers may be those of the setup. */
const resources = () => process.getActiveResourcesInfo().filter((name) => !name.endsWith('ServerWrap'))

export function closing(test: Define<Bench>): void {
  test(
    'H2 a store that refuses a write says so of that write, and the session goes on',
    ['refuseWrites'],
    async (bench) => {
      const [one, two] = await bench.two()
      await one.accepted(set('a', 1))
      const sessions = [await one.follow(), await two.follow()]
      const base = (await one.read()).cursor as Cursor
      await bench.do('refuseWrites', true)
      const error = await one.write([set('a', 2)]).then(
        ([outcome]) => (outcome !== undefined && 'error' in outcome ? outcome.error : outcome),
        (error) => error,
      )
      must(error instanceof MemisError, 'the write is refused with a MemisError', error)
      same(error.stored, 'no')
      await refused(one.merge(base, [lost('b', 5, 'back')]))
      await bench.do('refuseWrites', false)
      const { n } = await bench.eventually(async () => accepted((await one.write([set('a', 3)]))[0], 'a set, later'))
      for (const session of sessions) {
        await session.reached(n)
        same(session.items, { a: { value: 3 } }, 'what a watcher is told')
      }
    },
  )

  test('H11 a transport that only reads is told everything, and changes nothing', async (bench) => {
    const [one, reader] = [await bench.peer(), await bench.peer({ readOnly: true, retention: 0 })]
    const empty = await reader.follow()
    same(empty.items, {}, 'a collection that was never written')
    const { n, epoch } = await one.accepted(set('a', 1), set('b', 1), remove('b'))
    await bench.eventually(async () => {
      const { items } = await reader.read()
      same(items, { a: { value: 1 } }, 'the items that are told')
    })
    const session = await reader.follow()
    await refused(reader.write([set('a', 2)]))
    await refused(reader.merge({ epoch, n }, [lost('c', 5, 'back')]))
    await refused(reader.beginEpoch(epoch))
    const next = await one.accepted(set('d', 1))
    same(next.epoch, epoch)
    await session.reached(next.n)
    for (const { items } of [session, await one.read()])
      same(items, { a: { value: 1 }, d: { value: 1 } }, 'the items that are told')
  })

  test('H11 X4 a transport that only reads leaves the store as it is', ['countRecords'], async (bench) => {
    const reader = await bench.peer({ readOnly: true, retention: 0 })
    const before = await bench.do('countRecords', bench.id)
    const session = await reader.follow()
    await bench.pass(500)
    await reader.read(session.cursor)
    same(await bench.do('countRecords', bench.id), before, 'how many records the store keeps')
  })

  test('W7 close ends everything: no call comes later, and no timer and no socket is left', async (bench) => {
    const [one, two] = await bench.two()
    const before = await bench.eventually(resources) // waiting takes a timer, too
    const peers = [await bench.peer(), await bench.peer()]
    for (const peer of peers) {
      await peer.accepted(set('a', 1))
      await Promise.all(['items', 'b', 'c'].map((collection) => peer.follow(null, { ...bench.id, collection })))
      peer.watch() // not live yet
    }
    const written = peers.map((peer) =>
      peer.write([set('late', 1)]).then(
        () => true,
        (error) => error,
      ),
    )
    await Promise.all(peers.map((peer) => within(peer.close(), bench.patience, 'close()')))
    for (const outcome of await within(Promise.all(written), 100, 'what was in flight at close()')) {
      must(outcome === true || outcome instanceof MemisError, 'a write in flight is answered or refused', outcome)
    }
    await two.accepted(set('a', 2))
    await bench.eventually(() => {
      const left = resources()
      for (const name of new Set(left)) {
        const count = (all: string[]) => all.filter((each) => each === name).length
        must(count(left) <= count(before), `${name}: no more than before`, { before: count(before), left: count(left) })
      }
    })
    same((await one.read()).valueOf('a'), 2, 'other processes go on')
  })

  test('W7 a transport whose store is away can be closed', ['cut', 'heal'], async (bench) => {
    const [one, two] = await bench.two()
    await one.follow()
    await bench.do('cut')
    const written = one.write([set('a', 1)]).then(
      () => 'accepted',
      ({ code }) => code,
    )
    await within(one.close(), bench.patience, 'close()')
    const outcome = await within(written, 100, 'what was in flight at close()')
    must(/^(accepted|CLOSED|DISCONNECTED)$/.test(outcome), 'what was in flight settles', outcome)
    const late = await bench.unopened()
    late.open()
    await within(late.close(), bench.patience, 'close()')
    await bench.do('heal')
    await two.isUp()
  })

  test('W7 H5 a transport on a silent link can be closed', ['silence', 'heal'], async (bench) => {
    const peer = await bench.peer()
    await peer.follow()
    await bench.do('silence', peer.transport)
    const written = peer.write([set('a', 1)]).then(
      () => 'accepted',
      ({ code }) => code,
    )
    await within(peer.close(), bench.patience, 'close()')
    await within(written, 100, 'what was in flight at close()')
  })
}
