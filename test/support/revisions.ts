/** What tests know of revisions, which are opaque to users. */
import type { Revision } from '../../src/core/transport'

/** Both may have a dot of their own: the epoch where it is a time, the number where it lies between two. */
export function revisionOf(text: string): Revision {
  const [, epoch = '', n] = /^(.*?)\.(\d+(?:\.\d+)?)$/.exec(text) ?? []
  return { epoch, n: Number(n) }
}
