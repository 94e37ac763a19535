/** Runs the suites of Redis once more, as they are, in processes of their own with another environment. */
import assert from 'node:assert'
import { join } from 'node:path'
import { runSuite } from '../../scripts/run-suite'
import { note, type suite } from './support'

/** A test for each file of this folder, and one for the conformance suites. */
export function again(
  test: ReturnType<typeof suite>,
  what: string,
  files: readonly string[],
  env: () => NodeJS.ProcessEnv,
): void {
  for (const file of [...files, '../transports/redis.test.ts']) {
    const name = file.startsWith('..') ? 'the conformance suite' : file
    test(`on ${what}: ${name}`, async () => {
      const { passed, faults, output } = await runSuite(join(__dirname, file), 400_000, env())
      // Indented, or its closing block would be taken for that of the file that runs it.
      assert.deepStrictEqual(faults, [], output.slice(-3000).replace(/^/gm, '    '))
      note(`on ${what}, ${name}: ${passed} passed`)
    })
  }
}
