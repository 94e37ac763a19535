/** Everything that is shown on Redis, shown on Valkey: a `redis-server` stands first on the PATH that is Valkey. */
import assert from 'node:assert'
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { serverBinary } from '../support/servers'
import { again } from './again'
import { Raw, redisServer, suite } from './support'

const test = suite('valkey', 450_000)

const files = readdirSync(__dirname).filter((name) => name.endsWith('.test.ts'))
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

again(test, 'Valkey', files, () => env)

test.run()
