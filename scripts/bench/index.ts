/**
 * `npm run bench`: memis beside what people write by hand, on the same machine and in turns. `npm run bench -- P1 P4` runs some
 * figures. Prints a table, and keeps it in results.json and chart.svg, which the README shows.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { figures } from './figures'
import type { Row } from './support/figure'
import { printTable, save } from './support/report'
import { rounds } from './support/rounds'

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).map((id) => id.toUpperCase())
  const unknown = wanted.filter((id) => !figures.some((figure) => figure.id === id))
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}; there are ${figures.map(({ id }) => id)}`)
  prepare()
  const rows: Row[] = []
  let failed = false
  for (const figure of figures) {
    if (wanted.length > 0 && !wanted.includes(figure.id)) continue
    const start = performance.now()
    process.stderr.write(`${figure.id} ${figure.title} …`)
    try {
      rows.push(...(await figure.run()))
      process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(0)} s\n`)
    } catch (error) {
      failed = true
      console.error(`\n${figure.id} failed:`, error)
    }
  }
  printTable(rows)
  if (rounds >= 7) save(rows)
  process.exit(failed ? 1 : 0)
}

/** Installs the packages that memis is measured against, and compiles what is measured. */
function prepare(): void {
  if (!existsSync(join(__dirname, 'node_modules'))) {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: __dirname, stdio: ['ignore', 2, 2] })
  }
  // Files of another version could hide that this one lacks them.
  rmSync(join(__dirname, 'dist'), { recursive: true, force: true })
  const tsc = join(__dirname, '../../node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', __dirname], { stdio: ['ignore', 2, 2] })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
