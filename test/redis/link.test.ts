/** Links that break, hang, or lose a message, and what becomes of the writes on them. */
import assert from 'node:assert'
import { type Collection, createClient } from '../../src'
import { cutLink, deadLink } from '../scenarios/dead-link'
import { startProxy, type TcpProxy } from '../support/proxy'
import { Direct, id, remove, set } from './direct'
import { Interceptor } from './interceptor'
import {
  baseOf,
  type Disposable,
  note,
  Raw,
  Replay,
  readItem,
  readStore,
  redisServer,
  redisSite,
  rejection,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('link')

async function proxyTo(port: number): Promise<Disposable<TcpProxy & { url: string }>> {
  const proxy = await startProxy(port)
  return Object.assign(Object.create(proxy), {
    url: `redis://127.0.0.1:${proxy.port}`,
    [Symbol.asyncDispose]: () => proxy.close(),
  })
}

const itemsOf = (client: ReturnType<typeof createClient>): Collection<object> =>
  client.database('test').collection('items')
const base = baseOf('test', 'items')

for (const [what, harm] of [
  ['a half-open link', 'freeze'],
  ['a server that is stopped', 'pause'],
] as const) {
  test(`${what} is noticed within livenessTimeout, twice, during writes; then all are equal`, async () => {
    await using site = await redisSite()
    await deadLink(site, harm, what)
  })
}

test('a link that is cut and refused for a while, three times, during writes: equal within 5 s of its return', async () => {
  await using site = await redisSite()
  await cutLink(site)
})

test('writes that wait for a frozen link settle at their deadline, and say whether they may be stored', async () => {
  await using server = await redisServer()
  await using proxy = await proxyTo(server.port)
  await using client = createClient({ url: proxy.url, livenessTimeout: 60_000, writeTimeout: 400 })
  const items = itemsOf(client)
  await items.set('k', { v: 0 })
  proxy.freeze()
  const sent = rejection(items.set('k', { v: 1 }))
  await new Promise(setImmediate)
  const waiting = rejection(items.set('k', { v: 2 }))
  const [unknown, no] = await Promise.all([sent, waiting])
  assert.deepStrictEqual([unknown.code, unknown.stored], ['WRITE_TIMEOUT', 'unknown'])
  // Once the first is given up the second one goes, if its own time is not over in that very moment.
  assert.strictEqual(no.code, 'WRITE_TIMEOUT')
  assert.ok(no.stored === 'no' || no.stored === 'unknown', no.stored)
  // What the freeze held back goes on its way now, ahead of what comes after it.
  await proxy.heal()
  await items.set('k', { v: 3 })
  await using raw = await Raw.connect(server.url)
  assert.deepStrictEqual(await readItem(raw, `${base}:k`), { v: 3 })
})

for (const what of ['reply', 'request'] as const) {
  test(`a write whose ${what} is lost is stored once, gives one event, and its caller the true answer`, async () => {
    await using server = await redisServer()
    await using interceptor = await Interceptor.start(server)
    await using raw = await Raw.connect(server.url)
    await using near = createClient(interceptor.url)
    await using far = createClient(server.url)
    const [writer, reader] = [itemsOf(near), itemsOf(far)]
    const replays = [writer, reader].map((replica) => new Replay(replica))
    await Promise.all([writer.subscribe(), reader.subscribe()])
    await writer.set('there', { v: 0 })
    const head = async () => Number(await raw.send('HGET', `${base}/meta`, 'head'))
    const lose = (text: string) => (what === 'reply' ? interceptor.loseReply(text) : interceptor.loseRequest(text))

    let writes = await head()
    for (let round = 1; round <= 3; round++) {
      lose('the lost one')
      await writer.set('the lost one', { round }, 3600)
      assert.strictEqual(interceptor.lost, 3 * round - 2)
      assert.strictEqual(await head(), ++writes)
      assert.deepStrictEqual(writer.get('the lost one'), { round })

      // A batch of several, with deletes whose answer the second try could not find out by itself.
      await writer.set('doomed', { round })
      lose('doomed')
      const batch = [writer.delete('doomed'), writer.set('other', { round }), writer.delete('never there')]
      assert.deepStrictEqual(await Promise.all(batch), [true, undefined, false])
      writes += 4
      assert.strictEqual(await head(), writes)

      lose(`${base}/revs`)
      await writer.clear()
      assert.strictEqual(interceptor.lost, 3 * round)
      assert.strictEqual((await readStore(raw, 'items')).size, 0)
      writes = await head()
    }
    await untilEqual(raw, [writer, reader])
    for (const replay of replays) {
      replay.check()
      // Three sets, and three deletes by the clear; or by the delete.
      assert.strictEqual(replay.revisions.get('the lost one')?.length, 6)
      assert.strictEqual(replay.revisions.get('doomed')?.length, 6)
    }
  })
}

test('a batch that was held up arrives after a newer one, or after itself: it changes nothing', async () => {
  await using server = await redisServer()
  await using interceptor = await Interceptor.start(server)
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ url: interceptor.url, livenessTimeout: 300 })
  await using other = createClient(server.url)
  const [writer, reader] = [itemsOf(client), itemsOf(other)]
  const replay = new Replay(reader)
  await reader.subscribe()
  const state = async () => [await raw.send('HGET', `${base}/meta`, 'head'), await readItem(raw, `${base}:k`)]

  for (const newer of [true, false]) {
    await writer.set('k', { newer, v: 1 })
    interceptor.hold()
    // Sent again on a new connection, since the old one does not answer.
    await writer.set('k', { newer, v: 2 })
    assert.strictEqual(interceptor.holds(JSON.stringify({ newer, v: 2 })), 1)
    if (newer) await writer.set('k', { newer, v: 3 })
    const before = await state()
    interceptor.lateReplies = ''
    interceptor.release()
    // The shortened script leaves both to the full one.
    await until('the server has answered it', () => /MEMISFENCED|:0\r\n|\w+ \d+ 1/.test(interceptor.lateReplies))
    assert.ok(newer || !/MEMISFENCED/.test(interceptor.lateReplies), interceptor.lateReplies)
    assert.deepStrictEqual(await state(), before)
    assert.deepStrictEqual(before[1], { newer, v: newer ? 3 : 2 })
  }
  await untilEqual(raw, [reader])
  replay.check()
  assert.strictEqual(replay.revisions.get('k')?.length, 5)
})

test('a write that was given up, and arrives after a newer one, does not land (W4)', async () => {
  await using server = await redisServer()
  await using interceptor = await Interceptor.start(server)
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ url: interceptor.url, livenessTimeout: 1000, writeTimeout: 300 })
  const items = itemsOf(client)
  for (const v of [0, 1]) await items.set('k', { v }) // the server knows both scripts
  interceptor.hold()
  const error = await rejection(items.set('k', { v: 2 }))
  assert.deepStrictEqual([error.code, error.stored], ['WRITE_TIMEOUT', 'unknown'])
  // The link is found dead, and another made.
  await new Promise<void>((resolve) => client.once('connect', resolve))
  await items.set('k', { v: 3 })
  interceptor.release()
  await until('the server has refused it', () => /MEMISFENCED|:0\r\n/.test(interceptor.lateReplies))
  assert.deepStrictEqual(await readItem(raw, `${base}:k`), { v: 3 })
})

test('the fence by hand: an older batch is refused, the same one is answered as before, per writer and collection', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using direct = await Direct.open(server.url)
  const { transport } = direct
  const write = (writer: string, sequence: number, v: number, at = id) =>
    transport.write(at, { writer, sequence, writes: [set('k', { v }), remove('none')] })

  const first = await write('one', 1, 1)
  const third = await write('one', 3, 3)
  assert.deepStrictEqual(await write('one', 3, 3), third)
  const late = await rejection(write('one', 2, 2))
  assert.deepStrictEqual([late.code, late.stored], ['STORE_REFUSED', 'no'])
  assert.match(late.message, /MEMISFENCED/)
  assert.strictEqual((await rejection(write('one', 1, 1))).code, 'STORE_REFUSED')
  // A lone set goes the short way, and is fenced all the same.
  const lone = (sequence: number) => transport.write(id, { writer: 'one', sequence, writes: [set('k', { v: 9 })] })
  assert.strictEqual((await rejection(lone(2))).code, 'STORE_REFUSED')
  assert.deepStrictEqual(await readItem(raw, `${base}:k`), { v: 3 })
  assert.strictEqual(await raw.send('HGET', `${base}/meta`, 'head'), '4')
  const { epoch } = first[0] as { epoch: string }
  assert.deepStrictEqual(first, [
    { epoch, n: 1, existed: false },
    { epoch, n: 2, existed: false },
  ])
  // Another writer counts for itself, and so does each collection.
  await write('two', 1, 5)
  await write('one', 1, 6, { ...id, collection: 'other' })
  assert.deepStrictEqual(await readItem(raw, `${base}:k`), { v: 5 })
})

for (const next of [true, false]) {
  test(`a lost notification is noticed by ${next ? 'the next one' : 'the audit'}, and repaired`, async () => {
    await using server = await redisServer()
    await using interceptor = await Interceptor.start(server)
    await using raw = await Raw.connect(server.url)
    await using near = createClient({ url: interceptor.url, auditInterval: next ? 60_000 : 100 })
    await using far = createClient(server.url)
    const [reader, writer] = [itemsOf(near), itemsOf(far)]
    const replay = new Replay(reader)
    const causes: string[] = []
    reader.on('set', (_key, _item, { cause }) => void causes.push(cause))
    await reader.subscribe()
    await writer.set('first', { v: 1 })
    await until('the first is heard of', () => reader.has('first'))
    interceptor.loseNotification('lost key')
    await writer.set('lost key', { v: 2 })
    await until('it is lost', () => interceptor.lost === 1)
    const from = performance.now()
    if (next) await writer.set('next', { v: 3 })
    await untilEqual(raw, [reader])
    note(
      `lost notification, noticed by ${next ? 'the next' : 'the audit'}: equal after ${Math.round(performance.now() - from)} ms`,
    )
    await until('it is live again', () => reader.freshness.state === 'live')
    replay.check()
    assert.deepStrictEqual(causes, ['live', 'resync', ...(next ? ['resync'] : [])])
  })
}

test.run()
