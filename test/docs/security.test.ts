/** The users of SECURITY.md, as they stand there: they can do what the page says, and nothing beyond it. */
import assert from 'node:assert'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient as createRedis } from 'redis'
import { type Client, createClient, type MemisError } from '../../src'
import { startNats, startRedis } from '../support/servers'
import { rejection, suite, until } from '../support/testing'
import { blocksOf, textOf } from './pages'

const test = suite('docs: SECURITY.md')

interface Flag {
  on: boolean
}

const blockOf = (mark: string): readonly string[] => {
  const block = blocksOf('SECURITY.md').find(({ marks }) => marks.includes(mark))
  assert.ok(block, `SECURITY.md has no block that is marked ${mark}`)
  return block.lines
}

/** Everything that an application does. Resolves to the codes that the client reported meanwhile. */
async function useAll(client: Client, database = 'shop', collection = 'flags'): Promise<string[]> {
  const codes: string[] = []
  client.on('error', ({ code }: MemisError) => codes.push(code))
  const flags = client.database(database).collection<Flag>(collection)
  await flags.subscribe()
  await flags.set('checkout', { on: true }, 60)
  await flags.set('checkout', { on: false }, { ifRevision: flags.entry('checkout')?.revision ?? '' })
  await flags.update('checkout', (flag) => ({ on: !flag?.on }))
  await flags.setMany({ a: { on: true }, b: { on: true } })
  await flags.delete('a')
  await flags.transaction((t) => {
    t.set('a', { on: false })
    t.delete('b')
  })
  assert.deepStrictEqual(Object.keys(flags.toJSON()).sort(), ['a', 'checkout'])
  await flags.clear()
  await flags.set('checkout', { on: true })
  return codes
}

/** A reader sees what the writer writes, and may not write itself. */
async function read(reader: Client, writer: Client): Promise<void> {
  const codes: string[] = []
  reader.on('error', ({ code }: MemisError) => codes.push(code))
  const [own, other] = [reader, writer].map((client) => client.database('shop').collection<Flag>('flags'))
  await own?.subscribe()
  await other?.set('news', { on: true })
  await until('the reader sees it', () => own?.has('news'))
  assert.strictEqual((await rejection(own?.set('a', { on: true }) as Promise<void>)).code, 'READ_ONLY')
  assert.deepStrictEqual(codes, [])
}

/** Calls back with a Redis that has these users, and a function that makes a client of one. */
async function withRedis(
  users: readonly string[],
  use: (client: (user: string, options?: object) => Client) => Promise<void>,
): Promise<void> {
  const server = await startRedis()
  const admin = await createRedis({ url: server.url }).connect()
  const clients: Client[] = []
  try {
    for (const line of users) await admin.sendCommand(line.trim().split(/\s+/))
    await use((user, options = {}) => {
      const url = server.url.replace('//', `//${user}:secret@`)
      const client = createClient({ transport: 'redis', url, ...options })
      clients.push(client)
      return client
    })
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    admin.destroy()
    await server.stop()
  }
}

test('Redis: the application can do everything, and the reader can read', () =>
  withRedis(blockOf('acl'), async (client) => {
    const shop = client('shop')
    assert.deepStrictEqual(await useAll(shop), [])
    await read(client('dashboard', { readOnly: true }), shop)
  }))

const narrower = [...textOf('SECURITY.md').matchAll(/^\| (.*) \| `(~\S+ &\S+)` \|$/gm)]

test('Redis: there are narrower users', async () => assert.strictEqual(narrower.length, 3))

for (const [, what, patterns = ''] of narrower) {
  test(`Redis: ${what}: enough for it, and for nothing else`, () => {
    const [application = ''] = blockOf('acl')
    const user = application.replace('~memis:* &memis:*', patterns)
    assert.notStrictEqual(user, application)
    const prefix = patterns.startsWith('~memis') ? 'memis' : 'shop'
    const foreign =
      prefix === 'shop'
        ? { prefix: 'memis', database: 'shop', collection: 'flags' }
        : { prefix, database: patterns.includes('flags') ? 'shop' : 'shops', collection: 'flags2' }
    return withRedis([user], async (client) => {
      assert.deepStrictEqual(await useAll(client('shop', { prefix })), [])
      const other = client('shop', { prefix: foreign.prefix })
      other.on('error', () => {})
      const forbidden = other.database(foreign.database).collection<Flag>(foreign.collection)
      assert.strictEqual((await rejection(forbidden.set('a', { on: true }))).code, 'UNAUTHORIZED')
      assert.strictEqual((await rejection(forbidden.subscribe())).code, 'UNAUTHORIZED')
    })
  })
}

test('Redis: a numbered database needs +select', () => {
  const [application = ''] = blockOf('acl')
  return withRedis([`${application} +select`, application.replace('shop', 'narrow')], async (client) => {
    assert.deepStrictEqual(await useAll(client('shop', { database: 1 })), [])
    const narrow = client('narrow', { database: 1 })
    narrow.on('error', () => {})
    assert.strictEqual((await rejection(narrow.connect())).code, 'UNAUTHORIZED')
  })
})

test('Redis: without +eval, once another client has loaded the scripts', () => {
  const [application = ''] = blockOf('acl')
  const narrow = application.replace('shop', 'narrow').replace(' +eval ', ' ')
  return withRedis([application, narrow], async (client) => {
    assert.deepStrictEqual(await useAll(client('shop')), [])
    assert.deepStrictEqual(await useAll(client('narrow')), [])
  })
})

/** Calls back with a NATS that has these users, and a function that makes a client of one. */
async function withNats(
  users: string,
  use: (client: (user: string, options?: object) => Client) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'memis-users-'))
  const config = join(folder, 'users.conf')
  writeFileSync(config, users)
  const server = await startNats({ args: ['--config', config] })
  const clients: Client[] = []
  try {
    await use((user, options = {}) => {
      const own = {
        transport: 'nats',
        servers: server.url,
        user,
        pass: 'secret',
        inboxPrefix: `_INBOX_${user}`,
      } as const
      const client = createClient({ ...own, ...options })
      clients.push(client)
      return client
    })
  } finally {
    await Promise.all(clients.map((each) => each.close()))
    await server.stop()
    rmSync(folder, { recursive: true })
  }
}

const natsUsers = blockOf('nats').join('\n')

test('NATS: the application can do everything, the reader can read, and neither sees another database', () =>
  withNats(natsUsers, async (client) => {
    const shop = client('shop')
    assert.deepStrictEqual(await useAll(shop), [])
    await read(client('dashboard', { readOnly: true }), shop)
    const foreign = client('shop')
    foreign.on('error', () => {})
    const forbidden = foreign.database('other').collection<Flag>('flags')
    assert.strictEqual((await rejection(forbidden.set('a', { on: true }))).code, 'UNAUTHORIZED')
  }))

const [application = ''] = natsUsers.split('user: dashboard')
const subjects = [...application.matchAll(/"(\$[^"]+)"/g)].map(([, subject]) => subject as string)
/** Needed for deliveries that are faster than the reader, and for leaving nothing behind. */
const isQuiet = (subject: string) => subject.startsWith('$JS.FC.') || subject.includes('CONSUMER.DELETE')

test('NATS: there are subjects', async () => assert.ok(subjects.length > 6))

for (const missing of subjects.filter((subject) => !isQuiet(subject))) {
  test(`NATS: without ${missing}, the application is refused`, () =>
    withNats(natsUsers.replace(`"${missing}"`, '"nothing"'), async (client) => {
      const refused = await rejection(useAll(client('shop')))
      assert.strictEqual(refused.code, 'UNAUTHORIZED')
    }))
}

test.run()
