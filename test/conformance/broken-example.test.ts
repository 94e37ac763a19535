/** The suites catch what is wrong with a transport that somebody wrote from the example: a part of its text is changed at a time. */
import * as assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import { type ConformanceOptions, transportConformance } from '../../src/conformance'
import type { Transport } from '../../src/transport-kit'
import { filesOf } from '../example-transport/file-store'
import { type Edit, edits } from './faults/example'

const root = resolve(__dirname, '../..')
const source = readFileSync(join(root, 'test/example-transport/file-transport.ts'), 'utf8')
/** As deep as the example, so that its imports hold. Git and the linter ignore it. */
const folder = join(root, `.cache/broken-${process.pid}`)
mkdirSync(folder, { recursive: true })
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Transports of the example with a part of its text changed. */
function edited(name: string, text: string, by: string): (directory: string) => Transport {
  const path = join(folder, `${name}.ts`)
  writeFileSync(path, source.replace(text, by))
  const { FileTransport } = require(path)
  return (directory) => new FileTransport(directory)
}

/** The first case that fails. */
async function firstFailure(transportTo: (directory: string) => Transport, cases: string): Promise<Error | undefined> {
  const chosen: (() => Promise<void>)[] = []
  const collect = (title: string, run: () => Promise<void>) => {
    if (title.startsWith(cases)) chosen.push(run)
  }
  const { log } = console
  console.log = () => {}
  try {
    const options = {
      name: 'broken',
      test: Object.assign(collect, { skip() {} }),
      patience: 3000,
      ...filesOf(transportTo),
    }
    transportConformance(options as ConformanceOptions)
  } finally {
    console.log = log
  }
  assert.notEqual(chosen.length, 0, `no title begins with ${cases}`)
  for (const run of chosen) {
    const error = await run().then(
      () => undefined,
      (error) => error,
    )
    if (error !== undefined) return error
  }
  return undefined
}

const test = suite('broken example')
const noted: unknown[] = []
test.before(() => void process.on('uncaughtException', (error) => noted.push(error)))
// Some faults leave a watcher or a timer behind.
test.after(() => void setTimeout(() => process.exit(), 500).unref())

// Cases that look at what is of the whole process come before faults that leave something in it.
const isOfProcess = ({ cases }: Edit) => Number(cases.startsWith('W7'))
const ordered = [...edits].sort((a, b) => isOfProcess(b) - isOfProcess(a))

for (const [i, { does, cases, text, by }] of ordered.entries()) {
  test(`an example that ${does} fails at ${cases}`, async () => {
    assert.equal(source.split(text).length, 2, `this is there once: ${text}`)
    const failure = await firstFailure(edited(`fault-${i}`, text, by), cases)
    assert.ok(failure, 'no case has noticed')
    const error = (failure.cause as Error | undefined) ?? failure
    console.log(`# ${does}\n    ${error.message.split('\n')[0]?.slice(0, 150)}`)
    assert.ok(!(error instanceof SyntaxError || error instanceof ReferenceError), error.stack)
    assert.doesNotMatch(error.message, /^the case was not done/)
  })
}

test('the example passes these cases as it is', async () => {
  const intact = edited('intact', '', '')
  for (const cases of new Set(edits.map(({ cases }) => cases))) {
    const failure = await firstFailure(intact, cases)
    assert.equal(failure, undefined, `${cases}: ${failure?.stack}`)
  }
  assert.deepEqual(noted, [])
})

test.run()
