/** A clear: a mark with a number of its own, then one on each item that is older. */
import { disconnected } from '../../core/errors'
import type { Batch, Outcome } from '../../core/transport'
import { type Bucket, type BucketState, epochOf } from './bucket'
import { header } from './decode'
import { translate } from './errors'
import type { Link } from './link'
import { type Messages, nothing } from './messages'
import type { Names } from './names'
import { type Ack, Headers } from './publisher'

/** So many marks are under way at a time. */
const clearStep = 500

export class Clears {
  readonly #link: Link
  readonly #bucket: Bucket
  readonly #messages: Messages
  readonly #names: Names
  /** The clear of each writer that was last, and its number: given again, it takes nothing that came since. */
  readonly #last = new Map<string, { readonly sequence: number; readonly epoch: string; readonly n: number }>()

  constructor(link: Link, bucket: Bucket, messages: Messages, names: Names) {
    this.#link = link
    this.#bucket = bucket
    this.#messages = messages
    this.#names = names
  }

  /**
   * `id`: of its mark. `newer`: what the stream took after this time of its server is newer than this; Infinity where an id tells.
   * `checkNewest`: throws where its batch was given up meanwhile.
   */
  async take(
    { writer, sequence }: Batch,
    id: string,
    state: BucketState,
    newer: number,
    checkNewest: () => void,
  ): Promise<Outcome> {
    const { stream } = this.#bucket
    const { start } = this.#names
    const epoch = epochOf(state)
    const last = this.#last.get(writer)
    let n = last?.n ?? 0
    // Of a stream that was made anew since, the numbers are others.
    if (last?.sequence !== sequence || last.epoch !== epoch) {
      n = await this.#mark(id, state, newer)
      this.#last.set(writer, { sequence, epoch, n })
    }
    // In pages, which shift when marks are purged meanwhile: until one round finds nothing more.
    for (let found = true, isPaged = true; found && isPaged; ) {
      found = false
      isPaged = false
      for (let offset = 0; ; ) {
        const info = await this.#link.ask(`STREAM.INFO.${stream}`, { subjects_filter: `${start}>`, offset })
        if (info.error !== undefined) throw translate(info.error)
        const subjects = Object.keys(info.state.subjects ?? {})
        while (subjects.length > 0) {
          const some = subjects.splice(-clearStep)
          const stored = await Promise.all(some.map((subject) => this.#messages.read(subject)))
          const present = some.flatMap((subject, i) => {
            const { gone, n: number } = stored[i] ?? nothing
            return gone === undefined && number <= n ? [{ subject, number }] : []
          })
          if (present.length === 0) continue
          found = true
          if (!(await this.#bucket.isStill(state))) throw disconnected('the stream was made anew')
          checkNewest()
          // Where somebody has written to it since, that is newer than the clear.
          const mark = ({ subject, number }: { subject: string; number: number }) =>
            this.#messages.publishMark(subject, new Headers().with(header.expected, number), state)
          await Promise.all(present.map(mark))
        }
        offset += info.limit ?? Infinity
        if (!(offset < (info.total ?? 0))) break
        isPaged = true
      }
    }
    return { n, existed: false }
  }

  /** Resolves to the number of its mark, or of another client's that came after it: what that one took, this one need not. */
  async #mark(id: string, state: BucketState, newer: number): Promise<number> {
    const { cleared } = this.#names
    const stored = newer < Infinity ? await this.#messages.read(cleared) : undefined
    if (stored !== undefined && stored.time > newer) return stored.n
    const ack = await this.#messages.publishMark(cleared, new Headers().with(header.id, id), state)
    return (ack as Ack).seq
  }
}
