/**
 * A clear: a mark, which takes a place, then a tombstone over each item that is older, then the mark again, which tells that all is gone.
 */
import { disconnected } from '../../core/errors'
import { encodeRevision } from '../../core/history'
import type { Accepted } from '../../core/transport'
import { idOf } from './attempts'
import type { Message } from './client'
import { tombstoneHeaders } from './config'
import { Consumer } from './consumer'
import { type Delivery, factsOf, header } from './decode'
import type { FlightOptions } from './flight'
import { keyOf } from './names'
import { entryAt, isItem, placeAt, type Scope } from './put-if'
import { textOf } from './wire'

/** So many tombstones are in flight at once. */
const step = 2000

type Found = readonly [subject: string, n: number]

export async function clear({ scope, attempt, checkLast }: FlightOptions): Promise<Accepted> {
  const { bucket, names, state } = scope
  const headers = tombstoneHeaders(state)
  attempt.sentAt ??= bucket.context.clock.now()
  attempt.cleared ??= placeAt(
    scope,
    (await bucket.publish(names.cleared, '', [[header.id, idOf(attempt, 0)], ...headers])) ?? 0,
  )
  const { cleared } = attempt
  // A tombstone of a clear has the revision of the clear: what was set since is newer.
  const revision = [header.revision, encodeRevision(cleared)] as const
  const items = await findItems(scope, cleared.n)
  while (items.length > 0) {
    checkLast()
    const some = items.splice(0, step)
    // If somebody has written to the key meanwhile, that is newer than the clear.
    const remove = ([subject, n]: Found) =>
      bucket.publish(subject, '', [...headers, revision, [header.expected, String(n)]])
    await bucket.room.with(some.length, () => Promise.all(some.map(remove)))
  }
  // From now on, readers are current again. If this is lost, they find out by themselves.
  await bucket.publish(names.cleared, '', [[header.id, idOf(attempt, 1)], ...headers, revision])
  return { ...cleared, existed: false }
}

/** The items that were placed before a message of the collection. What is no item stays untouched. */
async function findItems(scope: Scope, upTo: number): Promise<Found[]> {
  const { bucket, names, state } = scope
  const { clock } = bucket.context
  const items: Found[] = []
  let seen = 0
  let timer: unknown
  let consumer: Consumer | undefined
  try {
    return await new Promise<Found[]>((resolve, reject) => {
      const delivered = (message: Message, { n, time }: Delivery) => {
        seen++
        if (n >= upTo) return resolve(items)
        const key = keyOf(names, message.subject)
        const text = () => textOf(message.data)
        const stored = { n, time, facts: factsOf(message), text }
        if (key !== undefined && isItem(entryAt(scope, key, stored))) items.push([message.subject, n])
      }
      const check = (before: number) => {
        if (seen === before) return reject(disconnected('the items to clear were not delivered'))
        const last = seen
        timer = clock.setTimeout(() => check(last), bucket.wire.patience)
      }
      consumer = new Consumer(bucket, names.start, { delivered, suspect: () => {}, failed: reject })
      consumer.open(null, state).then(() => check(-1), reject)
    })
  } finally {
    clock.clearTimeout(timer)
    consumer?.close()
  }
}
