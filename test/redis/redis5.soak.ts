/** Tests that depend on the package `redis`, with version 5 of it. */
import { join } from 'node:path'
import { again } from './again'
import { suite } from './support'

const test = suite('redis 5', 450_000)

const files = ['acl', 'connection', 'link', 'lost-notifications', 'outage', 'packages', 'security']
const hook = JSON.stringify(join(__dirname, 'other-redis.cjs'))

again(
  test,
  'redis 5',
  files.map((name) => `${name}.test.ts`),
  () => ({ MEMIS_REDIS: 'redis5', NODE_OPTIONS: `--require ${hook}` }),
)

test.run()
