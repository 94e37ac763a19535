import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { disconnected, entry, things, tombstone, turn, unauthorized } from '../support/fake-transport'
import { at, type Floors, historyOf } from '../support/revisions'
import { liveSubscription, SubscriptionBench } from '../support/subscription-bench'

const test = suite('subscription')

// Sessions

test('R2 with the link up, a session begins at once; before, none does', () => {
  const bench = new SubscriptionBench({ up: false })
  assert.equal(bench.transport.sessions.length, 0)
  assert.equal(bench.state, 'syncing')
  bench.subscription.linkUp()
  assert.equal(bench.transport.sessions.length, 1)
  assert.deepEqual(bench.session.id, things)
  assert.equal(bench.session.from, null)
})

test('E4 first contents, then ready, then changes', () => {
  const bench = new SubscriptionBench()
  bench.session.sink.begin('snapshot', historyOf({ e1: 0 }))
  bench.session.sink.entries([entry('a', 1, {})])
  assert.equal(bench.state, 'syncing')
  bench.session.sink.entries([entry('b', 2, {})])
  bench.session.sink.live(at(2))
  assert.equal(bench.state, 'live')
  bench.session.changes(entry('c', 3, {}), tombstone('a', 4))
  bench.session.sink.live(at(4))
  assert.deepEqual(bench.log(), ['set a snapshot', 'set b snapshot', 'ready snapshot 2', 'set c live', 'delete a live'])
})

test('K4 a session that ends is told as stale, once, and the next one begins where it ended', () => {
  const bench = liveSubscription()
  const cursor = { ...at(3), memo: { of: 'the transport' } }
  bench.session.sink.entries([entry('a', 3, { v: 3 })])
  bench.session.sink.live(cursor)
  bench.session.sink.stale(new MemisError('OUT_OF_TOUCH', 'a gap'))
  assert.deepEqual(bench.log(), ['set a live', 'stale OUT_OF_TOUCH'])
  assert.equal(bench.state, 'stale')
  assert.deepEqual(bench.contents, { a: { v: 3 }, b: { v: 2 } }, 'it goes on serving what it has')
  bench.nextSession()
  assert.equal(bench.session.from, cursor, 'the cursor is the transport’s own')
  bench.session.sink.begin('delta', historyOf({ e1: 0 }))
  bench.session.sink.entries([entry('a', 9, { v: 9 })])
  assert.equal(bench.state, 'stale')
  bench.session.sink.live(at(9))
  assert.deepEqual(bench.log(), ['set a resync', 'ready resync 2'])
  assert.equal(bench.state, 'live')
})

test('K10 each session is closed once, whoever ended it', () => {
  const bench = liveSubscription()
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.subscription.stop()
  assert.deepEqual(
    bench.transport.sessions.map(({ closed }) => closed),
    [1, 1],
  )
})

test('K9 sessions that fail one after the other begin later and later, up to 2 s; soon again after a good one', () => {
  const bench = new SubscriptionBench()
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    bench.session.sink.stale(disconnected())
    waits.push(bench.clock.wait ?? 0)
    assert.equal(bench.clock.pending, 1)
    bench.nextSession()
  }
  waits.forEach((wait, i) => {
    const most = Math.min(2000, 50 * 2 ** i)
    assert.ok(wait >= Math.floor(most / 2) && wait <= most, `the wait ${i} is ${wait} ms`)
  })
  assert.ok(
    bench.log().every((line) => line === 'report DISCONNECTED'),
    'no stale before it was live',
  )
  bench.session.snapshot()
  bench.session.sink.stale(disconnected())
  assert.ok((bench.clock.wait ?? Infinity) <= 50)
})

test('K9 a link that returns proves nothing: the sessions after it begin as late as before', () => {
  const bench = new SubscriptionBench()
  for (let i = 0; i < 6; i++) {
    bench.session.sink.stale(disconnected())
    bench.subscription.linkDown(disconnected())
    bench.subscription.linkUp()
  }
  bench.session.sink.stale(disconnected())
  assert.ok((bench.clock.wait ?? 0) >= 1000, `it waits ${bench.clock.wait} ms after 7 failures`)
})

test('K9 a session that begins and then fails is a failure as well', () => {
  const bench = new SubscriptionBench()
  for (let i = 0; i < 8; i++) {
    bench.session.sink.begin('snapshot', historyOf({ e1: 0 }))
    bench.session.sink.entries([entry('a', 1, {})])
    bench.session.sink.stale(disconnected())
    assert.ok((bench.clock.wait ?? 0) >= Math.floor(Math.min(2000, 50 * 2 ** i) / 2))
    bench.nextSession()
  }
})

test('K1 what an ended session still says counts nothing', () => {
  const bench = liveSubscription()
  const { sink } = bench.session
  sink.stale(disconnected())
  bench.log()
  for (const when of ['before the next session', 'within it']) {
    sink.begin('snapshot', historyOf({ e9: 0 }))
    sink.entries([entry('x', 'e9.9', {})])
    sink.live(at('e9.9'))
    sink.stale(disconnected())
    assert.deepEqual(bench.log(), [], when)
    assert.equal(bench.state, 'stale')
    if (bench.transport.sessions.length === 1) bench.nextSession()
  }
  assert.equal(bench.transport.sessions.length, 2)
  assert.equal(bench.session.closed, 0)
})

test('K8 with the link down, no session begins; when it returns, one does within 250 ms, at random', () => {
  const waits = Array.from({ length: 40 }, () => {
    const bench = liveSubscription()
    bench.session.sink.stale(disconnected())
    bench.subscription.linkDown(disconnected())
    assert.equal(bench.clock.pending, 0)
    bench.clock.advance(60_000)
    assert.equal(bench.transport.sessions.length, 1)
    bench.subscription.linkUp()
    const { wait = 0 } = bench.clock
    bench.clock.advance(250)
    assert.equal(bench.transport.sessions.length, 2)
    return wait
  })
  assert.ok(Math.max(...waits) <= 250)
  assert.ok(new Set(waits).size > 5, `spread: ${waits}`)
})

test('R2 the first contents are asked for as soon as the link is up', () => {
  const bench = new SubscriptionBench()
  bench.session.sink.stale(disconnected())
  bench.subscription.linkDown(disconnected())
  bench.subscription.linkUp()
  assert.equal(bench.transport.sessions.length, 2)
})

test('K4 it is all the same whether the link or the session is told to be gone first', () => {
  const bench = liveSubscription()
  bench.subscription.linkDown(disconnected())
  bench.session.sink.stale(disconnected())
  assert.deepEqual(bench.log(), ['stale DISCONNECTED'])
  assert.equal(bench.session.closed, 1)
  assert.equal(bench.clock.pending, 0)
  bench.subscription.linkUp()
  bench.nextSession()
  bench.session.delta([], 2)
  assert.deepEqual(bench.log(), ['ready resync 2'])
})

test('a link that comes up twice begins one session', () => {
  const bench = liveSubscription()
  bench.subscription.linkUp()
  bench.clock.advance(1000)
  assert.equal(bench.transport.sessions.length, 1)
  assert.equal(bench.clock.pending, 0)
})

test('a session that is over before `watch` has returned', () => {
  const bench = new SubscriptionBench({ up: false })
  bench.transport.watched = ({ sink }) => sink.stale(disconnected())
  bench.subscription.linkUp()
  assert.deepEqual(bench.log(), ['report DISCONNECTED'])
  assert.equal(bench.session.closed, 1)
  bench.transport.watched = () => {}
  bench.nextSession()
  bench.session.snapshot()
  assert.deepEqual(bench.log(), ['ready snapshot 0'])
})

test('a session that is live before `watch` has returned', () => {
  const bench = new SubscriptionBench({ up: false })
  bench.transport.watched = (session) => session.snapshot([entry('a', 1, {})])
  bench.subscription.linkUp()
  assert.deepEqual(bench.log(), ['set a snapshot', 'ready snapshot 1'])
  bench.subscription.stop()
  assert.equal(bench.session.closed, 1)
})

// Freshness

test('K6 freshness: since when, and how old the last proof is', () => {
  const bench = new SubscriptionBench()
  const { subscription, clock } = bench
  const before = Date.now()
  assert.equal(subscription.freshness.age, null)
  clock.advance(100)
  bench.session.snapshot()
  assert.equal(subscription.freshness.age, 0)
  assert.ok(subscription.freshness.since >= before && subscription.freshness.since <= Date.now())
  clock.advance(70)
  assert.equal(subscription.freshness.age, 70)
  bench.session.sink.live(at(0))
  assert.equal(subscription.freshness.age, 0)
  clock.advance(30)
  bench.session.sink.stale(disconnected())
  assert.deepEqual([bench.state, subscription.freshness.age], ['stale', 30])
})

test('K6 freshness names the reason as long as the replica is not live', () => {
  const bench = new SubscriptionBench({ up: false })
  const reason = () => bench.subscription.freshness.reason?.code ?? null
  assert.equal(reason(), null, 'nothing went wrong yet')
  bench.subscription.linkDown(disconnected())
  assert.equal(reason(), 'DISCONNECTED')
  bench.subscription.linkUp()
  assert.equal(reason(), 'DISCONNECTED', 'that is why there is nothing yet')
  bench.session.sink.stale(new MemisError('STORE_REFUSED', 'loading'))
  assert.equal(reason(), 'STORE_REFUSED')
  bench.nextSession()
  bench.session.snapshot()
  assert.equal(reason(), null)
  bench.session.sink.stale(new MemisError('OUT_OF_TOUCH', 'a gap'))
  assert.equal(reason(), 'OUT_OF_TOUCH')
  bench.subscription.linkDown(unauthorized())
  assert.equal(reason(), 'UNAUTHORIZED')
  bench.subscription.linkUp()
  bench.nextSession()
  bench.session.delta()
  assert.equal(reason(), null)
})

test('K6 a replica of a store in this process is current as long as it is live', () => {
  const bench = liveSubscription()
  bench.transport.isLocal = true
  bench.clock.advance(60_000)
  assert.equal(bench.subscription.freshness.age, 0)
  bench.session.sink.stale(disconnected())
  assert.equal(bench.subscription.freshness.age, 60_000)
})

test('K2 without a proof for livenessTimeout, the replica is stale, whatever else is told', () => {
  const bench = liveSubscription([], { livenessTimeout: 1000 })
  bench.clock.advance(1000)
  bench.subscription.checkProof()
  assert.equal(bench.state, 'live')
  bench.session.sink.entries([entry('a', 1, {})])
  bench.clock.advance(1)
  bench.subscription.checkProof()
  assert.deepEqual(bench.log(), ['set a live', 'stale OUT_OF_TOUCH'])
  assert.match(bench.subscription.freshness.reason?.message ?? '', /within livenessTimeout/)
  assert.equal(bench.session.closed, 1)
  bench.nextSession()
  bench.session.delta([], 1)
  assert.equal(bench.state, 'live')
})

test('K2 a proof in time keeps it live', () => {
  const bench = liveSubscription([], { livenessTimeout: 1000 })
  for (let i = 0; i < 10; i++) {
    bench.clock.advance(900)
    bench.session.sink.live(at(0))
    bench.clock.advance(50)
    bench.subscription.checkProof()
  }
  assert.equal(bench.state, 'live')
})

test('K2 a proof that fails while something is restored begins another session', () => {
  const bench = liveSubscription([entry('a', 1, {})], { livenessTimeout: 1000 })
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.session.snapshot([], 'e2.0')
  bench.log()
  bench.clock.advance(1001)
  bench.subscription.checkProof()
  assert.deepEqual(bench.log(), ['report OUT_OF_TOUCH'])
  assert.equal(bench.session.closed, 1)
})

test('K2 no proof is due while there are no contents, out of touch, or after it has stopped', () => {
  const bench = new SubscriptionBench({ livenessTimeout: 1000 })
  const check = () => {
    bench.clock.advance(5000)
    bench.subscription.checkProof()
  }
  check()
  bench.session.sink.begin('snapshot', historyOf({ e1: 0 }))
  check()
  assert.equal(bench.session.closed, 0)
  bench.session.sink.live(at(0))
  bench.subscription.linkDown(disconnected())
  bench.log()
  check()
  bench.subscription.stop()
  check()
  assert.deepEqual(bench.log(), [])
})

// Faults that do not pass

test('K8 a fault that does not pass refuses those who wait for the first contents', () => {
  const bench = new SubscriptionBench()
  bench.session.sink.stale(unauthorized())
  assert.deepEqual(bench.log(), ['refused UNAUTHORIZED'])
})

test('K8 it does not end a replica that was live: that goes on trying, and says so', () => {
  const bench = liveSubscription()
  bench.session.sink.stale(unauthorized())
  bench.nextSession()
  bench.session.sink.stale(unauthorized())
  assert.deepEqual(bench.log(), ['stale UNAUTHORIZED', 'report UNAUTHORIZED'])
  bench.nextSession()
  assert.equal(bench.transport.sessions.length, 3)
})

// Stopping

test('R3 stopping ends everything at once: session, timers, and what is held', () => {
  const bench = liveSubscription()
  bench.session.changes(entry('a', 3, {}, { leftMs: 1000 }))
  bench.log()
  assert.equal(bench.clock.pending, 1)
  bench.subscription.stop()
  assert.deepEqual(bench.contents, {})
  assert.equal(bench.clock.pending, 0)
  bench.session.sink.live(at(9))
  bench.subscription.linkUp()
  bench.subscription.linkDown(disconnected())
  bench.subscription.linkUp()
  bench.acceptSet('a', 1, 10)
  bench.clock.advance(10_000)
  assert.deepEqual(bench.log(), [])
  assert.deepEqual(bench.contents, {})
  assert.equal(bench.transport.sessions.length, 1)
})

/** Each state, and how it comes about. */
const states: Record<string, () => SubscriptionBench> = {
  'connecting, before the link was ever up': () => new SubscriptionBench({ up: false }),
  'connecting, after the link was lost': () => {
    const bench = liveSubscription()
    bench.subscription.linkDown(disconnected())
    return bench
  },
  'waiting to try again': () => {
    const bench = liveSubscription()
    bench.session.sink.stale(disconnected())
    return bench
  },
  'waiting after the link returned': () => {
    const bench = liveSubscription()
    bench.subscription.linkDown(disconnected())
    bench.subscription.linkUp()
    return bench
  },
  opening: () => new SubscriptionBench(),
  filling: () => {
    const bench = new SubscriptionBench()
    bench.session.sink.begin('snapshot', historyOf({ e1: 0 }))
    bench.session.sink.entries([entry('a', 1, {}, { leftMs: 10 })])
    return bench
  },
  'waiting to restore': () => {
    const bench = liveSubscription()
    bench.session.sink.stale(disconnected())
    bench.nextSession()
    bench.session.snapshot([], 'e2.0')
    return bench
  },
  restoring: () => {
    const bench = (states['waiting to restore'] as () => SubscriptionBench)()
    bench.clock.advance(250)
    assert.equal(bench.transport.merges.length, 1)
    return bench
  },
  live: () => liveSubscription(),
  outdating: () => outdating(),
}

for (const [state, make] of Object.entries(states)) {
  test(`R3 stopping while ${state} leaves no session and no timer, and then there is silence`, async () => {
    const bench = make()
    bench.subscription.stop()
    assert.equal(bench.clock.pending, 0)
    for (const { closed } of bench.transport.sessions) assert.equal(closed, 1)
    bench.log()
    for (const merge of bench.transport.merges) await merge.accept('e2.1')
    for (const call of bench.transport.epochs) await call.answer(true)
    bench.subscription.linkUp()
    bench.clock.advance(10_000)
    assert.deepEqual(bench.log(), [])
    assert.equal(bench.clock.pending, 0)
    assert.deepEqual(bench.contents, {})
  })
}

for (const when of ['set b snapshot', 'ready snapshot 2', 'set c live', 'stale DISCONNECTED', 'delete b resync']) {
  test(`R3 a listener may stop it in the midst of ${JSON.stringify(when)}; then there is silence`, () => {
    const bench = new SubscriptionBench()
    bench.told = (line) => line === when && bench.subscription.stop()
    const { sessions } = bench.transport
    bench.session.snapshot([entry('a', 1, {}), entry('b', 2, {})])
    bench.session.changes(entry('c', 3, {}), entry('d', 4, {}))
    bench.session.sink.stale(disconnected())
    bench.clock.advance(50)
    if (when === 'delete b resync') bench.session.snapshot([entry('a', 1, {})], 9)
    assert.equal(bench.log().at(-1), when)
    assert.equal(bench.clock.pending, 0)
    for (const { closed } of sessions) assert.equal(closed, 1)
  })
}

test('R3 a listener that stops it when the link goes down', () => {
  const bench = liveSubscription()
  bench.told = () => bench.subscription.stop()
  bench.subscription.linkDown(disconnected())
  bench.subscription.linkUp()
  bench.clock.advance(10_000)
  assert.deepEqual(bench.log(), ['stale DISCONNECTED'])
  assert.equal(bench.transport.sessions.length, 1)
})

// Own writes

test('K7 an own write that is answered out of a later epoch than the session’s ends that session', () => {
  const bench = liveSubscription()
  bench.acceptSet('a', 'own', 'e2.1')
  assert.deepEqual(bench.log(), ['set a live', 'stale OUT_OF_TOUCH'])
  assert.equal(bench.session.closed, 1)
  bench.nextSession()
  bench.session.snapshot([entry('a', 'e2.1', { v: 'own' })])
  assert.deepEqual(bench.contents, { a: { v: 'own' }, b: { v: 2 } }, 'the store may have lost b')
})

test('K7 before a session has begun, it ends none: it may be of that epoch', () => {
  const bench = new SubscriptionBench()
  bench.acceptSet('a', 'own', 1)
  bench.acceptSet('b', 'own', 2)
  bench.session.snapshot([entry('a', 1, { v: 'own' }), entry('b', 2, { v: 'own' })])
  assert.deepEqual(bench.log(), ['set a live', 'set b live', 'ready snapshot 2'])
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.acceptSet('a', 'own', 'e2.3')
  assert.equal(bench.session.closed, 0)
  bench.session.snapshot([entry('a', 'e2.3', { v: 'own' }), entry('b', 2, { v: 'own' })], 'e2.3', { e1: 0, e2: 2 })
  assert.equal(bench.state, 'live')
  assert.equal(bench.transport.sessions.length, 2)
})

test('W3 an own write while out of touch counts at once, and keeps nothing from catching up', () => {
  const bench = liveSubscription()
  bench.subscription.linkDown(disconnected())
  bench.acceptSet('a', 'own', 3)
  assert.deepEqual(bench.contents.a, { v: 'own' })
  bench.subscription.linkUp()
  bench.nextSession()
  bench.session.delta([entry('a', 3, { v: 'own' })])
  assert.deepEqual(bench.log(), ['stale DISCONNECTED', 'set a stale', 'ready resync 2'])
})

// A store whose clock is behind

/** One that knows `e2`, while its store began `d1` when it was emptied: its clock is behind. */
function outdating(options: ConstructorParameters<typeof SubscriptionBench>[0] = {}): SubscriptionBench {
  const bench = liveSubscription([entry('a', 'e2.1', { v: 1 })], options)
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  bench.log()
  bench.session.sink.begin('snapshot', historyOf({ d1: 0 }))
  return bench
}

test('K7 a store whose epoch sorts before the one that was known is told to begin a later one', async () => {
  const bench = outdating()
  const [call] = bench.transport.epochs
  assert.deepEqual([call?.id, call?.after], [things, 'e2'])
  assert.equal(bench.session.closed, 1)
  const { sink } = bench.session
  sink.entries([entry('b', 'd1.1', {})])
  sink.live(at('d1.1'))
  assert.deepEqual(bench.contents, { a: { v: 1 } }, 'that session is over')
  await call?.answer(true)
  assert.equal(bench.transport.sessions.length, 2, 'a moment later')
  bench.nextSession()
  bench.session.snapshot([entry('b', 'e3.1', {})], 'e3.1')
  bench.clock.advance(250)
  await bench.transport.merging.accept('e3.2')
  assert.deepEqual(bench.log(), ['set b resync', 'ready resync 2, lost 1, restored 1'])
  assert.equal(bench.transport.epochs.length, 1)
})

test('K7 a store that lists the known epoch, or has a later one, is told nothing', () => {
  for (const floors of [{ e2: 0 }, { e2: 0, e3: 1 }, { e3: 0 }] as Floors[]) {
    const bench = liveSubscription([entry('a', 'e2.1', { v: 1 })])
    bench.session.sink.stale(disconnected())
    bench.nextSession()
    bench.session.snapshot([entry('a', 'e2.1', { v: 1 })], 'e3.1', floors)
    assert.equal(bench.transport.epochs.length, 0)
  }
})

test('K7 a store that will never do so is believed: what it has counts', async () => {
  const bench = outdating()
  await bench.transport.epochs[0]?.answer(false)
  bench.nextSession()
  assert.equal(bench.session.from, null, 'a snapshot tells what it has')
  bench.session.snapshot([entry('b', 'd1.1', {})], 'd1.1', { d1: 0 })
  assert.deepEqual(bench.log(), ['set b resync', 'delete a resync', 'ready resync 1, lost 1, restored 0'])
  assert.equal(bench.transport.epochs.length, 1)
  bench.session.sink.stale(disconnected())
  bench.nextSession()
  assert.deepEqual(bench.session.from, at('d1.1'), 'from then on it is as before')
  bench.session.delta([], 'd1.1')
  assert.equal(bench.state, 'live')
  assert.equal(bench.transport.epochs.length, 1, 'it is not asked again')
})

test('K7 after a fault that passes, the store is told again, later and later', async () => {
  const bench = outdating()
  for (let attempt = 1; attempt <= 5; attempt++) {
    assert.equal(bench.transport.epochs.length, attempt)
    await bench.transport.epochs.at(-1)?.fail(disconnected())
    assert.deepEqual(bench.log(), ['report DISCONNECTED'])
    bench.nextSession()
    assert.notEqual(bench.session.from, null)
    bench.session.sink.begin('snapshot', historyOf({ d1: 0 }))
  }
  assert.deepEqual(bench.contents, { a: { v: 1 } })
})

test('K7 a client that may not write leaves it to others, and believes the store if nobody has done so in time', async () => {
  const bench = outdating()
  await bench.transport.epochs[0]?.fail(unauthorized())
  bench.clock.advance(1900)
  assert.equal(bench.transport.sessions.length, 2, 'it waits for the others')
  bench.nextSession()
  assert.notEqual(bench.session.from, null)
  bench.session.sink.begin('snapshot', historyOf({ d1: 0 }))
  await bench.transport.epochs[1]?.fail(unauthorized())
  bench.nextSession()
  assert.equal(bench.session.from, null)
  bench.session.snapshot([], 'd1.0', { d1: 0 })
  assert.deepEqual(bench.log(), [
    'report UNAUTHORIZED',
    'report UNAUTHORIZED',
    'delete a resync',
    'ready resync 0, lost 1, restored 0',
  ])
})

test('K7 with the policy accept, or after too long a time, the store is told nothing', () => {
  const accepting = outdating({ dataLoss: 'accept' })
  assert.equal(accepting.transport.epochs.length, 0)
  const late = liveSubscription([entry('a', 'e2.1', { v: 1 })], { retention: 10_000 })
  late.subscription.linkDown(disconnected())
  late.clock.advance(10_001)
  late.subscription.linkUp()
  late.nextSession()
  late.session.sink.begin('snapshot', historyOf({ d1: 0 }))
  assert.equal(late.transport.epochs.length, 0)
})

test('K7 a link that is lost meanwhile begins anew', async () => {
  const bench = outdating()
  bench.subscription.linkDown(disconnected())
  await bench.transport.epochs[0]?.fail(disconnected())
  assert.equal(bench.clock.pending, 0)
  assert.deepEqual(bench.log(), [])
  bench.subscription.linkUp()
  bench.nextSession()
  bench.session.sink.begin('snapshot', historyOf({ d1: 0 }))
  assert.equal(bench.transport.epochs.length, 2)
  await turn()
})

test.run()
