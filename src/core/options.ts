/** The options that are memis's own, whatever the transport. */
import { MemisError } from './errors'
import { kindOf } from './text'
import type { Milliseconds } from './types'

export interface MemisOptions {
  /** Keeps applications apart that share a store: 1 to 64 characters without braces. `''` for none. Default `'memis'`. */
  prefix?: string
  /** The client only reads: it never writes, restores or creates anything in the store. Default false. */
  readOnly?: boolean
  /** A write that is not confirmed within this time is refused with `WRITE_TIMEOUT`. Default 10,000. */
  writeTimeout?: Milliseconds
  /** How many writes may wait to be sent. Default 100,000. */
  maxPending?: number
  /** How many bytes of writes may wait to be sent. Default 64 MiB. */
  maxPendingBytes?: number
  /** Within this time a dead link is noticed, and a replica without proof becomes `stale`. Default 15,000. */
  livenessTimeout?: Milliseconds
  /** How often each replica is compared with the store, to find changes that no notification told of. Default 2,000. */
  auditInterval?: Milliseconds
  /** How long the store remembers deletes and expiries for replicas that are away. Default 600,000. */
  retention?: Milliseconds
  /** The largest item, in bytes of its JSON text. Default 1 MiB; the store's own limit may be lower. */
  maxItemBytes?: number
  /** The most items in a collection. Default 2,000,000. */
  maxItems?: number
  /**
   * What replicas do if the store has lost items that they hold: `'restore'` puts them back, `'accept'` deletes them here,
   * too. Default `'restore'`.
   */
  dataLoss?: 'restore' | 'accept'
}

export type Settings = Readonly<Required<MemisOptions>>

interface Range {
  readonly standard: number
  readonly least: number
  readonly most: number
  readonly unit: 'ms' | 'bytes' | 'count'
}

const longestTimer = 2 ** 31 - 1
const MiB = 1024 * 1024

/** The options that are whole numbers. `docs/options.md` is checked against this table. */
export const numericOptions = {
  writeTimeout: { standard: 10_000, least: 1, most: longestTimer, unit: 'ms' },
  maxPending: { standard: 100_000, least: 1, most: Number.MAX_SAFE_INTEGER, unit: 'count' },
  maxPendingBytes: { standard: 64 * MiB, least: 1, most: Number.MAX_SAFE_INTEGER, unit: 'bytes' },
  livenessTimeout: { standard: 15_000, least: 100, most: longestTimer, unit: 'ms' },
  auditInterval: { standard: 2000, least: 10, most: longestTimer, unit: 'ms' },
  retention: { standard: 600_000, least: 0, most: Number.MAX_SAFE_INTEGER, unit: 'ms' },
  maxItemBytes: { standard: MiB, least: 2, most: 512 * MiB, unit: 'bytes' },
  maxItems: { standard: 2_000_000, least: 1, most: Number.MAX_SAFE_INTEGER, unit: 'count' },
} as const satisfies Partial<Record<keyof MemisOptions, Range>>

type NumericOption = keyof typeof numericOptions

/** The names of all options in {@link MemisOptions}. */
export const ownOptions: readonly string[] = ['prefix', 'readOnly', 'dataLoss', ...Object.keys(numericOptions)]

/** Separates memis's own options, checked and completed, from the rest, which is the transport's. */
export function takeSettings(options: Readonly<Record<string, unknown>>): {
  settings: Settings
  rest: Record<string, unknown>
} {
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !ownOptions.includes(name)))
  const { prefix = 'memis', readOnly = false, dataLoss = 'restore' } = options
  if (typeof prefix !== 'string' || !/^[^{}\p{Surrogate}]{0,64}$/u.test(prefix)) {
    const given = typeof prefix === 'string' ? 'this one is not' : `this is ${kindOf(prefix)}`
    throw invalid(`prefix must be a string of at most 64 characters without braces, ${given}`)
  }
  if (typeof readOnly !== 'boolean') throw invalid(`readOnly must be true or false, this is ${kindOf(readOnly)}`)
  if (dataLoss !== 'restore' && dataLoss !== 'accept') {
    throw invalid(`dataLoss must be 'restore' or 'accept', this is ${kindOf(dataLoss)}`)
  }
  const names = Object.keys(numericOptions) as NumericOption[]
  const numbers = Object.fromEntries(names.map((name) => [name, checkNumber(name, options[name])]))
  return { settings: { prefix, readOnly, dataLoss, ...(numbers as Record<NumericOption, number>) }, rest }
}

function checkNumber(name: NumericOption, value: unknown): number {
  const { standard, least, most, unit } = numericOptions[name]
  if (value === undefined) return standard
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number
  const what = unit === 'count' ? 'a whole number' : `a whole number of ${unit}`
  throw invalid(`${name} must be ${what} from ${least} to ${most}, this is ${kindOf(value)}`)
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
