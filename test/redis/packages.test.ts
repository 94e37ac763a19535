/** Versions of the package `redis`. */
import assert from 'node:assert'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../src'
import './other-redis.cjs'
import { freePort } from '../support/free-port'
import { redisServer, rejection, suite, until, within } from './support'

const test = suite('packages')
const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-packages-'))
const usual = process.env.MEMIS_REDIS

/** The package that `redis` leads to, for memis. */
function use(name: string | undefined): void {
  if (name === undefined) delete process.env.MEMIS_REDIS
  else process.env.MEMIS_REDIS = name
}

test.after.each(() => use(usual))
test.after(() => rmSync(dir, { recursive: true, force: true }))

for (const version of ['4.7.1', '3.1.2', '7.0.0']) {
  test(`redis@${version} is refused at once, before it is loaded`, async () => {
    const fake = join(dir, version)
    mkdirSync(fake)
    writeFileSync(join(fake, 'package.json'), JSON.stringify({ name: 'redis', version }))
    writeFileSync(join(fake, 'index.js'), "throw new Error('it was loaded')\n")
    use(fake)
    await using client = createClient(`redis://127.0.0.1:${await freePort()}`)
    client.on('error', () => {})
    const items = client.database('test').collection<object>('items')
    const asked = [client.connect(), items.subscribe(), items.set('k', { a: 1 })]
    for (const error of await within(Promise.all(asked.map(rejection)), 2000)) {
      assert.strictEqual(error.code, 'MISSING_PACKAGE')
      assert.match(error.message, new RegExp(`'redis' in version 5 or 6, this is ${version}: npm install redis@6`))
      assert.ok([undefined, 'no'].includes(error.stored))
    }
  })
}

for (const name of ['redis', 'redis5']) {
  const { version } = require(`${name}/package.json`)
  test(`redis ${version}: by options, and as a client of the user's`, async () => {
    use(name)
    await using server = await redisServer()
    const own = require(name).createClient({ url: server.url })
    await using one = createClient(server.url)
    await using two = createClient({ transport: 'redis', client: own })
    const [mine, theirs] = [one, two].map((client) => client.database('test').collection<object>('items'))
    await mine?.subscribe()
    await theirs?.set('k', { v: 1 })
    await until('the set is told', () => mine?.has('k'))
    assert.deepStrictEqual(mine?.get('k'), { v: 1 })
    assert.strictEqual(own.isOpen, false, 'it is only duplicated')
  })

  test(`redis ${version}: no character is garbled, wherever the parts of a reply end`, async () => {
    use(name)
    await using server = await redisServer()
    await using writer = createClient(server.url)
    // 64 KB parts end within most of these: three bytes each, behind an odd beginning.
    const item = { text: `a${'한'.repeat(300_000)}` }
    await writer.database('test').collection<typeof item>('items').set('k', item)
    for (let i = 0; i < 3; i++) {
      await using reader = createClient(server.url)
      const items = reader.database('test').collection<typeof item>('items')
      await items.subscribe()
      assert.ok(items.get('k')?.text === item.text)
    }
  })
}

test.run()
