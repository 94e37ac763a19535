/** A user of Redis who may do what memis needs and nothing else; and one who lacks a single thing of it. */
import assert from 'node:assert'
import { type Client, type Collection, createClient, type MemisError } from '../../src'
import type { Server } from '../support/servers'
import {
  baseOf,
  Complaints,
  type Disposable,
  note,
  Raw,
  redisServer,
  rejection,
  suite,
  until,
  untilEqual,
  within,
} from './support'

const test = suite('acl')

/** Reading alone. HELLO and AUTH are everybody's. */
const reading = [
  ...['ping', 'info', 'evalsha', 'eval', 'subscribe', 'unsubscribe', 'time', 'hget', 'hmget', 'hlen'],
  ...['zrangebyscore', 'zscore', 'zcount', 'hgetall', 'pttl', 'zcard'],
]
const writing = [
  ...['get', 'set', 'hset', 'hdel', 'del', 'exists', 'pexpireat', 'persist', 'zrevrange', 'zrevrangebyscore', 'zadd'],
  ...['zrem', 'publish'],
]
const needed = [...reading, ...writing]

let server: Disposable<Server>
let raw: Raw
let admin: Client
const clients: Client[] = []

test.before(async () => {
  server = await redisServer()
  raw = await Raw.connect(server.url)
  admin = createClient(server.url)
})
test.after.each(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})
test.after(async () => {
  await admin.close()
  await raw[Symbol.asyncDispose]()
  await server.stop()
})

/** A client of a user who may run these commands. */
async function user(commands: readonly string[], options: object = {}, more: string[] = []): Promise<Client> {
  const rules = ['reset', 'on', '>secret', ...(more.length > 0 ? more : ['~memis:*', '&memis:*'])]
  await raw.send('ACL', 'SETUSER', 'app', ...rules, ...commands.map((command) => `+${command}`))
  const url = server.url.replace('//', '//app:secret@')
  const client = createClient({ transport: 'redis', url, retention: 1, ...options })
  clients.push(client)
  return client
}

interface Failure {
  what: string
  error: MemisError
}

/** Everything that lies in Redis of a collection, apart from what passes by itself. */
async function contents(base: string): Promise<unknown> {
  const all: Record<string, unknown> = {}
  for (const name of await raw.keys(base)) {
    const type = await raw.send('TYPE', name)
    if (name.includes('/writer/')) continue
    if (type === 'hash') all[name] = await raw.sendBinary('HGETALL', name)
    else all[name] = await raw.send('ZRANGE', name, 0, -1, 'WITHSCORES')
  }
  return all
}

/** Does all that can be done, and gives what was refused. A write that says it was not stored must have left no trace. */
async function useAll(client: Client, database: string): Promise<Failure[]> {
  const own = client.database(database).collection<object>('items')
  const base = baseOf(database, 'items')
  const failures: Failure[] = []
  const attempt = async (what: string, action: () => PromiseLike<unknown>, writes = true) => {
    const before = await contents(base)
    try {
      await within(action(), 5000)
    } catch (error) {
      if (!('code' in (error as Error))) throw error
      failures.push({ what, error: error as MemisError })
      if (!writes) return
      assert.strictEqual((error as MemisError).stored, 'no', what)
      assert.deepStrictEqual(
        await contents(base),
        before,
        `${what} was refused (${(error as Error).message}), and half done`,
      )
    }
  }
  // First, since any other write trims that mark.
  await attempt('delete what is gone by a mark that was put back', () => own.delete('deleted'))
  await attempt('subscribe', () => own.subscribe(), false)
  await attempt('set anew', () => own.set('new', { a: 1 }))
  await attempt('set again', () => own.set('old', { a: 2 }))
  await attempt('set with a ttl', () => own.set('timed', { a: 1 }, 3600))
  await attempt('delete', () => own.delete('gone'))
  await attempt('delete nothing', () => own.delete('never'))
  await attempt('clear', () => own.clear())
  await attempt('set after', () => own.set('after', { a: 1 }))
  await attempt(
    'subscribe to a collection that was never written to',
    () => client.database(database).collection('new').subscribe(),
    false,
  )
  own.unsubscribe()
  await attempt('subscribe again', () => own.subscribe(), false)
  return failures
}

/** What an administrator put there before, with a mark that is due to be trimmed. */
async function prepare(database: string): Promise<Collection<object>> {
  const items = admin.database(database).collection<object>('items')
  await items.subscribe()
  await Promise.all(['old', 'gone', 'other', 'deleted'].map((key) => items.set(key, { by: 'admin' })))
  await items.delete('deleted')
  // As if a loss of the store had been made good: 'old' was put back, and the mark of 'deleted'.
  await raw.send('HSET', `${baseOf(database, 'items')}/revs`, 'old', '0-former.1', 'deleted', '0-former.2')
  return items
}

test(`a user with ${needed.length} commands, its own keys and its own channels can do everything`, async () => {
  const items = await prepare('all')
  // Nothing may come from the cache of an administrator.
  await raw.send('SCRIPT', 'FLUSH')
  await raw.send('ACL', 'LOG', 'RESET')
  const client = await user(needed, { livenessTimeout: 200 })
  const complaints = new Complaints(client)
  assert.deepStrictEqual(await useAll(client, 'all'), [])
  const own = client.database('all').collection('items')
  await untilEqual(raw, [items, own], { database: 'all' })
  own.unsubscribe()
  // A collection whose meta was lost, but not its index.
  await raw.send('DEL', `${baseOf('all', 'items')}/meta`)
  await own.set('k', { a: 1 })
  await until('heartbeats', async () => {
    return Number(/cmdstat_ping:calls=(\d+)/.exec(await raw.send('INFO', 'commandstats'))?.[1] ?? 0) > 10
  })
  assert.deepStrictEqual(complaints.codes, [])
  assert.deepStrictEqual(complaints.disconnects, [])
  assert.deepStrictEqual(
    (await denied()).filter(({ command }) => command !== 'client|setinfo'),
    [],
  )
  note(`commands that a user needs: ${needed.join(' ')}; of these, to read only: ${reading.join(' ')}`)
})

test('a user who may read alone follows what others write, and is refused every write', async () => {
  const items = await prepare('reader')
  const client = await user(reading)
  const failures = await useAll(client, 'reader')
  assert.strictEqual(failures.length, 8)
  for (const { error } of failures) assert.strictEqual(error.code, 'UNAUTHORIZED')
  await items.set('old', { by: 'admin', again: true })
  await items.delete('gone')
  await admin.database('reader').collection<object>('new').set('k', { a: 1 })
  const [own, fresh] = ['items', 'new'].map((name) => client.database('reader').collection(name))
  await until('it is heard of', () => !own?.has('gone') && fresh?.has('k'))
  assert.deepStrictEqual(own?.get('old'), { by: 'admin', again: true })
})

/** With keys that may only be read, EVALSHA is refused: it might write. */
const readOnly = reading.map((command) => (command.startsWith('eval') ? `${command}_ro` : command))

test('readOnly: true needs nothing but reading rights, and leaves the store as it is', async () => {
  const items = await prepare('read only')
  await raw.send('SCRIPT', 'FLUSH')
  await raw.send('ACL', 'LOG', 'RESET')
  const rules = ['%R~memis:*', 'resetchannels', '&memis:*']
  const client = await user(readOnly, { readOnly: true, livenessTimeout: 1000, auditInterval: 50 }, rules)
  const complaints = new Complaints(client)
  const [own, fresh] = ['items', 'new'].map((name) => client.database('read only').collection<object>(name))
  await Promise.all([own?.subscribe(), fresh?.subscribe()])
  const keys = (await raw.keys(baseOf('read only', 'new'))).length
  assert.strictEqual(keys, 0, 'nothing is written for a collection that was never written to')
  for (const write of [own?.set('k', { a: 1 }), own?.delete('old'), own?.clear()]) {
    assert.strictEqual((await rejection(write as Promise<unknown>)).code, 'READ_ONLY')
  }
  await items.set('old', { by: 'admin', again: true })
  await admin.database('read only').collection<object>('new').set('k', { a: 1 })
  await until('it is heard of', () => own?.get('old') && 'again' in (own.get('old') as object) && fresh?.has('k'))
  await untilEqual(raw, [items, own as Collection<object>], { database: 'read only' })
  await until('both are live', () => own?.freshness.state === 'live' && fresh?.freshness.state === 'live')
  assert.deepStrictEqual(complaints.codes, [])
  assert.deepStrictEqual(
    (await denied()).filter(({ command }) => command !== 'client|setinfo'),
    [],
  )
  note(`commands of a client with readOnly, on keys %R~: ${readOnly.join(' ')}`)
})

for (const missing of needed) {
  test(`without ${missing}: refused, or done as if it were there, and never half done`, async () => {
    const database = `without ${missing}`
    const items = await prepare(database)
    const client = await user(
      needed.filter((command) => command !== missing),
      { livenessTimeout: 200 },
    )
    const complaints = new Complaints(client)
    if (missing === 'eval') await raw.send('SCRIPT', 'FLUSH')
    await raw.send('ACL', 'LOG', 'RESET')
    const failures = await useAll(client, database)
    for (const { what, error } of failures) assert.strictEqual(error.code, 'UNAUTHORIZED', `${what}: ${error.message}`)
    if (missing === 'ping') {
      // An answer is an answer: who may not ping is no reason to think the server dead, again and again.
      await until('four pings were refused', async () => (await denials()) >= 4 || complaints.disconnects.length > 0)
      assert.ok(
        complaints.disconnects.every(({ code }) => code === 'UNAUTHORIZED'),
        String(complaints.disconnects),
      )
    } else if (missing === 'unsubscribe') assert.deepStrictEqual(failures, [])
    else assert.ok(failures.length > 0, 'something should have been refused')
    const own = client.database(database).collection<object>('items')
    if (!failures.some(({ what }) => what === 'subscribe')) await untilEqual(raw, [own], { database })
    await untilEqual(raw, [items], { database })
  })
}

/** What was refused by the server since its log of these was reset. (The name that node-redis gives itself may be.) */
async function denied(): Promise<{ command: string; count: number }[]> {
  const log: unknown[][] = await raw.send('ACL', 'LOG')
  return log.map((entry) => ({ command: String(entry[entry.indexOf('object') + 1]), count: Number(entry[1]) }))
}

const denials = async () => (await denied()).reduce((sum, { count }) => sum + count, 0)

for (const [what, rules] of [
  ['without the keys', ['~other:*', '&memis:*']],
  ['without the channels', ['~memis:*', '&other:*']],
] as const) {
  test(`${what}: every call is refused, none half done`, async () => {
    const items = await prepare(what)
    const failures = await useAll(await user(needed, {}, [...rules]), what)
    assert.strictEqual(failures.length, 11, failures.map((failure) => failure.what).join())
    for (const { error } of failures) assert.strictEqual(error.code, 'UNAUTHORIZED', error.message)
    await untilEqual(raw, [items], { database: what })
  })
}

test('a permission that is granted later is enough: what waits is done by then, and later calls succeed', async () => {
  const client = await user(needed.filter((command) => command !== 'info'))
  const items = client.database('later').collection<object>('items')
  const refused = await rejection(client.connect())
  assert.strictEqual(refused.code, 'UNAUTHORIZED')
  await raw.send('ACL', 'SETUSER', 'app', '+info')
  await new Promise<void>((resolve) => client.once('connect', resolve))
  await items.subscribe()
  await items.set('k', { a: 1 })
  assert.deepStrictEqual(items.get('k'), { a: 1 })
})

test.run()
