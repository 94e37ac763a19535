/** What NATS, JetStream and the client say of faults, in memis's words. */
import { disconnected, MemisError } from '../../core/errors'

export const forbidden = (subject: string) =>
  new MemisError('UNAUTHORIZED', `this user may not publish to ${subject}`, { stored: 'no' })

/** Codes of JetStream's API and of the client. */
export const noStream = 10059
export const noMessage = 10037
/** What is there is not what was expected; in a cluster, without a number, also where another message of the subject is on its way. */
const wrongLastSequence = [10071, 10164]
/** In a cluster, of a message that is given again: the first is on its way, and may get there or not. */
const inProcess = 10158
const tooLarge = 10054
/** The leader has changed, or servers are away that have the stream or the consumer. */
const noLeader = [10007, 10009, 10118, 10119]
/** What the stream or the account may hold is used up: of class 503 like what passes, but it does not pass by itself. */
const full = [10023, 10077]
const noJetStream = [10035, 10039, 10076]

/** What the server refuses because of who the user is. */
const unauthorized =
  /^(AUTHORIZATION_VIOLATION|AUTHENTICATION_EXPIRED|AUTHENTICATION_TIMEOUT|ACCOUNT_EXPIRED|BAD_AUTHENTICATION|BAD_CREDS|PERMISSIONS_VIOLATION)$/
const refusedOption = /^(INVALID_OPTION|MUTUALLY_EXCLUSIVE_OPTIONS|WSS_REQUIRED|BAD_JSON)$/

export const isOvertaken = ({ err_code }: { readonly err_code?: number }): boolean =>
  wrongLastSequence.includes(err_code ?? 0)

interface Told {
  readonly code?: string | number
  readonly err_code?: number
  readonly description?: string
  readonly message?: string
}

/** An error of the client, or one that JetStream answers. */
export function translate(error: unknown): MemisError {
  if (error instanceof MemisError) return error
  const { code, err_code, description, message } = (error ?? {}) as Told
  const cause = { cause: error }
  if (err_code !== undefined || typeof code === 'number') {
    const words = `NATS refused: ${description ?? code} (${err_code ?? code})`
    if (noJetStream.includes(err_code ?? 0))
      return new MemisError('UNSUPPORTED_STORE', words, { ...cause, stored: 'no' })
    if (err_code === tooLarge) return new MemisError('ITEM_TOO_LARGE', words, { ...cause, stored: 'no' })
    if (err_code === inProcess) return disconnected(words, error)
    // Nobody leads just now, a stream that is on its way, a limit of requests: all that passes.
    const passes = [503, 408, 429].includes(Number(code)) && !full.includes(err_code ?? 0)
    if (passes || err_code === noStream || noLeader.includes(err_code ?? 0))
      return new MemisError('DISCONNECTED', words, { ...cause, stored: 'no' })
    return new MemisError('STORE_REFUSED', words, { ...cause, stored: 'no' })
  }
  if (code === '503') return new MemisError('DISCONNECTED', 'no JetStream answers there', { ...cause, stored: 'no' })
  if (code === 'MAX_PAYLOAD_EXCEEDED') {
    return new MemisError('ITEM_TOO_LARGE', 'the item is larger than the messages that NATS takes', {
      ...cause,
      stored: 'no',
    })
  }
  if (unauthorized.test(String(code))) {
    return new MemisError('UNAUTHORIZED', `NATS refused: ${message || code}`, { ...cause, stored: 'no' })
  }
  if (refusedOption.test(String(code)))
    return new MemisError('INVALID_OPTION', `the client of NATS refused: ${message || code}`, cause)
  return disconnected(`the connection to NATS failed: ${message || code || error}`, error)
}
