/** Which names are allowed (clauses N2 and N3 of the contract). */
import { MemisError, quote } from './errors'

const maxBytes = { database: 64, collection: 128, key: 256 } as const

/** Returns the name. Throws `INVALID_NAME` unless it is a well-formed, non-empty string, bounded in bytes of UTF-8. */
export function checkName(kind: keyof typeof maxBytes, name: unknown): string {
  const limit = maxBytes[kind]
  const what = kind === 'key' ? 'key' : `${kind} name`
  if (typeof name !== 'string') throw invalid(`a ${what} must be a string, this is ${quote(name)}`)
  if (name === '') throw invalid(`a ${what} must not be empty`)
  // UTF-8 takes at most three bytes for each unit of UTF-16: most names are short enough not to be counted.
  if (name.length * 3 > limit && Buffer.byteLength(name) > limit) {
    throw invalid(`a ${what} may have ${limit} bytes of UTF-8, ${quote(name)} has ${Buffer.byteLength(name)}`)
  }
  if (!name.isWellFormed()) throw invalid(`a ${what} must be well-formed, ${quote(name)} has a lone surrogate`)
  return name
}

/** Whether a key from a store is one that memis can have written. */
export const isKey = (key: unknown): key is string =>
  typeof key === 'string' &&
  key !== '' &&
  key.isWellFormed() &&
  (key.length * 3 <= maxBytes.key || Buffer.byteLength(key) <= maxBytes.key)

const invalid = (message: string) => new MemisError('INVALID_NAME', message)
