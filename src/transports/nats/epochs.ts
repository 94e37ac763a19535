/** The epochs of a stream: its own, which its creation begins, and those in the bucket's list. No I/O. */
import { currentEpoch, isEpochId } from '../../core/history'
import { type Epoch, epochTolerance } from '../../core/transport'

/** So many epochs are remembered. */
const longestHistory = 32

/** A time as Go writes it, in nanoseconds with all zeros: a form that sorts as text. */
export function epochOf(time: string): string {
  const [, seconds, fraction = ''] = /^([^.Z]+)(?:\.(\d{1,9}))?Z$/.exec(time) ?? ['', time]
  return `${seconds}.${fraction.padEnd(9, '0')}Z`
}

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d{6}Z(~[\w~]{1,50})?$/

/** When an epoch began (ms since 1970): its id begins with the time. NaN if it is malformed. */
export const beganAt = (id: string): number => Date.parse(`${form.exec(id)?.[1]}Z`)

/** An id that sorts after `after`, and names the time `now` unless that is later. */
export function nextEpoch(after: string, now: number): string {
  const id = epochOf(new Date(now).toISOString())
  const unique = `~${crypto.randomUUID().slice(0, 4)}`
  return id > after ? id + unique : epochOf(new Date(beganAt(after) + 1).toISOString()) + unique
}

/**
 * In its first ms after a loss, replicas put back what was lost. Items that the stream still has from before expire meanwhile: the server
 * leaves markers, which do not say of what version. So nothing that is written meanwhile expires before that time is over.
 */
export const youth = 4000

export const isYoung = (history: readonly Epoch[], now: number): boolean =>
  history.length > 1 && now < beganAt(currentEpoch(history).id) + youth

/** Whether an epoch may be called so by the clock of the store. */
export const isCredible = (id: unknown, now: number): id is string =>
  isEpochId(id) && beganAt(id) <= now + epochTolerance

/** Reads the list; undefined if it is malformed. */
export function decodeEpochs(text: string, now: number): Epoch[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    if (!Array.isArray(list) || list.length === 0 || list.length > longestHistory) return undefined
    const isOrdered = (each: Epoch, i: number) =>
      isCredible(each?.id, now) &&
      Number.isSafeInteger(each.floor) &&
      each.floor >= (list[i - 1]?.floor ?? 0) &&
      each.id > (list[i - 1]?.id ?? '')
    return list.every(isOrdered) ? list.map(({ id, floor }) => ({ id, floor })) : undefined
  } catch {
    return undefined
  }
}

/** Another epoch follows: what was placed above `floor` is lost, and its places are taken again. */
export const fork = (history: readonly Epoch[], floor: number, now: number): Epoch[] => {
  // What began after the last place that is left is lost as a whole, but its name stays known.
  const kept = history.map((epoch) => ({ ...epoch, floor: Math.min(epoch.floor, floor) }))
  return [...kept, { id: nextEpoch(currentEpoch(history).id, now), floor }].slice(-longestHistory)
}

/** The epoch that goes on gets an id that sorts after `after`. */
export const rename = (history: readonly Epoch[], after: string, now: number): Epoch[] => [
  ...history.slice(0, -1),
  { id: nextEpoch(after, now), floor: currentEpoch(history).floor },
]
