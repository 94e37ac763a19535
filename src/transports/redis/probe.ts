/** Finds out, when a connection is made, what a server cannot do: some managed services lack commands, or refuse them inside of scripts. */
import type { RedisClientType } from 'redis'
import { MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { isReply, translate } from './errors'
import { evaluate } from './evaluate'
import { type Script, script } from './scripts/script'

const reading = ['HMGET', 'HGET', 'HLEN', 'HGETALL', 'ZCARD', 'ZSCORE', 'ZCOUNT', 'ZRANGEBYSCORE', 'PTTL', 'GET']
const writing = [
  ...['SET', 'DEL', 'EXISTS', 'HSET', 'HDEL', 'ZADD', 'ZREM', 'ZREVRANGE', 'ZREVRANGEBYSCORE', 'PEXPIREAT', 'PERSIST'],
  'PUBLISH',
]

/**
 * Returns the commands that the server does not know, or refuses inside of scripts; its word on INFO, if it refuses that; and 1 if it cannot
 * check permissions. It asks for PUBLISH by a message that nobody listens to, since only that tells.
 */
const probeOf = (flags: string, commands: readonly string[]): Script =>
  script(`#!lua flags=${flags}
local check, lacks = redis.acl_check_cmd, {}
local function refuses(reply)
  local words = type(reply) == 'table' and reply.err or ''
  return string.find(string.lower(words), 'unknown.*command') or string.find(words, 'not allowed from script') and words
end
for _, name in ipairs({ '${commands.join("', '")}' }) do
  if check and not pcall(check, name, 'k', 'v', 'v', 'v') then lacks[#lacks + 1] = name end
end
if refuses(redis.pcall('TIME')) then lacks[#lacks + 1] = 'TIME' end
${commands.includes('PUBLISH') ? mayPublish : ''}
local info = refuses(redis.pcall('INFO', 'replication'))
return { table.concat(lacks, ' '), info and '1' or '', check and '' or '1' }
`)

// A user who may not publish there is not asked to: that would be noted as an offence.
const mayPublish = `
local isKnown, isAllowed = true, true
if check then isKnown, isAllowed = pcall(check, 'PUBLISH', ARGV[1], '') end
if isKnown and isAllowed and refuses(redis.pcall('PUBLISH', ARGV[1], '')) then lacks[#lacks + 1] = 'PUBLISH' end`

const readProbe = probeOf('no-writes', reading)
const writeProbe = probeOf('allow-oom', [...reading, ...writing])

/** Has its own hash tag, so that no collection's notifications are mixed with it. */
const channel = 'memis:{probe}'

/** Clients that were told already. */
const told = new WeakSet<Host>()

/** @throws MemisError `UNSUPPORTED_STORE` with the name of what is missing */
export async function probe(client: RedisClientType, isClustered: boolean, host: Host): Promise<void> {
  const kind = host.readOnly ? readProbe : writeProbe
  let reply: unknown
  try {
    reply = await evaluate(client, isClustered ? kind.clustered : kind, host.readOnly, [], [channel])
  } catch (error) {
    if (!isReply(error)) throw error
    if (/compiling script|shebang|unexpected engine/i.test((error as Error).message)) throw unsupported(isOld)
    const failure = translate(error)
    if (failure.code === 'UNSUPPORTED_STORE') throw failure
    return // The user may not, or the server is not ready: whatever is needed is found out when it is used.
  }
  if (!Array.isArray(reply)) return
  const [lacks, hasNoInfo, hasNoCheck] = reply.map(String)
  if (lacks) throw unsupported(`the store does not know ${lacks}, or refuses it inside of scripts: ${remedy}`)
  const limits = [hasNoInfo && noInfo, hasNoCheck && noCheck].filter(Boolean)
  if (limits.length === 0 || told.has(host)) return
  told.add(host)
  host.report(new MemisError('STORE_LIMITED', limits.join('; ')))
}

const unsupported = (text: string) => new MemisError('UNSUPPORTED_STORE', text)

const remedy = 'use Redis 7.0 or newer, Valkey 8, or a service that allows it (docs/redis.md has a table)'
const isOld = `the store does not run scripts of Redis 7: ${remedy}`
const noInfo =
  'the store refuses INFO inside of scripts: a failover is recognised by what clients were told, and by nothing else'
const noCheck = 'the store cannot check permissions inside of scripts: a user who lacks one may leave a write half done'
