/** What kind of world a seed makes: each kind leaves much out, so that the rest meets the more often. */
import type { Random } from './random'

const faultNames = [
  'cut',
  'drop',
  'duplicate',
  'reorder',
  'delay',
  'scramble',
  'slow',
  'linger',
  'lose',
  'rollBack',
  'refuse',
  'stall',
  'restart',
  'resubscribe',
  'mischief',
] as const

export type FaultName = (typeof faultNames)[number]

export interface WorldSettings {
  readonly clients: number
  readonly collections: readonly string[]
  readonly keys: readonly string[]
  readonly policies: readonly ('restore' | 'accept')[]
  readonly retention: number
  readonly writeTimeout: number
  readonly maxPending: number
  readonly auditInterval: number
  /** A message takes up to so many ms, mostly less. */
  readonly latency: number
  /** How likely a step is a fault. */
  readonly faultRate: number
  readonly faults: ReadonlySet<FaultName>
  /** How likely a set has a ttl, and up to how many ms. */
  readonly ttlRate: number
  readonly longestTtl: number
  /** So many writes are a full batch, of which two may be under way. */
  readonly batchWrites: number
}

const keys = ['a', 'b', 'c', 'd', 'e', '__proto__']
/** Of latencies (ms): where a batch is under way for as long, another one waits behind it. */
const slow = 30

export function chooseSettings(random: Random): WorldSettings {
  const share = random.pick([0.15, 0.3, 0.6, 1])
  const settings = {
    clients: random.pick([1, 2, 2, 3, 3, 4]),
    collections: random.chance(0.2) ? ['things', 'others'] : ['things'],
    keys: keys.slice(0, 1 + random.int(keys.length)),
    policies: random.pick([['restore'], ['restore'], ['accept'], ['restore', 'accept']] as const),
    retention: random.pick([0, 300, 3000, 60_000, 600_000]),
    writeTimeout: random.pick([30, 400, 3000, 10_000]),
    maxPending: random.pick([1, 3, 8, 100_000, 100_000]),
    auditInterval: random.pick([20, 300, 2000]),
    latency: random.pick([0, 0.5, 5, slow]),
    faultRate: random.pick([0, 0.02, 0.05, 0.15]),
    faults: new Set(faultNames.filter(() => random.chance(share))),
    ttlRate: random.pick([0, 0.2, 0.6]),
    longestTtl: random.pick([5, 60, 1000, 20_000]),
  }
  return { ...settings, batchWrites: settings.latency === slow ? 2 : 1000 }
}
