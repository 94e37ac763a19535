/**
 * Items that all members change at once, by conditional writes and transactions. As long as the store loses nothing, what
 * they must be is known exactly: each increment counts once, no update is lost, and both halves of a pair are of one transaction.
 */
import type { Change } from '../../src'
import type { Writer } from './book'
import { Follower, type Mode } from './follower'
import type { Entry, Kind } from './journal'

export interface Shared {
  /** Of a counter: how often it was incremented. */
  readonly count?: number
  /** Of a tally: how often each member updated it. */
  readonly by?: Readonly<Record<string, number>>
  /** Of the others: who wrote it, and the number that the writer gave it. */
  readonly writer?: string
  readonly n?: number
}

export const counters = ['counter/0', 'counter/1'] as const
export const tallies = ['tally/0', 'tally/1'] as const
export const pairs = ['pair/0', 'pair/1', 'pair/2'] as const
export const halvesOf = (pair: string): readonly [string, string] => [`${pair}/left`, `${pair}/right`]
/** All members try to be the one who sets it, until they try the next one. */
export const onceKey = (now: number): string => `once/${Math.floor(now / 500)}`

/** Adds one for the member. */
export const counted = (tally: Shared | undefined, member: string): Shared => ({
  by: { ...tally?.by, [member]: (tally?.by?.[member] ?? 0) + 1 },
})

export class SharedFollower extends Follower<Shared> {
  override check(): void {
    super.check()
    if (this.mode !== 'kept' || this.expected !== 'live') return
    for (const pair of pairs) this.#checkPair(pair)
  }

  protected override onSet({ key, item, previous, cause }: Change<Shared>): void {
    if (this.mode !== 'kept') return
    // While it catches up, a transaction may arrive in parts.
    if (key.startsWith('pair/') && cause === 'live' && this.expected === 'live') this.#checkPair(key)
    if (previous === undefined) return
    if (key.startsWith('once/')) this.wrong('C2', `${key} was set twice, though only if it was absent`)
    if ((item.count ?? 0) < (previous.count ?? 0))
      this.wrong('C5', `${key} fell from ${previous.count} to ${item.count}`)
    for (const [member, count] of Object.entries(previous.by ?? {})) {
      if ((item.by?.[member] ?? 0) < count) this.wrong('C4', `${key} lost an update of ${member}`)
    }
  }

  #checkPair(key: string): void {
    const [left, right] = halvesOf(key.split('/', 2).join('/')).map((half) => nameOf(this.collection.get(half)))
    if (left !== right) this.wrong('C7', `${key}: one half is of ${left}, the other of ${right}`)
  }
}

/** What the shared items must be in the end. Returns what is wrong. */
export function contradictions(writers: readonly Writer[], stored: ReadonlyMap<string, unknown>, mode: Mode): string[] {
  const wrong: string[] = []
  const items = stored as ReadonlyMap<string, Shared>
  if (mode !== 'accept') {
    for (const pair of pairs) {
      const [left, right] = halvesOf(pair).map((half) => nameOf(items.get(half)))
      if (left !== right) wrong.push(`C7: ${pair}: one half is of ${left}, the other of ${right}`)
    }
  }
  if (mode !== 'kept') return wrong

  const calls = writers.flatMap(({ name, entries }) => entries.map((entry) => ({ name, ...entry })))
  const between = (what: string, count: number | undefined, made: readonly Entry[]) => {
    const certain = made.filter(({ outcome }) => outcome === 'ok').length
    const possible = made.filter(({ outcome }) => outcome !== 'no').length
    if ((count ?? 0) < certain || (count ?? 0) > possible) {
      wrong.push(`${what} is ${count}: ${certain} calls were accepted, and ${possible - certain} may have been`)
    }
  }
  const madeOf = (kind: Kind, key: string) => calls.filter((call) => call.kind === kind && call.key === key)
  for (const key of counters) between(`C5: ${key}`, items.get(key)?.count, madeOf('increment', key))
  for (const key of tallies) {
    for (const { name } of writers) {
      const own = madeOf('update', key).filter((call) => call.name === name)
      between(`C4: ${key} of ${name}`, items.get(key)?.by?.[name], own)
    }
  }
  for (const key of new Set(calls.filter(({ kind }) => kind === 'once').map(({ key }) => key))) {
    const made = madeOf('once', key)
    const winners = made.filter(({ outcome }) => outcome === 'ok').map(({ name, n }) => `${name} ${n}`)
    if (winners.length > 1) wrong.push(`C2: ${key} was absent for ${winners.join(' and for ')}`)
    const is = nameOf(items.get(key))
    const mayBe =
      winners.length > 0 ? winners : made.filter(({ outcome }) => outcome !== 'no').map(({ name, n }) => `${name} ${n}`)
    if (is === undefined ? winners.length > 0 : !mayBe.includes(is))
      wrong.push(`C2: ${key} is of ${is}, not of ${mayBe}`)
  }
  return wrong
}

const nameOf = (item: Shared | undefined): string | undefined => item && `${item.writer} ${item.n}`
