/** The memory hub as its users have it: each fault on purpose, and what a replica makes of it. */
import assert from 'node:assert'
import { suite } from 'uvu'
import {
  type Client,
  type Collection,
  createClient,
  type MemisError,
  type MemisOptions,
  MemoryHub,
} from '../../src/index'

const test = suite('laboratory')

/** What expires keeps a process alive, as long as its client is open. */
const opened: Client[] = []
test.after(async () => void (await Promise.all(opened.map((client) => client.close()))))

interface Item {
  v: number
}

/** A hub and two "processes" with a replica each; `words` is all that the second one's tells. */
async function laboratory(options: MemisOptions = {}) {
  const hub = new MemoryHub()
  const clients = [1, 2].map(() => createClient({ transport: 'memory', hub, ...options }))
  opened.push(...clients)
  const [one, two] = clients.map((client) => client.database('d').collection<Item>('c'))
  const [writer, other] = clients
  assert.ok(one && two && writer && other)
  const words: string[] = []
  two.on('set', (key, { v }, { cause }) => void words.push(`set ${key}=${v} ${cause}`))
  two.on('expire', (key) => void words.push(`expire ${key}`))
  two.on('delete', (key) => void words.push(`delete ${key}`))
  two.on('stale', () => void words.push('stale'))
  two.on('ready', ({ cause }) => void words.push(`ready ${cause}`))
  await Promise.all([one.subscribe(), two.subscribe()])
  words.length = 0
  return { hub, one, two, writer, other, words, told: () => words.splice(0) }
}

test('advance: a ttl of a day is over in a moment, and not a moment early', async () => {
  const { hub, one, two, told } = await laboratory()
  await one.set('a', { v: 1 }, 24 * 3600)
  await hub.advance('23.9 h')
  assert.deepStrictEqual(two.get('a'), { v: 1 })
  await hub.advance('0.1 h')
  assert.deepStrictEqual(told(), ['set a=1 live', 'expire a'])
  assert.strictEqual(one.has('a'), false)
})

test('cut and heal: writes wait, the replica is stale and serves what it has, then all is made up for', async () => {
  const { hub, one, two, other, told } = await laboratory()
  await one.set('a', { v: 1 })
  await hub.idle()
  hub.cut(other)
  assert.strictEqual(two.freshness.state, 'stale')
  await one.set('a', { v: 2 })
  await one.set('b', { v: 1 })
  const waiting = two.set('c', { v: 3 })
  await hub.idle()
  assert.deepStrictEqual(two.get('a'), { v: 1 })
  hub.heal(other)
  await waiting
  await hub.advance(1000)
  assert.deepStrictEqual([...two].sort(), [...one].sort())
  assert.deepStrictEqual(
    told().sort(),
    ['ready resync', 'set a=1 live', 'set a=2 resync', 'set b=1 resync', 'set c=3 stale', 'stale'].sort(),
  )
})

test('cut for longer than writeTimeout: what waited is refused, and was not stored', async () => {
  const { hub, two, other } = await laboratory()
  hub.cut(other)
  const refused = two.set('a', { v: 1 }).then(
    () => assert.fail('it was taken'),
    ({ code, stored }: MemisError) => [code, stored],
  )
  await hub.advance('11 s')
  assert.deepStrictEqual(await refused, ['WRITE_TIMEOUT', 'no'])
})

test('cut while a write is under way: it was stored, its answer was lost, and it is taken once', async () => {
  const { hub, one, two, writer, told } = await laboratory()
  const written = one.set('a', { v: 1 })
  await Promise.resolve() // it leaves
  hub.cut(writer)
  await hub.idle()
  hub.heal(writer)
  await written
  await hub.advance(1000)
  assert.deepStrictEqual(two.get('a'), { v: 1 })
  assert.deepStrictEqual(told(), ['set a=1 live'])
})

test('drop: the next notification shows the gap, or else the audit does', async () => {
  const { hub, one, two, other, told } = await laboratory()
  hub.drop(1, other)
  await one.set('a', { v: 1 })
  await hub.idle()
  assert.strictEqual(two.has('a'), false)
  await one.set('b', { v: 1 })
  await hub.advance(200)
  assert.deepStrictEqual(told(), ['stale', 'set a=1 resync', 'set b=1 resync', 'ready resync'])
  hub.drop(1, other)
  await one.set('c', { v: 1 })
  await hub.advance('3 s')
  assert.deepStrictEqual(told(), ['stale', 'set c=1 resync', 'ready resync'])
})

test('duplicate: told once', async () => {
  const { hub, one, told } = await laboratory()
  hub.duplicate(2)
  await one.set('a', { v: 1 })
  await one.set('a', { v: 2 })
  await hub.idle()
  assert.deepStrictEqual(told(), ['set a=1 live', 'set a=2 live'])
})

test('reorder: the second one shows a gap, and the first comes with the resync', async () => {
  const { hub, one, two, other, told } = await laboratory()
  hub.reorder(1, other)
  await one.set('a', { v: 1 })
  await one.set('a', { v: 2 })
  await hub.advance(1000)
  assert.deepStrictEqual(two.get('a'), { v: 2 })
  assert.deepStrictEqual(told(), ['stale', 'set a=2 resync', 'ready resync'])
})

test('delay: it comes when its time has passed', async () => {
  const { hub, one, other, told } = await laboratory()
  hub.delay('2 s', other)
  await one.set('a', { v: 1 })
  await hub.advance('1 s')
  assert.deepStrictEqual(told(), [])
  await hub.advance('1 s')
  assert.deepStrictEqual(told(), ['set a=1 live'])
})

test('refuseWrites: told as the store tells it, and nothing is stored', async () => {
  const { hub, one, two, told } = await laboratory()
  hub.refuseWrites()
  await assert.rejects(one.set('a', { v: 1 }), { code: 'STORE_REFUSED', stored: 'no' })
  hub.refuseWrites(false)
  await one.set('a', { v: 2 })
  await hub.idle()
  assert.deepStrictEqual(two.get('a'), { v: 2 })
  assert.deepStrictEqual(told(), ['set a=2 live'])
})

for (const dataLoss of ['restore', 'accept'] as const) {
  /** What the replicas hold in the end, what the second one told, and what who joins then finds. */
  const end = async (hub: MemoryHub, two: Collection<Item>, told: () => string[]) => {
    await hub.advance('5 s')
    const late: Client = createClient({ transport: 'memory', hub })
    const joined = late.database('d').collection<Item>('c')
    await joined.subscribe()
    assert.deepStrictEqual([...joined].sort(), [...two].sort())
    await late.close()
    return { held: [...two].map(([key, { v }]) => `${key}=${v}`).sort(), told: told().sort() }
  }

  test(`lose, dataLoss ${dataLoss}`, async () => {
    const { hub, one, two, told } = await laboratory({ dataLoss })
    await one.set('a', { v: 1 })
    await one.set('timed', { v: 1 }, 60)
    await hub.idle()
    told()
    hub.lose()
    await one.set('since', { v: 1 })
    const { held, told: words } = await end(hub, two, told)
    if (dataLoss === 'restore') {
      assert.deepStrictEqual(held, ['a=1', 'since=1', 'timed=1'])
      assert.ok(!words.some((word) => /delete|expire/.test(word)), String(words))
      await hub.advance('56 s')
      assert.deepStrictEqual(told(), ['expire timed'], 'with the time that it had left')
    } else {
      assert.deepStrictEqual(held, ['since=1'])
      assert.deepStrictEqual(
        words.filter((word) => word.startsWith('delete')),
        ['delete a', 'delete timed'],
      )
    }
  })

  test(`snapshot and rollBack, dataLoss ${dataLoss}`, async () => {
    const { hub, one, two, told } = await laboratory({ dataLoss })
    await one.set('kept', { v: 1 })
    await one.set('changed', { v: 1 })
    await one.set('deleted', { v: 1 })
    const snapshot = hub.snapshot()
    await one.set('changed', { v: 2 })
    await one.delete('deleted')
    await one.set('new', { v: 1 })
    await hub.idle()
    told()
    hub.rollBack(snapshot)
    const { held, told: words } = await end(hub, two, told)
    if (dataLoss === 'restore') {
      assert.deepStrictEqual(held, ['changed=2', 'kept=1', 'new=1'])
      assert.deepStrictEqual(words, ['ready resync', 'stale'])
    } else {
      assert.deepStrictEqual(held, ['changed=1', 'deleted=1', 'kept=1'])
      assert.deepStrictEqual(words, [
        'delete new',
        'ready resync',
        'set changed=1 resync',
        'set deleted=1 resync',
        'stale',
      ])
    }
  })
}

test('who joined since knows as well what had been deleted: a copy from before does not bring it back', async () => {
  const { hub, one } = await laboratory()
  await one.set('a', { v: 1 })
  await one.set('b', { v: 1 })
  const snapshot = hub.snapshot()
  await one.clear()
  await one.set('c', { v: 1 })
  const late = createClient({ transport: 'memory', hub })
  const joined = late.database('d').collection<Item>('c')
  await joined.subscribe()
  // It is the only one left, and was told of no delete.
  one.unsubscribe()
  hub.cut()
  hub.heal(late)
  await hub.advance(1000)
  hub.rollBack(snapshot)
  await hub.advance('5 s')
  assert.deepStrictEqual([...joined.keys()], ['c'])
  const last = createClient({ transport: 'memory', hub })
  hub.heal(last) // a client that is made while all are cut off is cut off too
  const found = last.database('d').collection<Item>('c')
  await found.subscribe()
  assert.deepStrictEqual([...found.keys()], ['c'])
})

test('short-lived keys leave nothing behind once the horizon has passed', async () => {
  const { hub, one } = await laboratory({ retention: 10_000 })
  const stored = hub.collection({ prefix: 'memis', database: 'd', collection: 'c' })
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 1000 }, (_, n) => one.set(`key ${round} ${n}`, { v: n }, 1)))
    await hub.advance('2 s')
  }
  assert.ok(stored.state.stored.length > 1000)
  await hub.advance('11 s')
  await one.set('last', { v: 1 })
  assert.deepStrictEqual(
    stored.state.stored.map(({ key }) => key),
    ['last'],
  )
})

test('as much as a ttl ends it, in each replica, whenever it was set', async () => {
  for (let i = 0; i < 100; i++) {
    const hub = new MemoryHub()
    const [one, two] = [0, 1].map(() => createClient({ transport: 'memory', hub }))
    const [set, heard] = [one, two].map((client) => client?.database('d').collection<object>('c'))
    await Promise.all([set?.subscribe(), heard?.subscribe()])
    await set?.set('a', {}, 60)
    await hub.advance('59.9 s')
    assert.ok(set?.has('a') && heard?.has('a'))
    await hub.advance('0.1 s')
    assert.ok(!set?.has('a') && !heard?.has('a'))
    await Promise.all([one?.close(), two?.close()])
  }
})

test('evict: the item vanishes without a trace, the audit finds that out, and a replica puts it back', async () => {
  const { hub, one, told } = await laboratory()
  await one.set('a', { v: 1 })
  await hub.idle()
  told()
  hub.evict('a')
  const late = createClient({ transport: 'memory', hub })
  opened.push(late)
  const items = late.database('d').collection<Item>('c')
  await items.subscribe()
  assert.strictEqual(items.has('a'), false)
  await hub.advance('3 s')
  assert.deepStrictEqual([...items], [['a', { v: 1 }]])
  assert.deepStrictEqual(told(), [], 'nothing changed for a replica that had it')
})

test('lose, with a clock that is behind: what is new wins all the same', async () => {
  const { hub, one, two } = await laboratory()
  await one.set('changed', { v: 1 })
  await one.set('stays', { v: 1 })
  await hub.idle()
  const stranger = createClient({ transport: 'memory', hub })
  opened.push(stranger)
  hub.lose({ clockBehind: '1 h' })
  await stranger.database('d').collection<Item>('c').set('changed', { v: 2 })
  await hub.advance('5 s')
  for (const items of [one, two]) {
    assert.deepStrictEqual(Object.fromEntries(items), { changed: { v: 2 }, stays: { v: 1 } })
  }
})

test('cut, without a client, cuts off those that are made meanwhile, too', async () => {
  const { hub, one } = await laboratory()
  await one.set('a', { v: 1 })
  hub.cut()
  const late = createClient({ transport: 'memory', hub })
  opened.push(late)
  const items = late.database('d').collection<Item>('c')
  const subscribed = items.subscribe()
  await hub.idle()
  assert.strictEqual(items.freshness.state, 'syncing')
  hub.heal()
  await subscribed
  assert.deepStrictEqual([...items], [['a', { v: 1 }]])
})

test('what a hub does not understand is refused, and changes nothing', async () => {
  const { hub, one, other } = await laboratory()
  const snapshot = hub.snapshot()
  const calls: (() => unknown)[] = [
    () => hub.drop(-1),
    () => hub.drop(1.5, other),
    () => hub.duplicate('2' as never),
    () => hub.reorder(Number.NaN),
    () => hub.delay('soon'),
    () => hub.delay(-1),
    () => hub.refuseWrites('no' as never),
    () => hub.lose({ clockBehind: 'an hour' }),
    () => hub.rollBack(undefined as never),
    () => hub.rollBack(new Map()),
    () => new MemoryHub().rollBack(snapshot),
    () => hub.advance('1 year'),
  ]
  for (const call of calls) assert.throws(call, { code: 'INVALID_OPTION' }, String(call))
  await one.set('a', { v: 1 })
  await hub.idle()
  assert.deepStrictEqual([...one], [['a', { v: 1 }]])
})

test.run()
