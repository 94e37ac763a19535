/** JetStream elsewhere: in a domain that is reached by a leaf node, or in another account. */
import assert from 'node:assert'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientOptions, createClient } from '../../src'
import { freePort } from '../support/free-port'
import { Complaints, type Disposable, natsServer, Raw, rejection, suite, until, within } from './support'

const test = suite('domains, NATS')

const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-domains-'))
test.after(() => rmSync(dir, { recursive: true }))

function configured(name: string, text: string) {
  const file = join(dir, `${name}.conf`)
  writeFileSync(file, text)
  return natsServer({ jetstream: false, args: ['--config', file] })
}

/** A server with JetStream in the domain `hub`, and one without that is its leaf node. */
async function hubAndLeaf() {
  const port = await freePort()
  const store = mkdtempSync(join(dir, 'hub-'))
  const hub = await configured(
    'hub',
    `jetstream { domain: hub, store_dir: ${JSON.stringify(store)} }\nleafnodes { listen: "127.0.0.1:${port}" }`,
  )
  const leaf = await configured('leaf', `leafnodes { remotes: [ { url: "nats://127.0.0.1:${port}" } ] }`)
  await until('the leaf is connected', () => /Leafnode connection created/.test(hub.log))
  await using raw = await Raw.connect(leaf.url)
  const request = () => raw.connection.request('$JS.hub.API.INFO', '', { timeout: 1000 })
  await until('the leaf knows the subjects of the domain', () => request().catch(() => undefined))
  return { hub, leaf, [Symbol.asyncDispose]: () => Promise.all([hub.stop(), leaf.stop()]).then(() => {}) }
}

/** Everything that a client does works, and a client at `other` sees it. */
async function works(options: ClientOptions, other: ClientOptions): Promise<void> {
  await using client = createClient(options)
  await using peer = createClient(other)
  const complaints = [client, peer].map((each) => new Complaints(each))
  const [items, theirs] = [client, peer].map((each) => each.database('test').collection<{ n: number }>('items'))
  assert.ok(items && theirs)
  await within(Promise.all([items.subscribe(), theirs.subscribe()]), 10_000)
  await Promise.all(Array.from({ length: 500 }, (_, n) => items.set(`key ${n}`, { n }, n % 2 === 0 ? 60 : undefined)))
  assert.strictEqual(await items.delete('key 1'), true)
  await items.set('key 2', { n: 0 }, { ifRevision: items.entry('key 2')?.revision as string })
  await items.transaction((t) => {
    t.set('a', { n: 1 })
    t.set('b', { n: 1 })
  })
  await theirs.set('theirs', { n: 1 })
  await until('both hold all', () => items.size === 502 && theirs.size === 502 && items.has('theirs'))
  await items.clear()
  await until('both are empty', () => items.size === 0 && theirs.size === 0)
  for (const { codes } of complaints) assert.deepStrictEqual(codes, [])
}

for (const where of [{ domain: 'hub' }, { apiPrefix: '$JS.hub.API' }]) {
  test(`a domain that is reached by a leaf node, with ${JSON.stringify(where)}`, async () => {
    await using stage = await hubAndLeaf()
    await works({ transport: 'nats', servers: stage.leaf.url, ...where }, { transport: 'nats', servers: stage.hub.url })
  })
}

test('without the domain, a leaf node has no JetStream: UNSUPPORTED_STORE names the option', async () => {
  await using stage = await hubAndLeaf()
  await using client = createClient({ transport: 'nats', servers: stage.leaf.url })
  new Complaints(client)
  const error = await within(rejection(client.connect()), 5000)
  assert.strictEqual(error.code, 'UNSUPPORTED_STORE')
  assert.match(error.message, /-js.*domain/)
})

test('JetStream of another account, imported under another name', async () => {
  const store = mkdtempSync(join(dir, 'accounts-'))
  await using server: Disposable<Awaited<ReturnType<typeof configured>>> = await configured(
    'accounts',
    `jetstream { store_dir: ${JSON.stringify(store)} }
accounts {
  STORE {
    jetstream: enabled
    users: [ { user: store, password: store } ]
    exports: [
      { service: "$JS.API.>", response_type: stream }
      { service: "$KV.>" }
      { service: "$JS.FC.>" }
      { stream: "_INBOX_app.>" }
    ]
  }
  APP {
    users: [ { user: app, password: app } ]
    imports: [
      { service: { account: STORE, subject: "$JS.API.>" }, to: "store.api.>" }
      { service: { account: STORE, subject: "$KV.>" }, to: "store.api.$KV.>" }
      { service: { account: STORE, subject: "$JS.FC.>" } }
      { stream: { account: STORE, subject: "_INBOX_app.>" } }
    ]
  }
}`,
  )
  const login = (name: string) => ({ transport: 'nats' as const, servers: server.url, user: name, pass: name })
  await works({ ...login('app'), apiPrefix: 'store.api', inboxPrefix: '_INBOX_app' }, login('store'))
})

test.run()
