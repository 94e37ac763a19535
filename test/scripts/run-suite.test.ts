/** Each way in which a file of tests can go wrong fails; uvu itself lets several of them pass. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runSuite } from '../../scripts/run-suite'

const test = suite('run-suite')

const run = (name: string, timeout = 20_000, silence?: number, env = {}) =>
  runSuite(join(__dirname, 'fixtures', `${name}.ts`), timeout, { NODE_V8_COVERAGE: '', ...env }, silence)

// These mostly wait: they begin at once.
const ended = run('hangs', 2000)
const dir = mkdtempSync(join(tmpdir(), 'memis-silent-'))
const silent = run('silent-at-first', 30_000, 12_000, { MEMIS_SILENT: join(dir, 'mark') })
const hanging = run('hangs', 15_000, 12_000)

test('a good file: counts, reasons and notes', async () => {
  const verdict = await run('passes')
  const { passed, failed, skipped, faults, skips, notes, cases } = verdict
  assert.equal(
    { passed, failed, skipped, faults, skips, notes, cases },
    {
      passed: 2,
      failed: 0,
      skipped: 1,
      faults: [],
      skips: ['K9 in full: the store cannot'],
      notes: ['3 things measured', 'and one behind a dot'],
      cases: ['one', 'two'],
    },
  )
})

const bad: [file: string, passed: number, faults: RegExp][] = [
  ['fails', 1, /^exit code 1, 1 of 2 tests did not pass$/],
  ['throws-before', 0, /^1 of 1 tests did not pass$/],
  ['throws-after-each', 0, /1 of 1 tests did not pass$/],
  ['throws-on-load', 0, /^exit code 1, .*block stands there 0 times$/],
  ['throws-afterwards', 1, /^exit code 1$/],
  ['never-run', 0, /^test.run\(\) is missing, .*block stands there 0 times$/],
  ['one-never-run', 1, /^other.run\(\) is missing$/],
  ['no-tests', 0, /^no tests$/],
  ['skips-in-silence', 1, /^1 tests were skipped without a reason$/],
  ['ends-early', 0, /^exit code 1, .*block stands there 0 times$/],
]
for (const [file, passed, faults] of bad) {
  test(`${file} fails`, async () => {
    const verdict = await run(file)
    assert.match(verdict.faults.join(', '), faults)
    assert.is(verdict.passed, passed)
    assert.is(verdict.failed, 1)
    if (file === 'throws-before') assert.match(verdict.output, 'no server')
  })
}

test('a file that hangs is killed, with the processes that it has started', async () => {
  const verdict = await ended
  assert.match(verdict.faults.join(', '), /^not done after 2 s, ended by SIGKILL/)
  assert.is(verdict.failed, 1)
  // Its child has inherited the output: if it lived on, there would be no verdict.
  assert.is(verdict.notes.length, 1)
})

test('a file that is not even loaded in time is started once more, which is noted; one that had begun is not', async () => {
  const verdict = await silent
  assert.is(readFileSync(join(dir, 'mark'), 'utf8'), 'xx')
  rmSync(dir, { recursive: true })
  assert.equal([verdict.passed, verdict.failed, verdict.faults], [1, 0, []])
  assert.equal(verdict.notes, ['started again: it had not been loaded after 12 s'])
  const begun = await hanging
  assert.match(begun.faults.join(', '), /^not done after 15 s, ended by SIGKILL/)
  assert.is(begun.notes.length, 1)
})

test.run()
