/** Clears. */
import { basics, names } from './common'
import { lua, script } from './script'
import { beginning, closing, opening } from './writing'

/**
 * Deletes a part of everything. Called until nothing is left, so that no call takes long: the last one deletes what remains, whoever set it
 * meanwhile, and takes the place of the clear. It computes the names of the items from the log; all are in the collection's slot.
 * KEYS: meta, log, ttl, revs, writer. ARGV: as of a write up to how long to remember the writer, then after which place, how many keys.
 * Returns: epoch; up to which place it came; the place of the clear, or '' if there is more to delete; 1 if it deleted an item; head; signature.
 */
export const clearScript = script(lua`#!lua flags=allow-oom
${basics}${names}
local writer = KEYS[5]
local sequence, after, count = integer(ARGV[7]), integer(ARGV[9]), integer(ARGV[10])
local done = call('GET', writer) or ''
local last = integer(match(done, '^%d+'))
local reached, cleared = match(done, '^%d+ clear (%d+) (%d*)$')
${opening}
if last and last > sequence then
  return redis.error_reply('MEMISFENCED a newer batch of this writer was accepted before')
end
if isIntact and epoch and not hasMoved and pastEpoch and pastEpoch > epoch then
  return redis.error_reply('MEMISBEHIND the store knows nothing of the epoch ' .. pastEpoch)
end
${beginning}${closing}
if last == sequence and reached then
  -- Repeated: it is done, or goes on where it was.
  if cleared ~= '' then return { epoch, reached, cleared, 0, format('%d', head), sign } end
  after = math.max(after, math.min(integer(reached), head))
end
local n, places, gone, texts = head, {}, {}, {}
local page = call('ZRANGEBYSCORE', log, '(' .. format('%d', after), '+inf', 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #page, 2 do
  local key = page[i]
  if call('DEL', items .. key) == 1 then
    n = n + 1
    places[#places + 1] = n
    places[#places + 1] = key
    gone[#gone + 1] = -now
    gone[#gone + 1] = key
    texts[#texts + 1] = '[' .. cjson.encode(key) .. ']'
    if merged > 0 then call('HDEL', revs, key) end
  end
end
each4000('ZADD', log, places)
each4000('ZADD', ttl, gone)
local extras = ''
cleared = ''
if #page < 2 * count then
  -- Nothing that was lost before it is restored after it.
  n, extras = n + 1, ' v=' .. #texts
  texts[#texts + 1] = 'null'
  cleared = format('%d', n)
  call('HSET', meta, 'cleared', n)
else
  after = math.max(after, math.min(math.ceil(tonumber(page[#page])), head))
end
local message
if n > head then
  local payload = '[' .. table.concat(texts, ',') .. ']'
  message = notification(head + 1, n, extras, redis.sha1hex(payload), payload)
end
close(n, 2000)
reached = format('%d', after)
call('SET', writer, ARGV[7] .. ' clear ' .. reached .. ' ' .. cleared, 'PX', ARGV[8])
if message then call('PUBLISH', channel, message) end
return { epoch, reached, cleared, #places > 0 and 1 or 0, format('%d', n), sign }
`)
