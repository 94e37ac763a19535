/** What went wrong in Redis, in memis's words. */
import { disconnected, MemisError } from '../../core/errors'

export const oldestServer = 7

/** What the server refuses because of how it, or the user, is set up; from within a script, Redis and Valkey say it in their own words. */
const unauthorized =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR Client sent AUTH|ERR invalid password|DENIED|ERR The user executing the script can't|ERR ACL failure in script)/
/** What passes by itself: the server was not ready, and did nothing. */
const passing = /^(MEMISORDER|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|ERR max number of clients)/
/** A server older than HELLO 3, or without the numbered database that was asked for. */
const unsupported = /^(NOPROTO|ERR unknown command|ERR DB index|ERR invalid DB|MEMISLAYOUT)/

/** node-redis makes an ErrorReply, or a subclass of it, of what the server said; all else is the connection's. */
export const isReply = (error: unknown): boolean =>
  /^(ErrorReply|SimpleError|BlobError)$/.test((error as Error)?.constructor?.name)

/** An error of node-redis or the server as one of memis's. */
export function translate(error: unknown): MemisError {
  if (error instanceof MemisError) return error
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) }
  if (!isReply(error)) return disconnected(`the connection to Redis failed: ${message || name}`, error)
  const words = `Redis refused: ${message}`
  if (unauthorized.test(message)) return new MemisError('UNAUTHORIZED', words, { cause: error, stored: 'no' })
  // What an old server does not know it repeats, a password among it: neither its words nor the cause are passed on.
  if (/unknown command/.test(message))
    return new MemisError(
      'UNSUPPORTED_STORE',
      `Redis ${oldestServer}.0 or newer is needed, this server does not know ${/`(\w+)`/.exec(message)?.[1]}`,
    )
  if (unsupported.test(message)) return new MemisError('UNSUPPORTED_STORE', words, { cause: error, stored: 'no' })
  if (passing.test(message)) return new MemisError('DISCONNECTED', words, { cause: error, stored: 'no' })
  return new MemisError('STORE_REFUSED', words, { cause: error, stored: 'no' })
}
