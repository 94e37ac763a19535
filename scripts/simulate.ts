/**
 * Runs many seeds of the simulation: `npx tsx scripts/simulate.ts --seeds 100000 --steps 1000 --from 1`. Prints each seed
 * that violates an invariant, with the command that replays it; `--seed 4711` replays one, and prints its last steps.
 * `--report FILE` leaves the figures as JSON.
 */
import { parseArgs } from 'node:util'
import { run, type Verdict } from '../test/simulation/run'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1000' },
    steps: { type: 'string', default: '1000' },
    most: { type: 'string', default: '10' },
    report: { type: 'string' },
  },
})

async function main(): Promise<void> {
  const steps = Number(values.steps)
  if (values.seed !== undefined) return tell(await run(Number(values.seed), steps, true), steps)
  const from = Number(values.from)
  const seeds = Number(values.seeds)
  const start = performance.now()
  const faults = new Map<string, number>()
  let failed = 0
  const repairs: number[] = []
  let seed = from
  for (; seed < from + seeds && failed < Number(values.most); seed++) {
    const verdict = await run(seed, steps)
    repairs.push(verdict.repair)
    for (const [name, count] of Object.entries(verdict.injected)) faults.set(name, (faults.get(name) ?? 0) + count)
    if ((seed - from + 1) % 1000 === 0) console.log(`${seed - from + 1} seeds, ${failed} failed`)
    if (verdict.violation === null) continue
    failed++
    tell(verdict, steps)
  }
  const seconds = (performance.now() - start) / 1000
  const ran = seed - from
  console.log(`${ran} seeds of ${steps} steps in ${seconds.toFixed(1)} s, ${(ran / seconds).toFixed(1)} a second`)
  console.log(`faults: ${[...faults].map(([name, count]) => `${name} ${count}`).join(', ')}`)
  repairs.sort((a, b) => a - b)
  const worst = Math.round(repairs.at(-1) ?? 0)
  console.log(`longest repair ${worst} ms of virtual time, ${failed} failed`)
  if (values.report !== undefined) {
    // Only then: the mutants have a copy of this file without the rest of its folder.
    const { writeReport } = await import('./guarantees/reports.js')
    const repair = { median: Math.round(repairs[Math.floor(repairs.length / 2)] ?? 0), worst }
    const command = `npx tsx scripts/simulate.ts --seeds ${seeds} --steps ${steps} --from ${from}`
    const figures = { seeds: ran, steps, failed, repair, faults: Object.fromEntries(faults) }
    writeReport(values.report, { command, ...figures })
  }
  process.exitCode = failed > 0 ? 1 : 0
}

function tell({ seed, violation, step, lines }: Verdict, steps: number): void {
  for (const line of lines) console.log(line)
  if (violation === null) return console.log(`seed ${seed}: all invariants held`)
  console.log(`seed ${seed}, step ${step}: ${violation.invariant}: ${violation.detail}`)
  if (lines.length === 0) console.log(`  npx tsx scripts/simulate.ts --steps ${steps} --seed ${seed}`)
}

main()
