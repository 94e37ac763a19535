/** A script that runs inside the server, atomically. */
import { createHash } from 'node:crypto'

export interface Script {
  readonly text: string
  readonly sha: string
  /** The line of its first command that writes: an error before it has changed nothing. Infinity if it only reads. */
  readonly firstWrite: number
}

/** Lua escapes its own strings. */
export const lua = String.raw

/** Before the first command that writes, there is a comment with these words. */
export const writesFrom = 'from here on it writes'

export function script(text: string): Script {
  const sha = createHash('sha1').update(text).digest('hex')
  const line = text.split('\n').findIndex((each) => each.includes(writesFrom))
  return { text, sha, firstWrite: line === -1 ? Infinity : line + 1 }
}
