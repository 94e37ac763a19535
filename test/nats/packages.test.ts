/** Which package of NATS is taken, and what is told if there is none that works. */
import assert from 'node:assert'
import * as newer from '@nats-io/transport-node'
import * as older from 'nats'
import { type Client, createClient } from '../../src'
import { loadLibrary, type NatsConnection } from '../../src/transports/nats/client'
import { hidePackage } from './hidden-package'
import { Complaints, natsServer, rejection, suite, until, within } from './support'

const test = suite('packages, NATS')

/** While these packages are missing, or in another version. */
async function without<R>(packages: Record<string, string | undefined>, run: () => R): Promise<Awaited<R>> {
  const undo = Object.entries(packages).map(([name, version]) => hidePackage(name, version))
  try {
    return await run()
  } finally {
    for (const each of undo.reverse()) each()
  }
}

const isOf = (library: object, connect: unknown) => (library as { connect: unknown }).connect === connect

test('the newer package is taken if both are installed; else the one that is, in a version that works', async () => {
  assert.ok(isOf(loadLibrary(), newer.connect))
  for (const missing of [{ '@nats-io/transport-node': undefined }, { '@nats-io/transport-node': '4.0.0' }]) {
    await without(missing, () => assert.ok(isOf(loadLibrary(), older.connect)))
  }
  await without({ nats: undefined }, () => assert.ok(isOf(loadLibrary(), newer.connect)))
})

test('a connection decides for its own package', async () => {
  await using server = await natsServer()
  for (const { connect } of [newer, older]) {
    const connection = await connect({ servers: server.url })
    assert.ok(isOf(loadLibrary(connection as unknown as NatsConnection), connect))
    await connection.close()
  }
})

/** The error that refuses `connect()` and `subscribe()` of a new client at once. */
async function refusals(make: () => Client): Promise<string[]> {
  const client = make()
  new Complaints(client)
  const calls = [client.connect(), client.database('d').collection('c').subscribe()]
  const errors = await within(Promise.all(calls.map((call) => rejection(call))), 1000)
  await client.close()
  assert.deepStrictEqual(new Set(errors.map(({ code }) => code)), new Set(['MISSING_PACKAGE']))
  return errors.map(({ message }) => message.replace('d/c: ', ''))
}

const installNewer = "the package '@nats-io/transport-node' is not installed: npm install @nats-io/transport-node@3"
const makers: Record<string, () => Client> = {
  'by URL': () => createClient('nats://127.0.0.1:1'),
  'by options': () => createClient({ transport: 'nats' }),
}

for (const [how, make] of Object.entries(makers)) {
  test(`no package is installed, ${how}: MISSING_PACKAGE names the commands that install one`, async () => {
    await without({ nats: undefined, '@nats-io/transport-node': undefined }, async () => {
      for (const message of await refusals(make))
        assert.strictEqual(message, `${installNewer}; or the package 'nats' is not installed: npm install nats@2`)
    })
  })
}

test('packages of other versions: MISSING_PACKAGE names them and the commands', async () => {
  await without({ nats: '1.4.12', '@nats-io/transport-node': undefined }, async () => {
    const expected = `${installNewer}; or memis needs the package 'nats' in version 2, this is 1.4.12: npm install nats@2`
    for (const message of await refusals(makers['by URL'] as () => Client)) assert.strictEqual(message, expected)
  })
  await without({ nats: undefined, '@nats-io/transport-node': '4.0.1' }, async () => {
    for (const message of await refusals(makers['by URL'] as () => Client))
      assert.match(message, /^memis needs the package '@nats-io\/transport-node' in version 3, this is 4\.0\.1: npm/)
  })
})

test('without the newer package, everything works with the older one', async () => {
  await using server = await natsServer()
  await without({ '@nats-io/transport-node': undefined }, async () => {
    await using client = createClient({ transport: 'nats', servers: server.url, name: 'a user of the older one' })
    const items = client.database('test').collection<object>('items')
    await items.subscribe()
    await items.set('k', { v: 1 }, 60)
    assert.deepStrictEqual([...items], [['k', { v: 1 }]])
    await server.restart()
    await until('it is back', () => items.freshness.state === 'live')
    await items.set('k', { v: 2 })
  })
})

test.run()
