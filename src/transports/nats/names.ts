/** Where a collection lies in NATS: its bucket, and the subjects of its items. */
import { MemisError } from '../../core/errors'
import { isKey } from '../../core/names'
import type { CollectionId } from '../../core/transport'

export interface Names {
  readonly bucket: string
  readonly stream: string
  /** The subject of the bucket's list of epochs. No collection is encoded so. */
  readonly epochs: string
  /** How the subjects of the collection's items begin. */
  readonly start: string
  /** The subject of the mark that a clear leaves. No key is encoded so. */
  readonly cleared: string
  /** The subject that atomic batches publish to for a key that they only check. No key is encoded so. */
  readonly checked: string
}

/** Letters, digits and `-` stay as they are; so does `_`, unless it would be read as an escape. All else: `_` and two hex digits per byte. */
const escapeBucket = (name: string): string =>
  name.replace(/_(?=[0-9A-F]{2})|[^\w-]+/g, (text) => escapeBytes(text, '_'))

/** In a prefix, `-` is escaped as well: the first one separates the prefix from the database. */
const escapePrefix = (prefix: string): string => escapeBucket(prefix).replaceAll('-', '_2D')

/** Characters that KV allows in a key stay as they are. All else: `=` and two hex digits per byte. */
const escapeToken = (text: string): string => text.replace(/[^\w/-]+/g, (other) => escapeBytes(other, '='))

/** As a token; but dots stay if they separate tokens, as in the keys of other KV clients. */
const escapeKey = (key: string): string =>
  key.replace(/[^\w/.-]+|^\.+|\.+$|\.{2,}/g, (other) => escapeBytes(other, '='))

function escapeBytes(text: string, mark: string): string {
  let escaped = ''
  for (const byte of Buffer.from(text)) escaped += mark + byte.toString(16).toUpperCase().padStart(2, '0')
  return escaped
}

/** The server makes a directory with the name of the stream, and takes no longer names. */
const longestStream = 255

/** @throws MemisError `INVALID_OPTION` if the name of the bucket becomes too long */
export function namesOf({ prefix, database, collection }: CollectionId): Names {
  const bucket = (prefix === '' ? '' : `${escapePrefix(prefix)}-`) + escapeBucket(database)
  const stream = `KV_${bucket}`
  if (stream.length > longestStream) {
    const message = `prefix and database make a stream name of ${stream.length} characters, NATS allows ${longestStream}`
    throw new MemisError('INVALID_OPTION', message, { stored: 'no' })
  }
  const start = `$KV.${bucket}.${escapeToken(collection)}.`
  return { bucket, stream, epochs: `$KV.${bucket}.=`, start, cleared: `${start}=`, checked: `${start}=t` }
}

export const subjectOf = ({ start }: Names, key: string): string => start + escapeKey(key)

/** The key of a subject; undefined if memis would write that key to another one. */
export function keyOf({ start }: Names, subject: string): string | undefined {
  const escaped = subject.slice(start.length)
  if (!escaped.includes('=')) return isKey(escaped) && escapeKey(escaped) === escaped ? escaped : undefined
  const bytes = escaped.replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  const key = Buffer.from(bytes, 'latin1').toString()
  return isKey(key) && escapeKey(key) === escaped ? key : undefined
}
