/** A script that runs inside the server, atomically. */
import { createHash } from 'node:crypto'

export interface Script extends Version {
  /** For the nodes of a cluster. */
  readonly clustered: Version
  /** The line of its first command that writes: an error before it has changed nothing. Infinity if it only reads. */
  readonly firstWrite: number
}

export interface Version {
  readonly text: string
  readonly sha: string
}

/** Lua escapes its own strings. */
export const lua = String.raw

/** Before the first command that writes, there is a comment with these words. */
export const writesFrom = 'from here on it writes'

/**
 * On a cluster, notifications stay within the shard of their collection. A script that only reads may look at several slots of
 * a node; the node still refuses those that are not its own.
 */
const clusteredText = (text: string): string =>
  text.replaceAll("'PUBLISH'", "'SPUBLISH'").replace('flags=no-writes', 'flags=no-writes,allow-cross-slot-keys')

const versionOf = (text: string): Version => ({ text, sha: createHash('sha1').update(text).digest('hex') })

export function script(text: string): Script {
  const line = text.split('\n').findIndex((each) => each.includes(writesFrom))
  const clustered = versionOf(clusteredText(text))
  return { ...versionOf(text), clustered, firstWrite: line === -1 ? Infinity : line + 1 }
}
