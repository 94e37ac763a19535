/** Where a collection lies in NATS: which bucket, and which subjects. */
import { MemisError } from '../../core/errors'
import type { Place } from '../../core/transport'

export interface Names {
  readonly bucket: string
  readonly stream: string
  /** How the subjects of the collection's items begin. */
  readonly start: string
  /** The subject that tells when all was deleted last. No key is encoded so. */
  readonly cleared: string
}

/** A database is a KV bucket, whose name may hold `[A-Za-z0-9_-]`. The two characters between prefix and name stand in neither. */
const separator = '_-'

/**
 * Letters, digits and `-` stay as they are; so does `_`, unless it would be read as an escape or as the separator. Every other
 * byte of UTF-8 is `_` and two hex digits.
 */
const escapeBucket = (name: string): string =>
  name.replace(/_(?=[0-9A-F]{2}|-)|[^\w-]+/g, (text) => escapeBytes(text, '_'))

/** What KV allows in a key stays as it is, all else is `=` and two hex digits for each byte of UTF-8. */
const escapeToken = (text: string): string => text.replace(/[^\w/-]+/g, (other) => escapeBytes(other, '='))

/** As a token; but dots stay where they separate tokens, as they do in the keys of other KV clients. */
const escapeKey = (key: string): string =>
  key.replace(/[^\w/.-]+|^\.+|\.+$|\.{2,}/g, (other) => escapeBytes(other, '='))

function escapeBytes(text: string, mark: string): string {
  let escaped = ''
  for (const byte of Buffer.from(text)) escaped += mark + byte.toString(16).toUpperCase().padStart(2, '0')
  return escaped
}

/** The names of streams are names of directories for the server, which takes no longer ones. */
const longestStream = 255

/** @throws MemisError `INVALID_OPTION` where prefix and database make too long a name */
export function namesOf({ prefix, database, collection }: Place): Names {
  const bucket = (prefix === undefined ? '' : escapeBucket(prefix) + separator) + escapeBucket(database)
  const stream = `KV_${bucket}`
  if (stream.length > longestStream) {
    throw new MemisError(
      'INVALID_OPTION',
      `the stream of prefix and database has a name of ${stream.length} characters, NATS takes ${longestStream}`,
    )
  }
  const start = `$KV.${bucket}.${escapeToken(collection)}.`
  return { bucket, stream, start, cleared: `${start}=` }
}

export const subjectOf = (names: Names, key: string): string => names.start + escapeKey(key)

/** The key of a subject; undefined where memis would write that key elsewhere. */
export function keyOf(names: Names, subject: string): string | undefined {
  const escaped = subject.slice(names.start.length)
  if (!escaped.includes('=')) return escaped
  const bytes = escaped.replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  const key = Buffer.from(bytes, 'latin1').toString()
  return escapeKey(key) === escaped ? key : undefined
}
