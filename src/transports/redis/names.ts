/** The names of a collection's keys and channel. */
import type { CollectionId } from '../../core/transport'

export interface Keys {
  /** Also the hash tag, so that the whole collection lies in one slot of a cluster. */
  readonly channel: string
  readonly meta: string
  readonly log: string
  readonly ttl: string
  readonly revs: string
  /** How the names of items begin: the item's key follows, as it is. */
  readonly items: string
  readonly writer: (id: string) => string
}

/** Names stay as they are but for the four characters that mean something here. */
const escapeName = (name: string): string =>
  name.replace(/[{}:%]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

/** `dbNumber`: channels are common to all numbered databases of a server, keys are not. */
export function keysOf({ prefix, database, collection }: CollectionId, dbNumber: number): Keys {
  const tag = `{${escapeName(database)}:${escapeName(collection)}}`
  const base = prefix === '' ? tag : `${prefix}:${tag}`
  return {
    channel: dbNumber === 0 ? base : `${base}@${dbNumber}`,
    meta: `${base}/meta`,
    log: `${base}/log`,
    ttl: `${base}/ttl`,
    revs: `${base}/revs`,
    items: `${base}:`,
    writer: (id) => `${base}/writer/${id}`,
  }
}

/** The keys that a script is given of a collection. */
export const collectionKeys = ({ meta, log, ttl, revs }: Keys): string[] => [meta, log, ttl, revs]
