/** What replicas do when the store lost something, or the link deceives: clauses K1, K2, K7, E7, H1, H11. */
import { must, refused, same } from '../assert'
import type { Define } from '../suite'
import type { Replica } from './replica'
import type { Scene } from './scene'
import { inTime, outage } from './support'

/** Audits often, so that no case waits for one. */
const attentive = { auditInterval: 200 }

const values = ({ items }: Replica) => Object.fromEntries([...items].map(([key, { n }]) => [key, n]))

/** Waits until all are live and hold this. */
async function settled(scene: Scene, replicas: readonly Replica[], expected: Record<string, unknown>): Promise<void> {
  await scene.eventually(() => {
    replicas.forEach((replica, i) => {
      const { state, reason } = replica.items.freshness
      same([state, values(replica)], ['live', expected], `replica ${i + 1} (${reason?.message})`)
    })
  })
}

export function losses(test: Define<Scene>): void {
  test(
    'K7 C1 a store that lost everything gets it back, with its revisions and the time that is left',
    ['lose'],
    async (scene) => {
      const [writer, reader] = await scene.two(attentive)
      await writer.items.set('a', { n: 1 })
      await writer.items.set('timed', { n: 1 }, 600)
      await scene.eventuallyEqual([writer, reader])
      const revision = reader.items.entry('a')?.revision
      await scene.pass(100)
      await scene.do('lose')
      await scene.eventually(() => {
        for (const { readies } of [writer, reader]) must(readies.length > 1, 'awaited: ready, after the loss', readies)
      })
      await settled(scene, [writer, reader], { a: 1, timed: 1 })
      const late = await scene.replica()
      same(values(late), { a: 1, timed: 1 }, 'what a joiner finds in the store')
      for (const { items } of [writer, reader, late]) {
        same(items.entry('a')?.revision, revision, 'the revision of an item that was restored')
        const expiresIn = items.entry('timed')?.expiresIn
        must(
          expiresIn != null && expiresIn < 599.95 && expiresIn > 500,
          'the time that is left, about 599.9 s',
          expiresIn,
        )
      }
      for (const { events, readies } of [writer, reader]) {
        same(
          events.map(({ event }) => event),
          ['set', 'set'],
          'a loss that is mended emits nothing',
        )
        const lost = readies.slice(1).reduce((sum, ready) => sum + ready.lost, 0)
        const restored = readies.slice(1).reduce((sum, ready) => sum + ready.restored, 0)
        must(lost >= 2 && restored >= 2, 'ready says how many items were lost and restored', readies)
      }
    },
  )

  test('K7 a write after a loss wins over what is restored', ['lose'], async (scene) => {
    const [writer, reader] = await scene.two(attentive)
    for (const key of ['set', 'deleted', 'stays']) await writer.items.set(key, { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    const stranger = await scene.unsubscribed()
    await stranger.client.connect()
    await scene.do('lose')
    await stranger.items.set('set', { n: 2 })
    await stranger.items.delete('deleted')
    await settled(scene, [writer, reader], { set: 2, stays: 1 })
    same(values(await scene.replica()), { set: 2, stays: 1 }, 'what a joiner finds in the store')
  })

  test('K7 a store that was rolled back gets back what it lost, deletes too', ['backUp'], async (scene) => {
    const [writer, reader] = await scene.two(attentive)
    for (const key of ['kept', 'changed', 'deleted']) await writer.items.set(key, { n: 1 })
    const restore = await scene.do('backUp')
    await writer.items.set('changed', { n: 2 })
    await writer.items.delete('deleted')
    await writer.items.set('new', { n: 2 })
    await scene.eventuallyEqual([writer, reader])
    const events = [writer, reader].map((replica) => replica.events.length)
    await restore()
    // The next write shows the roll-back, at the latest.
    await writer.items.set('since', { n: 3 })
    const expected = { kept: 1, changed: 2, new: 2, since: 3 }
    await settled(scene, [writer, reader], expected)
    same(values(await scene.replica()), expected, 'what a joiner finds in the store')
    for (const [i, replica] of [writer, reader].entries()) {
      const since = replica.events.slice(events[i]).map(({ event, key }) => `${event} ${key}`)
      same(since, ['set since'], 'what was emitted after the roll-back')
    }
  })

  test("K7 with dataLoss: 'accept', the store's word counts", ['lose'], async (scene) => {
    const [writer, reader] = await scene.two({ ...attentive, dataLoss: 'accept' })
    await writer.items.set('a', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.do('lose')
    await writer.items.set('b', { n: 2 })
    await settled(scene, [writer, reader], { b: 2 })
    same(reader.told('a'), ['set live', 'delete resync'])
  })

  test('K7 a write that was acknowledged survives as long as one replica knows it', ['lose'], async (scene) => {
    const reader = await scene.replica(attentive)
    const writer = await scene.unsubscribed()
    for (let n = 1; n <= 3; n++) {
      await writer.items.set(`key ${n}`, { n })
      await scene.eventually(() => must(reader.items.has(`key ${n}`), `awaited: key ${n}`, values(reader)))
      await scene.do('lose')
    }
    await settled(scene, [reader], { 'key 1': 1, 'key 2': 2, 'key 3': 3 })
    await scene.eventually(() => must(reader.readies.at(-1)?.cause === 'resync', 'awaited: ready', reader.readies))
    const late = await scene.replica()
    await settled(scene, [late, reader], { 'key 1': 1, 'key 2': 2, 'key 3': 3 })
  })

  test(
    'K7 an emptied store whose clock is behind gets back what it lost, and what is new wins',
    ['loseWithClockBehind'],
    async (scene) => {
      const [writer, reader] = await scene.two(attentive)
      for (const key of ['changed', 'stays']) await writer.items.set(key, { n: 1 })
      await scene.eventuallyEqual([writer, reader])
      const stranger = await scene.unsubscribed()
      await stranger.client.connect()
      await scene.do('loseWithClockBehind')
      await stranger.items.set('changed', { n: 2 })
      await settled(scene, [writer, reader], { changed: 2, stays: 1 })
      same(values(await scene.replica()), { changed: 2, stays: 1 }, 'what a joiner finds in the store')
      await writer.items.set('changed', { n: 3 })
      await settled(scene, [writer, reader], { changed: 3, stays: 1 })
    },
  )

  test('K7 an item that vanished from the store is put back', ['evict'], async (scene) => {
    const [writer, reader] = await scene.two(attentive)
    await writer.items.set('a', { n: 1 })
    await writer.items.set('b', { n: 1 })
    await scene.eventuallyEqual([writer, reader])
    await scene.do('evict', scene.id, 'a')
    await scene.inTime(200, async () => {
      const late = await scene.replica()
      same(values(late), { a: 1, b: 1 }, 'what a joiner finds in the store')
    })
    await settled(scene, [writer, reader], { a: 1, b: 1 })
  })

  test('K1 K2 changes that no notification told of are found', ['dropNotification'], async (scene) => {
    const [writer, reader] = await scene.two(attentive)
    for (let n = 1; n <= 3; n++) {
      await scene.do('dropNotification', reader.client.transport)
      await writer.items.set('a', { n })
      await scene.inTime(200, () => same(values(reader), { a: n }))
    }
    await settled(scene, [writer, reader], { a: 3 })
  })

  test(
    'K2 K3 E7 on a link that falls silent, a replica becomes stale in time, and expiries have that cause',
    ['silence', 'heal'],
    async (scene) => {
      const writer = await scene.replica()
      const reader = await scene.replica({ livenessTimeout: 1000 })
      await writer.items.set('timed', { n: 1 }, 5)
      await writer.items.set('a', { n: 1 })
      await scene.eventuallyEqual([writer, reader])
      await scene.do('silence', reader.client.transport)
      const started = performance.now()
      await scene.eventually(() => must(reader.stales.length > 0, 'awaited: stale', reader.items.freshness))
      const took = performance.now() - started
      must(took < 2500, 'within livenessTimeout (1000 ms), on a busy machine within 2500', took)
      await writer.items.set('a', { n: 2 })
      await scene.eventually(() => same(reader.told('timed'), ['set live', 'expire stale']))
      same(values(reader), { a: 1 })
      await scene.do('heal', reader.client.transport)
      await settled(scene, [writer, reader], { a: 2 })
      same(reader.told('timed'), ['set live', 'expire stale'])
    },
  )

  test('E7 K3 an expiry while a replica is cut off has the cause stale', outage, async (scene) => {
    const [writer, reader] = await scene.two(attentive)
    await inTime(1, async (ttl) => {
      const key = `timed ${ttl}`
      await writer.items.set(key, { n: 1 }, ttl)
      await scene.eventuallyEqual([writer, reader])
      await scene.cut(reader)
      const isInTime = reader.items.has(key)
      await writer.items.set(key, { n: 2 }, 600)
      await scene.eventually(() => must(!reader.items.has(key), 'awaited: expire', values(reader)))
      await scene.heal(reader)
      await scene.eventuallyEqual([writer, reader])
      if (isInTime) same(reader.told(key), ['set live', 'expire stale', 'set resync'])
      return isInTime
    })
  })

  test('H1 an item that is damaged in the store is absent, and harms no other', ['damage'], async (scene) => {
    scene.expect('UNDECODABLE')
    const writer = await scene.unsubscribed()
    for (const key of ['a', 'b']) await writer.items.set(key, { n: 1 })
    await scene.do('damage', scene.id, 'a')
    const late = await scene.replica()
    same(values(late), { b: 1 })
    await writer.items.set('a', { n: 2 })
    await settled(scene, [late, await scene.replica()], { a: 2, b: 1 })
  })

  test(
    'W6 H2 a store that refuses writes refuses them with stored: no, and replicas go on',
    ['refuseWrites'],
    async (scene) => {
      const [writer, reader] = await scene.two()
      await writer.items.set('a', { n: 1 })
      await scene.do('refuseWrites', true)
      const { stored } = await refused(writer.items.set('a', { n: 2 }))
      same(stored, 'no')
      await scene.do('refuseWrites', false)
      await writer.items.set('a', { n: 3 })
      await settled(scene, [writer, reader], { a: 3 })
      same([reader.stales.length, reader.of('a').map(({ item }) => item.n)], [0, [1, 3]])
    },
  )

  test('H11 a client that only reads follows, and writes nothing', async (scene) => {
    const reader = await scene.replica({ readOnly: true })
    const writer = await scene.replica()
    await writer.items.set('a', { n: 1 })
    await settled(scene, [writer, reader], { a: 1 })
    const { stored } = await refused(reader.items.set('a', { n: 2 }), 'READ_ONLY')
    same(stored ?? 'no', 'no')
    await refused(reader.items.delete('a'), 'READ_ONLY')
    await refused(reader.items.clear(), 'READ_ONLY')
    await settled(scene, [writer, reader, await scene.replica()], { a: 1 })
  })

  test('H11 K7 a client that only reads restores nothing, and believes the store', ['lose'], async (scene) => {
    const reader = await scene.replica({ ...attentive, readOnly: true })
    const writer = await scene.unsubscribed()
    await writer.items.set('a', { n: 1 })
    await settled(scene, [reader], { a: 1 })
    await scene.do('lose')
    await writer.items.set('b', { n: 2 })
    await scene.inTime(500, () => same(values(reader), { b: 2 }))
    same(values(await scene.replica()), { b: 2 }, 'what a joiner finds in the store')
  })
}
