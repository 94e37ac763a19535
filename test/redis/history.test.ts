/** The history of a store: epochs, places and signatures, when the store goes back without saying so. */
import assert from 'node:assert'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Entry } from '../../src/core/transport'
import { startProxy } from '../support/proxy'
import { Direct, id, remove, set } from './direct'
import { baseOf, note, Raw, readItem, redisServer, rejection, suite } from './support'

const test = suite('history')

const base = baseOf('test', 'items')

/** Copies the collection; the function that is returned puts the copy in its place, on the same server, in one step. */
async function backUp(raw: Raw): Promise<() => Promise<unknown>> {
  const names = (await raw.keys(base)).filter((name) => !name.includes('/writer/'))
  const dumps = await Promise.all(
    names.map(async (name) => {
      const [dump] = await raw.sendBinary('EVAL', "return {redis.call('DUMP', KEYS[1])}", '1', name)
      return [
        'RESTORE',
        name,
        String(Math.max(0, await raw.send('PEXPIRETIME', name))),
        dump as Buffer,
        'ABSTTL',
      ] as const
    }),
  )
  return () =>
    Promise.all([
      raw.send('MULTI'),
      raw.send('FLUSHALL'),
      ...dumps.map((each) => raw.sendBinary(...each)),
      raw.send('EXEC'),
    ])
}

/** What a follower holds that the store's history does not contain is merged, as a replica would. */
async function restore(direct: Direct, entries: readonly Entry[], n: number, epoch: string): Promise<unknown[]> {
  const merged = await direct.transport.merge(id, { epoch, n }, entries)
  return merged.map((each) => ('place' in each ? 'restored' : (each.current?.item ?? null)))
}

test('a store that went back, and was written to up to the same place: its signature tells, though no notification came', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const proxy = await startProxy(server.port)
  await using near = await Direct.open(`redis://127.0.0.1:${proxy.port}`)
  await using far = await Direct.open(server.url)
  const follower = await near.follow()
  await far.write(set('a', { v: 1 }))
  const goBack = await backUp(raw)
  const lost = await far.accepted(set('b', { v: 'lost' }))
  await follower.reached(lost.n)
  // In one go, so that no audit comes between.
  await using stranger = await Direct.open(server.url)
  proxy.loseNext((chunk) => chunk.includes('stranger'))
  await Promise.all([goBack(), stranger.write(set('c', { v: 'stranger' }))])
  assert.strictEqual(await raw.send('HGET', `${base}/meta`, 'head'), String(lost.n))
  const error = await follower.ended()
  assert.strictEqual(error.code, 'OUT_OF_TOUCH')
  const again = await near.follow(follower.cursor)
  assert.strictEqual(again.history.length, 2, 'another epoch has begun')
  assert.deepStrictEqual([again.mode, again.items], ['snapshot', { a: { v: 1 }, c: { v: 'stranger' } }])
  const held = follower.entries.get('b') as Entry
  const epoch = again.history.at(-1)?.id as string
  assert.deepStrictEqual(await restore(near, [held], 0, epoch), ['restored'])
  await proxy.close()
})

test('a store that went back, and was written to beyond what was known, in one batch: found out by the first notification', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using near = await Direct.open(server.url, { auditInterval: 60_000 })
  await using far = await Direct.open(server.url)
  await using stranger = await Direct.open(server.url)
  const follower = await near.follow()
  const kept = await far.accepted(set('a', { v: 1 }))
  const goBack = await backUp(raw)
  const lost = await far.accepted(set('b', { v: 'lost' }))
  await follower.reached(lost.n)
  await goBack()
  await stranger.write(...Array.from({ length: 10 }, (_, i) => set(`c ${i}`, { v: i })))
  await follower.ended()
  const again = await near.follow(follower.cursor)
  assert.deepStrictEqual(
    again.history.map(({ floor }) => floor),
    [0, kept.n],
    'up to the place before the first that was taken a second time, nothing differs',
  )
  assert.strictEqual(again.entries.size, 11)
  assert.strictEqual(again.entries.has('b'), false)
})

test('a store that went back is told by the next write of somebody who knows better, before that write', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using writer = await Direct.open(server.url)
  const before = await writer.accepted(set('a', { v: 1 }))
  const goBack = await backUp(raw)
  const lost = await writer.accepted(set('a', { v: 2 }))
  await goBack()
  const after = await writer.accepted(set('b', { v: 3 }))
  assert.ok(after.epoch > before.epoch, `${after.epoch} after ${before.epoch}`)
  assert.deepStrictEqual([before.n, lost.n, after.n], [1, 2, 2])
  const { history, items } = await writer.follow()
  assert.deepStrictEqual(history, [
    { id: before.epoch, floor: 0 },
    { id: after.epoch, floor: 1 },
  ])
  assert.deepStrictEqual(items, { a: { v: 1 }, b: { v: 3 } })
  const answers = await restore(writer, [{ key: 'a', ...lost, item: { v: 2 }, leftMs: null }], 1, after.epoch)
  assert.deepStrictEqual(answers, ['restored'])
  assert.deepStrictEqual(await readItem(raw, `${base}:a`), { v: 2 })
})

test('600 restarts: the last 512 epochs are kept, items keep their revisions, and a write does not take longer', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using direct = await Direct.open(server.url)
  const revisions = new Map<string, { epoch: string; n: number }>()
  for (let i = 0; i < 600; i++) {
    // As if the server was another one each time.
    if (i > 0) {
      const [epoch, floor, , secret] = (await raw.send('HGET', `${base}/meta`, 'epoch')).split(' ')
      await raw.send('HSET', `${base}/meta`, 'epoch', `${epoch} ${floor} ${String(i).padStart(40, '0')} ${secret}`)
    }
    revisions.set(`key ${i}`, await direct.accepted(set(`key ${i}`, { i })))
  }
  const { history, entries } = await direct.follow()
  assert.strictEqual(history.length, 512)
  assert.strictEqual(new Set([...revisions.values()].map(({ epoch }) => epoch)).size, 600)
  for (let i = 90; i < 600; i++) {
    const { epoch, n } = entries.get(`key ${i}`) as Entry
    assert.deepStrictEqual({ epoch, n }, revisions.get(`key ${i}`))
  }
  // A condition on an item of a former epoch.
  const old = revisions.get('key 200') as { epoch: string; n: number }
  const [outcome] = await direct.write(set('key 200', { i: -1 }, { if: old }))
  assert.ok(outcome && 'n' in outcome, JSON.stringify(outcome))
  await raw.send('CONFIG', 'RESETSTAT')
  for (let i = 0; i < 200; i++) await direct.write(set('a', { i }), set('b', { i }))
  const each = Number(/cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(await raw.send('INFO', 'commandstats'))?.[1])
  note(`a batch of two with 512 epochs in the history: ${each} µs in the server`)
})

for (const head of ['1.5', '-5', '0x10', ' 7', '7 ', '1e2', 'nan', 'inf', '', '9007199254740993', '9'.repeat(30)]) {
  test(`a head that is ${JSON.stringify(head)}, and nobody who knows better: the next place is above all, in another epoch (H9)`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    let former = ''
    {
      await using direct = await Direct.open(server.url)
      for (let v = 1; v <= 3; v++) former = (await direct.accepted(set(`key ${v}`, { v }))).epoch
    }
    await raw.send('HSET', `${base}/meta`, 'head', head)
    await using fresh = await Direct.open(server.url)
    const { epoch, n } = await fresh.accepted(set('a', { v: 0 }))
    assert.strictEqual(n, 4)
    assert.ok(epoch > former, `${epoch} after ${former}`)
    assert.deepStrictEqual(Object.keys((await fresh.follow()).items).sort(), ['a', 'key 1', 'key 2', 'key 3'])
  })
}

test('a permission that is taken away while somebody writes: unknown is unknown, and nothing of it stays broken', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await raw.send('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', '~memis:*', '&memis:*', '+@all')
  await using writer = await Direct.open(server.url.replace('//', '//app:secret@'))
  await using other = await Direct.open(server.url)
  const follower = await other.follow()
  await writer.write(set('a', { v: 1 }))
  await writer.write(set('a', { v: 2 }))
  await follower.reached(2)
  // Between the checks, which are made once a second: the next write takes the short way.
  await raw.send('ACL', 'SETUSER', 'app', '-hset')
  const error = await rejection(writer.write(set('a', { v: 3 })))
  assert.strictEqual(error.code, 'UNAUTHORIZED')
  if (error.stored === 'no') assert.deepStrictEqual(await readItem(raw, `${base}:a`), { v: 2 })
  // From now on it is checked before anything is written.
  const next = await rejection(writer.write(set('a', { v: 4 })))
  assert.deepStrictEqual([next.code, next.stored], ['UNAUTHORIZED', 'no'])
  await other.write(set('b', { v: 1 }))
  const held = follower.entries.get('a') as Entry
  await other.transport.merge(id, follower.cursor as { epoch: string; n: number }, [held])
  const joiner = await other.follow()
  assert.deepStrictEqual(joiner.items.a, { v: 2 })
  assert.deepStrictEqual(joiner.items.b, { v: 1 })
})

test('a transaction is told in one list, also if it lies in the middle of much else', async () => {
  await using server = await redisServer()
  await using direct = await Direct.open(server.url)
  const follower = await direct.follow()
  await direct.write(set('a', { v: 0 }), remove('none'))
  const writes = [set('a', { v: 1 }), remove('b'), set('c', { v: 1 }, { if: null })]
  await direct.transport.write(id, direct.batch(writes, { isAtomic: true }))
  const { n } = await direct.accepted(set('last', { v: 1 }))
  await follower.reached(n)
  const atomic = follower.lists.filter(({ isAtomic }) => isAtomic)
  assert.deepStrictEqual(
    atomic.map(({ list }) => list.map(({ key, item }) => [key, item])),
    [
      [
        ['a', { v: 1 }],
        ['b', null],
        ['c', { v: 1 }],
      ],
    ],
  )
})

test('conflicts with large items come in several answers, each with its entry', async () => {
  await using server = await redisServer()
  await using direct = await Direct.open(server.url)
  const keys = ['a', 'b', 'c', 'd', 'e']
  for (const key of keys) await direct.write(set(key, { key, text: 'x'.repeat(900_000) }))
  const outcomes = await direct.write(...keys.map((key) => set(key, { v: 1 }, { if: null })), set('new', { v: 1 }))
  assert.deepStrictEqual(
    outcomes.slice(0, 5).map((outcome) => 'conflict' in outcome && outcome.conflict?.key),
    keys,
  )
  assert.ok('n' in (outcomes[5] as object))
  // So do the entries that a merge is refused for.
  const older = keys.map((key) => ({ key, epoch: '0', n: 1, item: { v: 0 }, leftMs: null }))
  const { cursor } = await direct.follow()
  const many = [...older, { key: 'lost', epoch: '0', n: 1, item: { v: 0 }, leftMs: null }]
  const merged = await direct.transport.merge(id, cursor as { epoch: string; n: number }, many)
  assert.deepStrictEqual(
    merged.slice(0, 5).map((each) => 'current' in each && each.current?.key),
    keys,
  )
  assert.ok('place' in (merged[5] as object))
})

test('who writes to thousands of collections remembers a bounded number of them (K10)', async () => {
  await using server = await redisServer()
  await using direct = await Direct.open(server.url)
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const write = (i: number) =>
    direct.transport.write({ ...id, collection: `collection ${i}` }, direct.batch([set('k', { i })]))
  const used = async (from: number, to: number) => {
    for (let i = from; i < to; i++) await write(i)
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = await used(0, 2000)
  const grown = (await used(2000, 6000)) - before
  assert.ok(grown < 1e6, `${grown} bytes more after 4,000 more collections`)
})

test.run()
