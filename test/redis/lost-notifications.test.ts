/** Notifications that never come (K2): each time the replica says `stale`, catches up, and says `ready`, by itself. */
import assert from 'node:assert'
import { type Client, type Collection, createClient } from '../../src'
import { Child } from '../support/child'
import { Interceptor } from './interceptor'
import { awake, baseOf, note, Raw, Replay, redisServer, suite, until, untilEqual } from './support'

const test = suite('lost notifications')

const base = baseOf('test', 'items')
const itemsOf = (client: Client): Collection<object> => client.database('test').collection('items')

/** What a replica says of itself, in order. */
function wordsOf(replica: Collection<object>): string[] {
  const words: string[] = []
  replica.on('stale', () => void words.push('stale'))
  replica.on('ready', ({ cause }) => void words.push(`ready ${cause}`))
  return words
}

const repaired = ['ready snapshot', 'stale', 'ready resync']

test('a subscriber that is killed alone, with nothing written after: it is back at once, and has missed nothing', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using reading = createClient(server.url)
  await using writing = createClient(server.url)
  const [replica, writer] = [itemsOf(reading), itemsOf(writing)]
  const words = wordsOf(replica)
  const replay = new Replay(replica)
  await replica.subscribe()
  await writer.set('before', { n: 1 })
  await until('it is heard of', () => replica.has('before'))
  // In one go, so that the write falls between the end of the one subscription and the next.
  const [killed] = await Promise.all([raw.send('CLIENT', 'KILL', 'TYPE', 'pubsub'), writer.set('meanwhile', { n: 2 })])
  assert.strictEqual(killed, 1)
  const from = awake()
  await until('it has caught up', () => words.length === 3)
  note(`a subscriber killed alone: live again after ${Math.round(awake() - from)} ms`)
  await untilEqual(raw, [replica])
  assert.deepStrictEqual(words, repaired)
  replay.check()
})

for (const quiet of [true, false]) {
  test(`a subscription that the server has forgotten, ${quiet ? 'found by the audit' : 'and writes go on'}: made anew`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    await using interceptor = await Interceptor.start(server)
    await using reading = createClient({ url: interceptor.url, auditInterval: 100 })
    await using writing = createClient(server.url)
    const [replica, writer] = [itemsOf(reading), itemsOf(writing)]
    const words = wordsOf(replica)
    const replay = new Replay(replica)
    await replica.subscribe()
    interceptor.inject('subscribe', `*2\r\n$11\r\nUNSUBSCRIBE\r\n$${Buffer.byteLength(base)}\r\n${base}\r\n`)
    await until('nobody listens', async () => String(await raw.send('PUBSUB', 'NUMSUB', base)) === `${base},0`)
    await writer.set('unheard', { n: 1 })
    if (!quiet) for (let n = 0; n < 50; n++) await writer.set(`more ${n}`, { n })
    const took = await untilEqual(raw, [replica])
    note(`a subscription that the server forgot, an audit every 100 ms: equal after ${Math.round(took)} ms`)
    await until('it has caught up', () => words.length === 3)
    assert.deepStrictEqual(words, repaired)
    await writer.set('later', { n: 3 })
    await until('it hears again', () => replica.has('later'))
    replay.check()
  })
}

test('half of the link is half-open: the subscriber alone hears nothing any more', async () => {
  const livenessTimeout = 1000
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using interceptor = await Interceptor.start(server)
  await using reading = createClient({ url: interceptor.url, livenessTimeout, auditInterval: 60_000 })
  await using writing = createClient(server.url)
  const [replica, writer] = [itemsOf(reading), itemsOf(writing)]
  const words = wordsOf(replica)
  const replay = new Replay(replica)
  await replica.subscribe()
  interceptor.deafen('subscribe')
  const from = awake()
  await writer.set('unheard', { n: 1 })
  await until('it is noticed', () => words.includes('stale'))
  const noticed = awake() - from
  await until('it has caught up', () => words.length === 3)
  note(
    `a subscriber that is half-open alone, livenessTimeout ${livenessTimeout}: noticed after ${Math.round(noticed)} ms`,
  )
  assert.ok(noticed <= livenessTimeout + 500, `noticed after ${noticed} ms`)
  await untilEqual(raw, [replica])
  assert.deepStrictEqual(words, repaired)
  replay.check()
})

test('an output buffer that overflows: the replica that fell behind is cut off, and catches up', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using interceptor = await Interceptor.start(server)
  await using reading = createClient(interceptor.url)
  await using writing = createClient(server.url)
  const [replica, writer] = [itemsOf(reading), itemsOf(writing)]
  const words = wordsOf(replica)
  const replay = new Replay(replica)
  await replica.subscribe()
  await raw.send('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 256kb 0 0')
  const listening = async () => String(await raw.send('CLIENT', 'LIST', 'TYPE', 'pubsub')) !== ''
  // It reads nothing, so that what the kernel does not hold stays with the server.
  interceptor.pauseReplies(true)
  const text = 'x'.repeat(100_000)
  for (let n = 0; await listening(); n++) {
    assert.ok(n < 1000, 'the server has cut nobody off')
    await writer.set(`key ${n % 20}`, { n, text })
  }
  interceptor.pauseReplies(false)
  const took = await untilEqual(raw, [replica])
  await until('it has caught up', () => words.length >= 3)
  note(`an output buffer that overflowed: equal ${Math.round(took)} ms after it reads again`)
  assert.deepStrictEqual(words.slice(0, 3), repaired)
  replay.check()
})

test('a process that is stopped for a moment says so when it wakes, and is right', async () => {
  await using server = await redisServer()
  await using writing = createClient(server.url)
  const writer = itemsOf(writing)
  await using child = new Child('replica.ts', server.url, '1000')
  await child.ask('subscribe')
  await writer.set('before', { n: 1 })
  await until('it is heard of', async () => (await child.ask('contents')).items.length === 1)
  child.signal('SIGSTOP')
  const stopped = awake()
  for (let n = 0; awake() - stopped < 2500; n++) await writer.set(`key ${n % 100}`, { n })
  await writer.delete('before')
  child.signal('SIGCONT')
  const woken = Date.now()
  const isRight = async () => {
    const { items, state, told } = await child.ask('contents')
    const words = told.map(([word]: [string]) => word)
    return items.length === 100 && state === 'live' && words.join() === 'ready,stale,ready'
  }
  await until('it has caught up', isRight)
  const { told } = await child.ask('contents')
  note(`a process stopped for 2.5 s, livenessTimeout 1000: live again ${told[2][1] - woken} ms after it woke`)
})

test.run()
