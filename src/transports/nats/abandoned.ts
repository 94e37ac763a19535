/**
 * Messages of a batch that was given up may still be on their way, on a connection that was lost, and would land over newer ones (W4).
 * A stream takes each id once: it is published with a message of no key, so that what comes later counts as repeated.
 */
import type { Attempt } from './attempts'
import { briefHeaders } from './config'
import { header } from './decode'
import type { Scope } from './put-if'

/** So many ids are used up at once. */
const step = 1000

export async function useUp({ bucket, names, state }: Scope, attempt: Attempt): Promise<void> {
  while (attempt.abandoned.length > 0) {
    const some = attempt.abandoned.slice(0, step)
    const publish = (id: string) => bucket.publish(names.checked, '', [[header.id, id], ...briefHeaders(state)])
    await bucket.room.with(some.length, () => Promise.all(some.map(publish)))
    attempt.abandoned = attempt.abandoned.slice(some.length)
  }
}
