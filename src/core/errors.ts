import { inspect } from 'node:util'

/**
 * Every code a {@link MemisError} can carry, with what it means. The README's table is checked against this one.
 */
export const errorCodes = {
  INVALID_OPTION:
    "an option of createClient is of the wrong type, unknown (those of the packages redis and nats go to them unchecked), or memis's own to set",
  INVALID_NAME: 'a database name, collection name or key is empty, too long, not well-formed or not a string',
  INVALID_ITEM: 'an item is no plain object, or holds what JSON would change; the message names the path',
  INVALID_TTL: 'a ttl is no number of seconds greater than 0 and at most 100 years',
  INVALID_LISTENER: 'there is no event of that name, or the listener is no function',
  ITEM_TOO_LARGE: 'an item is larger than `maxItemBytes` or than the store takes; the message gives both sizes',
  NOT_SUBSCRIBED: 'a collection was read that is not subscribed',
  UNSUBSCRIBED: '`unsubscribe()` was called while `subscribe()` was waiting',
  ABORTED: 'the signal given to `subscribe()` was aborted',
  CLOSED: 'the client is closed',
  TOO_MANY_PENDING: 'more writes wait than `maxPending` or `maxPendingBytes` allow',
  WRITE_TIMEOUT: 'a write was not confirmed within `writeTimeout`; `stored` says whether it may have been stored',
  STORE_REFUSED: 'the store refused a write or a read; `cause` has its own words',
  UNAUTHORIZED: 'wrong password, or the user lacks a permission',
  UNSUPPORTED_STORE: 'the store is too old, or set up in a way that cannot serve',
  STORE_EVICTS: 'a warning: the store may remove items when its memory is full, and is searched for such losses slowly',
  MISSING_PACKAGE: 'the package that the chosen transport needs is not installed',
  DISCONNECTED: 'the store cannot be reached; memis goes on trying',
  OUT_OF_TOUCH: 'a replica noticed that it may have missed changes; it catches up by itself',
  UNDECODABLE: 'something that is not of memis arrived or lies in the store; it was passed over',
  LISTENER_FAILED: 'a listener threw, or its promise rejected; `cause` is what it threw',
} as const

export type ErrorCode = keyof typeof errorCodes

export interface MemisErrorOptions {
  cause?: unknown
  /** For a write: `'no'` where it was certainly not stored, `'unknown'` where it may have been. */
  stored?: 'no' | 'unknown'
}

/** The one class of all errors that memis makes. `code` is stable; the message is for people. */
export class MemisError extends Error {
  readonly code: ErrorCode
  /** On a refused write: whether the store may have it. */
  readonly stored?: 'no' | 'unknown'

  constructor(code: ErrorCode, message: string, options: MemisErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    // An aborted wait is recognised by this name everywhere else in Node.js and on the web.
    this.name = code === 'ABORTED' ? 'AbortError' : 'MemisError'
    this.code = code
    if (options.stored !== undefined) this.stored = options.stored
  }
}

/** The same refusal, with the word on whether this write may have been stored. */
export function withStored(error: MemisError, stored: 'no' | 'unknown'): MemisError {
  if (!(error instanceof MemisError)) {
    return new MemisError('STORE_REFUSED', 'the transport failed', { cause: error, stored })
  }
  return error.stored === stored ? error : new MemisError(error.code, error.message, { cause: error.cause, stored })
}

export const disconnected = (message: string, cause?: unknown) =>
  new MemisError('DISCONNECTED', message, cause === undefined ? {} : { cause })

export const outOfTouch = (message: string, cause?: unknown) =>
  new MemisError('OUT_OF_TOUCH', message, cause === undefined ? {} : { cause })

const permanent = new Set<ErrorCode>(['UNAUTHORIZED', 'UNSUPPORTED_STORE', 'MISSING_PACKAGE', 'INVALID_OPTION'])

/** Whether the fault will not pass by itself, so that waiting for it to pass would be wrong. */
export const isPermanent = (error: MemisError): boolean => permanent.has(error.code)

/** How a value is shown in a message: a string quoted, so that control characters do no harm, and nothing without end. */
export const quote = (value: unknown): string => {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 0, breakLength: Infinity, customInspect: false })
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** A name as it stands in a message: bare where that is readable, quoted elsewhere. */
export const readable = (name: string): string => (/^[\w.:-]{1,80}$/.test(name) ? name : quote(name))
