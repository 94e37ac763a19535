/** The shortened script of a lone set. */
import { lua, script, writesFrom } from './script'

/**
 * Accepts a lone set if nothing is unusual. It assumes what a full script of this client has found less than a second ago,
 * and compares it: the epoch with server and secret, the last place, which parts there are. Returns 0 if anything differs, having changed nothing.
 * The client gives the notification that follows on the last place it was told of, signed: if that is still the last one, nothing is left to compute.
 * KEYS: meta, log, ttl, writer, item. ARGV: channel, sequence, `epoch` of meta, the last place that the client was told and its signature, the
 * next place, the notification's signature, key, ttl (ms, 0 none), retention, how long to remember the writer, the notification, where in it the
 * payload begins (counted from 1), the payload's SHA-1, then the item's fields: name, value, ….
 * Returns what is remembered of the writer: sequence, time, epoch, place, 1, 1 if there was an item or 0, -, signature, place.
 */
export const setScript = script(lua`#!lua
local call, match, sub = redis.call, string.match, string.sub
local meta, log, ttl, writer, item = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local known = call('HMGET', meta, 'epoch', 'head', 'sign', 'cards')
local epoch, head, sign, cards = known[1], known[2], known[3], known[4]
if epoch ~= ARGV[3] or not cards or #cards > 60 then return 0 end
local logged, timed, expire = match(cards, '^(%d+) (%d+) 0 (%d+)$')
local ms, due = ARGV[9], nil
if not expire or logged == '0' or ms == '0' and expire ~= '0' then return 0 end
logged, timed = tonumber(logged), tonumber(timed)
if timed == 0 and ms == '0' then
  -- In one call: log counts twice.
  if call('EXISTS', log, log, ttl) ~= 2 then return 0 end
elseif call('ZCARD', log) ~= logged or call('ZCARD', ttl) ~= timed then
  return 0
end
local done = call('GET', writer)
local last = done and tonumber(match(done, '^%d+') or 'nan')
if done and not (last < tonumber(ARGV[2])) then return 0 end
local id, place, message = sub(epoch, 1, 20), ARGV[6], ARGV[12]
if head == ARGV[4] and sign == ARGV[5] then
  sign = ARGV[7]
else
  -- Others have written since the client was told.
  if not head or #head > 13 or not match(head, '^[1-9]%d*$') or not sign or #sign ~= 40 then return 0 end
  local n, secret = tonumber(head), sub(epoch, -40)
  if n <= tonumber(ARGV[4]) then return 0 end
  place = tostring(n + 1)
  local body = sub(sign, 1, 16) .. ' ' .. id .. ' ' .. place .. ' ' .. place
  sign = redis.sha1hex(secret .. redis.sha1hex(secret .. body .. '\n' .. ARGV[14]))
  message = 'memis2 ' .. sign .. ' ' .. body .. '\n' .. sub(message, tonumber(ARGV[13]))
end
local at = '0'
if ms ~= '0' then
  local time = call('TIME')
  at = time[1] * 1000 + math.floor(time[2] / 1000)
  due = at + tonumber(ms)
  -- The bookkeeping would expire before the tombstone of this item.
  if expire ~= '0' and due + tonumber(ARGV[10]) > tonumber(expire) then return 0 end
  at = string.format('%d', at)
end
local key = ARGV[8]
-- ${writesFrom}
logged = logged + call('ZADD', log, place, key)
local existed = call('DEL', item)
call('HSET', item, '\255', place, unpack(ARGV, 15))
if due then
  call('PEXPIREAT', item, due)
  timed = timed + call('ZADD', ttl, due, key)
elseif timed > 0 then
  timed = timed - call('ZREM', ttl, key)
end
call('HSET', meta, 'head', place, 'sign', sign, 'cards', logged .. ' ' .. timed .. ' 0 ' .. expire)
local record = ARGV[2] .. ' ' .. at .. ' ' .. id .. ' ' .. place .. ' 1 ' .. existed .. ' - ' .. sign .. ' ' .. place
if done then call('SET', writer, record, 'KEEPTTL') else call('SET', writer, record, 'PX', ARGV[11]) end
call('PUBLISH', ARGV[1], message)
return record
`)
