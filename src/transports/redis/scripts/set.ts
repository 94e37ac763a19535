/** The shortened script of a lone set. */
import { lua, script, writesFrom } from './script'

/**
 * Accepts a lone set if nothing is unusual. It assumes what a full script of this client has found less than a second ago,
 * and compares it: the epoch with server and secret, the last place, which parts there are. Returns 0 if anything differs, having changed nothing.
 * KEYS: meta, log, ttl, writer, item. ARGV: channel, sequence, `epoch` of meta, the last place that the client was told and its signature, id, secret,
 * key, ttl (ms, 0 none), retention, how long to remember the writer, payload, its SHA-1, then the item's fields: name, value, ….
 * Returns `<place> <1 if there was an item, else 0> <signature>`.
 */
export const setScript = script(lua`#!lua
local call, match, sub, sha1hex = redis.call, string.match, string.sub, redis.sha1hex
local meta, log, ttl, writer, item = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local known = call('HMGET', meta, 'epoch', 'head', 'sign', 'cards')
local head, sign, cards = known[2], known[3], known[4]
if known[1] ~= ARGV[3] or not head or #head > 13 or not cards or #cards > 60 or not sign or #sign ~= 40 then return 0 end
local n = match(head, '^[1-9]%d*$') and tonumber(head)
if not n or n < tonumber(ARGV[4]) or head == ARGV[4] and sign ~= ARGV[5] then return 0 end
local logged, timed, expire = match(cards, '^(%d+) (%d+) 0 (%d+)$')
local ms, due = ARGV[9], nil
if not expire or ms == '0' and expire ~= '0' then return 0 end
logged, timed = tonumber(logged), tonumber(timed)
if call('ZCARD', log) ~= logged or (timed > 0 or ms ~= '0') and call('ZCARD', ttl) ~= timed then return 0 end
local done = call('GET', writer)
local last = done and tonumber(match(done, '^%d+') or 'nan')
if done and not (last < tonumber(ARGV[2])) then return 0 end
local at = '0'
if ms ~= '0' then
  local time = call('TIME')
  at = time[1] * 1000 + math.floor(time[2] / 1000)
  due = at + tonumber(ms)
  -- The bookkeeping would expire before the tombstone of this item.
  if expire ~= '0' and due + tonumber(ARGV[10]) > tonumber(expire) then return 0 end
  at = string.format('%d', at)
end
local key, place = ARGV[8], tostring(n + 1)
-- ${writesFrom}
logged = logged + call('ZADD', log, place, key)
local existed = call('DEL', item)
call('HSET', item, '\255', place, unpack(ARGV, 14))
if due then
  call('PEXPIREAT', item, due)
  timed = timed + call('ZADD', ttl, due, key)
elseif timed > 0 then
  timed = timed - call('ZREM', ttl, key)
end
local body = sub(sign, 1, 16) .. ' ' .. ARGV[6] .. ' ' .. place .. ' ' .. place
sign = sha1hex(ARGV[7] .. sha1hex(ARGV[7] .. body .. '\n' .. ARGV[13]))
call('HSET', meta, 'head', place, 'sign', sign, 'cards', logged .. ' ' .. timed .. ' 0 ' .. expire)
local record = ARGV[2] .. ' ' .. at .. ' ' .. ARGV[6] .. ' ' .. place .. ' 1 ' .. existed .. ' - ' .. sign .. ' ' .. place
if done then call('SET', writer, record, 'KEEPTTL') else call('SET', writer, record, 'PX', ARGV[11]) end
call('PUBLISH', ARGV[1], 'memis2 ' .. sign .. ' ' .. body .. '\n' .. ARGV[12])
return place .. ' ' .. existed .. ' ' .. sign
`)
