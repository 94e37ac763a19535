/**
 * Everything that is shown on Redis, shown on Valkey: the suites run as they are, in processes of their own, with a
 * `redis-server` first on their PATH that is Valkey.
 */
import assert from 'node:assert'
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { runSuite } from '../../scripts/run-suite'
import { serverBinary } from '../support/servers'
import { note, Raw, redisServer, suite } from './support'

const test = suite('valkey', 300_000)

const files = readdirSync(__dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join(__dirname, name))
const contract = join(__dirname, '../transports/redis.test.ts')

const shims = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-valkey-'))
let env: NodeJS.ProcessEnv = {}

test.before(async () => {
  const valkey = await serverBinary('valkey-server')
  symlinkSync(valkey.file, join(shims, 'redis-server'))
  env = { ...valkey.env, PATH: `${shims}${delimiter}${process.env.PATH}` }
})
test.after(() => {
  rmSync(shims, { recursive: true, force: true })
})

test('the server is a Valkey', async () => {
  await using server = await redisServer({ binary: 'valkey-server' })
  await using raw = await Raw.connect(server.url)
  const version = /^valkey_version:(\S+)/m.exec(await raw.send('INFO', 'server'))?.[1]
  assert.ok(Number.parseInt(version ?? '0', 10) >= 8, `version ${version}`)
})

for (const file of [...files, contract]) {
  const name = file === contract ? 'the conformance suite' : file.slice(__dirname.length + 1)
  test(`on Valkey: ${name}`, async () => {
    const { passed, faults, output } = await runSuite(file, 240_000, env)
    // Indented, or its closing block would be taken for that of this file.
    assert.deepStrictEqual(faults, [], output.slice(-3000).replace(/^/gm, '    '))
    note(`on Valkey, ${name}: ${passed} passed`)
  })
}

test.run()
