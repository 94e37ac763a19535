/** The programs of the pages run as they stand there. */
import assert from 'node:assert'
import { createClient } from '../../src'
import { startRedis } from '../support/servers'
import { until, within } from '../support/testing'
import { programs } from './pages'
import { redisUrl, start, testPrograms } from './running'
import { put } from './workshop'

const test = testPrograms('docs: programs', startRedis)

const named = (file: string) => {
  const program = programs.find((each) => each.page === 'README.md' && each.file === file)
  assert.ok(program, `README.md has no program that is marked file=${file}`)
  return program
}

test('README.md: the quick start, in two terminals, and a restart of Redis that keeps nothing', async () => {
  const [reader, writer] = [named('watch.mjs'), named('write.mjs')]
  const redis = await startRedis()
  const replaced = { [redisUrl]: redis.url }
  const first = start(put(reader, replaced))
  const client = createClient(redis.url)
  client.on('error', () => {})
  try {
    await until('the reader is ready', () => /ready/.test(first.output))
    const second = start(put(writer, replaced))
    assert.strictEqual(await within(second.ended, 20_000), 0, second.output)
    // The page shows it behind the second program.
    await until('the reader has printed everything', () => first.output === writer.output, 5_000).catch(() => {})
    assert.strictEqual(first.output, writer.output)

    await redis.restart()
    const flags = client.database('shop').collection<{ on: boolean }>('flags')
    await flags.subscribe()
    await within(
      flags.waitFor('checkout', (flag) => flag?.on === true),
      20_000,
    )
    // It has kept everything. (It may have warned that Redis was away.)
    assert.ok(first.output.startsWith(String(writer.output)) && !/checkout is gone/.test(first.output), first.output)
  } finally {
    first.process.kill('SIGKILL')
    await client.close()
    await redis.stop()
  }
})

test.run()
