/** What NATS refuses, or cannot do, in memis's words: each with its code, and whether the write may be stored. */
import assert from 'node:assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { connect } from 'nats'
import { type Client, createClient } from '../../src'
import { freePort } from '../support/free-port'
import { startProxy } from '../support/proxy'
import type { Server } from '../support/servers'
import {
  Complaints,
  natsServer,
  natsSite,
  Raw,
  Replay,
  readStore,
  rejection,
  subjectOf,
  suite,
  until,
  untilEqual,
  within,
} from './support'

const test = suite('errors, NATS', 30_000)

const itemsOf = (client: Client) => client.database('test').collection<object>('items')

/** Everything that can be asked of the client is refused with that code, at once. */
async function refusesAll(client: Client, code: string): Promise<Error[]> {
  const items = itemsOf(client)
  const errors = await within(
    Promise.all([client.connect(), items.subscribe(), items.set('k', {}), items.delete('k')].map(rejection)),
    8000,
  )
  for (const error of errors) assert.strictEqual(error.code, code, error.message)
  return errors
}

const config = (server: Server, text: string) => {
  writeFileSync(join(server.dir, 'nats.conf'), text)
  return join(server.dir, 'nats.conf')
}

test('a server without JetStream: UNSUPPORTED_STORE, at once', async () => {
  await using server = await natsServer({ jetstream: false })
  await using client = createClient(server.url)
  new Complaints(client)
  const [error] = await refusesAll(client, 'UNSUPPORTED_STORE')
  assert.match(error?.message ?? '', /JetStream/)
})

test('a wrong password: UNAUTHORIZED, at once, and no secret in it; once it is right, all goes on', async () => {
  await using server = await natsServer({ password: 'right' })
  for (const url of [
    `nats://memis:hidden@127.0.0.1:${server.port}`,
    `nats://hidden@127.0.0.1:${server.port}`,
    `nats://127.0.0.1:${server.port}`,
  ]) {
    await using client = createClient(url)
    const complaints = new Complaints(client)
    for (const error of [...(await refusesAll(client, 'UNAUTHORIZED')), ...complaints.errors]) {
      assert.doesNotMatch(inspect(error, { depth: 20 }), /hidden/)
    }
  }
  await using byOption = createClient({
    transport: 'nats',
    servers: `127.0.0.1:${server.port}`,
    user: 'memis',
    pass: 'hidden',
  })
  const complaints = new Complaints(byOption)
  for (const error of [...(await refusesAll(byOption, 'UNAUTHORIZED')), ...complaints.errors]) {
    assert.doesNotMatch(inspect(error, { depth: 20 }), /hidden/)
  }
  await using right = createClient(server.url)
  await itemsOf(right).set('k', { v: 1 })
})

test('no secret of a URL or an option is in any error, its cause, an event, a warning, or the client itself (H3)', async () => {
  await using server = await natsServer({ password: 'right' })
  const proxy = await startProxy(server.port)
  proxy.freeze()
  const said: string[] = []
  const show = (value: unknown) => void said.push(inspect(value, { depth: 20, showHidden: true }), String(value))
  process.on('warning', show)
  const logins = ['s3cret-user:s3cret-pass', 's3cret-token', 's3cret-user:s3cret%2Fp%40ss']
  const hosts = [server.port, proxy.port, await freePort()].map((port) => `127.0.0.1:${port}`)
  const wrong = ['bad host', '[::', '127.0.0.1:99999', '127.0.0.1:port', '%zz']
  const options: unknown[] = [
    ...logins.flatMap((login) => [...hosts, ...wrong].map((host) => `nats://${login}@${host}`)),
    ...hosts.map((servers) => ({ transport: 'nats', servers, user: 's3cret-user', pass: 's3cret-pass' })),
    ...hosts.map((servers) => ({ transport: 'nats', servers, token: 's3cret-token' })),
    { transport: 'nats', servers: hosts[0], user: 's3cret-user', pass: 's3cret-pass', token: 's3cret-token' },
    { transport: 'nats', servers: `s3cret-user:s3cret-pass@${hosts[0]}` },
    { transport: 'nats', servers: hosts[0], token: 's3cret-token', reconnect: true },
  ]
  const attempt = async (each: unknown) => {
    let client: Client
    try {
      const given = typeof each === 'string' ? { url: each } : (each as object)
      client = createClient({ ...given, writeTimeout: 2000, livenessTimeout: 1000 } as never)
    } catch (error) {
      return show(error)
    }
    const told = new Promise<void>((resolve) => client.once('error', () => resolve()))
    client.on('error', show)
    const items = itemsOf(client)
    const asked = [client.connect(), items.subscribe(), items.set('k', {})].map((promise) => promise.then(show, show))
    await told
    show([client, items, client.errorCounts])
    await client.close()
    await Promise.all(asked)
  }
  await within(Promise.all(options.map(attempt)), 20_000)
  process.off('warning', show)
  for (const fault of [
    /UNAUTHORIZED/,
    /DISCONNECTED/,
    /INVALID_OPTION/,
    /CONNECTION_REFUSED|connection refused/i,
    /TIMEOUT/i,
  ]) {
    assert.ok(
      said.some((text) => fault.test(text)),
      `nothing was said of ${fault}`,
    )
  }
  const leaks = said.filter((text) => /s3cret/.test(text))
  assert.deepStrictEqual(
    leaks.slice(0, 3).map((text) => text.slice(0, 200)),
    [],
  )
  await proxy.close()
})

test('a user without permission to publish: UNAUTHORIZED for the write, and reading goes on', async () => {
  await using site = await natsSite()
  const file = config(
    site.server,
    `authorization { users = [
      { user: all, password: all }
      { user: reader, password: reader, permissions: {
        publish: { allow: ["$JS.API.>", "$JS.FC.>"] }, subscribe: { allow: ["_INBOX.>"] } } }
    ] }`,
  )
  await using server = await natsServer({ args: ['--config', file] })
  await using writer = createClient(`nats://all:all@127.0.0.1:${server.port}`)
  await using reader = createClient(`nats://reader:reader@127.0.0.1:${server.port}`)
  const complaints = new Complaints(reader)
  await itemsOf(writer).set('k', { v: 1 })
  const items = itemsOf(reader)
  await items.subscribe()
  const error = await rejection(items.set('k', { v: 2 }))
  assert.deepStrictEqual([error.code, error.stored], ['UNAUTHORIZED', 'no'])
  assert.match(error.message, /items|\$KV/)
  assert.strictEqual((await rejection(items.delete('k'))).code, 'UNAUTHORIZED')
  await itemsOf(writer).set('k', { v: 3 })
  await until('the reader hears of it', () => (items.get('k') as { v: number }).v === 3)
  assert.ok(
    complaints.codes.every((code) => code === 'UNAUTHORIZED'),
    `${complaints.codes}`,
  )
})

test('a bucket that is full: the write is refused as STORE_REFUSED, nothing is stored, and what frees space lets writes in', async () => {
  await using site = await natsSite()
  await using client = createClient({
    transport: 'nats',
    servers: site.server.url,
    bucket: { maxBytes: 20_000 },
  })
  const complaints = new Complaints(client)
  const items = itemsOf(client)
  await items.subscribe()
  const replay = new Replay(items)
  const large = { text: 'x'.repeat(5000) }
  for (const key of ['a', 'b', 'c']) await items.set(key, large)
  const before = await readStore(site.raw, 'items')
  const errors = await Promise.all([
    rejection(items.set('d', large)),
    rejection(items.set('a', { text: 'y'.repeat(9000) })),
  ])
  for (const error of errors) {
    assert.deepStrictEqual([error.code, error.stored], ['STORE_REFUSED', 'no'])
    assert.match(error.message, /items/)
    assert.match(`${error.message} ${inspect(error.cause)}`, /maximum bytes exceeded/)
  }
  assert.deepStrictEqual(await readStore(site.raw, 'items'), before)
  assert.strictEqual(items.has('d'), false)
  assert.strictEqual(await items.delete('a'), true)
  await items.set('d', large)
  await untilEqual(site.raw, [items])
  replay.check()
  assert.deepStrictEqual(complaints.errors, [])
})

test('a stream that takes only small messages, and an item larger than the server takes: refused, with both sizes where they are known', async () => {
  await using site = await natsSite()
  await site.raw.kvm.create('memis-test', { maxValueSize: 2000 })
  await using client = site.client({ maxItemBytes: 8 * 1024 * 1024 })
  const items = itemsOf(client)
  await items.set('small', { text: 'x'.repeat(1000) })
  const batch = [items.set('large', { text: 'x'.repeat(3000) }), items.set('next', { v: 1 })]
  const error = await rejection(batch[0] as Promise<void>)
  assert.deepStrictEqual([error.code, error.stored], ['ITEM_TOO_LARGE', 'no'])
  await batch[1]
  const larger = await rejection(items.set('larger', { text: 'x'.repeat(2 * 1024 * 1024) }))
  assert.strictEqual(larger.code, 'ITEM_TOO_LARGE')
  assert.match(larger.message, /\d{7}.*\d{7}/)
  assert.deepStrictEqual([...(await readStore(site.raw, 'items')).keys()].sort(), ['next', 'small'])
})

test('the stream is gone and nobody takes its subjects (no responders): the write waits, the bucket is made, and it is stored', async () => {
  await using site = await natsSite()
  await using client = site.client()
  const complaints = new Complaints(client)
  const items = itemsOf(client)
  await items.set('k', { v: 1 })
  await site.raw.ask('STREAM.DELETE.KV_memis-test')
  await items.set('k', { v: 2 })
  assert.deepStrictEqual(await readStore(site.raw, 'items'), new Map([['k', { v: 2 }]]))
  assert.deepStrictEqual(
    complaints.codes.filter((code) => code !== 'DISCONNECTED'),
    [],
  )
})

test('the stream is gone, and the user may not make it anew: refused in time', async () => {
  await using site = await natsSite()
  const file = config(
    site.server,
    `authorization { users = [ { user: all, password: all }
      { user: app, password: app, permissions: {
        publish: { allow: ["$KV.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.CONSUMER.>"] },
        subscribe: { allow: ["_INBOX.>"] } } } ] }`,
  )
  await using server = await natsServer({ args: ['--config', file] })
  await using raw = await Raw.connect(server.url, { user: 'all', pass: 'all' })
  await raw.kvm.create('memis-test')
  await using client = createClient({ url: `nats://app:app@127.0.0.1:${server.port}`, writeTimeout: 1500 })
  new Complaints(client)
  await itemsOf(client).set('k', { v: 1 })
  await raw.ask('STREAM.DELETE.KV_memis-test')
  const error = await within(rejection(itemsOf(client).set('k', { v: 2 })), 5000)
  // The server does not answer who may not make it; and a write that was given once may be stored, for all that is known.
  assert.ok(['WRITE_TIMEOUT', 'UNAUTHORIZED'].includes(error.code), error.code)
})

test('nothing answers: a write is refused at its deadline, and says whether it may be stored', async () => {
  await using site = await natsSite()
  const proxy = await startProxy(site.server.port)
  const client = site.client({ writeTimeout: 500, livenessTimeout: 60_000 }, proxy.port)
  new Complaints(client)
  const items = itemsOf(client)
  await items.set('k', { v: 0 })
  proxy.freeze()
  const sent = rejection(items.set('k', { v: 1 }))
  await new Promise(setImmediate)
  const waiting = rejection(items.set('k', { v: 2 }))
  const [unknown, no] = await Promise.all([sent, waiting])
  assert.deepStrictEqual([unknown.code, unknown.stored], ['WRITE_TIMEOUT', 'unknown'])
  assert.strictEqual(no.code, 'WRITE_TIMEOUT')
  await proxy.heal()
  await items.set('k', { v: 3 })
  assert.deepStrictEqual((await readStore(site.raw, 'items')).get('k'), { v: 3 })
  await client.close()
  await proxy.close()
})

test('somebody else writes to the same key all the time (wrong last sequence): deletes get through, and each tells the truth', async () => {
  await using site = await natsSite()
  await using client = site.client()
  const items = itemsOf(client)
  let deleted = 0
  let running = true
  const subject = subjectOf('test', 'items', 'k')
  await items.set('k', { v: 0 })
  const load = (async () => {
    for (let v = 1; running; v++) await site.raw.publish(subject, JSON.stringify({ v }))
  })()
  for (let i = 0; i < 100; i++) if (await items.delete('k')) deleted++
  running = false
  await load
  assert.ok(deleted > 0, 'none was deleted')
  const isThere = (await readStore(site.raw, 'items')).has('k')
  assert.strictEqual(await items.delete('k'), isThere)
  assert.strictEqual(await items.delete('k'), false)
  assert.strictEqual((await readStore(site.raw, 'items')).size, 0)
})

/** Settings of a stream that is there, with which memis could not keep its promises, and the name that the error gives. */
const settings: Record<string, object> = {
  retention: { retention: 'interest' },
  no_ack: { no_ack: true },
  discard: { discard: 'old', max_bytes: 1_000_000 },
  subjects: { subjects: ['$KV.memis-test.items.>'] },
  discard_new_per_subject: { discard_new_per_subject: true },
}
for (const [name, change] of Object.entries(settings)) {
  test(`a bucket of which ${name} cannot serve: UNSUPPORTED_STORE that names it, to read and to write, and the client goes on`, async () => {
    await using site = await natsSite()
    await site.raw.ask('STREAM.CREATE.KV_memis-test', {
      ...{
        name: 'KV_memis-test',
        subjects: ['$KV.memis-test.>'],
        retention: 'limits',
        discard: 'new',
        storage: 'file',
      },
      ...{ max_msgs_per_subject: 1, num_replicas: 1, duplicate_window: 120e9, allow_rollup_hdrs: true },
      ...change,
    })
    await using client = site.client()
    new Complaints(client)
    for (const call of [
      () => itemsOf(client).subscribe(),
      () => itemsOf(client).set('k', {}),
      () => itemsOf(client).delete('k'),
    ]) {
      const error = await within(rejection(call()), 5000)
      assert.strictEqual(error.code, 'UNSUPPORTED_STORE', error.message)
      assert.match(
        error.message,
        new RegExp(`\\b${name}\\b.*; to mend it: (use another bucket|nats stream edit KV_memis-test --)`),
      )
    }
    const other = client.database('other').collection<object>('items')
    await other.subscribe()
    await other.set('k', { v: 1 })
    assert.deepStrictEqual(other.get('k'), { v: 1 })
  })
}

test('more replicas than there are servers: STORE_REFUSED or UNSUPPORTED_STORE, in the words of the server', async () => {
  await using server = await natsServer()
  await using client = createClient({
    transport: 'nats',
    servers: server.url,
    bucket: { replicas: 3 },
    writeTimeout: 1500,
  })
  new Complaints(client)
  const error = await within(rejection(itemsOf(client).set('k', {})), 5000)
  assert.ok(['STORE_REFUSED', 'UNSUPPORTED_STORE'].includes(error.code), error.code)
  assert.match(`${error.message} ${inspect(error.cause)}`, /replicas > 1 not supported in non-clustered mode/)
})

test("the options of a bucket are those of the stream that is made; a user's own connection is used and left open", async () => {
  await using server = await natsServer()
  await using raw = await Raw.connect(server.url)
  const connection = await connect({ servers: server.url })
  const client = createClient({
    transport: 'nats',
    connection,
    bucket: { storage: 'memory', maxBytes: 1_000_000, description: 'of the test' },
  })
  const items = itemsOf(client)
  await items.subscribe()
  await items.set('k', { v: 1 })
  assert.deepStrictEqual(items.get('k'), { v: 1 })
  const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
  assert.deepStrictEqual(
    [config.storage, config.max_bytes, config.description, config.num_replicas],
    ['memory', 1_000_000, 'of the test', 1],
  )
  await client.close()
  assert.strictEqual(connection.isClosed(), false)
  await connection.flush()
  assert.strictEqual((await raw.consumers()).length, 0)
  await connection.close()
})

test('a server before 2.11: UNSUPPORTED_STORE that says so, for everything, at once', async () => {
  await using server = await natsServer({ binary: 'nats-server-2.9' })
  await using client = createClient(server.url)
  new Complaints(client)
  for (const error of await refusesAll(client, 'UNSUPPORTED_STORE')) {
    assert.match(error.message, /NATS 2\.11 or newer, this is 2\.9\.\d+: update nats-server/)
  }
})

test.run()
