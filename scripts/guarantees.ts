/**
 * Makes GUARANTEES.md from the reports in `.cache/guarantees`: those of the tests, the simulation and chaos. If a report is
 * missing or something failed, it says so and leaves the page as it is.
 *
 *   npm run guarantees             from the reports that are there
 *   npm run guarantees -- --run    makes the reports first, which takes an hour or two
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { render } from './guarantees/page'
import { readReports, runs } from './guarantees/reports'

const root = resolve(__dirname, '..')
const { values } = parseArgs({ options: { run: { type: 'boolean', default: false } } })

function main(): void {
  if (values.run) {
    for (const [command = '', ...args] of runs) {
      console.log([command, ...args].join(' '))
      const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
      if (status !== 0) return fail([`it failed: ${[command, ...args].join(' ')}`])
    }
  }
  const { reports, faults } = readReports(root)
  if (reports === undefined) return fail(faults)
  writeFileSync(join(root, 'GUARANTEES.md'), render(reports))
}

function fail(faults: readonly string[]): void {
  console.error(`GUARANTEES.md is not generated:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
  process.exitCode = 1
}

main()
