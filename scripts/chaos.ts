/**
 * Chaos on a real server, behind loopback proxies: see `test/chaos`.
 *
 *   npx tsx scripts/chaos.ts --transport redis --seeds 20 --seconds 30 --from 1
 *   npx tsx scripts/chaos.ts --transport redis --seed 7 --seconds 30      one seed again, with a trace
 *
 * The seed decides which faults there are, and when. Real servers and processes make each run different all the same.
 * `--report FILE` writes the figures as JSON.
 */
import { parseArgs } from 'node:util'
import { run, type Verdict } from '../test/chaos/run'
import { summarize } from '../test/chaos/summary'
import { writeReport } from './guarantees/reports'

const { values } = parseArgs({
  options: {
    transport: { type: 'string', default: 'redis' },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    report: { type: 'string' },
  },
})

async function main(): Promise<void> {
  const { transport, report } = values
  const seconds = Number(values.seconds)
  const from = Number(values.seed ?? values.from)
  const seeds = values.seed === undefined ? Number(values.seeds) : 1
  const verdicts: Verdict[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const verdict = await run(transport, seed, seconds)
    verdicts.push(verdict)
    tell(verdict, seconds)
  }
  const command = `npx tsx scripts/chaos.ts --transport ${transport} --seeds ${seeds} --seconds ${seconds} --from ${from}`
  const summary = summarize(transport, command, verdicts)
  const { failed, calls, accepted, events, losses, restored, converged, faults } = summary
  console.log(`${seeds} seeds × ${seconds} s on ${transport}: ${failed.length} failed`)
  console.log(
    `${calls} calls, ${accepted} accepted; ${events} events; the store lost its contents ${losses} times, ${restored} items were restored`,
  )
  console.log(
    `after the last write all replicas were equal within ${converged.median} ms (median), ${converged.worst} ms (worst)`,
  )
  for (const { name, count, median, worst } of faults) {
    console.log(`  ${name}: ${count} times, repaired in ${median} ms (median), ${worst} ms (worst)`)
  }
  if (report !== undefined) writeReport(report, summary)
  process.exitCode = failed.length > 0 ? 1 : 0
}

function tell({ seed, mode, violations, trace, calls, converged }: Verdict, seconds: number): void {
  if (violations.length > 0 || values.seed !== undefined) for (const line of trace) console.log(`  ${line}`)
  const outcome =
    violations.length === 0 ? `all held, equal ${Math.round(converged)} ms after the last write` : 'FAILED'
  console.log(`seed ${seed} (${mode}): ${calls} calls, ${outcome}`)
  for (const violation of violations) console.log(`  ${violation}`)
  if (violations.length === 0) return
  console.log(`  npx tsx scripts/chaos.ts --transport ${values.transport} --seed ${seed} --seconds ${seconds}`)
}

main()
