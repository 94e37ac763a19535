/**
 * Makes GUARANTEES.md of what the tests, the simulation and chaos have left in `.cache/guarantees`.
 *
 *   npm run guarantees             of the reports that are there; what is missing is said to be missing
 *   npm run guarantees -- --run    makes all of them first, which takes an hour or two
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { render, runs } from './guarantees/page'

const root = resolve(__dirname, '..')
const { values } = parseArgs({ options: { run: { type: 'boolean', default: false } } })

let failed = false
if (values.run) {
  for (const [command, ...args] of runs) {
    console.log([command, ...args].join(' '))
    failed = spawnSync(command as string, args, { cwd: root, stdio: 'inherit' }).status !== 0 || failed
  }
}
writeFileSync(join(root, 'GUARANTEES.md'), render())
if (failed) console.error('something has failed: the page says what')
process.exitCode = failed ? 1 : 0
