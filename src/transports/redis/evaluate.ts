/** Runs scripts in a server. */
import type { RedisClientType } from 'redis'
import type { Version } from './scripts/script'

/** Replies come as bytes: before version 5.9, node-redis garbled a character of which the bytes came in two parts. 36: `RESP_TYPES.BLOB_STRING`. */
const asBytes = { typeMapping: { 36: Buffer } }

/** Runs a script by its digest; by its text, if the server does not know it: then it was not run. */
export async function evaluate(
  client: RedisClientType,
  { sha, text }: Version,
  isReadOnly: boolean,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  const suffix = isReadOnly ? '_RO' : ''
  const tail = [String(keys.length), ...keys, ...args]
  const reply = await client.sendCommand([`EVALSHA${suffix}`, sha, ...tail], asBytes).catch((error: Error) => {
    if (!error.message.startsWith('NOSCRIPT')) throw error
    return client.sendCommand([`EVAL${suffix}`, text, ...tail], asBytes)
  })
  return withTexts(reply)
}

function withTexts(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(withTexts) : reply
}
