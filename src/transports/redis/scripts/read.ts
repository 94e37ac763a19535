/** Reading. */
import { basics, highestPlace, names, telling } from './common'
import { lua, script } from './script'

/**
 * Reads a part of the collection in the order of places.
 * KEYS: meta, log, ttl, revs. ARGV: after which place; up to which place to leave out tombstones; how many keys; how many bytes about; the
 * largest item to tell (bytes); 1 for the first part; the claim as of a write; a JSON list of keys and places that the client was told of.
 * Returns: layout; epoch and epochs of meta ('' if malformed, or not the first part); head; signature; up to which place tombstones may be missing; up to
 * which place this part reaches; 1 if an epoch is due, 2 if the store lacks what the client was told of, else 0; entries, as JSON.
 */
export const readScript = script(lua`#!lua flags=no-writes
${basics}${names}
local after, present, count, bytes, most, isFirst = ARGV[1], tonumber(ARGV[2]), integer(ARGV[3]), integer(ARGV[4]), integer(ARGV[5]), ARGV[6] == '1'
local known = call('HMGET', meta, 'layout', 'head', 'epoch', 'forgotten', 'sign', 'cards')
local head = integer(known[2])
local epoch, floor, served = parseEpoch(known[3], head)
local merged, logged = call('HLEN', revs), call('ZCARD', log)
${telling}
local forgotten = known[4] and (integer(known[4]) or head) or 0
local isDue, lacksTold, epochs = not epoch, false, ''
if isFirst then
  epochs = call('HGET', meta, 'epochs') or ''
  if #epochs > 24000 then epochs = '' end
  local isIntact, hasExpired = inspect(known[6], logged, call('ZCARD', ttl))
  isDue = isDue or not isIntact or server ~= '-' and served ~= '-' and served ~= server
  if hasExpired then forgotten = head or 0 end
  local pastEpoch, writer, sequence = match(ARGV[7], '^(%S+) %d+ %S+ %S+ (%S+) (%d+)$')
  if epoch and pastEpoch == epoch and commonWith(meta, epoch, floor, head, writer, sequence) then isDue = true end
  local witnesses = isDue and {} or cjson.decode(ARGV[8])
  for i = 1, #witnesses, 2 do
    local place = call('ZSCORE', log, witnesses[i])
    local isThere = place and tonumber(place) >= witnesses[i + 1] or not place and forgotten >= witnesses[i + 1]
    -- An entry beyond the head is missing, too, and leaves no doubt about those before it.
    if not isThere and witnesses[i + 1] <= (head or 0) then lacksTold = true end
  end
end
head = head or 0
local page = call('ZRANGEBYSCORE', log, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
local reached, entries = head, {}
if #page == 2 * count then reached = placeIn(page[#page], head) end
for i = 1, #page, 2 do
  local place = placeIn(page[i + 1], head)
  local entry = entryOf(page[i], format('%d', place), most)
  if entry[4] ~= 'd' and entry[4] ~= 'e' or place > present then entries[#entries + 1] = entry end
  if told > bytes and i + 1 < #page then
    reached = place
    break
  end
end
-- In one text: a reply of many small strings would cost a fifth more here, and a third more for the reader.
return { sub(known[1] or '2', 1, 80), epoch and known[3] or '', epochs, format('%d', head), sub(known[5] or '', 1, 40), format('%d', math.min(forgotten or head, head)),
  format('%d', reached), isDue and '1' or lacksTold and '2' or '0', encode(entries) }
`)

/**
 * Compares many collections with what a client knows of them.
 * KEYS: meta, log and ttl of each. ARGV: retention (ms); 1 to look for tombstones that are due and lost parts too; '' or a JSON list of names in place of KEYS, for
 * a node of a cluster; then for each, epoch, head and sign of meta as the client knows them.
 * Returns: the replication id of the server, or '-'; then for each that differs, fails or has tombstones that are due: its index counted from 0, an error or '',
 * epoch ('' if one is due), head, sign, 1 if tombstones are due.
 */
export const auditScript = script(lua`#!lua flags=no-writes
${basics}
local retention, isDeep = integer(ARGV[1]) or 0, ARGV[2] == '1'
local reply, keys = { server }, ARGV[3] ~= '' and cjson.decode(ARGV[3]) or KEYS
local function fails(result) return type(result) == 'table' and result.err end
for i = 1, #keys - 2, 3 do
  local meta, log, ttl, at = keys[i], keys[i + 1], keys[i + 2], i + 3
  local index = (i - 1) / 3
  local known = redis.pcall('HMGET', meta, 'epoch', 'head', 'sign', 'cards', 'retention')
  local err, isDue, hasOverdue = known.err, false, false
  if not err and isDeep then
    local logged, timed = redis.pcall('ZCARD', log), redis.pcall('ZCARD', ttl)
    err = fails(logged) or fails(timed)
    if not err then
      isDue = not inspect(known[4], logged, timed)
      if timed > 0 then
        local old = now - math.max(retention, integer(known[5]) or 0)
        hasOverdue = call('ZCOUNT', ttl, '(0', old) + call('ZCOUNT', ttl, -old, '(0') > 0
      end
    end
  end
  if err then
    reply[#reply + 1] = { index, err, '', '', '', 0 }
  else
    local epoch = known[1] or ''
    if server ~= '-' and not find(epoch, ' ' .. server .. ' ', 1, true) and not find(epoch, ' - ', 1, true) then isDue = true end
    if isDue or hasOverdue or epoch ~= ARGV[at] or known[2] ~= ARGV[at + 1] or known[3] ~= ARGV[at + 2] then
      reply[#reply + 1] = { index, '', (isDue or not parseEpoch(epoch, integer(known[2]))) and '' or epoch, sub(known[2] or '', 1, 16), sub(known[3] or '', 1, 40), hasOverdue and 1 or 0 }
    end
  end
end
return reply
`)

/**
 * Looks for items that the server has evicted, a part of a collection at a time.
 * KEYS: meta, log, ttl, revs. ARGV: after which place, how many keys.
 * Returns up to which place it has looked, 0 after the last part, and the entries of those that are missing, as JSON.
 */
export const scrubScript = script(lua`#!lua flags=no-writes
${basics}${names}
local after, count, missing = ARGV[1], integer(ARGV[2]), {}
local merged = call('HLEN', revs)
local page = call('ZRANGEBYSCORE', log, '(' .. after, ${String(highestPlace)}, 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #page, 2 do
  local key = page[i]
  if call('PTTL', items .. key) == -2 and tonumber(call('ZSCORE', ttl, key) or 'inf') > now then
    local revision = merged > 0 and call('HGET', revs, key) or ''
    missing[#missing + 1] = { shown(key), page[i + 1], #revision <= 120 and revision or '', 'l' }
  end
end
return { #page == 2 * count and format('%d', math.ceil(tonumber(page[#page]))) or '0', #missing > 0 and cjson.encode(missing) or '[]' }
`)
