/** The figures of many seeds. */
import type { Verdict } from './run'

export interface Times {
  readonly median: number
  readonly worst: number
}

export interface Summary {
  readonly transport: string
  /** The command that gives such figures again. */
  readonly command: string
  readonly seeds: number
  readonly failed: readonly number[]
  readonly calls: number
  readonly accepted: number
  readonly events: number
  readonly losses: number
  readonly restored: number
  readonly converged: Times
  /** `repairs`: how often the time was taken. Faults that were there together have the time of all of them. */
  readonly faults: readonly (Times & { readonly name: string; readonly count: number; readonly repairs: number })[]
}

export function summarize(transport: string, command: string, verdicts: readonly Verdict[]): Summary {
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((total, verdict) => total + of(verdict), 0)
  const names = new Set(verdicts.flatMap(({ injected }) => Object.keys(injected)))
  return {
    transport,
    command,
    seeds: verdicts.length,
    failed: verdicts.filter(({ violations }) => violations.length > 0).map(({ seed }) => seed),
    calls: sum(({ calls }) => calls),
    accepted: sum(({ accepted }) => accepted),
    events: sum(({ events }) => events),
    losses: sum(({ losses }) => losses),
    restored: sum(({ restored }) => restored),
    converged: timesOf(verdicts.map(({ converged }) => converged)),
    faults: [...names].sort().map((name) => {
      const repairs = verdicts.flatMap((verdict) => verdict.repairs[name] ?? [])
      return { name, count: sum(({ injected }) => injected[name] ?? 0), repairs: repairs.length, ...timesOf(repairs) }
    }),
  }
}

export function timesOf(list: readonly number[]): Times {
  const sorted = [...list].sort((a, b) => a - b)
  const at = (i: number) => Math.round(sorted[i] ?? 0)
  return { median: at(Math.floor((sorted.length - 1) / 2)), worst: at(sorted.length - 1) }
}
