/** Parts that all scripts share, whether they read or write. */
import { epochTolerance } from '../../../core/transport'
import { lua } from './script'

/** The highest place that is taken for one; it leaves room for the places of many batches below 2^53. */
export const highestPlace = 9_007_199_252_643_840

/**
 * Begins every script but the lone set's. Bookkeeping is checked before it is used: what is malformed counts as lost. A script
 * with a shebang is refused as a whole if the server is out of memory, unless it allows for that.
 */
export const basics = lua`
local call, find, match, sub, format = redis.call, string.find, string.match, string.sub, string.format
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- All users of the server share these settings: one without any right to these keys may have changed them.
cjson.encode_max_depth(1000)
cjson.decode_max_depth(1000)
cjson.encode_number_precision(14)

-- A place, a number of keys or a time.
local function integer(text)
  if not text or #text > 16 or not find(text, '^%d+$') then return nil end
  local n = tonumber(text)
  if n <= ${String(highestPlace)} then return n end
end

-- The place of a score in the log. Places above the head, or between two, are not memis's.
local function placeIn(score, head) return math.min(math.ceil(tonumber(score)), head) end

-- An epoch's id is the time when it began, as 11 hexadecimal digits, '-', and 8 more. It must not be far ahead of the clock.
local function beganAt(id)
  if #id ~= 20 or sub(id, 12, 12) ~= '-' or not find(id, '^[0-9a-f]+%-[0-9a-f]+$') then return nil end
  local ms = tonumber(sub(id, 1, 11), 16)
  if ms <= now + ${String(epochTolerance)} then return ms end
end
-- Whether an id may be one of an epoch: it must not sort after all that the store will ever begin.
local latest = format('%011x~', now + ${String(epochTolerance)})
local function isKnowable(id)
  return #id <= 100 and find(id, '^[%w_:.~-]+$') and id <= latest
end

-- A server takes another replication id each time it is started or promoted. Without permission for INFO, readers and
-- writers rely on the places that they know of.
local server = '-'
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  if not find(info, 'role:master', 1, true) then
    return redis.error_reply('MEMISREPLICA the server is a replica')
  end
  server = match(info, 'master_replid:(%w+)') or '-'
end

-- Reads 'epoch' of meta: id, floor, server and secret.
local function parseEpoch(text, head)
  if not text or not head or #text > 160 then return nil end
  local id, floor, served, secret = match(text, '^(%S+) (%d+) ([%w-]+) ([0-9a-f]+)$')
  floor = integer(floor)
  if id and beganAt(id) and floor and floor <= head and #served <= 60 and #secret == 40 then return id, floor, served, secret end
end

-- The last batch of its own that a client saw acknowledged must be known here. Otherwise the store went back: up to which place it surely has
-- the same history; nil if nothing is missing.
local function commonWith(meta, epoch, floor, head, writer, sequence)
  sequence = integer(sequence)
  if not sequence or #writer > 100 then return nil end
  local record = call('GET', sub(meta, 1, -6) .. '/writer/' .. writer) or ''
  local last = integer(match(record, '^%d+'))
  if last and last >= sequence then return nil end
  local id, place = match(record, '^%d+ %d+ (%S+) .* (%d+)$')
  place = id == epoch and integer(place)
  return place and place <= head and math.max(place, floor) or floor
end

-- Whether log and ttl are there if the last write left them there; and whether they are gone because they expired together.
local function inspect(cards, logged, timed)
  local hadLogged, hadTimed, expire
  if cards and #cards <= 80 then hadLogged, hadTimed, expire = match(cards, '^(%d+) (%d+) %d+ (%d+)$') end
  hadLogged, hadTimed, expire = integer(hadLogged) or 0, integer(hadTimed) or 0, integer(expire) or 0
  local hasExpired = expire > 0 and now >= expire and logged == 0
  local isIntact = hasExpired or ((hadLogged == 0 or logged > 0) and (hadTimed == 0 or timed > 0))
  return isIntact, hasExpired, expire
end
`

/** The keys of a collection, as every script but the audit is given them first. */
export const names = lua`
local meta, log, ttl, revs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local items = sub(meta, 1, -6) .. ':'
-- Somebody may have put a key there by hand that is too long: who reads it ignores it, and need not be sent all of it.
local function shown(key) return sub(key, 1, 257) end
`

/** Tells an entry as a list that `decodeEntry` reads. */
export const telling = lua`
-- Key, place, revision ('' if it is that of the place), and 'd' (deleted), 'e' (expired), 'l' (lost: evicted, or deleted by hand), 'b' (cannot
-- be decoded) or 'o' (over the reader's limit), or ms left (-1: does not expire) and a list: field, value, …, the first two memis's own.
local told = 0
-- So many bytes more has a name as JSON text.
local function escapes(name)
  local _, marks = string.gsub(name, '["\\]', '')
  local _, short = string.gsub(name, '[\b\f\n\r\t]', '')
  local _, control = string.gsub(name, '[%z\1-\31]', '')
  return marks + 5 * control - 4 * short
end
local function entryOf(key, place, most)
  local revision = merged > 0 and call('HGET', revs, key) or ''
  local entry = { shown(key), place, #revision <= 120 and revision or '' }
  told = told + #entry[1] + 100
  if #key > #entry[1] then
    entry[4] = 'b'
    return entry
  end
  local hash = redis.pcall('HGETALL', items .. key)
  if hash.err then
    if not find(hash.err, 'WRONGTYPE', 1, true) then error(hash) end
    entry[4] = 'b'
  elseif #hash == 0 then
    local due = tonumber(call('ZSCORE', ttl, key) or 'inf')
    entry[4] = due > now and 'l' or due > 0 and 'e' or 'd'
  else
    -- The list goes out as it came: copying it would cost more than everything else. memis's own field stands first in all but large hashes.
    local own, bytes = 1, 0
    while own < #hash and hash[own] ~= '\255' do own = own + 2 end
    if own > #hash then
      entry[4] = 'b'
      return entry
    end
    hash[1], hash[2], hash[own], hash[own + 1] = hash[own], hash[own + 1], hash[1], hash[2]
    for f = 3, #hash do bytes = bytes + #hash[f] end
    bytes = bytes + 2 * #hash - 3
    -- As JSON text: the values are, the names may have to be escaped.
    if bytes <= most and 6 * bytes > most then
      for f = 3, #hash, 2 do bytes = bytes + escapes(hash[f]) end
    end
    if bytes > most then
      entry[4] = 'o'
    else
      entry[4], entry[5] = call('PTTL', items .. key), hash
      told = told + bytes
    end
  end
  return entry
end
local function encode(entries)
  return #entries > 0 and cjson.encode(entries) or '[]'
end
`
