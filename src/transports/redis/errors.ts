/** Translates errors of node-redis and the server into errors of memis. */
import { disconnected, MemisError, notSent, readable } from '../../core/errors'
import type { Script } from './scripts'

export const oldestServer = 7

/** The user lacks a permission or the right password. Within scripts, Redis and Valkey word it differently. */
const unauthorized =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR Client sent AUTH|ERR invalid password|DENIED|ERR The user executing the script can't|ERR ACL failure in script)/
/** The server was not ready and did nothing. It passes by itself. */
const passing =
  /^(MEMISBEHIND|MEMISREPLICA|LOADING|READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|ERR max number of clients)/
/** A server older than HELLO 3, or without the numbered database that was asked for, or a managed one that lacks a command. */
const unsupported =
  /^(NOPROTO|ERR unknown command|ERR Unknown Redis command|ERR This Redis command is not allowed from script|ERR DB index|ERR invalid DB|MEMISLAYOUT)/

/** Whether the server said it: its errors begin with a word in capitals. Errors of the connection begin otherwise, or have a code. */
export const isReply = (error: unknown): boolean =>
  error instanceof Error && !('code' in error) && /^-?[A-Z][A-Z0-9_]{2,}( |$)/.test(error.message)

/** The first word of what the server said. */
export const wordOf = (error: unknown): string => /^[A-Z]+/.exec(wordsOf(error))?.[0] ?? ''

/** Whether memis's error is of what the server said with this first word. */
export const says = (error: unknown, word: string): boolean =>
  error instanceof MemisError && error.message.includes(`Redis refused: ${word}`)

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A script that failed after its first write may have stored something. Redis and Valkey name the line. */
function storedBy(message: string, script: Script | undefined): 'no' | 'unknown' {
  if (!/user_script/.test(message)) return 'no' // the server refused it as a whole, or the script itself said so
  const line = Number(/user_script:(\d+)/.exec(message)?.[1] ?? Number.NaN)
  return line < (script?.firstWrite ?? 0) ? 'no' : 'unknown'
}

/** An error of node-redis or the server as one of memis's. */
export function translate(error: unknown, script?: Script): MemisError {
  if (error instanceof MemisError) return error
  const message = wordsOf(error)
  if (!isReply(error)) {
    return disconnected(`the connection to Redis failed: ${message || (error as Error)?.name}`, error)
  }
  const words = `Redis refused: ${message}`
  const stored = storedBy(message, script)
  if (unauthorized.test(message)) return new MemisError('UNAUTHORIZED', words, { cause: error, stored })
  // A server repeats what it does not know, and a password may be among it: neither its words nor the cause are passed on.
  const unknown = /unknown command ['`](\w+)/i.exec(message)
  if (unknown !== null) {
    const text = `Redis ${oldestServer}.0 or newer is needed, this server does not know ${readable(unknown[1] as string)}`
    return new MemisError('UNSUPPORTED_STORE', text, { stored })
  }
  const code = unsupported.test(message)
    ? 'UNSUPPORTED_STORE'
    : passing.test(message)
      ? 'DISCONNECTED'
      : 'STORE_REFUSED'
  return new MemisError(code, words, { cause: error, stored })
}

export const replicaNow = () => notSent('the server became a replica: a failover is under way')
