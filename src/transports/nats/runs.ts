/** Which sets of a batch that is given again need not be published, since a later one of their key is. No I/O. */
import type { KeyWrite } from '../../core/transport'
import type { Attempt } from './attempts'

/** Sets of one key in a row that nobody knows what became of. */
export interface Runs {
  /** By the others of a run, its last. */
  readonly lastOf: ReadonlyMap<number, number>
  /** By the last of those that go on in the batch that follows, the last of these. */
  readonly nextOf: ReadonlyMap<number, number>
}

export function runsOf(attempt: Attempt, after: Attempt | undefined): Runs {
  const lastOf = new Map<number, number>()
  const nextOf = new Map<number, number>()
  const open = new Map<string, number[]>()
  /** Returns the last of the run. */
  const end = (key: string): number | undefined => {
    const run = open.get(key) ?? []
    const last = run.pop()
    for (const i of run) lastOf.set(i, last as number)
    open.delete(key)
    return last
  }
  const isUnknown = (each: Attempt, i: number) => each.outcomes[i] === undefined
  for (const [i, { key, kind }] of attempt.batch.writes.entries() as Iterable<[number, KeyWrite]>) {
    if (kind === 'delete') end(key)
    else if (isUnknown(attempt, i)) {
      const run = open.get(key) ?? []
      run.push(i)
      open.set(key, run)
    }
  }
  // Of another epoch, or never published, it has no part in this.
  if (after?.epoch === attempt.epoch) {
    const next = new Map<string, number>()
    const ended = new Set<string>()
    for (const [j, { key, kind }] of after.batch.writes.entries() as Iterable<[number, KeyWrite]>) {
      if (kind === 'delete') ended.add(key)
      else if (!ended.has(key) && isUnknown(after, j)) next.set(key, j)
    }
    for (const [key, j] of next) {
      const last = end(key)
      if (last !== undefined) nextOf.set(last, j)
    }
  }
  for (const key of [...open.keys()]) end(key)
  return { lastOf, nextOf }
}
