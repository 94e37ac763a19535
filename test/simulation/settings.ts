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
  'loseBehind',
  'loseFarBehind',
  'evict',
  'rollBack',
  'refuse',
  'stall',
  'restart',
  'resubscribe',
  'mischief',
] as const

export type FaultName = (typeof faultNames)[number]

export type Rights = 'all' | 'readOnly' | 'noMerge'

export interface WorldSettings {
  readonly clients: number
  readonly collections: readonly string[]
  readonly keys: readonly string[]
  readonly policies: readonly ('restore' | 'accept')[]
  /** `'noMerge'`: the store refuses this client's merges. */
  readonly rights: readonly Rights[]
  readonly retention: number
  readonly writeTimeout: number
  readonly maxPending: number
  readonly auditInterval: number
  /** A message takes up to so many ms, mostly less. */
  readonly latency: number
  /** How likely a step is a fault. */
  readonly faultRate: number
  readonly faults: ReadonlySet<FaultName>
  /** How likely a user does something that takes a condition, a transaction or several steps; or follows in other ways than by events. */
  readonly finesse: number
  /** How likely a set has a ttl, and up to how many ms. */
  readonly ttlRate: number
  readonly longestTtl: number
}

/** With so long a retention (ms), nothing is forgotten as long as a world lasts. */
export const longRetention = 500_000

const keys = ['a', 'b', 'c', 'd', 'e', '__proto__']

export function chooseSettings(random: Random): WorldSettings {
  const share = random.pick([0.15, 0.3, 0.6, 1])
  return {
    clients: random.pick([1, 2, 2, 3, 3, 4]),
    collections: random.chance(0.2) ? ['things', 'others'] : ['things'],
    keys: keys.slice(0, 1 + random.int(keys.length)),
    policies: random.pick([['restore'], ['restore'], ['accept'], ['restore', 'accept']] as const),
    rights: random.pick([['all'], ['all'], ['all'], ['all', 'readOnly'], ['all', 'noMerge']] as const),
    retention: random.pick([0, 300, 3000, 60_000, 600_000]),
    writeTimeout: random.pick([30, 400, 3000, 10_000]),
    maxPending: random.pick([1, 3, 8, 100_000, 100_000]),
    auditInterval: random.pick([20, 300, 2000]),
    latency: random.pick([0, 0.5, 5, 30]),
    faultRate: random.pick([0, 0.02, 0.05, 0.15]),
    faults: new Set(faultNames.filter(() => random.chance(share))),
    finesse: random.pick([0, 0.3, 0.3, 0.7]),
    ttlRate: random.pick([0, 0.2, 0.6]),
    longestTtl: random.pick([5, 60, 1000, 20_000]),
  }
}
