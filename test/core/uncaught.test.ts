/** What a fault that nobody listens to does to a process. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'

const test = suite('uncaught')

/** Runs a scenario of fixtures/faults.ts, and returns its lines and what it wrote to stderr. */
async function run(scenario: string): Promise<{ lines: string[]; errors: string }> {
  const fixture = join(__dirname, 'fixtures/faults.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, scenario], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk) => (errors += chunk))
  await new Promise((resolve) => child.on('close', resolve))
  return { lines: output.trim().split('\n'), errors }
}

const uncaught = 'uncaught a listener is broken'
const warning =
  "warning MemisWarning: the wire is cut (listen to the client's 'error' event to be told of all such faults)"

const scenarios: [string, string[], RegExp | null][] = [
  ['a listener throws', ['heard a', 'heard b', 'holds 2', 'exit 1'], /Error: a listener is broken/],
  [
    'listeners fail, and uncaught exceptions are noted',
    [
      uncaught,
      uncaught,
      'error',
      'heard UNAUTHORIZED',
      uncaught,
      'promise of error',
      'heard DISCONNECTED',
      uncaught,
      'exit 0',
    ],
    null,
  ],
  ['nobody listens to error', [warning, 'exit 0'], /MemisWarning/],
]

// All at once: most of their time they load.
const runs = scenarios.map(([scenario]) => run(scenario))

scenarios.forEach(([scenario, expected, stderr], i) => {
  test(`E5 ${scenario}`, async () => {
    const { lines, errors } = await (runs[i] as ReturnType<typeof run>)
    assert.deepEqual(lines, expected)
    if (stderr === null) assert.equal(errors, '')
    else assert.match(errors, stderr)
  })
})

test.run()
