/** A link that breaks or falls silent, and the proof that a session is current: clauses K2, K3, K9, H6. */
import { isPermanent } from '../../core/errors'
import { must, refused, same, show } from '../assert'
import type { Define } from '../suite'
import { pause } from '../waiting'
import type { Bench, Peer } from './bench'
import type { Recorder } from './recorder'
import { set } from './writes'

const codes = (peer: Peer) => peer.downs.map(({ code }) => code)

export function link(test: Define<Bench>): void {
  test('K3 K2 a link that breaks ends the sessions, and is told', ['cut', 'heal'], async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1))
    const sessions = [await two.follow(), await two.follow(null, { ...bench.id, collection: 'other' })]
    await bench.do('cut', two.transport)
    await two.isDown()
    for (const session of sessions) {
      const error = await session.ended('the link broke')
      must(!isPermanent(error), 'the fault passes by itself', error.code)
    }
    must(
      two.downs.every((error) => !isPermanent(error)),
      'the fault passes by itself',
      codes(two),
    )
    same(one.state, 'up', 'the other process')
    await one.accepted(set('a', 2))
    const error = await refused(two.write([set('b', 1)]), 'DISCONNECTED')
    must(error.stored === 'no' || error.stored === undefined || error.stored === 'unknown', 'stored', error.stored)
    await bench.do('heal', two.transport)
    await two.isUp()
    const back = await two.follow(sessions[0]?.cursor)
    same([back.mode, back.valueOf('a')], ['delta', 2], 'what is told on return')
    await two.accepted(set('b', 2))
    same((await one.read()).valueOf('b'), 2, 'the value that is told')
  })

  test('K8 a transport whose store is away goes on trying, and is up when it comes', ['cut', 'heal'], async (bench) => {
    await bench.do('cut')
    const peer = await bench.unopened()
    peer.open()
    await bench.eventually(() => must(peer.downs.length > 0, 'awaited: host.down(error)', show(peer.state)))
    must(
      peer.downs.every((error) => !isPermanent(error)),
      'the fault passes by itself',
      codes(peer),
    )
    same(peer.ups, 0)
    await bench.do('heal')
    await peer.isUp()
    await peer.accepted(set('a', 1))
  })

  test('K9 a transport whose store is away tries less and less often', ['cut', 'heal'], async (bench) => {
    const peer = await bench.peer()
    await bench.do('cut')
    await peer.isDown()
    const before = peer.downs.length
    await pause(3000)
    const tries = peer.downs.length - before
    must(tries <= 30, 'in 3 s, host.down is called at most 30 times', tries)
    await bench.do('heal')
    await peer.isUp()
  })

  test('K9 outage after outage, the transport is back each time', ['cut', 'heal'], async (bench) => {
    const [one, two] = await bench.two()
    let session: Recorder | undefined
    for (let i = 1; i <= 5; i++) {
      session = await two.follow(session?.cursor ?? null)
      await bench.do('cut', two.transport)
      const { n } = await one.accepted(set('a', i))
      await session.ended('the link broke')
      await bench.do('heal', two.transport)
      await two.isUp()
      const back = await two.follow(session.cursor ?? null)
      await back.reached(n)
      same([back.valueOf('a'), two.ups], [i, i + 1], 'the value that is told')
      back.close()
    }
  })

  test('K2 a link that falls silent is noticed within livenessTimeout', ['silence', 'heal'], async (bench) => {
    const peer = await bench.peer({ livenessTimeout: 1000 })
    const session = await peer.follow()
    await bench.do('silence', peer.transport)
    await pause(100) // what was in flight has arrived
    const { lives } = session
    const started = performance.now()
    await session.ended('the link is silent')
    const took = performance.now() - started
    must(took < 2500, 'within livenessTimeout (1000 ms), on a busy machine within 2500', took)
    same(session.lives, lives, 'how often live was called without proof')
    await peer.isDown()
    await bench.do('heal', peer.transport)
    await peer.isUp()
    await peer.accepted(set('a', 1))
  })

  test(
    'K2 a transport that is opened on a silent link says so, and is up later',
    ['silence', 'heal'],
    async (bench) => {
      const peer = await bench.unopened({ livenessTimeout: 1000 })
      await bench.do('silence', peer.transport)
      peer.open()
      await bench.eventually(() => must(peer.downs.length > 0, 'awaited: host.down(error)', peer.state))
      same(peer.ups, 0)
      await bench.do('heal', peer.transport)
      await peer.isUp()
    },
  )

  test('K2 H6 live is called again and again, with proof from the store', async (bench) => {
    const [one, two] = [await bench.peer(), await bench.peer({ livenessTimeout: 1000 })]
    if (two.transport.isLocal) return
    const { n } = await one.accepted(set('a', 1))
    const session = await two.follow()
    await session.reached(n)
    let last = performance.now()
    let longest = 0
    let { lives } = session
    while (session.lives < lives + 4 || performance.now() - last > 2000) {
      const before = session.lives
      await bench.eventually(() =>
        must(session.lives > before, 'awaited: live(), though nothing changes', session.cursor),
      )
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
      if (session.lives > lives + 4) lives = session.lives - 4
    }
    must(
      longest < 1000,
      'live() is called at least each livenessTimeout / 2 (500 ms), on a busy machine each 1000',
      longest,
    )
    same([session.error, session.cursor?.n], [undefined, n])
  })

  test('K1 K2 a notification that was lost is made up for', ['dropNotification'], async (bench) => {
    const [one, two] = await bench.two()
    let session = await two.follow()
    for (let i = 1; i <= 3; i++) {
      await bench.do('dropNotification', two.transport)
      const { n } = await one.accepted(set('a', i))
      // Nothing comes after it that would show the gap.
      await bench.inTime(200, async () => {
        if (session.error !== undefined) session = await two.follow(session.cursor ?? null)
        const seen = { cursor: session.cursor, value: session.valueOf('a') }
        must(session.cursor !== undefined && session.cursor.n >= n, `awaited: live(${n}) or later`, seen)
        same(seen.value, i)
      })
    }
  })

  test('K2 live is not called for what was not told', ['dropNotification'], async (bench) => {
    const [one, two] = await bench.two()
    const session = await two.follow()
    await bench.do('dropNotification', two.transport)
    await one.accepted(set('a', 1))
    const { n } = await one.accepted(set('b', 1))
    await bench.inTime(200, async () => {
      const isTold = session.valueOf('a') === 1 && session.valueOf('b') === 1
      const reached = session.cursor !== undefined && session.cursor.n >= n
      must(isTold || !reached, 'live() says that both were told', session.items)
      must(session.error !== undefined || reached, 'awaited: stale, or live', session.cursor)
    })
  })
}
