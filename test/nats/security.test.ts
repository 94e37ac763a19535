/**
 * Who can do what (H6, H11): a user who may only use inboxes, or only another bucket, changes nothing; the documented permissions are
 * enough, with an inbox of one's own too.
 */
import assert from 'node:assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, headers as newHeaders } from '@nats-io/transport-node'
import { type Client, type Collection, createClient } from '../../src'
import {
  Complaints,
  natsServer,
  natsSite,
  Raw,
  Replay,
  readStore,
  rejection,
  suite,
  until,
  untilEqual,
} from './support'

const test = suite('security, NATS')

/** As LAYOUT.md has them. */
const writing = (bucket: string) => [
  `$KV.${bucket}.>`,
  `$JS.FC.KV_${bucket}.>`,
  '$JS.API.INFO',
  ...['INFO', 'CREATE', 'MSG.GET'].map((call) => `$JS.API.STREAM.${call}.KV_${bucket}`),
  ...['CREATE', 'DELETE'].map((call) => `$JS.API.CONSUMER.${call}.KV_${bucket}.*`),
]
const reading = (bucket: string) => writing(bucket).filter((subject) => !/^\$KV|STREAM\.CREATE/.test(subject))

const user = (name: string, publish: readonly string[], subscribe: readonly string[]) =>
  `{ user: ${name}, password: ${name}, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} } }`

/** A server with these users, and one who may do everything. */
async function stage(...users: string[]) {
  const site = await natsSite()
  const file = join(site.server.dir, 'users.conf')
  writeFileSync(file, `authorization { users = [ { user: all, password: all }, ${users.join()} ] }`)
  const server = await natsServer({ args: ['--config', file] })
  const raw = await Raw.connect(server.url, { user: 'all', pass: 'all' })
  const clients: Client[] = []
  return {
    server,
    raw,
    client(name: string, options: object = {}): Client {
      const client = createClient({ transport: 'nats', servers: server.url, user: name, pass: name, ...options })
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()))
      await raw[Symbol.asyncDispose]()
      await server.stop()
      await site[Symbol.asyncDispose]()
    },
  }
}

async function everything(items: Collection<{ n: number }>): Promise<void> {
  await items.subscribe()
  await Promise.all(Array.from({ length: 50 }, (_, n) => items.set(`key ${n}`, { n }, n % 2 === 0 ? 60 : undefined)))
  assert.strictEqual(await items.delete('key 1'), true)
  await items.set('key 2', { n: 3 }, { ifRevision: items.entry('key 2')?.revision as string })
  await items.clear()
  await items.set('last', { n: 1 })
  assert.deepStrictEqual([...items], [['last', { n: 1 }]])
}

for (const [what, inbox, options] of [
  ['the documented permissions', '_INBOX.>', {}],
  ['an inbox of its own', '_INBOX_memis.>', { inboxPrefix: '_INBOX_memis' }],
] as const) {
  test(`${what} are enough to write and to follow; and reading needs no right to write`, async () => {
    await using scene = await stage(
      user('writer', writing('memis-test'), [inbox]),
      user('reader', reading('memis-test'), [inbox]),
    )
    const writer = scene.client('writer', options)
    const reader = scene.client('reader', { readOnly: true, ...options })
    const complaints = [writer, reader].map((client) => new Complaints(client))
    const [written, read] = [writer, reader].map((client) => client.database('test').collection<{ n: number }>('items'))
    await everything(written as Collection<{ n: number }>)
    await read?.subscribe()
    await written?.set('news', { n: 2 })
    await until('it is heard of', () => read?.has('news'))
    assert.strictEqual((await rejection(read?.set('k', { n: 1 }) as Promise<void>)).code, 'READ_ONLY')
    await Promise.all([writer.close(), reader.close()])
    for (const { codes } of complaints) assert.deepStrictEqual(codes, [])
    assert.deepStrictEqual(await scene.raw.consumers(), [])
  })
}

test('a user who may only use inboxes hears nothing of clients that have inboxes of their own', async () => {
  await using scene = await stage(
    user('memis', writing('memis-test'), ['_INBOX_memis.>']),
    user('tenant', ['_INBOX.>'], ['_INBOX.>']),
  )
  const tenant = await connect({ servers: scene.server.url, user: 'tenant', pass: 'tenant' })
  const heard: string[] = []
  tenant.subscribe('_INBOX.>', { callback: (_, { subject }) => void heard.push(subject) })
  await tenant.flush()
  const client = scene.client('memis', { inboxPrefix: '_INBOX_memis' })
  await everything(client.database('test').collection('items'))
  await tenant.flush()
  assert.deepStrictEqual(heard, [])
  await tenant.close()
})

test('a user who may only use inboxes, the victim’s too, plants nothing, purges nothing, and ends no session', async () => {
  await using scene = await stage(
    user('memis', writing('memis-test'), ['_INBOX.>']),
    user('tenant', ['_INBOX.>'], ['_INBOX.>']),
  )
  const { raw } = scene
  const tenant = await connect({ servers: scene.server.url, user: 'tenant', pass: 'tenant' })
  /** Where acknowledgements and other answers go. */
  const inboxes = new Set<string>()
  tenant.subscribe('_INBOX.>', { callback: (_, { subject }) => void inboxes.add(subject) })
  await tenant.flush()
  const client = scene.client('memis', { auditInterval: 100 })
  const complaints = new Complaints(client)
  const items = client.database('test').collection<object>('items')
  const replay = new Replay(items)
  const stales: unknown[] = []
  items.on('stale', (error) => void stales.push(error))
  await items.subscribe()
  for (let n = 0; n < 20; n++) await items.set(`key ${n}`, { n })
  const [consumer] = (await raw.consumers()) as unknown as { name: string; config: { deliver_subject: string } }[]
  const inbox = consumer?.config.deliver_subject as string
  assert.ok(inboxes.size > 20, `the tenant overhears acknowledgements: ${inboxes.size}`)
  const before = await readStore(raw, 'items')

  const status = newHeaders(100, 'Idle Heartbeat')
  const future = newHeaders(100, 'Idle Heartbeat')
  future.set('Nats-Last-Consumer', '99999')
  const stalled = newHeaders(100, 'Idle Heartbeat')
  stalled.set('Nats-Consumer-Stalled', '$JS.API.STREAM.PURGE.KV_memis-test')
  const stamp = `$JS.ACK.KV_memis-test.${consumer?.name}.1.21.21.${Date.now()}000000.0`
  const subjects = [
    '$JS.API.STREAM.PURGE.KV_memis-test',
    '$JS.API.STREAM.DELETE.KV_memis-test',
    '$KV.memis-test.items.key=203',
    '$JS.FC.KV_memis-test.other.1',
    '$JS.FC.KV_other.consumer.1',
  ]
  for (let round = 0; round < 10; round++) {
    for (const reply of subjects) tenant.publish(inbox, '', { headers: status, reply })
    for (const headers of [future, stalled]) tenant.publish(inbox, '', { headers })
    tenant.publish(inbox, '{"planted":true}')
    tenant.publish(inbox, '{"planted":true}', { reply: stamp })
    // To where the last answers went, and nearby.
    for (const each of [...inboxes].slice(-30)) {
      tenant.publish(each, `{"stream":"KV_memis-test","seq":${1000 + round}}`)
      tenant.publish(each.replace(/[^.]+$/, 'AAAAAAAA'), `{"stream":"KV_memis-test","seq":${1000 + round}}`)
      tenant.publish(each, JSON.stringify({ created: '2000-01-01T00:00:00Z', state: { last_seq: 0, first_seq: 1 } }))
    }
    await items.set('good', { round })
  }
  await tenant.flush()
  await items.set('good', { done: true })
  assert.deepStrictEqual(await readStore(raw, 'items'), new Map([...before, ['good', { done: true }]]))
  await untilEqual(raw, [items])
  replay.check()
  assert.deepStrictEqual(stales, [])
  assert.deepStrictEqual(new Set(complaints.codes), new Set(['UNTRUSTED']))
  assert.ok(Number(client.errorCounts.UNTRUSTED) >= 60, `${client.errorCounts.UNTRUSTED}`)
  await tenant.close()
})

test('a user of another bucket has its own consumer deliver to a replica: nothing is planted, and the session goes on', async () => {
  await using scene = await stage(
    user('memis', writing('memis-test'), ['_INBOX.>']),
    user('tenant', writing('memis-other'), ['_INBOX.>']),
  )
  const { raw } = scene
  const client = scene.client('memis', { auditInterval: 100 })
  const complaints = new Complaints(client)
  const items = client.database('test').collection<object>('items')
  const stales: unknown[] = []
  items.on('stale', (error) => void stales.push(error))
  const replay = new Replay(items)
  await items.subscribe()
  await items.set('admin', { role: 'alice' })
  const tenant = await connect({ servers: scene.server.url, user: 'tenant', pass: 'tenant' })
  // A stream that keeps the tenant's messages under the subjects of the victim.
  const { config } = await raw.ask('STREAM.INFO.KV_memis-test')
  const subjects = { src: '$KV.memis-other.>', dest: '$KV.memis-test.>' }
  await tenant.request(
    '$JS.API.STREAM.CREATE.KV_memis-other',
    JSON.stringify({
      ...{ ...config, metadata: undefined, name: 'KV_memis-other', subjects: [subjects.src] },
      subject_transform: subjects,
    }),
  )
  const attack = async (policy: object, name: string) => {
    const [consumer] = (await raw.consumers()) as unknown as { name: string; config: { deliver_subject: string } }[]
    const config = {
      ...{ name: name || consumer?.name, deliver_subject: consumer?.config.deliver_subject, ack_policy: 'none' },
      ...{ filter_subject: '$KV.memis-test.items.>', max_deliver: 1, mem_storage: true, num_replicas: 1, ...policy },
    }
    const question = JSON.stringify({ stream_name: 'KV_memis-other', config })
    const subject = `$JS.API.CONSUMER.CREATE.KV_memis-other.${config.name}`
    const answer = (await tenant.request(subject, question, { timeout: 2000 })).json<{ error?: unknown }>()
    assert.strictEqual(answer.error, undefined)
  }
  // So that the numbers are beyond those of the victim's stream, and its first ones are the same.
  const put = (key: string, item: object) =>
    tenant.request(`$KV.memis-other.items.${key}`, JSON.stringify(item), { timeout: 2000 })
  for (let n = 0; n < 30; n++) await put('admin', { role: 'EVIL', n })
  for (let n = 0; n < 10; n++) await put(`planted-${n}`, { by: 'tenant' })
  // Under a name of its own, and under the name of the victim's consumer.
  await attack({ deliver_policy: 'all' }, 'mine')
  await attack({ deliver_policy: 'by_start_sequence', opt_start_seq: 35 }, '')
  await until('all is heard', () => Number(client.errorCounts.UNTRUSTED) >= 11 + 6)
  for (let n = 0; n < 5; n++) await items.set('good', { n })
  await untilEqual(raw, [items])
  assert.deepStrictEqual(
    new Map(items),
    new Map<string, object>([
      ['admin', { role: 'alice' }],
      ['good', { n: 4 }],
    ]),
  )
  const joined = scene.client('memis').database('test').collection<object>('items')
  await joined.subscribe()
  assert.deepStrictEqual(new Map(joined), new Map(items))
  assert.deepStrictEqual(stales, [])
  assert.deepStrictEqual(new Set(complaints.codes), new Set(['UNTRUSTED']))
  replay.check()
  await tenant.close()
})

test.run()
