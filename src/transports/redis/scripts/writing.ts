/** Parts that the scripts share that write. */
import { batchLimit } from '../../../core/transport'
import { highestPlace } from './common'
import { lua, writesFrom } from './script'

/**
 * Begins every script that writes. Everything that can fail fails in it, or in the conditions after it, before the first write:
 * a script is not rolled back.
 */
export const opening = lua`
local channel, retention, seed, claim, expected, isFirst = ARGV[1], integer(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
local known = call('HMGET', meta, 'layout', 'head', 'epoch', 'cards', 'forgotten', 'sign', 'cleared', 'retention')
if known[1] and known[1] ~= '2' then
  return redis.error_reply('MEMISLAYOUT the collection has layout ' .. string.gsub(sub(known[1], 1, 20), '[^%w]', '?') .. ', this is layout 2')
end
local logged, timed, merged = call('ZCARD', log), call('ZCARD', ttl), call('HLEN', revs)
local isIntact, hasExpired, expire = inspect(known[4], logged, timed)

-- Checked once a second and connection: checking costs more than many of the commands. (A managed server may lack the function.)
if isFirst and redis.acl_check_cmd then
  local item = items .. 'x'
  for _, each in ipairs({
    { 'DEL', item }, { 'EXISTS', item }, { 'HGETALL', item }, { 'HSET', item, 'f', 'v' }, { 'PEXPIREAT', item, 1 }, { 'PTTL', item },
    { 'HGET', meta, 'f' }, { 'HSET', meta, 'f', 'v' }, { 'HDEL', revs, 'f' }, { 'ZADD', log, 1, 'm' }, { 'ZREM', log, 'm' },
    { 'ZSCORE', log, 'm' }, { 'ZCOUNT', ttl, 1, 2 }, { 'ZRANGEBYSCORE', log, 1, 2 }, { 'ZREVRANGEBYSCORE', log, 2, 1 },
    { 'ZREVRANGE', ttl, 0, 0 }, { 'PERSIST', log }, { 'SET', meta .. 'w', 'v' }, { 'PUBLISH', channel, 'm' },
  }) do
    if not redis.acl_check_cmd(unpack(each)) then
      return redis.error_reply('NOPERM this user may not run ' .. each[1] .. ', which a write needs')
    end
  end
end

local head = integer(known[2])
-- The places of this batch must stay within what is read as a place.
if head and head > ${String(highestPlace - batchLimit)} then head = nil end
local epochText, epoch, floor, served, secret = known[3], parseEpoch(known[3], head)
local sign = known[6] and #known[6] == 40 and find(known[6], '^[0-9a-f]+$') and known[6] or '0'
-- Up to which place tombstones may be missing.
local forgotten = known[5] and (integer(known[5]) or head) or 0
-- The longest that a client asked for: others must not forget what it relies on.
retention = math.max(retention, integer(known[8]) or 0)

-- The last place that this client was told by the store, the signature of it, up to which place the store still has the same history, if the
-- client knows, and its last batch that was acknowledged. A store of the same epoch that is not as far went back: it was put back to an older copy of itself.
local pastEpoch, pastPlace, pastSign, pastCommon, pastWriter, pastSequence = match(claim, '^(%S+) (%d+) (%S+) (%S+) ?(%S*) ?(%d*)$')
pastPlace, pastCommon = integer(pastPlace), integer(pastCommon)
if pastEpoch and not (beganAt(pastEpoch) and pastPlace) then pastEpoch = nil end
local common
if epoch and pastEpoch == epoch then
  if pastCommon and pastCommon < pastPlace then common = pastCommon
  elseif head < pastPlace then common = head
  elseif head == pastPlace and pastSign ~= sign and pastSign ~= '-' then common = floor
  else common = commonWith(meta, epoch, floor, head, pastWriter, pastSequence) end
end
local hasMoved = epoch and server ~= '-' and served ~= '-' and served ~= server
`

/** Writes from here on: a script that is about to write begins an epoch first if one is due. */
export const beginning = lua`
-- Former epochs and their floors, oldest first.
local function formerEpochs()
  local text = call('HGET', meta, 'epochs') or ''
  local list, last, lastFloor = {}, '', 0
  -- More than are kept are not memis's.
  if #text > 24000 then return list end
  for each in string.gmatch(text, '%S+') do
    local id, from = match(each, '^([^:]+):(%d+)$')
    from = integer(from)
    if not (id and beganAt(id) and from) or id <= last or from < lastFloor or from > head then return {} end
    list[#list + 1] = { id, from }
    last, lastFloor = id, from
  end
  return last < epoch and lastFloor <= floor and list or {}
end

-- ${writesFrom}
local function begin(from, after, renames)
  local list = epoch and formerEpochs() or {}
  if epoch and not renames then list[#list + 1] = { epoch, floor } end
  -- Its id sorts after those before it, even if the clock is behind that of the former server.
  local ms = now
  for _, id in ipairs({ epoch or '', after or '', #list > 0 and list[#list][1] or '' }) do
    ms = math.max(ms, (id ~= '' and beganAt(id) or 0) + 1)
  end
  epoch = format('%011x-', ms) .. sub(redis.sha1hex(seed .. now .. meta .. head), 1, 8)
  floor, served, secret = math.max(from, #list > 0 and list[#list][2] or 0), server, redis.sha1hex(seed .. epoch .. meta)
  local texts = {}
  -- At most 512 with the current one: what is older counts to the oldest that is kept.
  for i = math.max(1, #list - 510), #list do texts[#texts + 1] = list[i][1] .. ':' .. format('%d', list[i][2]) end
  retention = integer(ARGV[2])
  epochText = epoch .. ' ' .. format('%d', floor) .. ' ' .. served .. ' ' .. secret
  call('HSET', meta, 'layout', 2, 'head', head, 'epochs', table.concat(texts, ' '), 'epoch', epochText, 'sign', sign, 'retention', retention)
  common, hasMoved = nil, nil
end

if not isIntact then
  -- Without log or ttl nothing can be said of any item: the replicas restore what they hold.
  call('DEL', log, ttl, revs)
  logged, timed, merged, forgotten, epoch = 0, 0, 0, 0, nil
end
if not epoch or common then
  -- The highest place that was surely taken. Nobody has written so often as to reach 2^52: with a place from beyond, none would be left.
  local top = call('ZREVRANGEBYSCORE', log, 4503599627370496, 0, 'WITHSCORES', 'LIMIT', 0, 1)
  head = math.max(head or 0, math.ceil(tonumber(top[2] or 0)))
end
if hasExpired then forgotten = head end
forgotten = math.min(forgotten or head, head)
if not epoch or common or hasMoved then begin(common or head, pastEpoch) end
if retention > (integer(known[8]) or 0) then call('HSET', meta, 'retention', retention) end

-- Calls a command with a list of arguments of any length: unpack has a limit of about 8,000.
local function each4000(command, key, list)
  for i = 1, #list, 4000 do call(command, key, unpack(list, i, math.min(i + 3999, #list))) end
end

-- A notification. Only who may read the collection's keys knows the secret that signs it; it also names the signature before it.
local function notification(first, last, extras, digest, payload)
  local body = sub(sign, 1, 16) .. ' ' .. epoch .. ' ' .. format('%d %d', first, last) .. extras
  sign = redis.sha1hex(secret .. redis.sha1hex(secret .. body .. '\n' .. digest))
  return 'memis2 ' .. sign .. ' ' .. body .. '\n' .. payload
end
`

/** Ends every script that writes. `n` is the last place that was taken, `most` how many tombstones may be removed. */
export const closing = lua`
local function close(n, most)
  -- Tombstones are kept for the retention, and at most so many.
  local old = now - retention
  logged, timed = call('ZCARD', log), call('ZCARD', ttl)
  if timed > 100000 and timed - call('ZCOUNT', ttl, '(' .. now, '+inf') > 100000 then old = now end
  local isBehind = false
  if timed > 0 then
    local swept = {
      call('ZRANGEBYSCORE', ttl, '(0', old, 'LIMIT', 0, most),
      call('ZREVRANGEBYSCORE', ttl, '(0', -old, 'LIMIT', 0, most),
    }
    local before = forgotten
    for _, keys in ipairs(swept) do
      for _, key in ipairs(keys) do
        forgotten = math.max(forgotten, tonumber(call('ZSCORE', log, key) or 0))
      end
      isBehind = isBehind or #keys == most
      each4000('ZREM', log, keys)
      each4000('ZREM', ttl, keys)
      if merged > 0 then each4000('HDEL', revs, keys) end
      logged, timed = logged - #keys, timed - #keys
    end
  end
  if forgotten > 0 and format('%d', forgotten) ~= known[5] then call('HSET', meta, 'forgotten', forgotten) end
  if merged > 0 then merged = call('HLEN', revs) end

  -- If nothing is left that does not expire, nobody may come to remove the tombstones: log and ttl expire by themselves. The
  -- slack saves doing this at each write.
  local slack = math.min(retention, 60000)
  if timed > 0 and logged == timed then
    local due = math.max(now, tonumber(call('ZREVRANGE', ttl, 0, 0, 'WITHSCORES')[2])) + retention
    if due > expire or due + 2 * slack < expire then
      expire = math.min(due + slack, ${String(highestPlace)})
      for _, key in ipairs({ log, ttl, revs }) do call('PEXPIREAT', key, expire) end
    elseif merged > 0 then
      call('PEXPIREAT', revs, expire)
    end
  elseif expire > 0 then
    expire = 0
    for _, key in ipairs({ log, ttl, revs }) do call('PERSIST', key) end
  end
  call('HSET', meta, 'head', n, 'sign', sign, 'cards', logged .. ' ' .. timed .. ' ' .. merged .. ' ' .. format('%d', expire))
  return isBehind
end

-- Epoch and history, unless the client knows them.
local function news()
  if epochText == expected then return '', '' end
  return epochText, call('HGET', meta, 'epochs')
end
`

/** The revision that the store knows of a key. */
export const revisions = lua`
local former
local function epochAt(place)
  if place > floor then return epoch end
  former = former or formerEpochs()
  for i = #former, 2, -1 do
    if place > former[i][2] then return former[i][1] end
  end
  return former[1] and former[1][1] or epoch
end
local function revisionAt(key, place)
  local text = merged > 0 and call('HGET', revs, key)
  local id, n = match(text and #text <= 120 and text or '', '^(.+)%.([1-9]%d*)$')
  n = integer(n)
  if n and isKnowable(id) and (id < epoch or id == epoch and n < place) then return id, n end
  return epochAt(place), place
end
`

/** Writes the fields of items that it cuts out of the payload. */
export const cutting = lua`
-- The arguments of HSET for each form, without the values: growing a list for each item would cost more than all the cutting.
local lists = {}
for f, form in ipairs(forms) do
  local list = { '\255', 0 }
  for i = 1, #form, 2 do
    list[i + 2], list[i + 3] = form[i], ''
  end
  lists[f] = list
end

-- Cuts an item's values out of the payload, from the quote of the first name on, and writes the fields.
local at = 1
local function writeFields(item, place, pos, f)
  local form, list = forms[f], lists[f]
  local size = #form + 2
  list[2] = place
  for i = 2, #form, 2 do
    pos = pos + form[i]
    local length = shapes[at]
    list[i + 2] = sub(payload, pos, pos + length - 1)
    at, pos = at + 1, pos + length + 1
  end
  for from = 1, size, 4000 do
    call('HSET', item, unpack(list, from, math.min(from + 3999, size)))
  end
end
`
