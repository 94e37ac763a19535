/** Writes: sets, deletes and checks. */
import { longestTtlMs } from '../../../core/ttl'
import { basics, names, telling } from './common'
import { lua, script } from './script'
import { beginning, closing, cutting, opening, revisions } from './writing'

/** Sets and deletes. With a flag, so that a batch that only deletes is also accepted when the server is out of memory. */
const writeText = (flags: string) => lua`#!lua${flags}
${basics}${names}
local writer = KEYS[5]
local sequence, skipped, most = integer(ARGV[7]), integer(ARGV[9]), integer(ARGV[10])
local last, answeredAt, answer = match(call('GET', writer) or '', '^(%d+) (%d+) (.*)$')
last = integer(last)
${opening}
if last and last > sequence then
  return redis.error_reply('MEMISFENCED a newer batch of this writer was accepted before')
end
${telling}
-- The store's entries under the conditions that failed, as many as fit: a repeated call skips those that it was given.
local before, top = {}, nil
local function entryUnder(i)
  if told > 1048576 then return nil end
  local key = sub(KEYS[5 + i], #items + 1)
  local score = call('ZSCORE', log, key)
  return score and entryOf(key, format('%d', placeIn(score, top or head or 0)), most) or cjson.null
end
local function conflicts(codes)
  local entries, i = {}, 0
  for code in string.gmatch(codes, '.') do
    i = i + 1
    if code == 'c' then
      skipped = skipped - 1
      if skipped < 0 then
        local entry = before[i] or entryUnder(i)
        if not entry then break end
        entries[#entries + 1] = entry
      end
    end
  end
  return encode(entries)
end
if last == sequence then
  -- With the time since then: a ttl counts from the first time.
  return { answer, format('%d', now - integer(answeredAt)), conflicts(match(answer, '^%S+ %S+ %S+ (%S+)') or ''), 0, '', '' }
end
if isIntact and epoch and not hasMoved and pastEpoch and pastEpoch > epoch then
  return redis.error_reply('MEMISBEHIND the store knows nothing of the epoch ' .. pastEpoch)
end
local payload, kinds, shapes, forms = ARGV[11], cjson.decode(ARGV[13]), cjson.decode(ARGV[14]), cjson.decode(ARGV[15])
local conditions, isAtomic, isQuiet = ARGV[16] ~= '' and cjson.decode(ARGV[16]), ARGV[17] == '1', ARGV[18] == '1'
${beginning}${closing}${revisions}${cutting}
local n, codes, hasConflict = head, {}, false

-- All conditions are checked before the first write, against what the writes before them in the batch will leave.
if conditions then
  local left = {}
  for i = 1, #kinds do
    local item, condition, isMet = KEYS[5 + i], conditions[i], true
    local key = sub(item, #items + 1)
    if condition ~= 0 then
      local current = left[key]
      if current == nil and call('EXISTS', item) == 1 then
        current = ''
        local score = call('ZSCORE', log, key)
        if score then
          local id, number = revisionAt(key, placeIn(score, head))
          current = id .. '.' .. format('%d', number)
        end
      end
      if condition == 1 then isMet = not current else isMet = current == condition end
    end
    if not isMet then
      codes[i], hasConflict = 'c', true
      if left[key] == nil then before[i] = entryUnder(i) end
    elseif kinds[i] >= -2 then
      left[key] = kinds[i] ~= -1 and epoch .. '.' .. format('%d', head + i)
    end
  end
  if isAtomic and hasConflict then
    for i = 1, #kinds do codes[i] = codes[i] or 'a' end
  end
end

local void, kept, places, due, hasTtl = {}, {}, {}, {}, false
for i = 1, #kinds do
  local item, ms, start, form = KEYS[5 + i], kinds[i], nil, nil
  local key = sub(item, #items + 1)
  n = n + 1
  if ms >= 0 or ms == -2 then
    start, form = shapes[at], shapes[at + 1]
    at = at + 2
  end
  local isWritten = true
  if codes[i] then
    isWritten = false
    if form then at = at + #forms[form] / 2 end
  elseif ms == -3 then
    codes[i], isWritten = conditions[i] == 1 and 0 or 1, false
  elseif ms == -4 then
    codes[i], isWritten = 'o', false
  else
    if ms == -2 then
      -- The time that is left goes to the new item.
      ms = call('PTTL', item)
      kept[#kept + 1] = ms < 0 and -1 or math.min(math.max(ms, 1), ${String(longestTtlMs)})
      ms = math.max(kept[#kept], 0)
    end
    local existed = call('DEL', item)
    codes[i] = existed
    if form then
      writeFields(item, n, start + 1, form)
      due[key] = ms > 0 and now + ms
      if ms > 0 then
        hasTtl = true
        call('PEXPIREAT', item, now + ms)
      end
    else
      local score = due[key]
      if score == nil then score = tonumber(call('ZSCORE', ttl, key) or 'inf') end
      if existed == 0 and score and score > 0 and score <= now then codes[i] = 'x' end
      -- A key that this epoch knows to be gone stays as it is. Otherwise a tombstone is left even if nothing was found: after a loss or an
      -- eviction a replica may be about to restore the item.
      local isKnown = due[key] ~= nil
        or (tonumber(call('ZSCORE', log, key)) or 0) > floor and not (merged > 0 and call('HGET', revs, key))
      if existed == 1 or not isKnown or score and score > now then
        due[key], hasTtl = -now, true
      else
        isWritten = false
      end
    end
  end
  if isWritten then
    places[#places + 1] = n
    places[#places + 1] = key
  else
    void[#void + 1] = i - 1
  end
end

local first, step = head + 1, 1
if #places == 0 then n, first, step = head, head, 0 end
local timed1, timeless, written = {}, {}, {}
for key, at in pairs(due) do
  if at then
    timed1[#timed1 + 1] = at
    timed1[#timed1 + 1] = key
  elseif timed > 0 or hasTtl then
    timeless[#timeless + 1] = key
  end
  if merged > 0 then written[#written + 1] = key end
end
each4000('ZADD', log, places)
each4000('ZADD', ttl, timed1)
each4000('ZREM', ttl, timeless)
each4000('HDEL', revs, written)
local message
if n > head then
  local extras = (#void > 0 and ' v=' .. table.concat(void, ',') or '') .. (#kept > 0 and ' k=' .. table.concat(kept, ',') or '')
    .. (isAtomic and ' a=1' or '')
  if isQuiet then
    message = notification(first, n, extras .. ' x=1', redis.sha1hex(''), '')
  else
    message = notification(first, n, extras, ARGV[12], payload)
  end
end
answer = epoch .. ' ' .. format('%d', first) .. ' ' .. step .. ' ' .. table.concat(codes)
  .. ' ' .. (#kept > 0 and table.concat(kept, ',') or '-') .. ' ' .. sign .. ' ' .. format('%d', n)
top = n
local isBehind = close(n, math.max(100, 2 * (n - head)))
call('SET', writer, ARGV[7] .. ' ' .. format('%d', now) .. ' ' .. answer, 'PX', ARGV[8])
if message then call('PUBLISH', channel, message) end
return { answer, '-', hasConflict and conflicts(table.concat(codes)) or '[]', isBehind and 1 or 0, news() }
`

/**
 * Accepts a batch of sets, deletes and checks.
 * KEYS: meta, log, ttl, revs, writer, then the item of each write.
 * ARGV: channel; retention (ms); a secret text for new epochs and signatures; the claim, `<epoch> <place> <signature> <common>` or '';
 * what the client knows as `epoch` of meta; 1 to check permissions; sequence; how long to remember the writer (ms); how many conflicts to skip; the
 * largest item to tell (bytes); the payload; its SHA-1; a JSON list with the ttl of each write (ms; 0 none, -1 a delete, -2 a set that keeps
 * it, -3 a check, -4 a set that is passed over since there is no memory); a JSON list with, of each set, where in the payload its item begins (counted from 1), its form (from 1), and the length
 * in bytes of each value; a JSON list of forms: each a list of the fields' names and, behind each, the length in bytes of the
 * name as it stands before the value; '' or a JSON list with a condition for each write (0 none, 1 absent, or a revision); 1 if atomic; 1 to notify without contents.
 *
 * Returns: the answer; the ms since it was first given, or '-'; the entries of failed conditions, as JSON; 1 if tombstones are
 * left that are due; `epoch` and `epochs` of meta if the client did not know them. The answer is `<epoch> <first> <step> <codes> <kept>
 * <signature> <head>`: the write i has the place first + i × step; codes are 1 (there was an item), 0 (there was none), x (it had expired), c (the condition
 * failed), a (another one failed), o (passed over); kept are the ms of the ttls that were kept, or '-'.
 */
export const writeScript = script(writeText(''))
export const deleteScript = script(writeText(' flags=allow-oom'))
