/** What was run, and what came of it, as files from which GUARANTEES.md is made. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Summary } from '../../test/chaos/summary'

const root = resolve(__dirname, '../..')
/** Where they are looked for. */
export const folder = '.cache/guarantees'

interface Run {
  /** What gives these figures again. */
  readonly command: string
}

export interface TestReport extends Run {
  readonly sum: { readonly passed: number; readonly failed: number; readonly skipped: number }
  readonly files: readonly FileReport[]
}

export interface FileReport {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skips: readonly string[]
  readonly notes: readonly string[]
  /** The titles of the tests that passed. */
  readonly cases: readonly string[]
}

export interface SimulationReport extends Run {
  readonly seeds: number
  readonly steps: number
  readonly failed: number
  readonly faults: Readonly<Record<string, number>>
  /** In ms of virtual time. */
  readonly repair: { readonly median: number; readonly worst: number }
}

export type ChaosReport = Summary

/** What every report begins with. */
export interface Stamp {
  /** Of what was run; with `+` where files differed from it. */
  readonly commit: string
  readonly day: string
}

export function writeReport<R extends Run>(file: string, report: R): void {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
  const stamp: Stamp = { commit, day: new Date().toISOString().slice(0, 10) }
  mkdirSync(dirname(resolve(file)), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ ...stamp, ...report }, null, 1)}\n`)
}

export function readReport<R extends Run>(name: string): (R & Stamp) | undefined {
  const file = join(root, folder, `${name}.json`)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}
