/** The errors of NATS, JetStream and the client, in memis's words. */
import { disconnected, MemisError } from '../../core/errors'

export const forbidden = (subject: string) =>
  new MemisError('UNAUTHORIZED', `this user may not publish to ${subject}`, { stored: 'no' })

/** Codes of JetStream. */
export const code = {
  noStream: 10059,
  noMessage: 10037,
  /** The batch has an id that the stream knows: it was accepted before. */
  duplicateInBatch: 10201,
} as const

/** The last message of the subject is not the expected one. In a cluster also if another one of the subject is in flight. */
const overtaken = [10071, 10164]
/** In a cluster, of a message that comes again while the first is in flight: that may be accepted or not. */
const inProcess = 10158
const tooLarge = 10054
/** The leader has changed, servers are away that hold the stream or the consumer, or a part of a batch was lost. */
const passing = [10007, 10009, 10118, 10119, 10176]
/** The stream or the account is full. Of class 503 like what passes by itself, which this does not. */
const full = [10023, 10077]
/** JetStream is off; ttls or atomic batches are. */
const unsupported = [10035, 10039, 10076, 10166, 10174]

/** What the server refuses because of the user: codes of version 2 of the client, names of version 3. */
const unauthorized =
  /^(AUTHORIZATION_VIOLATION|AUTHENTICATION_EXPIRED|AUTHENTICATION_TIMEOUT|ACCOUNT_EXPIRED|BAD_AUTHENTICATION|BAD_CREDS|PERMISSIONS_VIOLATION|(Authorization|UserAuthenticationExpired|PermissionViolation)Error)$/
const refusedOption =
  /^(INVALID_OPTION|MUTUALLY_EXCLUSIVE_OPTIONS|WSS_REQUIRED|BAD_JSON|Invalid(Argument|Operation)Error)$/

export interface ApiError {
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}

export const isOvertaken = (error: ApiError | undefined): boolean => overtaken.includes(error?.err_code ?? 0)

/** An error that JetStream answered. */
export function refusal(error: ApiError): MemisError {
  const { err_code = 0, description } = error
  const words = `NATS refused: ${description ?? error.code} (${err_code || error.code})`
  const no = { cause: error, stored: 'no' } as const
  if (unsupported.includes(err_code)) return new MemisError('UNSUPPORTED_STORE', words, no)
  if (err_code === tooLarge) return new MemisError('ITEM_TOO_LARGE', words, no)
  if (err_code === inProcess) return disconnected(words, error)
  // Nobody leads just now, the stream is being made, a limit of requests: it passes.
  const passes = [503, 408, 429].includes(Number(error.code)) && !full.includes(err_code)
  if (passes || err_code === code.noStream || passing.includes(err_code))
    return new MemisError('DISCONNECTED', words, no)
  return new MemisError('STORE_REFUSED', words, no)
}

/** An error of the client. */
export function translate(error: unknown): MemisError {
  if (error instanceof MemisError) return error
  const { code, name, message } = (error ?? {}) as { code?: string; name?: string; message?: string }
  const cause = { cause: error, stored: 'no' } as const
  const words = message || code || String(error)
  if (code === 'MAX_PAYLOAD_EXCEEDED' || /max.payload/i.test(String(message)))
    return new MemisError('ITEM_TOO_LARGE', 'the item is larger than the messages that NATS accepts', cause)
  if (unauthorized.test(String(code)) || unauthorized.test(String(name)))
    return new MemisError('UNAUTHORIZED', `NATS refused: ${words}`, cause)
  if (refusedOption.test(String(code)) || refusedOption.test(String(name)))
    return new MemisError('INVALID_OPTION', `the NATS client refused: ${words}`, cause)
  return disconnected(`the connection to NATS failed: ${words}`, error)
}
