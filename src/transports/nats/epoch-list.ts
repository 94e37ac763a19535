/** The list of a stream's epochs, which lies in the bucket as soon as there is more to say than when the stream was created. */
import { MemisError } from '../../core/errors'
import { currentEpoch } from '../../core/history'
import type { Epoch } from '../../core/transport'
import type { Bucket } from './bucket'
import { header } from './decode'
import { decodeEpochs, fork, isCredible, rename } from './epochs'

export class EpochList {
  readonly #bucket: Bucket
  /** The number of its message; 0 if there is none. */
  #at = 0
  /** What follows on that history for this client alone, since it must not write. */
  #local: { readonly on: string; readonly history: readonly Epoch[] } | null = null

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** The history of a stream that was created then. */
  async read(created: string, isThere: boolean): Promise<readonly Epoch[]> {
    const { names, context } = this.#bucket
    const message = isThere ? await this.#bucket.read({ last_by_subj: names.epochs }) : undefined
    this.#at = message?.seq ?? 0
    let history: readonly Epoch[] = [{ id: created, floor: 0 }]
    if (message !== undefined) {
      const list = decodeEpochs(Buffer.from(message.data ?? '', 'base64').toString(), this.#bucket.now())
      // An epoch begins after what was there before the list.
      if (list === undefined || list.some(({ floor }) => floor >= message.seq))
        context.host.report(new MemisError('UNDECODABLE', `${names.epochs} holds no list of epochs`))
      else history = list
    }
    return this.#local?.on === JSON.stringify(history) ? this.#local.history : history
  }

  /** Another epoch follows after the place `floor`. Resolves to null if somebody else has written the list meanwhile. */
  async fork(history: readonly Epoch[], floor: number): Promise<readonly Epoch[] | null> {
    const forked = fork(history, floor, this.#bucket.now())
    try {
      return (await this.#write(forked)) ? forked : null
    } catch (error) {
      if (!['UNAUTHORIZED', 'READ_ONLY'].includes((error as MemisError).code)) throw error
      // Whoever may write will begin one for all. Until then, this client goes on in one of its own.
      this.#local = { on: JSON.stringify(history), history: forked }
      return forked
    }
  }

  /** @see Transport.beginEpoch. Resolves to null if somebody else has written the list meanwhile. */
  async begin(history: readonly Epoch[], after: string): Promise<boolean | null> {
    if (currentEpoch(history).id > after || history.some(({ id }) => id === after)) return true
    const now = this.#bucket.now()
    if (!isCredible(after, now)) return false
    return (await this.#write(rename(history, after, now))) || null
  }

  async #write(history: readonly Epoch[]): Promise<boolean> {
    const { names, context } = this.#bucket
    if (context.host.readOnly) throw new MemisError('READ_ONLY', 'this client only reads', { stored: 'no' })
    const headers = [[header.expected, String(this.#at)]] as const
    const n = await this.#bucket.publish(names.epochs, JSON.stringify(history), headers)
    this.#at = n ?? this.#at
    return n !== null
  }
}
