/** What a store keeps of what is gone, once the horizon has passed: nothing. And a process that is stopped for half a minute. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../src'
import { Child } from '../support/child'
import { baseOf, note, Raw, redisServer, suite, until, untilEqual } from './support'

const test = suite('retention', 600_000)

const base = baseOf('test', 'items')

test('a million short-lived keys: after the horizon the store has nothing of them, and no more memory than before', async () => {
  const count = 1_000_000
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const open = () =>
    createClient({ transport: 'redis', url: server.url, retention: 2000, auditInterval: 500, writeTimeout: 60_000 })
  await using writing = open()
  await using reading = open()
  const [items, replica] = [writing, reading].map((client) => client.database('test').collection<object>('items'))
  assert.ok(items && replica)
  let expired = 0
  // The other one may expire more than once, where a write is slow.
  replica.on('expire', (key) => void (key !== 'warm' && expired++))
  await replica.subscribe()
  await items.set('stays', { n: -1 })
  for (let n = 0; n < 1000; n++) await items.set('warm', { n }, 0.1)
  await until('only one is left', () => replica.size === 1, 60_000)

  const number = async (section: string, name: string) =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await raw.send('INFO', section))?.[1])
  const used = () => number('memory', 'used_memory_dataset')
  const before = await used()
  const from = performance.now()
  let most = 0
  for (let n = 0; n < count; n++) {
    const written = items.set(`short ${n}`, { n }, 0.5)
    if (n % 20_000 === 0) {
      await written
      most = Math.max(most, await used())
    }
  }
  await items.set('last', { n: count })
  const seconds = (performance.now() - from) / 1000
  const kept = async () => `${await raw.send('ZCARD', `${base}/log`)} ${await raw.send('ZCARD', `${base}/ttl`)}`
  await until('nothing is kept of them', async () => (await kept()) === '2 0', 120_000)
  await until('the replica has let them go', () => replica.size === 2, 60_000)
  const keys = await raw.keys()
  const names = keys.filter((name) => !name.includes('/writer/')).map((name) => name.slice(base.length))
  assert.deepStrictEqual(names.sort(), ['/log', '/meta', ':last', ':stays'])
  // One for each client that writes, however many collections were swept: these go after ten minutes.
  assert.ok(keys.length - names.length <= 2, `${keys.length - names.length} writers`)
  assert.strictEqual(expired, count)
  await raw.send('MEMORY', 'PURGE')
  const after = await used()
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
  note(
    `${count} keys of half a second in ${seconds.toFixed(0)} s: the store's data had ${mb(before)} MB before, ` +
      `${mb(most)} MB at most, ${mb(after)} MB after the horizon; ${keys.length} keys are left, ${await raw.send('HLEN', `${base}/meta`)} fields of meta`,
  )
  assert.ok(after < before + 2 ** 20, `${before} bytes before, ${after} after`)
})

test('a process that is stopped for 30 s wakes, says so, and is right within livenessTimeout', async () => {
  const livenessTimeout = 15_000
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using writing = createClient(server.url)
  const items = writing.database('test').collection<object>('items')
  await using child = new Child('replica.ts', server.url, String(livenessTimeout))
  await child.ask('subscribe')
  await items.set('before', { n: 1 })
  await items.set('timed', { n: 1 }, 60)
  await until('it is heard of', async () => (await child.ask('contents')).items.length === 2)
  child.signal('SIGSTOP')
  const stopped = performance.now()
  for (let n = 0; performance.now() - stopped < 30_000; n++) {
    await items.set(`key ${n % 100}`, { n })
    if (n % 100 === 0) await sleep(20)
  }
  await items.delete('before')
  const woken = Date.now()
  child.signal('SIGCONT')
  await until('it has caught up', async () => (await child.ask('contents')).told.length === 3, livenessTimeout)
  const { items: held, told } = await child.ask('contents')
  assert.deepStrictEqual(
    told.map(([word]: [string]) => word),
    ['ready', 'stale', 'ready'],
  )
  await items.subscribe()
  await untilEqual(raw, [items])
  assert.deepStrictEqual(new Map(held), new Map(items))
  note(`a process stopped for 30 s: live again ${told[2][1] - woken} ms after it woke`)
})

test.run()
