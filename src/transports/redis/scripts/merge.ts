/** Merges: what the store lost comes back. */
import { basics, names, telling } from './common'
import { lua, script } from './script'
import { beginning, closing, cutting, opening, revisions } from './writing'

/**
 * Puts back what the store lost: each entry if it is newer than what the store knows of its key.
 * KEYS: meta, log, ttl, revs, then the item of each entry.
 * ARGV: as of a write up to checking permissions; epoch and place of the base; the largest item to tell; the payload; its SHA-1; a JSON list with the
 * ttl of each entry (ms; 0 none, -1 deleted, -2 expired); shapes and forms as of a write; a JSON list with the revision of each.
 * Returns: epoch, the place before the first entry's, codes, the entries of the store under those that it refused, as JSON, head, signature. Codes: p (placed),
 * s (the same revision is there), k (refused: its entry is in the list), l (refused: its entry did not fit into the list).
 */
export const mergeScript = script(lua`#!lua
${basics}${names}
${opening}
local most, payload, ttls, shapes, forms, texts =
  integer(ARGV[9]), ARGV[10], cjson.decode(ARGV[12]), cjson.decode(ARGV[13]), cjson.decode(ARGV[14]), cjson.decode(ARGV[15])
if isIntact and epoch and not hasMoved and pastEpoch and pastEpoch > epoch then
  return redis.error_reply('MEMISBEHIND the store knows nothing of the epoch ' .. pastEpoch)
end
local mine = {}
for i = 1, #ttls do
  local id, n = match(texts[i], '^(.+)%.(%d+)$')
  n = integer(n)
  if n and isKnowable(id) then
    if isIntact and epoch and not common and not hasMoved and (id > epoch or id == epoch and n > head) then
      return redis.error_reply('MEMISBEHIND the store knows nothing of the revision ' .. texts[i])
    end
    mine[i] = { id, n }
  end
end
${telling}${beginning}${closing}${revisions}${cutting}
local function precedes(id, n, otherId, otherN)
  return id < otherId or id == otherId and n < otherN
end

-- Up to which place the reader has followed the history that the store has.
local base = 0
if ARGV[7] == epoch then
  base = integer(ARGV[8]) or 0
else
  local list = formerEpochs()
  for i, each in ipairs(list) do
    if each[1] == ARGV[7] then base = math.min(integer(ARGV[8]) or 0, list[i + 1] and list[i + 1][2] or floor) end
  end
end
local cleared, clearedIn = integer(known[7]) or 0, nil
if cleared > head then cleared = 0 end
if cleared > 0 then clearedIn = epochAt(cleared) end

-- Decides what becomes of an entry. An item that was evicted is restored from any revision.
local function decide(i, key, item)
  if not mine[i] then return 'k' end
  local id, n = mine[i][1], mine[i][2]
  if clearedIn and precedes(id, n, clearedIn, cleared) then return 'k' end
  local score = call('ZSCORE', log, key)
  if not score then return forgotten <= base and 'p' or 'k' end
  local theirId, theirN = revisionAt(key, placeIn(score, head))
  if precedes(theirId, theirN, id, n) then return 'p' end
  if ttls[i] >= 0 and call('EXISTS', item) == 0 and tonumber(call('ZSCORE', ttl, key) or 'inf') > now then return 'p' end
  return theirId == id and theirN == n and 's' or 'k'
end

local n, codes, void, places, gone, timeless, back, refused = head, {}, {}, {}, {}, {}, {}, {}
for i = 1, #ttls do
  local item, ms, start, form = KEYS[4 + i], ttls[i], nil, nil
  local key = sub(item, #items + 1)
  n = n + 1
  if ms >= 0 then
    start, form = shapes[at], shapes[at + 1]
    at = at + 2
  end
  codes[i] = decide(i, key, item)
  if codes[i] == 'p' then
    call('DEL', item)
    places[#places + 1] = n
    places[#places + 1] = key
    back[#back + 1] = key
    back[#back + 1] = texts[i]
    if form then writeFields(item, n, start + 1, form) end
    if ms > 0 then call('PEXPIREAT', item, now + ms) end
    if ms == 0 then
      timeless[#timeless + 1] = key
    else
      gone[#gone + 1] = ms > 0 and now + ms or ms == -1 and -now or now
      gone[#gone + 1] = key
    end
  else
    void[#void + 1] = i - 1
    if form then at = at + #forms[form] / 2 end
  end
end
each4000('ZADD', log, places)
each4000('ZADD', ttl, gone)
each4000('ZREM', ttl, timeless)
each4000('HSET', revs, back)
merged = merged + #back
local message
if #places == 0 then
  n = head
else
  message = notification(head + 1, n, #void > 0 and ' v=' .. table.concat(void, ',') or '', ARGV[11], payload)
end
for i = 1, #ttls do
  if codes[i] == 'k' then
    local key = sub(KEYS[4 + i], #items + 1)
    if told > 4194304 then
      codes[i] = 'l'
    else
      local score = call('ZSCORE', log, key)
      refused[#refused + 1] = score and entryOf(key, format('%d', placeIn(score, n)), most) or cjson.null
    end
  elseif codes[i] == 's' then
    refused[#refused + 1] = format('%d', placeIn(call('ZSCORE', log, sub(KEYS[4 + i], #items + 1)), n))
  end
end
close(n, 2000)
if message then call('PUBLISH', channel, message) end
local text, former1 = news()
return { epoch, format('%d', head), table.concat(codes), encode(refused), format('%d', n), sign, text, former1 }
`)
