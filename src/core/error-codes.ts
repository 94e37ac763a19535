/** The codes of errors. They are stable; messages are for people and may change. */

interface Meaning {
  readonly meaning: string
  /** The same call may succeed later, though nobody has changed anything. */
  readonly retryable: boolean
  /** Suggested for a request that fails with it. Null for a code that fails no call: it is only reported on `error` or `stale`. */
  readonly httpStatus: number | null
}

/** Every code that a {@link MemisError} can carry. `docs/errors.md` is checked against this table. */
export const errorCodes = {
  INVALID_OPTION: {
    meaning: 'an option is unknown, misplaced, of the wrong type, or set by memis itself',
    retryable: false,
    httpStatus: 500,
  },
  INVALID_NAME: {
    meaning: 'a database name, collection name or key is empty, too long, not well-formed or not a string',
    retryable: false,
    httpStatus: 400,
  },
  INVALID_ITEM: {
    meaning: 'an item is not a plain object, or holds a value that JSON would change; the message names the path',
    retryable: false,
    httpStatus: 400,
  },
  INVALID_TTL: {
    meaning: 'a ttl is not a number of seconds greater than 0 and at most 100 years',
    retryable: false,
    httpStatus: 400,
  },
  INVALID_LISTENER: {
    meaning: 'there is no event of that name, or the listener is not a function',
    retryable: false,
    httpStatus: 500,
  },
  ITEM_TOO_LARGE: {
    meaning: "an item is larger than `maxItemBytes` or than the store's own limit; the message gives both sizes",
    retryable: false,
    httpStatus: 413,
  },
  NOT_SUBSCRIBED: {
    meaning: 'a collection was read that is not subscribed: call `subscribe()` first',
    retryable: false,
    httpStatus: 500,
  },
  UNSUBSCRIBED: {
    meaning: '`unsubscribe()` was called while this call was waiting',
    retryable: false,
    httpStatus: 503,
  },
  ABORTED: {
    meaning: 'the signal given to this call was aborted; `cause` is its reason',
    retryable: false,
    httpStatus: 504,
  },
  CLOSED: { meaning: 'the client is closed', retryable: false, httpStatus: 503 },
  NOT_FOUND: { meaning: 'there is no item with this key', retryable: false, httpStatus: 404 },
  CONFLICT: {
    meaning:
      "the condition of a write failed and nothing was written; `current` is the store's entry, undefined if there is none",
    retryable: false,
    httpStatus: 409,
  },
  READ_ONLY: { meaning: 'the client was made with `readOnly: true`', retryable: false, httpStatus: 403 },
  LIMIT_EXCEEDED: {
    meaning:
      'a collection holds, or would hold, more than `maxItems`, or something that arrived is larger than its limit',
    retryable: false,
    httpStatus: 507,
  },
  TOO_MANY_PENDING: {
    meaning: 'more writes wait than `maxPending` or `maxPendingBytes` allow',
    retryable: true,
    httpStatus: 503,
  },
  WRITE_TIMEOUT: {
    meaning: 'a write was not confirmed within `writeTimeout`; `stored` says whether it may have been stored',
    retryable: true,
    httpStatus: 504,
  },
  DISCONNECTED: {
    meaning: 'the store cannot be reached; memis goes on trying',
    retryable: true,
    httpStatus: 503,
  },
  STORE_REFUSED: {
    meaning: "the store refused a write or a read; `cause` has the store's own words",
    retryable: false,
    httpStatus: 502,
  },
  UNAUTHORIZED: {
    meaning: 'the user or password is wrong, or the user lacks a permission in the store',
    retryable: false,
    httpStatus: 500,
  },
  UNSUPPORTED_STORE: {
    meaning: 'the store is too old, or set up in a way that memis cannot work with',
    retryable: false,
    httpStatus: 500,
  },
  MISSING_PACKAGE: {
    meaning: 'the package that the transport needs is not installed, or not in a version that fits',
    retryable: false,
    httpStatus: 500,
  },
  OUT_OF_TOUCH: {
    meaning: 'a replica may have missed changes; it catches up by itself',
    retryable: true,
    httpStatus: null,
  },
  STORE_EVICTS: {
    meaning: 'a warning: the store is allowed to remove items when its memory is full',
    retryable: false,
    httpStatus: null,
  },
  STORE_LIMITED: {
    meaning: 'a warning: the store lacks something that memis can do without; the message says what follows from it',
    retryable: false,
    httpStatus: null,
  },
  UNDECODABLE: {
    meaning: 'unknown data arrived or lies in the store; it was ignored',
    retryable: false,
    httpStatus: null,
  },
  UNTRUSTED: {
    meaning:
      'something arrived that the store does not confirm (unsigned, replayed, or from elsewhere); it was ignored',
    retryable: false,
    httpStatus: null,
  },
  LISTENER_FAILED: {
    meaning: 'a listener threw, or its promise rejected; `cause` is what it threw',
    retryable: false,
    httpStatus: null,
  },
} as const satisfies Record<string, Meaning>

export type ErrorCode = keyof typeof errorCodes
