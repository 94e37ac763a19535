/** The one class of errors, and what the core and transports ask of them. */
import { types } from 'node:util'
import { type ErrorCode, errorCodes } from './error-codes'
import { clean, isHarmful, readable } from './text'
import type { ItemEntry } from './types'

export { type ErrorCode, errorCodes } from './error-codes'
export { quote, readable } from './text'

/** The names that an error is about. */
export interface ErrorNames {
  readonly database?: string | undefined
  readonly collection?: string | undefined
  readonly key?: string | undefined
}

export interface MemisErrorOptions extends ErrorNames {
  cause?: unknown
  /** Of a write: `'no'` if it is certain that nothing of it was stored. */
  stored?: 'no' | 'unknown' | undefined
  /** Of a conflict: what the store holds; undefined for nothing. */
  current?: ItemEntry<unknown> | undefined
}

/** Marks the errors of every copy of this module. */
const brand = Symbol.for('memis.MemisError')

/** Names and values in a message are bounded already: this bounds what a store or a package says. */
const longestText = 500

/** Their cause is the caller's own, and handed on as it is. */
const keepsCause = new Set<ErrorCode>(['ABORTED', 'INVALID_ITEM', 'LISTENER_FAILED'])

/** The one class of all errors that memis makes. `instanceof` also recognises those of another copy of memis. */
export class MemisError extends Error {
  readonly code: ErrorCode
  /** The same call may succeed later, though nobody has changed anything. */
  readonly retryable: boolean
  /** Of a refused write: `'no'` if it is certain that nothing of it was stored. */
  declare readonly stored?: 'no' | 'unknown'
  declare readonly database?: string
  declare readonly collection?: string
  declare readonly key?: string
  /** Of a `CONFLICT`: the entry in the store; undefined if there is none. */
  declare readonly current?: ItemEntry<unknown>
  readonly #text: string

  /** The names go in front of the text: `database/collection: key: text`. */
  constructor(code: ErrorCode, text: string, options: MemisErrorOptions = {}) {
    const { cause, stored, current, database, collection, key } = options
    super(
      prefixOf(options) + clean(text, longestText),
      cause === undefined ? undefined : { cause: keepsCause.has(code) ? cause : harmless(cause) },
    )
    // An aborted wait goes by this name everywhere else in Node.js and on the web.
    this.name = code === 'ABORTED' ? 'AbortError' : 'MemisError'
    this.code = code
    this.retryable = errorCodes[code].retryable
    this.#text = text
    // What is not known is not there.
    if (stored !== undefined) this.stored = stored
    if (current !== undefined) this.current = current
    if (isName(database)) this.database = database
    if (isName(collection)) this.collection = collection
    if (isName(key)) this.key = key
  }

  /** @internal The same error, with more known about it. */
  with(more: MemisErrorOptions): MemisError {
    const { cause, stored, current, database, collection, key } = this
    return new MemisError(this.code, this.#text, { cause, stored, current, database, collection, key, ...more })
  }

  /** @internal The same error, about these names, unless it already has names of its own. */
  at(names: ErrorNames): MemisError {
    const { database = names.database, collection = names.collection } = this
    // A name that is invalid is in the message, shortened.
    const key = this.key ?? (this.code === 'INVALID_NAME' ? undefined : names.key)
    return this.with({ database, collection, key })
  }

  get [brand](): true {
    return true
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits this method
    if (this !== MemisError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return types.isNativeError(value) && (value as { [brand]?: unknown })[brand] === true
  }
}

/** Callers without types may give anything. */
const isName = (name: unknown): name is string => typeof name === 'string'

function prefixOf({ database, collection, key }: ErrorNames): string {
  const place = [database, collection].filter(isName).map(readable).join('/')
  const parts = [place, isName(key) ? readable(key) : '']
  return parts.map((part) => (part === '' ? '' : `${part}: `)).join('')
}

/** The longest name of a cause. */
const longestCauseName = 80

/** A cause as it may be printed: as it is, or a copy of its name, code and message if these are harmful or too long. */
function harmless(cause: unknown): unknown {
  if (typeof cause === 'string') return clean(cause, longestText)
  if (!types.isNativeError(cause)) return cause
  const inner = cause.cause === undefined ? undefined : harmless(cause.cause)
  const [name, message] = [String(cause.name), String(cause.message)]
  if (inner === cause.cause && message.length <= longestText && !isHarmful(name + message)) return cause
  const options = inner === undefined ? {} : { cause: inner }
  const copy: NodeJS.ErrnoException = new Error(clean(message, longestText), options)
  const { code } = cause as NodeJS.ErrnoException
  if (code !== undefined) copy.code = code
  copy.name = clean(name, longestCauseName)
  copy.stack = `${copy.name}: ${copy.message}`
  return copy
}

/** The same refusal, with the word on whether this write may have been stored. A transport of the user's may reject with anything. */
export function withStored(error: unknown, stored: 'no' | 'unknown'): MemisError {
  if (!(error instanceof MemisError)) {
    return new MemisError('STORE_REFUSED', 'the transport failed', { cause: error, stored })
  }
  return error.stored === stored ? error : error.with({ stored })
}

export const disconnected = (message: string, cause?: unknown) => new MemisError('DISCONNECTED', message, { cause })

/** The store got nothing of it. */
export const notSent = (message: string, cause?: unknown) =>
  new MemisError('DISCONNECTED', message, { cause, stored: 'no' })

export const outOfTouch = (message: string, cause?: unknown) => new MemisError('OUT_OF_TOUCH', message, { cause })

const permanent = new Set<ErrorCode>(['INVALID_OPTION', 'MISSING_PACKAGE', 'UNAUTHORIZED', 'UNSUPPORTED_STORE'])

/** Whether the fault will not pass by itself, so that waiting for it to pass would be wrong. */
export const isPermanent = ({ code }: MemisError): boolean => permanent.has(code)
