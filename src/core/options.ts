/** The options that are memis's own, whatever the transport. */
import { MemisError, quote } from './errors'

export interface MemisOptions {
  /** Keeps applications apart that share a store. Default: the transport's own (`memis` on Redis, none elsewhere). */
  prefix?: string
  /** A write that is not confirmed after so many ms is refused. Default 10,000. */
  writeTimeout?: number
  /** How many writes may wait to be sent. Default 100,000. */
  maxPending?: number
  /** How many bytes of writes may wait to be sent. Default 64 MiB. */
  maxPendingBytes?: number
  /** A link that is dead without saying so is noticed within so many ms. Default 15,000. */
  livenessTimeout?: number
  /** How often each replica is checked against the store, for changes that no notification told of (ms). Default 2,000. */
  auditInterval?: number
  /** How long deletes and expiries are remembered for replicas that are away (ms). Default 600,000. */
  retention?: number
  /** The largest item, in bytes of its JSON text. Default 1 MiB; the store's own limit may be lower. */
  maxItemBytes?: number
  /**
   * What replicas do when the store lost contents that they hold: `'restore'` puts them back, `'accept'` takes
   * the store's word and tells deletes. Default `'restore'`.
   */
  dataLoss?: 'restore' | 'accept'
}

export type Settings = Required<Omit<MemisOptions, 'prefix'>> & { readonly prefix: string | undefined }

const numbers = {
  writeTimeout: { standard: 10_000, least: 1, most: 2 ** 31 - 1 },
  maxPending: { standard: 100_000, least: 1, most: Number.MAX_SAFE_INTEGER },
  maxPendingBytes: { standard: 64 * 1024 * 1024, least: 1, most: Number.MAX_SAFE_INTEGER },
  livenessTimeout: { standard: 15_000, least: 100, most: 2 ** 31 - 1 },
  auditInterval: { standard: 2000, least: 10, most: 2 ** 31 - 1 },
  retention: { standard: 600_000, least: 0, most: Number.MAX_SAFE_INTEGER },
  maxItemBytes: { standard: 1024 * 1024, least: 2, most: 512 * 1024 * 1024 },
} as const

const names: readonly string[] = [...Object.keys(numbers), 'prefix', 'dataLoss']

/** Takes memis's own options out, checked and completed, and leaves the rest to the transport. */
export function takeSettings(options: Readonly<Record<string, unknown>>): {
  settings: Settings
  rest: Record<string, unknown>
} {
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) if (!names.includes(name)) rest[name] = value

  const { prefix, dataLoss = 'restore' } = options
  if (prefix !== undefined && (typeof prefix !== 'string' || !/^[^{}\p{Surrogate}]{1,64}$/u.test(prefix))) {
    throw invalid(`prefix must be a string of 1 to 64 characters without braces, this is ${quote(prefix)}`)
  }
  if (dataLoss !== 'restore' && dataLoss !== 'accept') {
    throw invalid(`dataLoss must be 'restore' or 'accept', this is ${quote(dataLoss)}`)
  }
  const checked = {} as Record<keyof typeof numbers, number>
  for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) {
    const { standard, least, most } = numbers[name]
    const value = options[name] === undefined ? standard : options[name]
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
      throw invalid(`${name} must be a whole number from ${least} to ${most}, this is ${quote(value)}`)
    }
    checked[name] = value as number
  }
  return { settings: { ...checked, prefix, dataLoss }, rest }
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
