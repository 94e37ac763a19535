import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { MemisError } from '../../src/core/errors'
import { Subscription, type SubscriptionSettings } from '../../src/core/subscription'
import type { Change, Write } from '../../src/core/transport'
import {
  disconnected,
  FakeTransport,
  gone,
  place,
  setOf,
  told,
  turn,
  unauthorized,
  type WriteCall,
} from '../support/fake-transport'

const test = suite('subscription')

interface Item {
  v?: unknown
}

/** A subscription on a transport that a test answers, and all that it tells. The link is up unless said otherwise. */
function make({ up = true, ...settings }: Partial<SubscriptionSettings> & { up?: boolean } = {}) {
  const transport = new FakeTransport()
  const { clock } = transport
  const log: string[] = []
  const hooks: { told?: (line: string) => void } = {}
  const note = (line: string) => {
    log.push(line)
    hooks.told?.(line)
  }
  const subscription = new Subscription<Item>(
    transport,
    place,
    { retention: 60_000, dataLoss: 'restore', ...settings },
    {
      changed: (event, key, _, { cause }) => note(`${event} ${key} ${cause}`),
      report: ({ code }) => note(`report ${code}`),
      ready: ({ cause, size, lost, restored }) =>
        note(`ready ${cause} ${size}${lost > 0 ? `, lost ${lost}, restored ${restored}` : ''}`),
      stale: ({ code }) => note(`stale ${code}`),
      refused: ({ code }) => note(`refused ${code}`),
    },
  )
  if (up) subscription.linkUp()
  return {
    transport,
    clock,
    subscription,
    hooks,
    log: () => log.splice(0),
    state: () => subscription.freshness.state,
    contents: () => Object.fromEntries(subscription.replica.items),
  }
}

/** One that has caught up with `a` and `b`. */
function makeLive(settings: Partial<SubscriptionSettings> = {}) {
  const made = make(settings)
  made.transport.session.whole([told('a', 1, { v: 1 }), told('b', 2, { v: 2 })], 2)
  made.log()
  return made
}

test('with the link up, a session begins at once; before, none does', () => {
  const { subscription, transport, state } = make({ up: false })
  assert.equal(transport.sessions.length, 0)
  assert.equal(state(), 'syncing')
  subscription.linkUp()
  assert.equal(transport.sessions.length, 1)
  assert.deepEqual(transport.session.place, place)
  assert.equal(transport.session.from, null)
})

test('first contents, then ready, then news', () => {
  const { transport, log, state } = make()
  transport.session.sink.begin('whole', 'e1', 0)
  transport.session.sink.changes([told('a', 1, {})])
  assert.equal(state(), 'syncing')
  transport.session.sink.changes([told('b', 2, {})])
  transport.session.sink.live(2)
  assert.equal(state(), 'live')
  transport.session.news(told('c', 3, {}), gone('a', 4))
  transport.session.sink.live(4)
  assert.deepEqual(log(), ['set a snapshot', 'set b snapshot', 'ready snapshot 2', 'set c live', 'delete a live'])
})

test('freshness: since when, and how old the last proof is', () => {
  const { transport, subscription, clock, state } = make()
  const before = Date.now()
  assert.equal(subscription.freshness.age, null)
  clock.advance(100)
  transport.session.whole([], 0)
  assert.equal(subscription.freshness.age, 0)
  assert.ok(subscription.freshness.since >= before && subscription.freshness.since <= Date.now())
  clock.advance(70)
  assert.equal(subscription.freshness.age, 70)
  transport.session.sink.live(0)
  assert.equal(subscription.freshness.age, 0)
  clock.advance(30)
  transport.session.sink.stale(disconnected())
  assert.deepEqual([state(), subscription.freshness.age], ['stale', 30])
})

test('a session that ends is told as stale, once, and another begins where it ended', () => {
  const { transport, clock, log, state, contents } = makeLive()
  transport.session.news(told('a', 3, { v: 3 }))
  transport.session.sink.stale(new MemisError('OUT_OF_TOUCH', 'a gap'))
  assert.deepEqual(log(), ['set a live', 'stale OUT_OF_TOUCH'])
  assert.equal(state(), 'stale')
  assert.deepEqual(contents(), { a: { v: 3 }, b: { v: 2 } }, 'it goes on serving what it has')
  clock.advance(50)
  assert.equal(transport.sessions.length, 2)
  assert.deepEqual(transport.session.from, { epoch: 'e1', n: 3, past: [] })
  transport.session.sink.begin('delta', 'e1', Infinity)
  transport.session.sink.changes([told('a', 9, { v: 9 })])
  assert.equal(state(), 'stale')
  transport.session.sink.live(9)
  assert.deepEqual(log(), ['set a resync', 'ready resync 2'])
  assert.equal(state(), 'live')
})

test('each session is closed once, whoever ended it', () => {
  const { transport, subscription, clock } = makeLive()
  transport.session.sink.stale(disconnected())
  clock.advance(50)
  subscription.stop()
  assert.deepEqual(
    transport.sessions.map(({ closed }) => closed),
    [1, 1],
  )
})

test('sessions that fail one after the other begin later and later, up to 2 s, and soon again after a good one', () => {
  const { transport, clock, log } = make()
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    transport.session.sink.stale(disconnected())
    waits.push(clock.wait ?? 0)
    assert.equal(clock.pending, 1)
    clock.step()
    assert.equal(transport.sessions.length, i + 2)
  }
  waits.forEach((wait, i) => {
    const most = Math.min(2000, 50 * 2 ** i)
    assert.ok(wait >= Math.floor(most / 2) && wait <= most, `the wait ${i} is ${wait}`)
  })
  assert.ok(
    log().every((line) => line === 'report DISCONNECTED'),
    'no stale before it was live',
  )
  transport.session.whole([], 0)
  transport.session.sink.stale(disconnected())
  assert.ok((clock.wait ?? 0) <= 50)
})

test('what an ended session still says is not heard', () => {
  const { transport, clock, log, state } = makeLive()
  const { sink } = transport.session
  sink.stale(disconnected())
  log()
  for (const speak of [0, 1]) {
    sink.begin('whole', 'e9', 0)
    sink.changes([told('x', 9, {})])
    sink.live(9)
    sink.stale(disconnected())
    assert.deepEqual(log(), [])
    assert.equal(state(), 'stale')
    if (speak === 0) clock.advance(50)
  }
  assert.equal(transport.sessions.length, 2)
  assert.equal(transport.session.closed, 0)
})

test('a link that is down begins no session; one that returns does so within 250 ms, spread', () => {
  const waits = Array.from({ length: 40 }, () => {
    const { transport, subscription, clock } = makeLive()
    transport.session.sink.stale(disconnected())
    subscription.linkDown()
    assert.equal(clock.pending, 0)
    clock.advance(60_000)
    assert.equal(transport.sessions.length, 1)
    subscription.linkUp()
    const { wait = 0 } = clock
    clock.advance(250)
    assert.equal(transport.sessions.length, 2)
    return wait
  })
  assert.ok(Math.max(...waits) <= 250)
  assert.ok(new Set(waits).size > 5, `spread: ${waits}`)
})

test('the first contents are asked for as soon as the link is up', () => {
  const { subscription, transport } = make()
  transport.session.sink.stale(disconnected())
  subscription.linkDown()
  subscription.linkUp()
  assert.equal(transport.sessions.length, 2)
})

test('it is all the same whether the link or the session is said to be gone first', () => {
  const { transport, subscription, clock, log } = makeLive()
  subscription.linkDown()
  transport.session.sink.stale(disconnected())
  assert.deepEqual(log(), ['stale DISCONNECTED'])
  assert.equal(clock.pending, 0)
  subscription.linkUp()
  clock.advance(250)
  transport.session.sink.begin('delta', 'e1', Infinity)
  transport.session.sink.live(2)
  assert.deepEqual(log(), ['ready resync 2'])
})

test('a link that comes up twice begins one session', () => {
  const { subscription, transport, clock } = makeLive()
  subscription.linkUp()
  clock.advance(1000)
  assert.equal(transport.sessions.length, 1)
  assert.equal(clock.pending, 0)
})

test('a fault that will not pass refuses who waits for the first contents', () => {
  const { transport, log } = make()
  transport.session.sink.stale(unauthorized())
  assert.deepEqual(log(), ['refused UNAUTHORIZED'])
})

test('it does not end a replica that was live: that goes on trying, and says so', () => {
  const { transport, clock, log } = makeLive()
  transport.session.sink.stale(unauthorized())
  clock.advance(50)
  transport.session.sink.stale(unauthorized())
  assert.deepEqual(log(), ['stale UNAUTHORIZED', 'report UNAUTHORIZED'])
  clock.advance(100)
  assert.equal(transport.sessions.length, 3)
})

test('stopping ends all at once: session, timers, and what is held', () => {
  const { transport, subscription, clock, log, contents } = makeLive()
  transport.session.news(told('a', 3, {}, 1000))
  log()
  assert.equal(clock.pending, 1)
  subscription.stop()
  assert.deepEqual(contents(), {})
  assert.equal(clock.pending, 0)
  assert.equal(subscription.waiting, false)
  transport.session.sink.live(9)
  subscription.linkUp()
  clock.advance(10_000)
  assert.deepEqual(log(), [])
  assert.equal(transport.sessions.length, 1)
})

test('stopping while the next session is waited for', () => {
  const { transport, subscription, clock } = makeLive()
  transport.session.sink.stale(disconnected())
  subscription.stop()
  assert.equal(clock.pending, 0)
  assert.equal(transport.session.closed, 1)
})

for (const when of ['set b snapshot', 'ready snapshot 2', 'set c live', 'stale DISCONNECTED', 'delete b resync']) {
  test(`a listener may stop it in the midst of ${JSON.stringify(when)}; then there is silence`, () => {
    const { transport, subscription, clock, hooks, log } = make()
    hooks.told = (line) => line === when && subscription.stop()
    const contents = [told('a', 1, {}), told('b', 2, {})]
    transport.session.whole(contents, 2)
    transport.session.news(told('c', 3, {}), told('d', 4, {}))
    transport.session.sink.stale(disconnected())
    clock.advance(50)
    if (when === 'delete b resync') transport.session.whole([told('a', 1, {})], 9)
    assert.equal(log().at(-1), when)
    assert.equal(clock.pending, 0)
    for (const { closed } of transport.sessions) assert.equal(closed, 1)
  })
}

test('a session that is over before the call that begins it has returned', () => {
  const { transport, subscription, clock, log } = make({ up: false })
  transport.watched = ({ sink }) => sink.stale(disconnected())
  subscription.linkUp()
  assert.deepEqual(log(), ['report DISCONNECTED'])
  assert.equal(transport.session.closed, 1)
  transport.watched = () => {}
  clock.advance(50)
  transport.session.whole([], 0)
  assert.deepEqual(log(), ['ready snapshot 0'])
})

test('a session that is live before the call that begins it has returned', () => {
  const { transport, subscription, log } = make({ up: false })
  transport.watched = (session) => session.whole([told('a', 1, {})], 1)
  subscription.linkUp()
  assert.deepEqual(log(), ['set a snapshot', 'ready snapshot 1'])
  subscription.stop()
  assert.equal(transport.session.closed, 1)
})

// What the store lost

/** One whose store has begun anew, with nothing of what it had. */
function makeLost(settings: Partial<SubscriptionSettings> & { contents?: Change[]; away?: number } = {}) {
  const { contents = [told('a', 1, { v: 1 }), told('b', 2, { v: 2 })], away = 0, ...rest } = settings
  const made = make(rest)
  made.transport.session.whole(contents, contents.length)
  made.transport.session.sink.stale(disconnected())
  made.subscription.linkDown()
  made.clock.advance(away)
  made.subscription.linkUp()
  made.clock.advance(250)
  made.log()
  made.transport.session.whole([], 0, 'e2')
  // A moment at random, so that not all begin to put back at once.
  made.clock.advance(250)
  return made
}

/** The store takes what is put back. */
const take = (call: WriteCall, first = 1) =>
  call.answer({ epoch: 'e2', outcomes: call.batch.writes.map((_, i) => ({ n: first + i, existed: false })) })

const byKey = (writes: readonly Write[]) =>
  [...writes].sort((a, b) => (a.kind !== 'clear' && b.kind !== 'clear' && a.key < b.key ? -1 : 1))

test('what the store lost is put back, and ready tells of it', async () => {
  const { transport, clock, log, state } = makeLost()
  assert.equal(state(), 'stale')
  const { batch, place: to } = transport.call
  assert.deepEqual(to, place)
  assert.deepEqual(byKey(batch.writes), [
    { ...setOf('a', { v: 1 }), restores: { epoch: 'e2', floor: 0, origin: { epoch: 'e1', n: 1 } } },
    { ...setOf('b', { v: 2 }), restores: { epoch: 'e2', floor: 0, origin: { epoch: 'e1', n: 2 } } },
  ])
  assert.deepEqual(log(), [], 'not ready while something is in doubt')
  await take(transport.call)
  assert.deepEqual(log(), ['ready resync 2, lost 2, restored 2'])
  assert.equal(state(), 'live')
  assert.equal(clock.pending, 0)
})

test('it is put back 500 at a time, each once, in an order of its own', async () => {
  const contents = Array.from({ length: 1200 }, (_, i) => told(`key ${i}`, i + 1, {}))
  const { transport, log } = makeLost({ contents })
  await take(transport.call, 1)
  await take(transport.call, 501)
  await take(transport.call, 1001)
  const { writes } = transport
  assert.deepEqual(
    writes.map(({ batch }) => [batch.sequence, batch.writes.length]),
    [
      [1, 500],
      [2, 500],
      [3, 200],
    ],
  )
  assert.equal(new Set(writes.map(({ batch }) => batch.writer)).size, 1)
  const keys = writes.flatMap(({ keys }) => keys)
  assert.equal(new Set(keys).size, 1200)
  const inOrder = keys.filter((key, i) => key === `key ${i}`).length
  assert.ok(inOrder < 100, 'another order than the other replicas have')
  assert.deepEqual(log(), ['ready resync 1200, lost 1200, restored 1200'])
})

test('what it put back is told by the store before the answer comes: it is restored all the same, once', async () => {
  const { transport, log } = makeLost({ contents: [told('a', 1, { v: 1 })] })
  transport.session.news(told('a', 1, { v: 1 }, null, { epoch: 'e1', n: 1 }))
  assert.deepEqual(log(), ['ready resync 1, lost 1, restored 1'])
  await take(transport.call)
  assert.deepEqual(log(), [])
})

test('an own write that is answered out of another epoch than the session ends that session', () => {
  const { transport, subscription, clock, log, contents } = makeLive()
  subscription.written(setOf('a', { v: 'own' }), 'e2', { n: 1, existed: false })
  assert.deepEqual(log(), ['set a live', 'stale OUT_OF_TOUCH'])
  assert.equal(transport.session.closed, 1)
  clock.advance(50)
  transport.session.whole([told('a', 1, { v: 'own' })], 1, 'e2')
  assert.deepEqual(contents(), { a: { v: 'own' }, b: { v: 2 } }, 'of b it may be that the store lost it')
})

test('the very first own write, before any session has begun, ends none', () => {
  const { transport, subscription, log } = make()
  subscription.written(setOf('a', { v: 'own' }), 'e1', { n: 1, existed: false })
  subscription.written(setOf('b', { v: 'own' }), 'e1', { n: 2, existed: false })
  transport.session.whole([told('a', 1, { v: 'own' }), told('b', 2, { v: 'own' })], 2)
  assert.deepEqual(log(), ['set a live', 'set b live', 'ready snapshot 2'])
  assert.equal(transport.sessions.length, 1)
})

test('with the policy accept, nothing is put back: what is gone is told as deleted', () => {
  const { transport, log } = makeLost({ dataLoss: 'accept' })
  assert.equal(transport.writes.length, 0)
  assert.deepEqual(log(), ['delete a resync', 'delete b resync', 'ready resync 0'])
})

test('who was away for longer than deletes are remembered puts nothing back', () => {
  const { transport, log } = makeLost({ retention: 10_000, away: 10_001 })
  assert.equal(transport.writes.length, 0)
  assert.deepEqual(log(), ['delete a resync', 'delete b resync', 'ready resync 0'])
  assert.equal(makeLost({ retention: 10_000, away: 9000 }).transport.writes.length, 1)
})

test('what others have put back need not be; what they have written since wins', async () => {
  const { transport, clock, log, contents } = makeLost()
  transport.session.sink.changes([told('a', 1, { v: 1 }, null, { epoch: 'e1', n: 1 })])
  assert.deepEqual(log(), [])
  transport.session.sink.changes([told('b', 2, { v: 'new' })])
  assert.deepEqual(log(), ['set b live', 'ready resync 2, lost 2, restored 1'])
  await transport.call.answer({
    epoch: 'e2',
    outcomes: [
      { refused: true, asOf: 2 },
      { refused: true, asOf: 2 },
    ],
  })
  assert.deepEqual(log(), [])
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 'new' } })
  assert.equal(clock.pending, 0)
})

test('what the store refuses to take back is given up once all is told that it knew by then', async () => {
  const { transport, clock, log, state } = makeLost()
  const refused = { refused: true, asOf: 9 } as const
  await transport.call.answer({ epoch: 'e2', outcomes: [refused, refused] })
  clock.advance(60_000)
  transport.session.sink.live(8)
  assert.deepEqual(log(), [])
  assert.equal(state(), 'stale')
  transport.session.sink.live(9)
  assert.deepEqual(log().sort(), ['delete a resync', 'delete b resync', 'ready resync 0, lost 2, restored 0'])
  assert.equal(clock.pending, 0)
})

/** An own write was answered by a store that had begun an epoch, before a session did; then the store began the next one. */
function makeOvertaken() {
  const made = make()
  const { transport, subscription, clock } = made
  transport.session.whole([told('a', 1, { v: 1 })], 1)
  transport.session.sink.stale(disconnected())
  subscription.written(setOf('a', { v: 2 }), 'e2', { n: 2, existed: true })
  clock.advance(100)
  transport.session.sink.begin('whole', 'e3', 1)
  /** Ends the session's contents; gives the last that was told. */
  const finish = (change: Change) => {
    transport.session.sink.changes([change])
    transport.session.sink.live(change.n)
    clock.advance(250)
    subscription.stop()
    return made.log().at(-1)
  }
  return { ...made, finish }
}

test('an own write that the store took out of an epoch in between, and kept, is not told to be lost', () => {
  const { finish } = makeOvertaken()
  assert.equal(finish(told('a', 2, { v: 2 })), 'ready resync 1')
})

test('an own write that is followed by another one before the store has told of it is not told to be lost', () => {
  const { subscription, finish } = makeOvertaken()
  subscription.written(setOf('a', { v: 3 }), 'e3', { n: 3, existed: true })
  assert.equal(finish(told('a', 3, { v: 3 })), 'ready resync 1')
})

test('what the store had of it in an earlier session, and has not told again with its whole contents, does not come back', async () => {
  const { transport, subscription, clock, log, contents } = make()
  transport.session.whole([told('a', 1, { v: 1 })], 1)
  transport.session.news(told('a', 2, { v: 2 }))
  transport.session.sink.stale(disconnected())
  clock.advance(100)
  transport.session.sink.begin('whole', 'e2', 1)
  transport.session.sink.changes([told('a', 1, { v: 1 })])
  transport.session.sink.live(1)
  assert.deepEqual(contents(), { a: { v: 2 } }, 'it is in doubt')
  transport.session.sink.stale(disconnected())
  clock.advance(100)
  // Meanwhile somebody has deleted it, and the mark of that is forgotten.
  transport.session.sink.begin('whole', 'e2', Infinity)
  transport.session.sink.live(5)
  clock.advance(250)
  log()
  await transport.call.answer({ epoch: 'e2', outcomes: [{ refused: true, asOf: 5 }] })
  transport.session.sink.live(5)
  assert.deepEqual(log(), ['delete a resync', 'ready resync 0, lost 1, restored 0'])
  subscription.stop()
})

test('the answer to what was put back in a session that is over gives up nothing in the next one', async () => {
  const contents = Array.from({ length: 600 }, (_, i) => told(`key ${i}`, i + 1, {}))
  const { transport, clock, log } = makeLost({ contents })
  const first = transport.call
  transport.session.sink.stale(disconnected())
  clock.advance(100)
  transport.session.whole([], 0, 'e2')
  clock.advance(250)
  assert.equal(transport.writes.length, 2)
  log()
  await take(first, 1)
  transport.session.sink.live(0)
  transport.session.sink.live(500)
  assert.deepEqual(log(), [], 'the rest is still on its way')
  await take(transport.call, 501)
  await take(transport.call, 1001)
  assert.deepEqual(log(), ['ready resync 600, lost 600, restored 600'])
})

test('where the store takes nothing, that is reported, and tried again after a second; nothing is lost meanwhile', async () => {
  const { transport, clock, log, contents } = makeLost()
  for (let attempt = 1; attempt <= 5; attempt++) {
    assert.equal(transport.writes.length, attempt)
    await transport.call.fail(new MemisError('STORE_REFUSED', 'out of memory'))
    assert.deepEqual(log(), ['report STORE_REFUSED'])
    clock.advance(1000)
  }
  assert.deepEqual(contents(), { a: { v: 1 }, b: { v: 2 } })
  await take(transport.call)
  assert.deepEqual(log(), ['ready resync 2, lost 2, restored 2'])
  assert.equal(clock.pending, 0)
})

test('who may not write leaves it to the others, and after 2 s takes the word of the store', async () => {
  const { transport, clock, log } = makeLost()
  await transport.call.fail(unauthorized())
  assert.deepEqual(log(), ['report UNAUTHORIZED'])
  transport.session.sink.changes([told('a', 1, { v: 1 }, null, { epoch: 'e1', n: 1 })])
  clock.advance(2000)
  assert.deepEqual(log(), ['delete b resync', 'ready resync 1, lost 2, restored 1'])
  assert.equal(transport.writes.length, 1)
})

test('a refusal of a single write is as good as one of all: reported, and tried again; nothing is lost meanwhile', async () => {
  const { transport, clock, log, contents } = makeLost()
  const full = { error: new MemisError('STORE_REFUSED', 'the bucket is full') }
  await transport.call.answer({ epoch: 'e2', outcomes: [{ n: 1, existed: false }, full] })
  assert.deepEqual(log(), ['report STORE_REFUSED'])
  assert.equal(Object.keys(contents()).length, 2)
  clock.advance(1000)
  assert.equal(transport.call.batch.writes.length, 1)
  await take(transport.call, 2)
  assert.deepEqual(log(), ['ready resync 2, lost 2, restored 2'])
  assert.equal(clock.pending, 0)
})

test('stopping between two attempts leaves no timer', async () => {
  const { transport, subscription, clock } = makeLost()
  await transport.call.fail(new MemisError('STORE_REFUSED', 'out of memory'))
  subscription.stop()
  assert.equal(clock.pending, 0)
})

test('an item expires in time while it is in doubt', async () => {
  const { clock, log, transport } = makeLost({ contents: [told('a', 1, { v: 1 }, 1000)] })
  await transport.call.answer({ epoch: 'e2', outcomes: [{ refused: true, asOf: 9 }] })
  clock.advance(1000)
  assert.deepEqual(log(), ['expire a live'])
  transport.session.sink.live(9)
  assert.deepEqual(log(), ['ready resync 0, lost 1, restored 0'])
  assert.equal(clock.pending, 0)
})

test('an item that expires while it is on its way back is not told anew', async () => {
  const { transport, clock, log } = makeLost({ contents: [told('a', 1, { v: 1 }, 1000)] })
  clock.advance(1000)
  await take(transport.call)
  assert.deepEqual(log(), ['expire a live', 'ready resync 0, lost 1, restored 1'])
  clock.advance(2000)
  transport.session.news(gone('a', 1, 'expire'))
  assert.deepEqual(log(), [])
})

test('what has expired by the time it would be put back is put back as deleted; a listener may stop it then', async () => {
  for (const stops of [false, true]) {
    const made = makeLive()
    made.transport.session.news(told('a', 3, { v: 1 }, 100))
    made.transport.session.sink.stale(disconnected())
    made.clock.advance(60)
    made.log()
    const { transport, subscription, clock, hooks, log } = made
    if (stops) hooks.told = () => subscription.stop()
    transport.session.sink.begin('whole', 'e2', 2)
    clock.pass(38.8)
    transport.session.sink.changes([told('b', 2, { v: 2 })])
    const { random } = Math
    Math.random = () => 0
    transport.session.sink.live(2)
    clock.advance(1)
    Math.random = random
    assert.deepEqual(log(), ['expire a live'])
    assert.deepEqual(
      transport.writes.map(({ batch }) => batch.writes.map(({ kind }) => kind)),
      stops ? [] : [['delete']],
    )
    if (stops) assert.equal(clock.pending, 0)
  }
})

test('another loss of touch while things are put back: it begins again', async () => {
  const { transport, clock, log } = makeLost()
  const first = transport.call
  transport.session.sink.stale(disconnected())
  assert.equal(clock.pending, 1, 'only the timer for the next session')
  clock.advance(100)
  transport.session.sink.begin('delta', 'e2', Infinity)
  transport.session.sink.live(0)
  clock.advance(250)
  assert.equal(transport.writes.length, 2)
  assert.equal(transport.call.batch.sequence, 2)
  await first.fail(disconnected())
  await take(transport.call)
  assert.deepEqual(log(), ['report DISCONNECTED', 'ready resync 2, lost 2, restored 2'])
})

test('stopping while things are put back leaves no timer, and an answer that comes late does nothing', async () => {
  const { transport, subscription, clock, log, contents } = makeLost()
  subscription.stop()
  assert.equal(clock.pending, 0)
  await take(transport.call)
  assert.deepEqual(log(), [])
  assert.deepEqual(contents(), {})
})

test('a listener that stops it while the contents of a store that lost something are told leaves no timer', () => {
  const { transport, subscription, clock, hooks, log } = make()
  transport.session.whole([told('a', 1, {}), told('b', 5, {})], 5)
  transport.session.sink.stale(disconnected())
  clock.advance(50)
  log()
  hooks.told = () => subscription.stop()
  const { sink } = transport.session
  sink.begin('whole', 'e2', 2) // of number 5 nothing is known: it is in doubt; what was 1 is not told: it is gone
  sink.live(2)
  assert.deepEqual(log(), ['delete a resync'])
  assert.equal(clock.pending, 0)
  assert.equal(transport.writes.length, 0)
})

test('where a delta would not tell what the store has instead of what it lost, the whole contents are asked for', () => {
  const { transport, subscription, clock, log, contents } = makeLive()
  transport.session.news(told('a', 3, { v: 3 }))
  subscription.written(setOf('b', { v: 'lost' }), 'e2', { n: 4, existed: true })
  clock.advance(50)
  // That write was of a history that came to nothing.
  transport.session.sink.begin('delta', 'e1', Infinity)
  assert.deepEqual(log(), ['set a live', 'set b live', 'stale OUT_OF_TOUCH', 'report OUT_OF_TOUCH'])
  clock.advance(100)
  assert.deepEqual(transport.session.from, { epoch: 'e1', n: 3, past: [], whole: true })
  transport.session.whole([told('a', 3, { v: 3 }), told('b', 2, { v: 2 })], 3)
  assert.deepEqual(contents(), { a: { v: 3 }, b: { v: 2 } }, 'of nothing that the store has is it known to be newer')
  assert.deepEqual(log(), ['set b resync', 'ready resync 2, lost 1, restored 0'])
  assert.equal(transport.writes.length, 0)
})

test('nothing is put back by who has no contents yet', async () => {
  const { transport, subscription, log } = make()
  subscription.replica.written(setOf('a', {}), 'e0', { n: 1, existed: false })
  transport.session.whole([], 0)
  await turn()
  assert.equal(transport.writes.length, 0)
  assert.deepEqual(log(), ['set a live', 'delete a snapshot', 'ready snapshot 0'])
})

test.run()
